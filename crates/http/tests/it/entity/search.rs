//! Searches for types, entities and grants: by query string and by body alike. The order of what they find is a matter of
//! storage, whose tests compare with models.

use serde_json::{Value, json};

use super::{create, create_type, grant_body, grant_path, id, type_with};
use crate::support::{Client, Server, unique, uuid};

on_each_database! {
    shared: types_are_found, entities_are_found_by_text, entities_are_found_by_ids, pages_make_up_the_whole,
        grants_are_found, tenants_find_their_own, wrong_searches_are_refused, the_index_can_be_flushed;
}

/// The names of what a search finds, the same by query string and by body, and the total.
#[track_caller]
fn found(client: &Client, path: &str, members: Value) -> (Vec<Value>, u64) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let query: Vec<_> = members
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(name, value)| match value.as_array() {
            Some(values) => values.iter().map(|value| (name.clone(), text(value))).collect::<Vec<_>>(),
            None => vec![(name.clone(), text(value))],
        })
        .map(|(name, value)| format!("{name}={}", value.replace('%', "%25").replace(' ', "%20")))
        .collect();
    let by_query = client.get(&format!("{path}?{}", query.join("&"))).ok();
    let by_body = client.post(path, &json!({"search": members})).ok();
    assert_eq!(by_query, by_body, "{members}");
    let (list, total) =
        by_query.as_object().unwrap().iter().fold((None, None), |(list, total), (name, value)| {
            if name == "total" { (list, value.as_u64()) } else { (value.as_array().cloned(), total) }
        });
    (list.unwrap(), total.unwrap())
}

fn names_of(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["name"].as_str().unwrap()).collect()
}

fn types_are_found(server: &Server) {
    let manager = server.as_key_manager();
    let mark = unique("Kind");
    for end in ["b", "A", "c"] {
        create_type(server, json!({"name": format!("{mark} {end}")}));
    }
    let path = "/api/entity/type/search";
    let (types, total) = found(&manager, path, json!({"name": mark.to_lowercase()}));
    let expected = ["A", "b", "c"].map(|end| format!("{mark} {end}"));
    assert_eq!((names_of(&types), total), (expected.each_ref().map(String::as_str).to_vec(), 3));
    assert_eq!(types[0]["permissions"], json!([]));
    let members = json!({"name": mark, "orderBy": "name DESC", "numberOfResults": 1, "startRow": 1});
    let (types, total) = found(&manager, path, members);
    assert_eq!((names_of(&types), total), (vec![expected[1].as_str()], 3));
    assert_eq!(found(&manager, path, json!({"name": unique("nothing")})), (Vec::new(), 0));
    assert!(found(&manager, path, json!({"name": "*"})).1 >= 3);
}

fn entities_are_found_by_text(server: &Server) {
    let client = server.as_key_manager().in_tenant(&server.tenant());
    let of = create_type(server, json!({"name": unique("Sensor")}));
    let other = create_type(server, json!({}));
    let [mark, client_id] = [unique("Pump"), unique("Client")];
    let by_name = create(&client, &other, json!({"name": format!("the {mark}.")}));
    let by_client = create(&client, &other, json!({"clientId": client_id}));
    let by_type = create(&client, &of, json!({}));
    let path = "/api/entity/search";
    for (text, expected) in [
        (mark.to_lowercase(), &by_name),
        (client_id.to_uppercase(), &by_client),
        (format!("*{}", of["name"].as_str().unwrap()), &by_type),
    ] {
        let (entities, total) = found(&client, path, json!({"queryString": text}));
        assert_eq!((entities.len(), total), (1, 1), "{text}");
        let mut shown = expected.clone();
        shown.as_object_mut().unwrap().remove("clientSecret");
        assert_eq!(entities[0], shown);
    }
    for all in [json!({}), json!({"queryString": "*"}), json!({"queryString": ""})] {
        assert_eq!(found(&client, path, all).1, 3);
    }
    assert_eq!(found(&client, path, json!({"queryString": "%"})).1, 0);
}

fn entities_are_found_by_ids(server: &Server) {
    let client = server.as_key_manager().in_tenant(&server.tenant());
    let of = create_type(server, json!({}));
    let [b, a, _] = ["b", "a", "c"].map(|name| create(&client, &of, json!({"name": name})));
    let path = "/api/entity/search";
    let ids = json!([b["id"], a["id"], uuid(), a["id"]]);
    // All of them are on one page.
    let (entities, total) = found(&client, path, json!({"ids": ids, "numberOfResults": 1, "startRow": 1}));
    assert_eq!((names_of(&entities), total), (vec!["a", "b"], 2));
    let many: Vec<_> = (0..1001).map(|_| uuid()).collect();
    client.post(path, &json!({"search": {"ids": many}})).refused(&["search.ids [tooMany]search.ids"]);
    assert_eq!(client.post(path, &json!({"search": {"ids": many[..1000]}})).ok()["total"], 0);
    client.get(&format!("{path}?ids={}&ids=x", uuid())).refused(&["ids [couldNotConvert]ids"]);
}

