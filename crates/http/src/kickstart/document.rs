//! What a Kickstart file says: members, variables, API keys and requests. Unknown members are refused: a misspelt
//! `permissions` must not make a key that may do everything.

use claviger_crypto::{SystemRandom, parse_object};
use claviger_domain::{ApiKeyId, KeyId, Method, Permissions, TenantId, Violations};
use serde_json::{Map, Value, json};

use super::file::{Files, not_json, read as read_file};
use super::text::{Names, Piece, is_own, pieces, shown};
use super::{Kickstart, KickstartFileError, KickstartSource, NewKey, Request, tenant_id};
use crate::ops::api_key::{CreateApiKey, DESCRIPTION, NewApiKey};
use crate::ops::id_bytes;
use crate::ops::instance::InstanceIds;
use crate::wire;

/// The variable that is the id of the default tenant.
const DEFAULT_TENANT_ID: &str = "defaultTenantId";
/// Members that FusionAuth has and that change nothing here.
const WITHOUT_EFFECT: [&str; 3] = ["license", "licenseId", "settings"];
/// How deep files include each other at most.
const DEEPEST_INCLUSION: usize = 8;
/// The bytes of text that variables and files are put into, all in all.
const MOST_TEXT: usize = 64 * 1024 * 1024;
const MOST_API_KEYS: usize = 1000;
const MOST_REQUESTS: usize = 100_000;

type Members = Map<String, Value>;

/// What is wrong, and where: outermost first.
struct Fault {
    place: String,
    what: String,
}

fn fault(place: &str, what: impl Into<String>) -> Fault {
    Fault { place: place.to_owned(), what: what.into() }
}

/// Reads the file and all that it includes.
pub(super) fn read(source: &KickstartSource) -> Result<Kickstart, KickstartFileError> {
    let told = |Fault { place, what }| KickstartFileError { file: source.file.clone(), place, what };
    let content = read_file(&source.file).map_err(|what| told(fault("", what)))?;
    let document = parse_object(&content).map_err(|error| told(fault("", not_json(error))))?;
    kickstart(document, source).map_err(told)
}

fn kickstart(mut document: Members, source: &KickstartSource) -> Result<Kickstart, Fault> {
    let variables = members(&mut document, "variables")?.unwrap_or_default();
    let api_keys = list(&mut document, "apiKeys", MOST_API_KEYS)?;
    let requests = list(&mut document, "requests", MOST_REQUESTS)?;
    let mut without_effect = Vec::new();
    for name in WITHOUT_EFFECT {
        if document.shift_remove(name).is_some_and(|value| !value.is_null()) {
            without_effect.push(name.to_owned());
        }
    }
    refuse_rest("", document)?;
    let random = || id_bytes(&mut SystemRandom).map_err(|error| fault("", error.to_string()));
    let signing_key_id = KeyId::from_random_bytes(random()?);
    let mut names = Names::new(source.environment.clone(), String::new(), signing_key_id.to_string());
    names.variables = values_of(variables, &names)?;
    let default_tenant_id = match names.variables.get(DEFAULT_TENANT_ID) {
        None => TenantId::from_random_bytes(random()?),
        Some(value) => value
            .as_str()
            .and_then(tenant_id)
            .ok_or_else(|| fault(&format!("variables.{DEFAULT_TENANT_ID}"), "must be a UUID"))?,
    };
    for (name, value) in &mut names.own {
        if *name == "FUSIONAUTH_TENANT_ID" {
            *value = default_tenant_id.to_string();
        }
    }
    let mut expansion = Expansion { names, files: Files::beside(&source.file), text: 0 };
    let mut keys = Vec::new();
    for (item, number) in api_keys.into_iter().zip(1_usize..) {
        let place = format!("API key {number}");
        let item = object(expansion.value(item, &place, 0)?, &place)?;
        keys.push(api_key(item, &place, number == 1, random()?)?);
    }
    if keys.is_empty() {
        return Err(fault(
            "apiKeys",
            "at least one API key is needed: without one nobody could use the instance",
        ));
    }
    let mut all = Vec::new();
    for (item, number) in requests.into_iter().zip(1_usize..) {
        all.push(request(item, &format!("request {number}"), &mut expansion)?);
    }
    let ids = InstanceIds { default_tenant_id, signing_key_id };
    Ok(Kickstart { ids, api_keys: keys, requests: all, without_effect })
}

fn members(document: &mut Members, name: &str) -> Result<Option<Members>, Fault> {
    match document.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => object(value, name).map(Some),
    }
}

fn object(value: Value, place: &str) -> Result<Members, Fault> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(fault(place, "must be an object")),
    }
}

fn list(document: &mut Members, name: &str, most: usize) -> Result<Vec<Value>, Fault> {
    match document.shift_remove(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= most => Ok(items),
        Some(Value::Array(_)) => Err(fault(name, format!("has more than {most} items"))),
        Some(_) => Err(fault(name, "must be a list")),
    }
}

fn text(members: &mut Members, name: &str, place: &str) -> Result<Option<String>, Fault> {
    match members.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(fault(&format!("{place}: {name}"), "must be a text")),
    }
}

