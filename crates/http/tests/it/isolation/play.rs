//! One case: two servers, two tenants, who calls, and answers in a form that can be compared.

use std::collections::BTreeSet;

use claviger_domain::Permissions;
use claviger_http::Dialect;
use serde_json::{Value, json};

use super::Step;
use super::picks::{Picks, Request};
use super::requests::REQUESTS;
use super::seen::{Kind, Seen};
use crate::support::fixture::{FusionKey, TestKey};
use crate::support::server::{BOOTSTRAP, START};
use crate::support::{Client, Reply, Server, unique, uuid};
use crate::token::claims;

/// Whose request it is: the tenant that is watched, or the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    A,
    B,
}

/// The client secret of entities of a party, if it is chosen.
pub(super) fn secret_of(party: Party) -> String {
    format!("a secret of {party:?}")
}

/// What both servers have under the same ids and names in a case.
pub(super) struct Cast {
    pub(super) tenants: [String; 2],
    /// Keys that sign, the first one for A.
    pub(super) keys: [String; 2],
    pub(super) types: [String; 2],
    /// Ids for new API keys and entities, of each party its own.
    pub(super) ids: [Vec<String>; 2],
    /// The same for ids of Fusion's dialect.
    pub(super) fusion_ids: [[String; 2]; 2],
    /// An id that nothing has.
    pub(super) unknown: String,
    /// Values that B chooses for API keys, and A guesses.
    pub(super) values: [String; 2],
    pub(super) role: String,
}

/// Who makes requests in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Callers within A, and others within B.
    Confined,
    /// A's requests are made by a global key that names no tenant.
    Global,
    /// The same, and B holds nothing on either server.
    GlobalWithoutB,
}

/// Who calls: an API key, and the tenant that a global one names.
#[derive(Clone)]
struct Caller {
    value: String,
    header: Option<String>,
}

/// One of the two servers.
struct World<'a> {
    server: &'a Server,
    callers: [Vec<Caller>; 2],
    seen: [Seen; 2],
    role_id: String,
    /// The latest object that B made under an id of the server's.
    foreign_id: String,
}

/// A case while it is played.
pub(super) struct Case<'a> {
    cast: Cast,
    mode: Mode,
    alone: World<'a>,
    together: World<'a>,
    now: i64,
    compared: usize,
    done_by_b: usize,
    succeeded: BTreeSet<usize>,
}

impl<'a> Case<'a> {
    /// Makes two tenants on each server.
    pub(super) fn new([alone, together]: &'a [Server; 2], mode: Mode) -> Self {
        let parties: &[_] = match mode {
            Mode::Confined | Mode::Global => &[Party::A, Party::B],
            Mode::GlobalWithoutB => &[Party::A],
        };
        let ids = || [(); 3].map(|()| uuid()).to_vec();
        let cast = Cast {
            tenants: [uuid(), uuid()],
            keys: [uuid(), uuid()],
            types: [uuid(), uuid()],
            ids: [ids(), ids()],
            fusion_ids: [(); 2].map(|()| [(); 2].map(|()| unique("chosen").replace(' ', "-"))),
            unknown: uuid(),
            values: [unique("a value of B"), unique("a value of B")],
            role: unique("reader"),
        };
        let now = alone.now().max(together.now()).max(START) + 1;
        let names = [(); 8].map(|()| unique("of both"));
        let mut case = Self {
            alone: World::new(alone, &cast, &names, now, mode, &[Party::A]),
            together: World::new(together, &cast, &names, now, mode, parties),
            mode,
            cast,
            now: now + 100,
            compared: 0,
            done_by_b: 0,
            succeeded: BTreeSet::new(),
        };
        case.tick();
        case
    }

    /// No two requests are made at the same instant, so that lists in the order of time have one order.
    fn tick(&mut self) {
        self.now += 1;
        self.alone.server.set_now(self.now);
        self.together.server.set_now(self.now);
    }

    /// How many answers were compared.
    pub(super) const fn compared(&self) -> usize {
        self.compared
    }

