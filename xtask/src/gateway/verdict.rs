//! What must hold for every request, whatever the client sent: the upstream received what was decided about and nothing
//! else, its words about the caller are Claviger's, and the key may do what the upstream read.
//!
//! Gateways have failed each of these: another path was received than was decided about (CVE-2021-43557, CVE-2026-40912),
//! the client's own words were passed on (CVE-2026-30851, CVE-2025-64484), or lost on the way, since `Connection` named the
//! headers (CVE-2024-45410, CVE-2022-31813).

use super::Told;
use super::generator::Generated;
use super::http::Head;
use super::records::Asked;
use claviger_authz::{Access, CompiledPermissions, Decision, Path, Request, decide};
use claviger_domain::{Instant, Permissions};

/// The headers that name who called: by an API key, and by the token of an entity.
const API_KEY: &str = "x-claviger-api-key-id";
const ENTITY: &str = "x-claviger-entity-id";

/// A credential of the stand, as its owner sees it and as the oracle does: an API key, or the token of an entity.
pub(super) struct Key {
    pub(super) id: String,
    /// What stands in `Authorization`.
    pub(super) value: String,
    /// In which header its owner is named.
    named_in: &'static str,
    name: Option<String>,
    permissions: CompiledPermissions,
}

impl Key {
    /// A key with this name, if it has one, and these permissions, `None` for one without restriction.
    ///
    /// # Errors
    /// The text names no permissions.
    pub(super) fn new(
        id: String,
        value: String,
        name: Option<String>,
        permissions: Option<&str>,
    ) -> Result<Self, String> {
        let permissions = match permissions {
            Some(text) => Permissions::Only(text.parse().map_err(|_| format!("no permissions: {text}"))?),
            None => Permissions::All,
        };
        let permissions = CompiledPermissions::from(&permissions);
        Ok(Self { id, value, named_in: API_KEY, name, permissions })
    }

    /// A token of the entity with this id that may do what the text lists.
    ///
    /// # Errors
    /// The text names no permissions.
    pub(super) fn of_entity(id: String, value: String, permissions: &str) -> Result<Self, String> {
        Ok(Self { named_in: ENTITY, ..Self::new(id, value, None, Some(permissions))? })
    }
}

/// What an upstream could take for another method or path, whatever the request line says.
const MISLEADING: [&str; 12] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "forwarded",
];

/// The headers in which the gateway names method and URI, in either convention.
const CONVENTIONS: [(&str, &str); 2] =
    [("x-original-method", "x-original-uri"), ("x-forwarded-method", "x-forwarded-uri")];

/// What is wrong with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: What,
    pub(super) text: String,
}

/// Of which kind that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Another method or target was received than was decided about.
    Target,
    /// The upstream was told something about the caller that Claviger did not say.
    Forged,
    Other,
}

impl<T: Into<String>> From<T> for Wrong {
    fn from(text: T) -> Self {
        Self { what: What::Other, text: text.into() }
    }
}

