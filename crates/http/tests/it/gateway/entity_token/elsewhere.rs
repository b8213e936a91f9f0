//! No other endpoint takes the token of an entity for a credential.

use claviger_http::{Dialect, Guard, ROUTES};
use serde_json::json;

use super::World;
use crate::authorization::table::{Class, TABLE};
use crate::support::Server;

on_each_database! {
    own: no_route_of_ours_takes_a_token;
}

fn no_route_of_ours_takes_a_token(server: &Server) {
    let world = World::new(server);
    let server = &world.server;
    let paths = TABLE.iter().map(|row| row.1.split("/{").next().unwrap());
    let permissions: Vec<_> = paths.chain(["/", "/api"]).map(|path| format!("*:{path}")).collect();
    let token = world.token_for(&permissions.iter().map(String::as_str).collect::<Vec<_>>());
    super::named(&world.ask(&token, "DELETE", "/v1"), &world.entity, &world.tenant);
    let mut refused = 0;
    for route in ROUTES {
        let (method, template, class, sample) = *TABLE
            .iter()
            .find(|row| {
                (row.0, row.1) == (route.method.as_str(), route.template)
                    && row.2.is_fusions() == (route.dialect == Some(Dialect::Fusion))
            })
            .unwrap();
        let target = sample(server, Some(&world.tenant));
        for client in [world.bearing(&token), world.bearing(&token).in_tenant(&world.tenant)] {
            let reply = client.send(method, &target.path, target.body.as_ref());
            // Public are those that look at no credential, and the one that is asked about tokens.
            let expected = match (route.guard, route.dialect) {
                // Without a form they look at no header; another scheme than Basic has tests there.
                _ if class == Class::Client => 400,
                (Guard::Public, _) => 200,
                // A scheme stands in the header of FusionAuth's dialect.
                (_, Some(Dialect::Fusion)) if reply.status == 404 => 404,
                _ => 401,
            };
            assert_eq!(reply.status, expected, "{method} {template}");
            refused += usize::from(reply.status == 401);
            if template == "/api/jwt/validate" {
                assert_eq!(reply.ok()["jwt"]["sub"], json!(world.entity));
            }
        }
    }
    assert!(refused > 150, "{refused}");
    // Nothing happened.
    let entity =
        server.as_key_manager().in_tenant(&world.tenant).get(&super::entity_path(&world.entity)).ok();
    assert_eq!(entity["entity"]["id"], json!(world.entity));
}