    /// How many requests of B succeeded.
    pub(super) const fn done_by_b(&self) -> usize {
        self.done_by_b
    }

    /// Which requests of A succeeded.
    pub(super) fn succeeded(&self) -> impl Iterator<Item = usize> {
        self.succeeded.iter().copied()
    }

    /// Makes a request: those of A on both servers, those of B on the second one alone. The answers come in a form that
    /// can be compared, and B's compare with themselves.
    pub(super) fn play(&mut self, step: &Step) -> (String, [String; 2]) {
        let index = step.request % REQUESTS.len();
        let row = &REQUESTS[index];
        let mark = unique(if step.party == Party::A { "of A" } else { "of B" });
        let mut picks = Picks::new(&self.cast, step.party, &step.picks, self.now, mark);
        let request = (row.make)(&mut picks);
        let shown =
            format!("{:?}: {} {} by {} {request:?}", step.party, row.method, row.template, step.caller);
        let left_out = match (self.mode, step.party) {
            (Mode::Confined | Mode::Global, Party::B) => row.of_the_instance,
            (Mode::GlobalWithoutB, Party::B) => true,
            (Mode::Confined, Party::A) => false,
            // There a global key sees the keys of the instance, which each server made for itself; and it could end itself.
            (Mode::Global | Mode::GlobalWithoutB, Party::A) => {
                !row.can_succeed
                    || row.template.starts_with("/api/system/audit-log")
                    || (row.method != "GET" && row.template.starts_with("/api/api-key/{apiKeyId}"))
            }
        };
        if left_out {
            return (shown, [String::new(), String::new()]);
        }
        self.tick();
        let answers = match step.party {
            Party::B => {
                let (status, _) = self.together.answer(&self.cast, step, row.method, row.dialect, &request);
                self.done_by_b += usize::from(matches!(status, 200..300));
                [String::new(), String::new()]
            }
            Party::A => {
                self.compared += 1;
                [&mut self.alone, &mut self.together].map(|world| {
                    let (status, answer) = world.answer(&self.cast, step, row.method, row.dialect, &request);
                    if matches!(status, 200..300) {
                        self.succeeded.insert(index);
                    }
                    answer
                })
            }
        };
        (shown, answers)
    }
}

