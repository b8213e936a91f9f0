//! Random sequences of operations, in both dialects and on roles, by callers who hold little: after each one that is
//! acknowledged, nothing that they made can do more than they could at the start.

use std::cell::Cell;
use std::collections::BTreeSet;

use claviger_domain::Permissions;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use serde_json::{Value, json};

use super::{API_KEYS, path, powers};
use crate::support::fixture::TestRole;
use crate::support::{Client, Reply, Server, unique};

on_each_database! {
    own: power_only_shrinks;
}

/// Sequences for each database, and operations in each: they are the same in every run.
const CASES: u32 = 14;
const LENGTH: usize = 16;

/// One operation; numbers pick among what is there at that time.
#[derive(Debug, Clone)]
enum Operation {
    MakeInF { caller: usize, roles: Vec<usize>, tenant: usize },
    MakeInA { caller: usize, members: usize, tenant: usize },
    Copy { caller: usize, source: usize },
    Put { caller: usize, target: usize, members: usize },
    Patch { caller: usize, target: usize, members: usize },
    Delete { caller: usize, target: usize },
    MakeRole { caller: usize, lines: Vec<usize> },
    ChangeRole { caller: usize, role: usize, lines: Vec<usize> },
    DeleteRole { caller: usize, role: usize },
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation as O;
    let n = || 0_usize..64;
    let some = || prop::collection::vec(0_usize..64, 0..3);
    prop_oneof![
        4 => (n(), some(), n()).prop_map(|(caller, roles, tenant)| O::MakeInF { caller, roles, tenant }),
        3 => (n(), n(), n()).prop_map(|(caller, members, tenant)| O::MakeInA { caller, members, tenant }),
        3 => (n(), n()).prop_map(|(caller, source)| O::Copy { caller, source }),
        2 => (n(), n(), n()).prop_map(|(caller, target, members)| O::Put { caller, target, members }),
        2 => (n(), n(), n()).prop_map(|(caller, target, members)| O::Patch { caller, target, members }),
        1 => (n(), n()).prop_map(|(caller, target)| O::Delete { caller, target }),
        2 => (n(), some()).prop_map(|(caller, lines)| O::MakeRole { caller, lines }),
        4 => (n(), n(), some()).prop_map(|(caller, role, lines)| O::ChangeRole { caller, role, lines }),
        1 => (n(), n()).prop_map(|(caller, role)| O::DeleteRole { caller, role }),
    ]
}

/// Permissions of roles to try: less than the callers hold, as much, and more.
const LINES: [&str; 9] = [
    "GET:/key/**",
    "GET:/key",
    "GET:/tenant/**",
    "POST:/tenant/**",
    "POST:/roles",
    "GET,POST,PUT,DELETE:/roles/**",
    "GET,POST,PUT,DELETE,PATCH,HEAD:/**",
    "GET:/**",
    "PATCH:/users/{id}:id=#ID",
];

/// Members of keys to try.
fn members() -> [Value; 8] {
    [
        json!({}),
        json!({"permissions": null}),
        json!({"permissions": {"endpoints": {}}}),
        json!({"permissions": {"endpoints": {"/api/tenant": ["GET"]}}}),
        json!({"permissions": {"endpoints": {"/api/key": ["GET", "DELETE"]}}}),
        json!({"permissions": {"endpoints": {"/api/key": []}}}),
        json!({"keyManager": true}),
        json!({"metaData": {"attributes": {"fusion.roles": "admin"}}, "disabled": false}),
    ]
}

/// A key of a sequence.
struct Holder {
    id: String,
    value: String,
}

/// What there is while a sequence runs. The first keys and roles are those of the start.
struct World<'a> {
    server: &'a Server,
    tenants: [String; 2],
    holders: Vec<Holder>,
    roles: Vec<TestRole>,
    /// Objects that nobody among the holders reaches, or only those of a tenant.
    watched: Vec<String>,
    /// What all holders together could do at the start.
    allowed: BTreeSet<String>,
}

fn pick<T>(list: &[T], number: usize) -> &T {
    &list[number % list.len()]
}