fn refuse_rest(place: &str, members: Members) -> Result<(), Fault> {
    match members.keys().next() {
        None => Ok(()),
        Some(name) => Err(fault(place, format!("there is no member {}", shown(name)))),
    }
}

/// The variables. Their texts may hold what comes from outside, and each is made once.
fn values_of(variables: Members, names: &Names) -> Result<std::collections::HashMap<String, Value>, Fault> {
    let mut values = std::collections::HashMap::new();
    for (name, value) in variables {
        let place = format!("variables: {}", shown(&name));
        if name.is_empty() || name.contains('}') || is_own(&name) {
            return Err(fault(&place, "cannot be the name of a variable"));
        }
        let value = match value {
            Value::String(text) => Value::String(variable(&text, names).map_err(|what| fault(&place, what))?),
            value @ (Value::Number(_) | Value::Bool(_)) => value,
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(fault(&place, "must be a text, a number, or true or false"));
            }
        };
        values.insert(name, value);
    }
    Ok(values)
}

fn variable(text: &str, names: &Names) -> Result<String, String> {
    let mut value = String::new();
    for piece in pieces(text)? {
        match piece {
            Piece::Literal(literal) => value.push_str(&literal),
            Piece::Name(name) => match names.outer(name)? {
                Some(outer) => value.push_str(outer.as_str().unwrap_or_default()),
                None => return Err("only #{ENV.NAME} and #{UUID()} can be used in variables".to_owned()),
            },
            Piece::TextFile(_) | Piece::JsonFile(_) => return Err("cannot include a file".to_owned()),
        }
    }
    Ok(value)
}

/// Puts values and files into API keys and requests.
struct Expansion {
    names: Names,
    files: Files,
    /// The bytes that were put together so far.
    text: usize,
}

impl Expansion {
    /// The value with everything put in. `depth` counts the files around it.
    fn value(&mut self, value: Value, place: &str, depth: usize) -> Result<Value, Fault> {
        match value {
            Value::String(text) => self.text(&text, place, depth),
            Value::Array(items) => items
                .into_iter()
                .zip(0_usize..)
                .map(|(item, index)| self.value(item, &format!("{place}[{index}]"), depth))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::Array),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| {
                    let place =
                        if is_plain(&name) { format!("{place}.{name}") } else { format!("{place}.*") };
                    Ok((name, self.value(value, &place, depth)?))
                })
                .collect::<Result<Members, _>>()
                .map(Value::Object),
            other => Ok(other),
        }
    }

    fn text(&mut self, text: &str, place: &str, depth: usize) -> Result<Value, Fault> {
        let here = |what: String| fault(place, what);
        let pieces = pieces(text).map_err(here)?;
        // Alone, a name is its value: a number stays one.
        if let [piece] = pieces.as_slice() {
            match piece {
                Piece::Literal(_) => {}
                Piece::Name(name) => {
                    let value = self.names.value(name).map_err(here)?;
                    self.count(value.as_str().map_or(0, str::len), place)?;
                    return Ok(value);
                }
                Piece::TextFile(name) => {
                    let content = self.files.included(name).map_err(here)?;
                    let content = std::str::from_utf8(content)
                        .map_err(|_| here(format!("includes {name:?}, which is not UTF-8")))?
                        .to_owned();
                    self.count(content.len(), place)?;
                    return Ok(Value::String(content));
                }
                Piece::JsonFile(name) => return self.json_file(name, place, depth),
            }
        }
        let mut whole = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => whole.push_str(&literal),
                Piece::Name(name) => match self.names.value(name).map_err(here)? {
                    Value::String(text) => whole.push_str(&text),
                    other => whole.push_str(&other.to_string()),
                },
                Piece::TextFile(_) | Piece::JsonFile(_) => {
                    return Err(here(
                        "a file is included by a text that consists of nothing else; write \\\\@{ or \\\\&{ in \
                         JSON for one that means itself"
                            .to_owned(),
                    ));
                }
            }
            if whole.len() > MOST_TEXT {
                break;
            }
        }
        self.count(whole.len(), place)?;
        Ok(Value::String(whole))
    }

    fn json_file(&mut self, name: &str, place: &str, depth: usize) -> Result<Value, Fault> {
        if depth >= DEEPEST_INCLUSION {
            return Err(fault(place, format!("files include each other more than {DEEPEST_INCLUSION} deep")));
        }
        let content = self.files.included(name).map_err(|what| fault(place, what))?;
        let length = content.len();
        let parsed = parse_object(content).map(Value::Object).or_else(|error| match error.fault {
            claviger_crypto::JsonFault::NotAnObject => {
                claviger_crypto::parse_array(content).map(Value::Array)
            }
            _ => Err(error),
        });
        let value =
            parsed.map_err(|error| fault(place, format!("includes {name:?}, which {}", not_json(error))))?;
        self.count(length, place)?;
        self.value(value, place, depth + 1)
    }

    fn count(&mut self, bytes: usize, place: &str) -> Result<(), Fault> {
        self.text = self.text.saturating_add(bytes);
        if self.text > MOST_TEXT {
            return Err(fault(
                place,
                "the file becomes larger than 64 MiB with its variables and files put in",
            ));
        }
        Ok(())
    }
}

