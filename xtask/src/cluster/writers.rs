//! The clients that write: each leads API keys through a life of its own, one write after the other, at nodes by chance.
//!
//! What every write means for which credential is noted before anybody knows how it ends.

use super::client::Client;
use super::history::{Credential, Effect, Kind, Means, Operation, Outcome, Span};
use super::load::{Shared, id, value};
use super::stand::MANAGER;
use crate::gateway::Random;
use crate::run::{Failure, Result};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// Longer than any fault: who loses patience earlier leaves writes of unknown outcome behind.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a write is tried.
const ATTEMPTS: usize = 40;
const PAUSE: Duration = Duration::from_millis(100);
/// The list of addresses that blocks all, by the number that makes its id.
const BLOCKING: u32 = u32::MAX;
/// Longer than the clocks of the nodes differ.
const GRACE_SECONDS: u32 = 604_800;

/// Makes what all keys share.
///
/// # Errors
/// The node refuses it.
pub(super) fn prepare(shared: &Shared) -> Result<()> {
    let mut writer = Writer::new(shared, 0);
    let body = list(&format!("blocking {:x}", shared.seed), "Block");
    match writer.call("POST", &format!("/api/ip-acl/{}", id(shared.seed, BLOCKING)), &body).1 {
        Outcome::Acknowledged => Ok(()),
        outcome => Err(Failure::new(format!("the first write: {outcome:?}"))),
    }
}

/// Writes until the run is over. `number` makes its choices its own.
pub(super) fn write(shared: &Shared, number: u64) {
    let mut writer = Writer::new(shared, number + 1);
    while !shared.is_over() {
        writer.lead_a_life();
    }
}

fn list(name: &str, action: &str) -> Value {
    json!({"ipAccessControlList": {"name": name, "entries": [{"action": action, "startIPAddress": "*"}]}})
}

fn endpoints(path: &str) -> Value {
    json!({"endpoints": {path: ["GET"]}})
}

struct Writer<'a> {
    shared: &'a Shared,
    random: Random,
    clients: Vec<Client>,
}

/// A key, as its writer knows it.
struct Key {
    number: u32,
    id: String,
    means: Means,
    /// Its values that may work, the newest one last.
    credentials: Vec<Credential>,
}

impl<'a> Writer<'a> {
    fn new(shared: &'a Shared, number: u64) -> Self {
        let clients = shared.seats.iter().map(|seat| Client::new(Arc::clone(seat), PATIENCE)).collect();
        Self { shared, random: Random::new(shared.seed ^ 0x3217e, number), clients }
    }