impl<'a> World<'a> {
    fn new(server: &'a Server) -> Self {
        let tenants = [server.tenant(), server.tenant()];
        let only = |text: &str| Permissions::Only(text.parse().unwrap());
        let [restricted, confined] = server.command_line_api_keys([
            (&unique("restricted"), true, only("GET:/api/tenant\nGET:/api/system/version"), None),
            (&unique("confined"), true, only("GET:/api/tenant"), Some(&tenants[0])),
        ]);
        let roles = vec![
            server.role(&["GET,POST,PUT,DELETE:/roles/**", "GET:/key"]),
            server.role(&["GET:/key", "GET:/roles"]),
            server.role(&[]),
            // Nobody has this one.
            server.role(&["POST:/tenant/**"]),
        ];
        let by_role = [
            server.fusion_key(&[&roles[0].name], None),
            server.fusion_key(&["admin"], Some(&tenants[0])),
            server.fusion_key(&[&roles[1].name], Some(&tenants[0])),
        ];
        let holders = [(restricted.id, restricted.value), (confined.id, confined.value)]
            .into_iter()
            .chain(by_role.map(|key| (key.id, key.value)))
            .map(|(id, value)| Holder { id, value })
            .collect();
        let members = |tenant: Option<&str>| json!({"tenantId": tenant});
        let watched = vec![
            server.unrestricted().path(),
            server.api_key(members(Some(&tenants[0]))).path(),
            server.api_key(members(Some(&tenants[1]))).path(),
            server.fusion_key(&["admin"], Some(&tenants[1])).path(),
            format!("/api/tenant/{}", tenants[0]),
            format!("/api/tenant/{}", tenants[1]),
        ];
        let mut world = Self { server, tenants, holders, roles, watched, allowed: BTreeSet::new() };
        world.allowed = world.holders.iter().flat_map(|holder| world.reach(&holder.value)).collect();
        world
    }

    /// What a key may do, and which of the watched objects it reaches, in either dialect.
    fn reach(&self, value: &str) -> BTreeSet<String> {
        let mut reach = powers(self.server, value);
        for path in &self.watched {
            let clients = [self.server.with_key(value), self.server.with_fusion_key(value)];
            let [first, second] = clients.map(|client| client.get(path).status == 200);
            assert_eq!(first, second, "{path}: carriers differ");
            if first {
                reach.insert(format!("sees {path}"));
            }
        }
        reach
    }

    /// Whoever makes and changes keys: mostly a manager of the start, since all others are refused at once.
    fn maker(&self, number: usize) -> &Holder {
        match number % 8 {
            0 => pick(&self.holders, number / 8),
            _ => &self.holders[*pick(&[0, 1, 3], number / 8)],
        }
    }

    /// Whoever changes roles: mostly the key with the pattern for that.
    fn role_maker(&self, number: usize) -> &Holder {
        match number % 8 {
            0 => pick(&self.holders, number / 8),
            _ => &self.holders[2],
        }
    }

    fn in_tenant(&self, client: Client, number: usize) -> Client {
        match number % 4 {
            0 => client.in_tenant(&self.tenants[0]),
            1 => client.in_tenant(&self.tenants[1]),
            _ => client,
        }
    }

    /// Runs one operation; `true` if it was acknowledged.
    fn run(&mut self, operation: &Operation) -> bool {
        use Operation as O;
        let lines =
            |numbers: &[usize]| numbers.iter().map(|number| *pick(&LINES, *number)).collect::<Vec<_>>();
        let in_a = |number: usize| self.server.with_key(&self.maker(number).value);
        let in_f = |number: usize| self.server.with_fusion_key(&self.maker(number).value);
        let on_roles = |number: usize| self.server.with_fusion_key(&self.role_maker(number).value);
        let named = |number: usize| {
            let mut members = pick(&members(), number).clone();
            members["name"] = json!(unique("sequence"));
            members
        };
        let target = |number: usize| path(&pick(&self.holders, number).id);
        let reply = match operation {
            O::MakeInF { caller, roles, tenant } => {
                let names: Vec<_> = roles
                    .iter()
                    .map(|number| match number % 4 {
                        0 => "admin",
                        1 => "search",
                        _ => pick(&self.roles, *number).name.as_str(),
                    })
                    .collect();
                let body = json!({"name": unique("sequence"), "roles": names});
                self.in_tenant(in_f(*caller), *tenant).post(API_KEYS, &body)
            }
            O::MakeInA { caller, members, tenant } => {
                let mut members = named(*members);
                if tenant % 6 < 2 {
                    members["tenantId"] = json!(self.tenants[tenant % 6]);
                }
                in_a(*caller).post(API_KEYS, &json!({"apiKey": members}))
            }
            O::Copy { caller, source } => {
                let id = super::seen_in_a(self.server, &pick(&self.holders, *source).id)["id"].clone();
                let body = json!({"sourceKeyId": id, "apiKey": {"name": unique("sequence")}});
                in_a(*caller).post(API_KEYS, &body)
            }
            O::Put { caller, target: number, members } => {
                in_a(*caller).put(&target(*number), &json!({"apiKey": named(*members)}))
            }
            O::Patch { caller, target: number, members } => {
                in_a(*caller).patch(&target(*number), &json!({"apiKey": named(*members)}))
            }
            O::Delete { caller, target: number } => {
                // Those of the start stay, so that a sequence does not end early.
                let made = &self.holders[5..];
                if made.is_empty() {
                    return false;
                }
                let id = pick(made, *number).id.clone();
                let reply = in_f(*caller).delete(&path(&id));
                if reply.status == 200 {
                    self.holders.retain(|holder| holder.id != id);
                }
                reply
            }
            O::MakeRole { caller, lines: numbers } => {
                let body = json!({"name": unique("sequence"), "permissions": lines(numbers)});
                on_roles(*caller).post("/api/roles", &body)
            }
            O::ChangeRole { caller, role, lines: numbers } => {
                let role = pick(&self.roles, *role);
                on_roles(*caller)
                    .put(&role.path(), &json!({"name": role.name, "permissions": lines(numbers)}))
            }
            O::DeleteRole { caller, role } => {
                let id = pick(&self.roles, *role).id.clone();
                let reply = on_roles(*caller).delete(&format!("/api/roles/{id}"));
                if reply.status == 200 {
                    self.roles.retain(|role| role.id != id);
                }
                reply
            }
        };
        self.keep(operation, &reply)
    }