impl<'a> World<'a> {
    fn new(
        server: &'a Server,
        cast: &Cast,
        names: &[String; 8],
        now: i64,
        mode: Mode,
        parties: &[Party],
    ) -> Self {
        let mut instants = now..;
        let mut tick = || server.set_now(instants.next().unwrap());
        let manager = server.as_key_manager();
        for index in 0..2 {
            tick();
            let key = json!({"name": names[index], "algorithm": "Ed25519"});
            manager.post(&format!("/api/key/generate/{}", cast.keys[index]), &json!({"key": key})).ok();
            tick();
            let jwt = json!({"accessTokenKeyId": cast.keys[index], "idTokenKeyId": cast.keys[index],
                "timeToLiveInSeconds": 600});
            let tenant = json!({"name": names[2 + index], "issuer": names[6], "jwtConfiguration": jwt});
            manager.post(&format!("/api/tenant/{}", cast.tenants[index]), &json!({"tenant": tenant})).ok();
            tick();
            let entity_type = format!("/api/entity/type/{}", cast.types[index]);
            manager.post(&entity_type, &json!({"entityType": {"name": names[4 + index]}})).ok();
            for (name, default) in [("read", true), ("write", false)] {
                tick();
                let body = json!({"permission": {"name": name, "isDefault": default}});
                manager.post(&format!("{entity_type}/permission"), &body).ok();
            }
            tick();
            let own = json!({"permission": {"name": "own"}});
            manager.post(&format!("{entity_type}/permission/{}", cast.ids[0][index]), &own).ok();
        }
        tick();
        let role = json!({"name": cast.role, "permissions": ["GET:/**"]});
        let role = server.as_fusion_admin().post("/api/roles", &role);
        assert_eq!(role.status, 201);
        let role_id = role.json()["id"].as_str().unwrap().to_owned();
        let mut callers = [Vec::new(), Vec::new()];
        for party in parties {
            let index = *party as usize;
            let tenant = cast.tenants[index].as_str();
            let name = format!("{} {party:?}", names[7]);
            tick();
            let [key_manager] = server.command_line_api_keys([(&name, true, Permissions::All, Some(tenant))]);
            // Without names that differ the order by name would be that of ids.
            let mut bound = |members: Value, kind: &str| {
                tick();
                let mut whole = json!({"tenantId": tenant, "name": format!("{name} {kind}")});
                whole.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
                // Not that of before the restart.
                let made = server.as_key_manager().post("/api/api-key", &json!({"apiKey": whole}));
                TestKey::of(&made.ok()).value
            };
            let unrestricted = bound(json!({}), "unrestricted");
            let restricted = bound(
                json!({"permissions": {"endpoints": {
                "/api/entity": ["GET", "POST", "PATCH"], "/api/entity/search": ["GET"], "/api/entity/grant": ["GET"],
                "/api/system/audit-log/search": ["POST"], "/api/tenant": ["GET"], "/v1": ["GET"]}}}),
                "restricted",
            );
            tick();
            let by_role = |role: &str| {
                let admin = server.as_fusion_admin().in_tenant(tenant);
                let body = json!({"name": format!("{name} {role}"), "roles": [role]});
                FusionKey::of(&admin.post("/api/api-key", &body).ok()).value
            };
            let admin = by_role("admin");
            tick();
            let reader = by_role(&cast.role);
            tick();
            let global = json!({"apiKey": {"name": format!("{name} global")}});
            let global = TestKey::of(&server.as_key_manager().post("/api/api-key", &global).ok()).value;
            // What the tenant has at the beginning. A guesses the values of B's keys.
            let home = server.as_key_manager().in_tenant(tenant);
            for (number, id) in cast.ids[index].iter().take(2).enumerate() {
                let name = format!("{name} pump {number}");
                tick();
                let entity = json!({"name": name, "type": {"id": cast.types[number]},
                    "clientSecret": secret_of(*party)});
                home.post(&format!("/api/entity/{id}"), &json!({"entity": entity})).ok();
                tick();
                let value = (*party == Party::B).then_some(&cast.values[number]);
                let endpoints = json!({"endpoints": {"/v1": ["GET"]}});
                let api_key = json!({"name": name, "key": value, "permissions": endpoints});
                home.post(&format!("/api/api-key/{id}"), &json!({"apiKey": api_key})).ok();
            }
            let own = |value: String| Caller { value, header: None };
            let naming = |value: &str| Caller {
                value: value.to_owned(),
                header: (*party == Party::B || mode == Mode::Confined).then(|| tenant.to_owned()),
            };
            callers[index] = match *party == Party::B || mode == Mode::Confined {
                true => vec![
                    own(key_manager.value.clone()),
                    own(unrestricted),
                    own(admin.clone()),
                    naming(BOOTSTRAP),
                    naming(&global),
                    own(reader),
                    own(restricted),
                    own(key_manager.value),
                    own(admin),
                    naming(BOOTSTRAP),
                ],
                false => vec![naming(BOOTSTRAP)],
            };
        }
        let seen = [Seen::new(cast), Seen::new(cast)];
        Self { server, callers, seen, role_id, foreign_id: uuid() }
    }

