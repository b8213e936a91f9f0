//! Clients that write as fast as they can, and remember what was acknowledged.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::common::{Connection, Numbers};

/// A deletion that is not finished after this time is none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ApiKey,
    Key,
    Tenant,
}

impl Kind {
    const ALL: [Self; 3] = [Self::ApiKey, Self::Key, Self::Tenant];

    /// The member that bodies wrap an object in.
    fn member(self) -> &'static str {
        match self {
            Self::ApiKey => "apiKey",
            Self::Key => "key",
            Self::Tenant => "tenant",
        }
    }

    /// The name in the `change` table.
    pub(crate) fn entity(self) -> claviger_storage::Entity {
        match self {
            Self::ApiKey => claviger_storage::Entity::ApiKey,
            Self::Key => claviger_storage::Entity::Key,
            Self::Tenant => claviger_storage::Entity::Tenant,
        }
    }

    fn path(self, id: &str) -> String {
        match self {
            Self::ApiKey => format!("/api/api-key/{id}"),
            Self::Key => format!("/api/key/{id}"),
            Self::Tenant => format!("/api/tenant/{id}"),
        }
    }

    /// Every member of a whole object as the load makes them, without the value of an API key.
    fn members(self) -> &'static [&'static str] {
        match self {
            Self::ApiKey => &[
                "id",
                "insertInstant",
                "keyManager",
                "lastUpdateInstant",
                "metaData",
                "name",
                "permissions",
                "retrievable",
            ],
            Self::Key => &["algorithm", "id", "insertInstant", "kid", "lastUpdateInstant", "name", "type"],
            Self::Tenant => &[
                "configured",
                "connectorPolicies",
                "data",
                "emailConfiguration",
                "externalIdentifierConfiguration",
                "id",
                "insertInstant",
                "issuer",
                "jwtConfiguration",
                "lastUpdateInstant",
                "multiFactorConfiguration",
                "name",
                "ssoConfiguration",
                "state",
                "themeId",
                "webAuthnConfiguration",
            ],
        }
    }
}

/// An object of the load, as its client knows it.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// Of an API key.
    value: String,
    retrievable: bool,
    /// The last state that was acknowledged; `None` when that is: not there.
    known: Option<Value>,
    /// A change that was sent and not acknowledged.
    pending: Option<Pending>,
}

/// What may have come about.
#[derive(Debug)]
enum Pending {
    /// The object with at least these members.
    Written(Value),
    Deleted,
}

/// What a client did.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) objects: Vec<Object>,
    /// Acknowledged writes.
    pub(crate) acknowledged: usize,
}

/// How an unfinished change ended.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Unfinished {
    pub(crate) took_place: usize,
    pub(crate) did_not: usize,
}

/// Writes until the server is gone.
pub(crate) fn work(address: SocketAddr, manager: &str, mut numbers: Numbers) -> Done {
    let mut done = Done::default();
    let Ok(mut connection) = Connection::open(address, manager) else { return done };
    while step(&mut connection, &mut numbers, &mut done).is_ok() {}
    done
}

/// One write by chance. An error means that the server did not answer.
fn step(connection: &mut Connection, numbers: &mut Numbers, done: &mut Done) -> io::Result<()> {
    let objects = &mut done.objects;
    let choice = numbers.below(100);
    let alive: Vec<usize> = (0..objects.len()).filter(|index| objects[*index].known.is_some()).collect();
    if choice < 45 || alive.is_empty() {
        let kind = Kind::ALL[numbers.below(3) as usize];
        let object = Object {
            kind,
            id: numbers.uuid(),
            value: format!("own-{}", numbers.text()),
            retrievable: numbers.below(2) == 0,
            known: None,
            pending: None,
        };
        objects.push(object);
        let object = objects.last_mut().unwrap();
        let (path, body) = creation(object, numbers);
        write(connection, object, "POST", &path, body)?;
    } else {
        let object = &mut objects[alive[numbers.below(alive.len() as u64) as usize]];
        let path = object.kind.path(&object.id);
        if choice < 65 {
            object.pending = Some(Pending::Deleted);
            let reply = connection.request("DELETE", &path, None)?;
            assert_eq!(reply.status, 200, "{}", reply.text());
            (object.known, object.pending) = (None, None);
        } else {
            let (method, body) = change(object, numbers);
            write(connection, object, method, &path, body)?;
        }
    }
    done.acknowledged += 1;
    Ok(())
}

/// Sends a write, and takes note of its answer.
fn write(
    connection: &mut Connection,
    object: &mut Object,
    method: &str,
    path: &str,
    members: Value,
) -> io::Result<()> {
    let body = json!({ object.kind.member(): members });
    let mut expected = object.known.clone().unwrap_or_else(|| json!({ "id": object.id }));
    merge(&mut expected, &members);
    for unknown in ["key", "lastUpdateInstant"] {
        expected.as_object_mut().unwrap().remove(unknown);
    }
    object.pending = Some(Pending::Written(expected.clone()));
    let reply = connection.request(method, path, Some(&body))?;
    let (state, _) = unwrap(object, reply.ok());
    assert_holds(object.kind, &expected, &state);
    (object.known, object.pending) = (Some(state), None);
    Ok(())
}