    /// Takes what an operation has made into the world.
    fn keep(&mut self, operation: &Operation, reply: &Reply) -> bool {
        if !matches!(reply.status, 200 | 201) {
            assert!(matches!(reply.status, 400 | 401 | 404 | 409), "{operation:?}: {}", reply.text());
            return false;
        }
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        match operation {
            Operation::MakeInF { .. } => {
                let made = reply.json();
                self.holders.push(Holder { id: text(&made["id"]), value: text(&made["key"]) });
            }
            Operation::MakeInA { .. } | Operation::Copy { .. } => {
                let made = &reply.json()["apiKey"];
                self.holders.push(Holder { id: text(&made["id"]), value: text(&made["key"]) });
            }
            Operation::MakeRole { .. } => {
                let made = reply.json();
                self.roles.push(TestRole { id: text(&made["id"]), name: text(&made["name"]) });
            }
            _ => {}
        }
        true
    }

    /// Asserts that nobody whom the operation touched can do what nobody could at the start.
    fn check(&self, operation: &Operation) {
        let touched: Vec<&Holder> = match operation {
            Operation::MakeInF { .. } | Operation::MakeInA { .. } | Operation::Copy { .. } => {
                self.holders.last().into_iter().collect()
            }
            Operation::Put { target, .. } | Operation::Patch { target, .. } => {
                vec![pick(&self.holders, *target)]
            }
            Operation::Delete { .. } => Vec::new(),
            Operation::MakeRole { .. } | Operation::ChangeRole { .. } | Operation::DeleteRole { .. } => {
                self.holders.iter().collect()
            }
        };
        for holder in touched {
            let reach = self.reach(&holder.value);
            let more: Vec<_> = reach.difference(&self.allowed).collect();
            assert!(more.is_empty(), "after {operation:?} {} can do more: {more:?}", holder.id);
        }
    }
}

fn power_only_shrinks(server: &Server) {
    let mut runner = TestRunner::new_with_rng(
        Config { cases: CASES, failure_persistence: None, max_shrink_iters: 12, ..Config::default() },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let (acknowledged, refused) = (Cell::new(0), Cell::new(0));
    let result = runner.run(&prop::collection::vec(operation(), LENGTH), |operations| {
        let mut world = World::new(server);
        for operation in &operations {
            if world.run(operation) {
                acknowledged.set(acknowledged.get() + 1);
                world.check(operation);
            } else {
                refused.set(refused.get() + 1);
            }
        }
        Ok(())
    });
    match result {
        Ok(()) => {
            let (acknowledged, refused) = (acknowledged.get(), refused.get());
            println!("{acknowledged} acknowledged, {refused} refused");
            assert!(acknowledged >= 40 && refused >= 40, "{acknowledged} acknowledged, {refused} refused");
        }
        Err(TestError::Fail(reason, input)) => panic!("{reason}\n{input:?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}