    /// Makes a request and answers the status, and the whole answer in a form that can be compared.
    fn answer(
        &mut self,
        cast: &Cast,
        step: &Step,
        method: &str,
        dialect: Option<Dialect>,
        request: &Request,
    ) -> (u16, String) {
        let callers = &self.callers[step.party as usize];
        let caller = callers[step.caller % callers.len()].clone();
        let carrier = match dialect {
            Some(Dialect::Fusion) => "x-api-key",
            Some(Dialect::FusionAuth) => "Authorization",
            Some(Dialect::OAuth) | None if step.caller.is_multiple_of(2) => "Authorization",
            Some(Dialect::OAuth) | None => "x-api-key",
        };
        let mut client = self.server.anonymous();
        client = match &request.credential {
            None => client.with_header(carrier, &caller.value),
            Some(token) if token.is_empty() => client,
            Some(token) => client.with_header("Authorization", &self.insert(cast, step.party, token)),
        };
        // A token says nothing about who presents it: the header keeps the question within the tenant.
        let header = match &request.credential {
            None => caller.header,
            Some(_) if callers.len() == 1 => None,
            Some(_) => Some(cast.tenants[step.party as usize].clone()),
        };
        if let Some(tenant) = &header {
            client = client.in_tenant(tenant);
        }
        for (name, value) in &request.headers {
            client = client.with_header(name, value);
        }
        // Answers may repeat what was guessed.
        self.seen[step.party as usize].guessed.insert(self.foreign_id.clone());
        let path = self.insert(cast, step.party, &request.path);
        let body = request.body.as_ref().map(|body| self.insert(cast, step.party, body));
        let reply = patiently(&client, method, &path, body.as_deref());
        if step.party == Party::B && method == "POST" && reply.status == 200 && !reply.body.is_empty() {
            let document = reply.json();
            let made = ["apiKey", "entity"].iter().find_map(|member| document[member]["id"].as_str());
            if let Some(id) = made.filter(|id| !cast.ids[1].iter().any(|chosen| chosen == id)) {
                self.foreign_id = id.to_owned();
            }
        }
        let usage = request.path.ends_with("/usage");
        (reply.status, self.seen[step.party as usize].comparable(&reply, usage))
    }

    /// Replaces what stands for something that this server made.
    fn insert(&self, cast: &Cast, party: Party, text: &str) -> String {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('<') {
            let (name, after) = after.split_once('>').unwrap();
            whole.push_str(before);
            whole.push_str(&self.made(cast, party, name));
            rest = after;
        }
        whole + rest
    }

    fn made(&self, cast: &Cast, party: Party, name: &str) -> String {
        let (kind, number) = name.split_once(' ').unwrap();
        let own = |kind: Kind| {
            let seen = &self.seen[party as usize].order[&kind];
            (!seen.is_empty()).then(|| seen[number.parse::<usize>().unwrap() % seen.len()].clone())
        };
        // Of the other one the latest, if it has any.
        let foreign = |kind: Kind| self.seen[1 - party as usize].order[&kind].last().cloned();
        let no_token = "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl";
        match kind {
            "role" => self.role_id.clone(),
            "id" => own(Kind::Id).unwrap_or_else(|| cast.unknown.clone()),
            "value" => own(Kind::Value).unwrap_or_else(|| "no value".to_owned()),
            "token" => own(Kind::Token).unwrap_or_else(|| no_token.to_owned()),
            "entry" => own(Kind::Entry).unwrap_or_else(|| "0".to_owned()),
            "foreign-id" => self.foreign_id.clone(),
            "foreign-value" => foreign(Kind::Value).unwrap_or_else(|| "no value".to_owned()),
            "foreign-token" => {
                // Those of a global key name no tenant, and are valid for each that names the key which signed them.
                let of_tenant = json!(cast.tenants[1 - party as usize]);
                let mut tokens = self.seen[1 - party as usize].order[&Kind::Token].iter().rev();
                let found = tokens.find(|token| claims(token)["tid"] == of_tenant);
                found.map_or_else(|| no_token.to_owned(), String::clone)
            }
            "foreign-entry" => {
                let tenant = &cast.tenants[1 - party as usize];
                let path = format!("/api/system/audit-log/search?numberOfResults=1&tenantId={tenant}");
                let latest = self.server.as_key_manager().get(&path).ok();
                latest["auditLogs"][0]["id"].to_string()
            }
            other => panic!("{other}"),
        }
    }
}

/// A server on PostgreSQL answers 503 rather than something old when the machine is too busy for its lease.
fn patiently(client: &Client, method: &str, path: &str, body: Option<&str>) -> Reply {
    let start = std::time::Instant::now();
    loop {
        let reply = client.send_bytes(method, path, body.map(str::as_bytes));
        if reply.status != 503 || start.elapsed().as_secs() > 60 {
            return reply;
        }
        std::thread::yield_now();
    }
}