/// Checks one request that the upstream received, and the questions that were asked about it.
///
/// # Errors
/// What is wrong.
pub(super) fn check(sent: &Generated, keys: &[Key], asked: &[Asked], received: &[Head]) -> Result<(), Wrong> {
    let [received] = received else {
        return Err(format!("the upstream received {} requests", received.len()).into());
    };
    let [asked] = asked else {
        return Err(format!("it was asked {} times whether the request may go on", asked.len()).into());
    };
    clear(&asked.answer)?;
    if asked.answer.status() != 200 {
        return Err(format!("the upstream received what was answered with {}", asked.answer.status()).into());
    }
    let (method, target) = (received.word(0), received.word(1));
    if received.start.split(' ').count() != 3 || question(&asked.question) != Some((method, target)) {
        let text = format!(
            "authorized was {:?}, and the upstream received {:?}",
            question(&asked.question),
            received.start
        );
        return Err(Wrong { what: What::Target, text });
    }
    let (told, passed_on) = (identity(&asked.answer), identity(received));
    if told != passed_on {
        let is_forged = passed_on.iter().any(|word| !told.contains(word));
        let what = if is_forged { What::Forged } else { What::Other };
        let text = format!("the upstream was told {passed_on:?}, and Claviger said {told:?}");
        return Err(Wrong { what, text });
    }
    if let Some((name, _)) =
        received.headers.iter().find(|(name, _)| MISLEADING.contains(&folded(name).as_str()))
    {
        return Err(format!("the upstream received the header {name}").into());
    }
    if keys.iter().any(|key| received.headers.iter().any(|(_, value)| value.contains(&key.value))) {
        return Err("the upstream received an API key".into());
    }
    let key = sent
        .key
        .and_then(|place| keys.get(place))
        .ok_or("the upstream received a request without a good key")?;
    let named: Vec<_> =
        told.iter().filter(|(name, _)| [API_KEY, ENTITY].contains(&name.as_str())).cloned().collect();
    if named != [(key.named_in.to_owned(), key.id.clone())] {
        return Err("the upstream was told of another key or entity".into());
    }
    let name = told.iter().find(|(name, _)| name == "x-claviger-api-key-name");
    if name.map(|(_, value)| decoded(value)) != key.name.as_ref().map(|name| Some(name.clone())) {
        return Err(format!("the key is named {:?}, and the upstream was told {name:?}", key.name).into());
    }
    if may(key, method, target) { Ok(()) } else { Err(format!("the key may not {method} {target}").into()) }
}

/// Checks what the client was told about a request that did not reach the upstream, and the questions that were asked about it.
///
/// # Errors
/// What is wrong.
pub(super) fn check_refused(told: &Told, asked: &[Asked]) -> Result<(), Wrong> {
    for asked in asked {
        clear(&asked.answer)?;
    }
    if (200..400).contains(&told.status) {
        return Err(format!("the client was told {}, and the upstream received nothing", told.status).into());
    }
    let Some(answer) = asked.last().map(|asked| &asked.answer) else { return Ok(()) };
    // After a yes a gateway may still find something wrong, and it may close a connection without a word.
    if told.status == 0 || answer.status() == 200 {
        return Ok(());
    }
    let challenges: Vec<_> = answer.values(CHALLENGE).collect();
    if told.status == answer.status() && told.challenges == challenges {
        return Ok(());
    }
    Err(format!(
        "Claviger answered {} with the challenges {challenges:?}, and the client was told {} with {:?}",
        answer.status(),
        told.status,
        told.challenges
    )
    .into())
}

const CHALLENGE: &str = "www-authenticate";

/// Whether an answer is one of the three that gateways know, and challenges where it must and nowhere else.
fn clear(answer: &Head) -> Result<(), String> {
    let challenges: Vec<_> = answer.values(CHALLENGE).collect();
    match (answer.status(), challenges.as_slice()) {
        (200 | 403, []) | (401, ["ApiKey realm=\"claviger\""]) => Ok(()),
        (status, _) => Err(format!("Claviger answered {status} with the challenges {challenges:?}")),
    }
}

/// Method and URI of a question, if they are told once and in one way.
fn question(head: &Head) -> Option<(&str, &str)> {
    let once = |name| {
        let mut values = head.values(name);
        values.next().filter(|_| values.next().is_none())
    };
    let mut told = CONVENTIONS.into_iter().filter_map(|(method, uri)| Some((once(method)?, once(uri)?)));
    told.next().filter(|_| told.next().is_none())
}

/// A name of a header as programs see it that take underscores, and dots as PHP does, for hyphens.
fn folded(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace(['_', '.'], "-")
}

/// Everything that is said about the caller; an empty value says nothing.
fn identity(head: &Head) -> Vec<(String, String)> {
    let mut found: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| (folded(name), value.clone()))
        .filter(|(name, value)| name.starts_with("x-claviger-") && !value.is_empty())
        .collect();
    found.sort();
    found
}