fn creation(object: &Object, numbers: &mut Numbers) -> (String, Value) {
    let (id, name) = (&object.id, format!("load {}", object.id));
    match object.kind {
        Kind::ApiKey => (
            object.kind.path(id),
            json!({
                "key": object.value,
                "name": name,
                "retrievable": object.retrievable,
                "metaData": {"attributes": {"description": numbers.text(), "turn": "0"}},
                "permissions": {"endpoints": {"/api/system/version": ["GET"], "/api/user": ["GET", "PUT"]}},
            }),
        ),
        Kind::Key => (format!("/api/key/generate/{id}"), json!({"algorithm": "HS256", "name": name})),
        Kind::Tenant => (
            object.kind.path(id),
            json!({"name": name, "issuer": numbers.text(), "data": {"turn": 0, "text": numbers.text()}}),
        ),
    }
}

fn change(object: &Object, numbers: &mut Numbers) -> (&'static str, Value) {
    let text = numbers.text();
    match object.kind {
        // Two members in different columns: both or none.
        Kind::ApiKey => {
            ("PATCH", json!({"name": format!("patched {text}"), "metaData": {"attributes": {"turn": text}}}))
        }
        Kind::Key => ("PUT", json!({"name": format!("renamed {text}")})),
        Kind::Tenant => (
            "PUT",
            json!({"name": format!("replaced {text}"), "issuer": text, "data": {"turn": text, "text": text}}),
        ),
    }
}

/// JSON Merge Patch (RFC 7396) without null.
fn merge(target: &mut Value, patch: &Value) {
    match (target.as_object_mut(), patch) {
        (Some(members), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(members.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        _ => *target = patch.clone(),
    }
}

/// The object in a document, apart from the value of an API key.
fn unwrap(object: &Object, mut document: Value) -> (Value, Option<String>) {
    let mut state = document[object.kind.member()].take();
    let value = state.as_object_mut().unwrap().remove("key");
    (state, value.map(|value| value.as_str().unwrap().to_owned()))
}

/// Whether a state is whole and holds what was sent.
fn holds(kind: Kind, expected: &Value, state: &Value) -> bool {
    fn within(expected: &Value, state: &Value) -> bool {
        match (expected, state) {
            (Value::Object(expected), Value::Object(state)) => {
                expected.iter().all(|(name, value)| state.get(name).is_some_and(|state| within(value, state)))
            }
            _ => expected == state,
        }
    }
    names(state.as_object().unwrap()) == kind.members() && within(expected, state)
}

#[track_caller]
fn assert_holds(kind: Kind, expected: &Value, state: &Value) {
    assert!(holds(kind, expected, state), "sent {expected}, got {state}");
}

fn names(members: &Map<String, Value>) -> Vec<&str> {
    let mut names: Vec<_> = members.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

impl Object {
    /// Whether it exists, as far as is known.
    pub(crate) fn exists(&self) -> bool {
        self.known.is_some()
    }

    /// The object as it is, with its value. A tenant whose deletion was stopped in the middle goes behind the start of the
    /// server: its end is waited for.
    fn settled(&self, manager: &mut Connection) -> Option<(Value, Option<String>)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = manager.call("GET", &self.kind.path(&self.id), None);
            if reply.status == 404 {
                return None;
            }
            let found = unwrap(self, reply.ok());
            if found.0.get("state").is_none_or(|state| state != "PendingDelete") {
                return Some(found);
            }
            assert!(
                matches!(self.pending, Some(Pending::Deleted)),
                "{self:?} is deleted, but nobody asked for it"
            );
            assert!(Instant::now() < deadline, "the deletion of {self:?} is not finished");
        }
    }

    /// Looks at the object on a server that was started again: it must be as acknowledged, or as the one unfinished change
    /// would have it, and nothing between. What is there is known from then on.
    pub(crate) fn check(
        &mut self,
        manager: &mut Connection,
        anonymous: &mut Connection,
        ends: &mut Unfinished,
    ) {
        let found = self.settled(manager);
        let state = found.as_ref().map(|(state, _)| state);
        let as_known = state == self.known.as_ref();
        let as_pending = match &self.pending {
            None => false,
            Some(Pending::Deleted) => state.is_none(),
            Some(Pending::Written(expected)) => state.is_some_and(|state| holds(self.kind, expected, state)),
        };
        assert!(as_known || as_pending, "found {state:?} of {self:?}");
        if self.pending.is_some() {
            *(if as_known { &mut ends.did_not } else { &mut ends.took_place }) += 1;
        }
        if self.kind == Kind::ApiKey {
            if let Some((_, value)) = &found {
                assert_eq!(value.as_ref(), self.retrievable.then_some(&self.value), "{self:?}");
            }
            let authorization = format!("Authorization: {}\r\n", self.value);
            anonymous.send_raw("GET", "/api/system/version", &authorization, b"").unwrap();
            let expected = if found.is_some() { 200 } else { 401 };
            assert_eq!(anonymous.receive().unwrap().status, expected, "{self:?}");
        }
        (self.known, self.pending) = (found.map(|(state, _)| state), None);
    }
}