/// Whether a name may be repeated in the place of a message.
fn is_plain(name: &str) -> bool {
    name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// An API key: the members of FusionAuth's type, and besides `description`, as Kickstart has it.
fn api_key(mut members: Members, place: &str, is_first: bool, random_id: [u8; 16]) -> Result<NewKey, Fault> {
    let id = match text(&mut members, "id", place)? {
        None => ApiKeyId::from_random_bytes(random_id),
        Some(id) => id.parse().map_err(|_| fault(&format!("{place}: id"), "must be a UUID"))?,
    };
    if let Some(description) = text(&mut members, "description", place)? {
        describe(&mut members, description, place)?;
    }
    let document = json!({ "apiKey": members }).as_object().cloned().unwrap_or_default();
    let created =
        wire::api_key::create(document).map_err(|violations| fault(place, in_words(&violations)))?;
    let NewApiKey::Create(CreateApiKey { value, fields }) = created else {
        return Err(fault(place, "cannot be a copy"));
    };
    let Some(value) = value else { return Err(fault(&format!("{place}: key"), "is missing")) };
    let confined = fields.tenant_id.is_some()
        || fields.ip_access_control_list_id.is_some()
        || fields.disabled == Some(true)
        || fields.expiration_instant.is_some();
    if is_first && (confined || fields.permissions != Permissions::All) {
        return Err(fault(
            place,
            "the first API key makes the requests: it can have no permissions, tenantId, ipAccessControlListId, \
             expirationInstant or disabled",
        ));
    }
    Ok(NewKey { id, value, command: CreateApiKey { value: None, fields } })
}

/// Puts the description where FusionAuth's API has it.
fn describe(members: &mut Members, description: String, place: &str) -> Result<(), Fault> {
    let twice = || fault(place, "description and metaData cannot stand together");
    match members.get("metaData") {
        None | Some(Value::Null) => {}
        Some(_) => return Err(twice()),
    }
    members.insert("metaData".to_owned(), json!({ "attributes": { DESCRIPTION: description } }));
    Ok(())
}

fn in_words(violations: &Violations) -> String {
    violations
        .iter()
        .map(|violation| format!("{} {}", violation.code(), violation.message()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A request. The URL is kept as it was written, too.
fn request(item: Value, place: &str, expansion: &mut Expansion) -> Result<Request, Fault> {
    let item = match item {
        // A file that holds the whole request: what its URL looks like before is in there.
        Value::String(text) => expansion.request_file(&text, place)?,
        item => item,
    };
    let mut written = object(item, place)?;
    let at = |name: &str| format!("{place}: {name}");
    let url_as_written = match written.get("url") {
        Some(Value::String(url)) => url.clone(),
        Some(_) => return Err(fault(&at("url"), "must be a text")),
        None => return Err(fault(&at("url"), "is missing")),
    };
    let body = written.shift_remove("body").unwrap_or_default();
    let mut members = object(expansion.value(Value::Object(written), place, 0)?, place)?;
    let method = match text(&mut members, "method", place)?.as_deref().map(str::parse) {
        Some(Ok(method @ (Method::Post | Method::Put | Method::Patch))) => method,
        _ => return Err(fault(&at("method"), "must be POST, PUT or PATCH")),
    };
    let url = text(&mut members, "url", place)?.unwrap_or_default();
    let is_path = url.starts_with('/') && !url.starts_with("//");
    if !is_path || url.contains('#') {
        return Err(fault(&at("url"), "must be a path of this server, such as /api/tenant"));
    }
    let tenant_id = text(&mut members, "tenantId", place)?;
    let content_type =
        text(&mut members, "contentType", place)?.unwrap_or_else(|| "application/json".to_owned());
    refuse_rest(place, members)?;
    let body = match expansion.value(body, &format!("{place}: body"), 0)? {
        Value::Null => Vec::new(),
        body @ (Value::Object(_) | Value::Array(_)) => body.to_string().into_bytes(),
        _ => return Err(fault(&at("body"), "must be an object or a list")),
    };
    Ok(Request { method, url_as_written, url, tenant_id, content_type, body })
}

impl Expansion {
    /// The request in a file, with nothing put in yet.
    fn request_file(&mut self, text: &str, place: &str) -> Result<Value, Fault> {
        let pieces = pieces(text).map_err(|what| fault(place, what))?;
        let [Piece::JsonFile(name)] = pieces.as_slice() else {
            return Err(fault(place, "must be an object, or &{FILE} that holds one"));
        };
        let content = self.files.included(name).map_err(|what| fault(place, what))?;
        let parsed = parse_object(content);
        parsed
            .map(Value::Object)
            .map_err(|error| fault(place, format!("includes {name:?}, which {}", not_json(error))))
    }
}

#[cfg(test)]
mod tests;