fn pages_make_up_the_whole(server: &Server) {
    let client = server.as_key_manager().in_tenant(&server.tenant());
    let of = create_type(server, json!({}));
    // All have one name: the order is stable all the same.
    let mut ids: Vec<_> = (0..5)
        .map(|_| create(&client, &of, json!({"name": "same"}))["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    let path = "/api/entity/search";
    let mut seen = Vec::new();
    for start in [0, 2, 4, 6] {
        let (entities, total) = found(&client, path, json!({"numberOfResults": 2, "startRow": start}));
        seen.extend(entities.iter().map(|entity| id(entity).to_owned()));
        assert_eq!(total, 5);
    }
    assert_eq!(seen, ids);
    let sorted =
        json!({"search": {"accurateTotal": true, "sortFields": [{"name": "clientId", "order": "desc"}]}});
    let entities = client.post(path, &sorted).ok();
    let by_query = client.get(&format!("{path}?sortFields[0].name=clientId&sortFields[0].order=desc")).ok();
    assert_eq!(entities, by_query);
    ids.reverse();
    let found: Vec<_> =
        entities["entities"].as_array().unwrap().iter().map(|entity| id(entity).to_owned()).collect();
    assert_eq!(found, ids);
}

fn grants_are_found(server: &Server) {
    let client = server.as_key_manager().in_tenant(&server.tenant());
    let of = type_with(server, &["read"]);
    let [b, a, c] = ["b", "A", "c"].map(|name| create(&client, &of, json!({"name": name})));
    for (on, to) in [(&b, &a), (&a, &b), (&a, &c)] {
        client.post(&grant_path(on), &grant_body(to, json!(["read"]))).done();
    }
    let path = "/api/entity/grant/search";
    let (grants, total) = found(&client, path, json!({}));
    let on: Vec<_> = grants.iter().map(|grant| grant["entity"]["name"].as_str().unwrap()).collect();
    assert_eq!((on, total), (vec!["A", "A", "b"], 3));
    assert_eq!(grants[2], super::granted(&client, &b, &a));
    assert_eq!(found(&client, path, json!({"entityId": a["id"]})).1, 2);
    assert_eq!(found(&client, path, json!({"name": "B"})).1, 1);
    assert_eq!(found(&client, path, json!({"name": "c"})).1, 0);
    assert_eq!(found(&client, path, json!({"userId": uuid()})), (Vec::new(), 0));
    let (grants, total) = found(&client, path, json!({"orderBy": "name DESC", "numberOfResults": 1}));
    assert_eq!((grants[0]["entity"]["name"].as_str(), total), (Some("b"), 3));
}

fn tenants_find_their_own(server: &Server) {
    let manager = server.as_key_manager();
    let of = type_with(server, &["read"]);
    let name = unique("both");
    let tenants = [server.tenant(), server.tenant()];
    let entities = tenants.each_ref().map(|tenant| {
        let client = manager.in_tenant(tenant);
        let made = create(&client, &of, json!({"name": name}));
        client.post(&grant_path(&made), &grant_body(&made, json!(["read"]))).done();
        made
    });
    let (search, grants) = ("/api/entity/search", "/api/entity/grant/search");
    let ids = json!(entities.each_ref().map(|entity| entity["id"].clone()));
    assert_eq!(found(&manager, search, json!({"queryString": name})).1, 2);
    assert_eq!(found(&manager, search, json!({"ids": ids})).1, 2);
    assert_eq!(found(&manager, grants, json!({"name": name})).1, 2);
    for (tenant, own) in tenants.iter().zip(&entities) {
        let key = server.api_key(json!({"tenantId": tenant}));
        for client in [manager.in_tenant(tenant), server.with_key(&key.value)] {
            for members in [json!({"queryString": name}), json!({"ids": ids}), json!({})] {
                let (entities, total) = found(&client, search, members);
                assert_eq!((entities.len(), total, &entities[0]["id"]), (1, 1, &own["id"]));
            }
            for members in [json!({"name": name}), json!({}), json!({"entityId": own["id"]})] {
                let (grants, total) = found(&client, grants, members);
                assert_eq!((grants.len(), total, &grants[0]["entity"]["id"]), (1, 1, &own["id"]));
            }
            let other = entities.iter().find(|other| *other != own).unwrap();
            assert_eq!(found(&client, grants, json!({"entityId": other["id"]})).1, 0);
        }
    }
}

fn wrong_searches_are_refused(server: &Server) {
    let manager = server.as_key_manager();
    let (types, entities, grants) =
        ("/api/entity/type/search", "/api/entity/search", "/api/entity/grant/search");
    for path in [types, entities, grants] {
        manager.post(path, &json!({})).refused(&["search [missing]search"]);
        manager.get(&format!("{path}?startRow=-1")).refused(&["startRow [invalid]startRow"]);
        manager.post(path, &json!({"search": {"orderBy": "email", "numberOfResults": -1, "x": 1}})).refused(
            &[
                "[invalidJSON]",
                "search.numberOfResults [invalid]search.numberOfResults",
                "search.orderBy [invalid]search.orderBy",
            ],
        );
    }
    manager
        .get(&format!("{entities}?query=x&nextResults=y"))
        .refused(&["nextResults [notSupported]nextResults", "query [notSupported]query"]);
    let sorted = json!({"search": {"sortFields": [{"name": "email", "order": "asc"}]}});
    let code = "search.sortFields[0].name [invalid]search.sortFields[0].name";
    manager.post(entities, &sorted).refused(&[code]);
    manager.get(&format!("{grants}?entityId=x")).refused(&["entityId [couldNotConvert]entityId"]);
    manager.get(&format!("{types}?name={}", "n".repeat(513))).refused(&["name [tooLong]name"]);
}

fn the_index_can_be_flushed(server: &Server) {
    let manager = server.as_key_manager();
    manager.send("PUT", "/api/entity/search", None).done();
    manager.put("/api/entity/search", &json!({"anything": 1})).done();
    let reader = server.restricted(json!({"/api/entity/search": ["GET", "POST"]}));
    server.with_key(&reader.value).send("PUT", "/api/entity/search", None).denied();
}