    /// A call at a node by chance: when it took place, what came of it, and where.
    fn call(&mut self, method: &str, path: &str, body: &Value) -> (Span, Outcome, u8) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        loop {
            let node = self.random.below(self.clients.len());
            match self.clients.get_mut(node) {
                Some(client) if client.has_server() => {
                    let start = self.shared.recorder.now();
                    let status = client.call(method, path, MANAGER, &body);
                    let span = Span { start, end: self.shared.recorder.now() };
                    return (span, Outcome::of(status), u8::try_from(node).unwrap_or(u8::MAX));
                }
                _ if self.shared.is_over() => {
                    let now = self.shared.recorder.now();
                    return (Span { start: now, end: now }, Outcome::Unknown(0), u8::MAX);
                }
                // This one is being started again.
                _ => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// A call that is noted.
    fn note(
        &mut self,
        key: u32,
        kind: Kind,
        (method, path, body): (&str, &str, &Value),
        effects: &[Effect],
    ) -> Outcome {
        let (span, outcome, node) = self.call(method, path, body);
        let operation = Operation { span, kind, key, node, outcome, effects: effects.to_vec() };
        self.shared.recorder.history().operations.push(operation);
        if outcome == Outcome::Acknowledged {
            for effect in effects {
                let (Effect::Grants(one) | Effect::Revokes(one) | Effect::RevokesForGood(one)) = *effect;
                self.shared.changed(one);
            }
        }
        outcome
    }

    fn rest(&mut self) {
        let milliseconds = (20 + self.random.below(150)) * if self.shared.is_calm() { 3 } else { 1 };
        thread::sleep(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(20)));
    }

    fn new_credential(&self) -> (Credential, String) {
        let number = self.shared.credentials.fetch_add(1, Ordering::Relaxed);
        (number, value(self.shared.seed, number))
    }

    /// From the creation of a key to its end, or to where it is left.
    fn lead_a_life(&mut self) {
        let Some(mut key) = self.create() else { return };
        self.rest();
        if self.random.percent(20) && !self.succeed(&mut key) {
            return self.delete(&key);
        }
        // Some are left alone, and must be accepted until the end.
        if self.random.percent(10) {
            key.credentials.iter().for_each(|one| self.shared.keep(*one));
            return;
        }
        for _ in 0..3 {
            let taken = self.take(&mut key);
            if !taken && !key.means.removes() {
                return self.delete(&key);
            }
            self.rest();
            if !taken || !key.means.reversible() || self.random.percent(40) {
                break;
            }
            if !self.give(&key) {
                return self.delete(&key);
            }
            self.rest();
        }
        if !key.means.removes() && self.random.percent(60) {
            self.delete(&key);
        }
    }

    fn create(&mut self) -> Option<Key> {
        let number = self.shared.keys.fetch_add(1, Ordering::Relaxed);
        let means = Means::ALL.get(self.random.below(Means::ALL.len())).copied()?;
        let id = id(self.shared.seed, number);
        let (credential, value) = self.new_credential();
        let mut members = json!({"key": value, "permissions": endpoints("/v1/orders")});
        let needed = match means {
            Means::ChangeList => Some(("ip-acl", "ipAccessControlListId", list(&id, "Allow"))),
            Means::DeleteTenant => Some(("tenant", "tenantId", json!({"tenant": {"name": id}}))),
            _ => None,
        };
        if let Some((route, member, body)) = needed {
            if self.call("POST", &format!("/api/{route}/{id}"), &body).1 != Outcome::Acknowledged {
                return None;
            }
            if let Some(members) = members.as_object_mut() {
                members.insert(member.to_owned(), json!(id));
            }
        }
        let key = Key { number, id, means, credentials: vec![credential] };
        let body = json!({"apiKey": members});
        let call = ("POST", &*format!("/api/api-key/{}", key.id), &body);
        match self.note(number, Kind::Create, call, &[Effect::Grants(credential)]) {
            Outcome::Acknowledged => Some(key),
            Outcome::Refused(_) => None,
            Outcome::Unknown(_) => {
                self.delete(&key);
                None
            }
        }
    }

    /// A rotation after which both values work.
    fn succeed(&mut self, key: &mut Key) -> bool {
        let (credential, value) = self.new_credential();
        let body = json!({"gracePeriodInSeconds": GRACE_SECONDS, "apiKey": {"key": value}});
        key.credentials.push(credential);
        let call = ("POST", &*format!("/api/api-key/{}/rotate", key.id), &body);
        self.note(key.number, Kind::Succeed, call, &[Effect::Grants(credential)]) == Outcome::Acknowledged
    }

    /// Takes the key's power away; whether that was acknowledged.
    fn take(&mut self, key: &mut Key) -> bool {
        let kind = Kind::Take(key.means);
        if key.means == Means::Rotate {
            // The newest value dies with the call; those before have their own ends.
            let (credential, value) = self.new_credential();
            let body = json!({"gracePeriodInSeconds": 0, "apiKey": {"key": value}});
            let ended = key.credentials.pop().into_iter().map(Effect::RevokesForGood);
            let effects: Vec<_> = ended.chain([Effect::Grants(credential)]).collect();
            key.credentials.push(credential);
            let call = ("POST", &*format!("/api/api-key/{}/rotate", key.id), &body);
            return self.note(key.number, kind, call, &effects) == Outcome::Acknowledged;
        }
        let effect = if key.means.reversible() { Effect::Revokes } else { Effect::RevokesForGood };
        let effects: Vec<_> = key.credentials.iter().copied().map(effect).collect();
        let (method, path, body) = self.change(key, false);
        self.persist(key.number, kind, (method, &path, &body), &effects)
    }

    /// Gives the power back; whether that was acknowledged.
    fn give(&mut self, key: &Key) -> bool {
        let effects: Vec<_> = key.credentials.iter().copied().map(Effect::Grants).collect();
        let (method, path, body) = self.change(key, true);
        let call = (method, &*path, &body);
        self.note(key.number, Kind::Give(key.means), call, &effects) == Outcome::Acknowledged
    }

    /// The call that takes power away by the key's means, or gives it back.
    fn change(&self, key: &Key, give: bool) -> (&'static str, String, Value) {
        let path = format!("/api/api-key/{}", key.id);
        let patch = |members: Value| ("PATCH", path.clone(), json!({"apiKey": members}));
        match key.means {
            Means::Disable => patch(json!({"disabled": !give})),
            // Long ago for every clock.
            Means::Expire => patch(json!({"expirationInstant": if give { Value::Null } else { json!(1) }})),
            Means::MoveList => {
                let blocking = if give { Value::Null } else { json!(id(self.shared.seed, BLOCKING)) };
                patch(json!({"ipAccessControlListId": blocking}))
            }
            Means::Narrow => {
                let path_of_endpoint = if give { "/v1/orders" } else { "/v1/invoices" };
                ("PUT", path, json!({"apiKey": {"permissions": endpoints(path_of_endpoint)}}))
            }
            Means::ChangeList => {
                let body = list(&key.id, if give { "Allow" } else { "Block" });
                ("PUT", format!("/api/ip-acl/{}", key.id), body)
            }
            Means::DeleteTenant => ("DELETE", format!("/api/tenant/{}", key.id), Value::Null),
            Means::Delete | Means::Rotate => ("DELETE", path, Value::Null),
        }
    }

    /// Deletes the key, which ends every doubt about it.
    fn delete(&mut self, key: &Key) {
        let effects: Vec<_> = key.credentials.iter().copied().map(Effect::RevokesForGood).collect();
        let path = format!("/api/api-key/{}", key.id);
        let call = ("DELETE", &*path, &Value::Null);
        self.persist(key.number, Kind::Take(Means::Delete), call, &effects);
    }

    /// Tries until the write is acknowledged; whether it was. It is given up where it is refused.
    fn persist(&mut self, key: u32, kind: Kind, call: (&str, &str, &Value), effects: &[Effect]) -> bool {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 && self.shared.is_over() {
                break;
            }
            match self.note(key, kind, call, effects) {
                Outcome::Acknowledged => return true,
                Outcome::Refused(409) | Outcome::Unknown(_) => thread::sleep(PAUSE),
                Outcome::Refused(_) => return false,
            }
        }
        false
    }
}