/// What was percent-encoded; `None` if that is no text.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = value;
    while let Some(place) = rest.find('%') {
        let (before, after) = rest.split_at(place);
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(1..3)?, 16).ok()?);
        rest = after.get(3..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

/// Whether the key may do what stands in the request line, by the engine itself.
fn may(key: &Key, method: &str, target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let (Ok(method), Ok(path)) = (method.parse(), Path::parse(path.as_bytes())) else { return false };
    let request = Request::new(method, path, Instant::from_epoch_millis(0));
    !target.contains('#') && matches!(decide(&Access::new(&key.permissions), &request), Decision::Allow(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        let text = format!("{}\r\n\r\n", text.replace('\n', "\r\n"));
        Head::read(&mut text.as_bytes()).unwrap().unwrap()
    }

    fn key(name: Option<&str>) -> Key {
        let name = name.map(str::to_owned);
        Key::new("id".to_owned(), "value".to_owned(), name, Some("GET:/v1")).unwrap()
    }

    #[track_caller]
    fn verdict(question: &str, answer: &str, received: &str) -> Result<(), Wrong> {
        verdict_of(None, question, answer, received)
    }

    fn verdict_of(name: Option<&str>, question: &str, answer: &str, received: &str) -> Result<(), Wrong> {
        let sent = Generated { key: Some(0), ..Generated::default() };
        let asked = Asked { question: head(question), answer: head(answer) };
        check(&sent, &[key(name)], &[asked], &[head(received)])
    }

    const QUESTION: &str = "GET /forward-auth HTTP/1.1\nX-Original-Method: GET\nX-Original-URI: /v1/a?b";
    const ANSWER: &str = "HTTP/1.1 200 OK\nx-claviger-api-key-id: id";
    const RECEIVED: &str = "GET /v1/a?b HTTP/1.1\nX-Claviger-Api-Key-Id: id";

    #[test]
    fn what_differs_is_found() {
        assert_eq!(verdict(QUESTION, ANSWER, RECEIVED), Ok(()));
        for (received, what) in [
            ("GET /v1/a HTTP/1.1\nX-Claviger-Api-Key-Id: id", What::Target),
            ("POST /v1/a?b HTTP/1.1\nX-Claviger-Api-Key-Id: id", What::Target),
            ("GET /v1/a?b HTTP/1.1", What::Other),
            ("GET /v1/a?b HTTP/1.1\nX-Claviger-Api-Key-Id: other", What::Forged),
            ("GET /v1/a?b HTTP/1.1\nX-Claviger-Api-Key-Id: id\nX_Claviger_Tenant_Id: forged", What::Forged),
            ("GET /v1/a?b HTTP/1.1\nX-Claviger-Api-Key-Id: id\nX_HTTP_Method_Override: DELETE", What::Other),
            ("GET /v1/a?b HTTP/1.1\nX-Claviger-Api-Key-Id: id\nCookie: value", What::Other),
        ] {
            let found = verdict(QUESTION, ANSWER, received).map_err(|wrong| wrong.what);
            assert_eq!(found, Err(what), "{received}");
        }
        assert!(verdict(QUESTION, "HTTP/1.1 403 No\nx-claviger-api-key-id: id", RECEIVED).is_err());
        let both = format!("{QUESTION}\nX-Forwarded-Method: GET\nX-Forwarded-Uri: /v1/a?b");
        assert!(verdict(&both, ANSWER, RECEIVED).is_err());
    }

    #[test]
    fn entities_and_keys_are_told_apart() {
        let entity = || Key::of_entity("id".to_owned(), "value".to_owned(), "GET:/v1").unwrap();
        let verdict = |key: Key, told: &str| {
            let sent = Generated { key: Some(0), ..Generated::default() };
            let (answer, received) =
                (head(&format!("HTTP/1.1 200 OK{told}")), head(&format!("GET /v1/a?b HTTP/1.1{told}")));
            check(&sent, &[key], &[Asked { question: head(QUESTION), answer }], &[received])
        };
        let (of_key, of_entity) = ("\nX-Claviger-Api-Key-Id: id", "\nX-Claviger-Entity-Id: id");
        assert_eq!(verdict(entity(), of_entity), Ok(()));
        assert_eq!(verdict(key(None), of_key), Ok(()));
        let both = format!("{of_key}{of_entity}");
        for (key, told) in [
            (entity(), of_key),
            (entity(), ""),
            (entity(), "\nX-Claviger-Entity-Id: other"),
            (entity(), &both),
            (key(None), of_entity),
            (key(None), &both),
        ] {
            assert!(verdict(key, told).is_err(), "{told}");
        }
    }

    #[test]
    fn another_name_is_found() {
        let told = |name: Option<&str>, header: &str| {
            let answer = format!("{ANSWER}{header}");
            verdict_of(name, QUESTION, &answer, &format!("{RECEIVED}{header}"))
        };
        let header = "\nX-Claviger-Api-Key-Name: K%C3%B6ln 1%25";
        assert_eq!(told(Some("K\u{f6}ln 1%"), header), Ok(()));
        assert_eq!(told(None, ""), Ok(()));
        for (name, header) in [
            (Some("K\u{f6}ln"), header),
            (None, header),
            (Some("K\u{f6}ln 1%"), ""),
            (Some("K"), "\nX-Claviger-Api-Key-Name: K%"),
            (Some("K"), "\nX-Claviger-Api-Key-Name: K%FF"),
        ] {
            assert!(told(name, header).is_err(), "{name:?} {header}");
        }
        let forged = format!("{RECEIVED}\nX-Claviger-Api-Key-Name: forged");
        assert!(verdict(QUESTION, ANSWER, &forged).is_err());
    }

    #[test]
    fn what_is_told_otherwise_is_found() {
        let verdict = |answer: &str, status: u16, challenges: &[&str]| {
            let challenges = challenges.iter().map(|&value| value.to_owned()).collect();
            let asked = Asked { question: head(QUESTION), answer: head(answer) };
            check_refused(&Told { status, reached: false, challenges }, &[asked])
        };
        let challenge = "ApiKey realm=\"claviger\"";
        let unknown = format!("HTTP/1.1 401 No\nWWW-Authenticate: {challenge}");
        let forbidden = "HTTP/1.1 403 No";
        assert_eq!(verdict(&unknown, 401, &[challenge]), Ok(()));
        assert_eq!(verdict(&unknown, 0, &[]), Ok(()));
        assert_eq!(verdict(forbidden, 403, &[]), Ok(()));
        assert_eq!(verdict(ANSWER, 400, &[]), Ok(()));
        for (answer, status, challenges) in [
            (unknown.as_str(), 401, &[][..]),
            (&unknown, 401, &["Basic"]),
            (&unknown, 401, &[challenge, challenge]),
            (&unknown, 403, &[]),
            (&unknown, 200, &[challenge]),
            (forbidden, 401, &[challenge]),
            (forbidden, 500, &[]),
            (forbidden, 302, &[]),
            (ANSWER, 200, &[]),
            ("HTTP/1.1 401 No", 401, &[]),
            ("HTTP/1.1 403 No\nWWW-Authenticate: x", 403, &["x"]),
            ("HTTP/1.1 503 No", 503, &[]),
            ("HTTP/1.1 404 No", 404, &[]),
        ] {
            assert!(verdict(answer, status, challenges).is_err(), "{answer} {status} {challenges:?}");
        }
        let told = |status| Told { status, ..Told::default() };
        assert!(check_refused(&told(400), &[]).is_ok() && check_refused(&told(204), &[]).is_err());
    }

    #[test]
    fn the_oracle_decides_about_what_was_received() {
        for (method, target, expected) in [
            ("GET", "/v1/a?b=/../c", true),
            ("POST", "/v1/a", false),
            ("GET", "/v2", false),
            ("GET", "/v1/../a", false),
            ("GET", "http://h/v1/a", false),
            ("GET", "/v1/a?b#c", false),
        ] {
            assert_eq!(may(&key(None), method, target), expected, "{method} {target}");
        }
    }
}
