//! What gateways ask before they let a request through to somebody else's API.
//!
//! The question is a request of its own. `/forward-auth` is told in headers what the gateway was asked for, in the words
//! of nginx (`X-Original-*`) or of Traefik and Caddy (`X-Forwarded-*`); to `/ext-authz` Envoy sends the method as it is
//! and the path behind that prefix. The credential, the tenant header and the client's address are the original request's
//! own, so they are read as everywhere; where a setting names the entity that stands for the API, the token of an entity
//! behind `Bearer` is a credential too. Gateways tell 200, 401 and 403 apart and take everything else for a fault.
//!
//! Headers are believed only from trusted proxies, and only if there is exactly one way to read them: both conventions
//! at once, a header twice, or one spelled with underscores besides would let a client choose what is decided about.

mod headers;

use std::fmt::Write as _;
use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue, InvalidHeaderValue, WWW_AUTHENTICATE};
use actix_web::web;
use claviger_authz::Path;
use claviger_domain::{ApiKeyId, Instant, RequestMethod, SecretText, TenantId, UsedValue};

pub(crate) use self::headers::{GatewayHeaders, Original};
use crate::answer::Answer;
use crate::client_address::Client;
use crate::credential::{Ambiguous, Credential, Presented};
use crate::error::ApiError;
use crate::gate::{Caller, Refusal, TenantHeader, admit_for_gateway, pass_for_gateway, told_to_gateways};
use crate::ops::entity_rights::{self, AdmittedEntity, RequestWithToken};
use crate::ops::entity_token;
use crate::ops::upstream_token::{self, Quick};
use crate::routes::{GATEWAY_ROUTES, Operation, Route};
use crate::state::AppState;
use crate::upstream_tokens::UpstreamToken;

/// The header that tells a client how to identify itself (RFC 9110, section 11.6.1).
const CHALLENGE: (HeaderName, HeaderValue) =
    (WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey realm=\"claviger\""));
/// The headers that tell the upstream who calls. Gateways delete them from what clients send.
const API_KEY_ID: HeaderName = HeaderName::from_static("x-claviger-api-key-id");
const API_KEY_NAME: HeaderName = HeaderName::from_static("x-claviger-api-key-name");
const ENTITY_ID: HeaderName = HeaderName::from_static("x-claviger-entity-id");
const TENANT_ID: HeaderName = HeaderName::from_static("x-claviger-tenant-id");
const UPSTREAM_TOKEN: HeaderName = HeaderName::from_static("x-claviger-upstream-token");

/// How often a token is made anew because the caller's key or the tenant changed while it was made.
const ATTEMPTS: usize = 3;

/// A question of a gateway, as far as its path goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question<'a> {
    /// About what headers say.
    ForwardAuth,
    /// About this path, raw, with the question's own method.
    ExtAuthz(&'a str),
}

impl<'a> Question<'a> {
    /// The question that a raw path asks, if it is one.
    pub(crate) fn of(raw_path: &'a str) -> Option<Self> {
        if matches!(raw_path, "/forward-auth" | "/forward-auth/") {
            return Some(Self::ForwardAuth);
        }
        let rest = raw_path.strip_prefix("/ext-authz")?;
        (rest.is_empty() || rest.starts_with('/')).then_some(Self::ExtAuthz(rest))
    }

    /// The route under which it is counted.
    pub(crate) fn route(self) -> Option<&'static Route> {
        let operation = match self {
            Self::ForwardAuth => Operation::ForwardAuth,
            Self::ExtAuthz(_) => Operation::ExtAuthz,
        };
        GATEWAY_ROUTES.iter().find(|route| route.operation == operation)
    }
}

/// What a gateway sends along with its question.
pub(crate) struct Particulars<'a> {
    /// The method of the question itself.
    pub(crate) method: &'a str,
    pub(crate) original: Original<'a>,
    pub(crate) client: Client,
    pub(crate) credentials: Result<Presented<'a>, Ambiguous>,
    pub(crate) tenant: TenantHeader,
}

/// What is found out about the original request on the event loop.
pub(crate) enum Decided {
    /// Its API key lets it through.
    ApiKey(Caller),
    /// It has a token, which is to be looked at by [`admit_entity`].
    Token(RequestWithToken),
}

/// Decides about the original request, or finds that it takes longer.
///
/// # Errors
/// [`ApiError::Refused`], and [`ApiError::Unavailable`] while this node has no lease.
pub(crate) fn decide(
    state: &AppState,
    question: Question<'_>,
    asked: &Particulars<'_>,
) -> Result<Decided, ApiError> {
    let (method, path, credential) = understood(question, asked)?;
    let (tenant, address) = (asked.tenant, asked.client.address());
    if let (Credential::Bearer(token), Some(audience)) = (credential, state.entity_token_audience) {
        let token = std::str::from_utf8(token).map_err(|_| ApiError::Refused(Refusal::UnknownToken))?;
        if !entity_token::may_be_live(state, token, state.now())? {
            return Err(ApiError::Refused(Refusal::UnknownToken));
        }
        let (token, path) = (SecretText::from(token.to_owned()), path.to_string().into());
        return Ok(Decided::Token(RequestWithToken { token, audience, method, path, tenant, address }));
    }
    let caller = admit_for_gateway(state, method, path, credential, tenant, address)?;
    Ok(Decided::ApiKey(caller))
}

/// Decides about the original request if nothing has to be waited for: it has no token of an entity. The answer is what
/// [`decide`] and [`allowed`] make without a token for the upstream, with nothing copied that is not answered, and the use that it counts for.
///
/// # Errors
/// Those of [`decide`].
pub(crate) fn decide_at_once(
    state: &AppState,
    question: Question<'_>,
    asked: &Particulars<'_>,
) -> Option<Result<(Answer, UsedValue, Instant), ApiError>> {
    let (method, path, credential) = match understood(question, asked) {
        Ok(understood) => understood,
        Err(error) => return Some(Err(error)),
    };
    if matches!(credential, Credential::Bearer(_)) && state.entity_token_audience.is_some() {
        return None;
    }
    let (tenant, address) = (asked.tenant, asked.client.address());
    let passed = pass_for_gateway(state, method, path, credential, tenant, address, header_value);
    Some(passed.and_then(|(passed, name)| {
        let answer = answer(passed.used.api_key_id, name, passed.tenant_id, None);
        Ok((answer?, passed.used, passed.now))
    }))
}

/// Method, path and credential of the original request.
fn understood<'a>(
    question: Question<'a>,
    asked: &Particulars<'a>,
) -> Result<(RequestMethod, Path<'a>, Credential<'a>), ApiError> {
    let (method, uri) = match question {
        Question::ForwardAuth => original(asked)?,
        Question::ExtAuthz(path) => (asked.method.as_bytes(), path.as_bytes()),
    };
    // Before any key is looked at: what is wrong with a path tells nothing about keys.
    let method = std::str::from_utf8(method).ok().and_then(|name| name.parse::<RequestMethod>().ok());
    let method = method.ok_or(ApiError::Refused(Refusal::OriginalMethod))?;
    let path = path(uri).ok_or(ApiError::Refused(Refusal::OriginalPath))?;
    let credential =
        asked.credentials.map_err(|Ambiguous| ApiError::Refused(Refusal::TwoCredentials))?.credential;
    Ok((method, path, credential))
}

/// Lets a request with the token of an entity through.
///
/// # Errors
/// Those of [`entity_rights::admit`]; [`ApiError::Refused`] also when the gateway asks for a token for the upstream, which
/// would have to say something that nobody has: there is none for entities, and without one nobody is let through.
pub(crate) async fn admit_entity(
    state: &Arc<AppState>,
    request: RequestWithToken,
    wants_token: bool,
) -> Result<AdmittedEntity, ApiError> {
    let own = Arc::clone(state);
    let entity = web::block(move || entity_rights::admit(&own, &request))
        .await
        .unwrap_or_else(|_| Err(ApiError::Internal("looking at a token panicked".to_owned())))?;
    if wants_token {
        return Err(ApiError::Refused(Refusal::NoUpstreamTokenOfEntity(entity.entity_id)));
    }
    Ok(entity)
}

/// The path of a URI in origin form. A fragment has no place there, not even behind the query: some cut at it first.
fn path(uri: &[u8]) -> Option<Path<'_>> {
    if uri.contains(&b'#') {
        return None;
    }
    Path::parse(uri.split(|byte| *byte == b'?').next()?).ok()
}

/// Method and URI of the original request.
fn original<'a>(asked: &Particulars<'a>) -> Result<(&'a [u8], &'a [u8]), ApiError> {
    if !asked.client.is_by_proxy() {
        return Err(ApiError::Refused(Refusal::UntrustedGateway));
    }
    asked.original.read()
}

/// Whether the gateway asks for a token as well: once, and in these very words. Nothing else of the query is looked at.
pub(crate) fn wants_token(question: Question<'_>, query: &str) -> bool {
    // The query of `/ext-authz` is the original request's.
    if question != Question::ForwardAuth {
        return false;
    }
    let mut values = query.split('&').filter_map(|parameter| match parameter.split_once('=') {
        Some(("upstreamToken", value)) => Some(value),
        None if parameter == "upstreamToken" => Some(""),
        _ => None,
    });
    (values.next(), values.next()) == (Some("true"), None)
}

/// A token for the upstream about a request that was let through, and the caller as the keyring knows it when the token is
/// there.
///
/// # Errors
/// [`ApiError::NoUpstreamToken`] when none can be made, and those of [`decide`] when the caller would not be let through any
/// more.
pub(crate) async fn token(
    state: &Arc<AppState>,
    mut caller: Caller,
) -> Result<(Caller, Arc<UpstreamToken>), ApiError> {
    for _ in 0..ATTEMPTS {
        let statement = match upstream_token::quickly(state, upstream_token::statement(state, &caller)?) {
            Quick::Done(token) => return Ok((caller, token?)),
            Quick::Slow(statement) => statement,
        };
        let (own, said) = (Arc::clone(state), statement.clone());
        let token = web::block(move || upstream_token::slowly(&own, said))
            .await
            .unwrap_or_else(|_| Err(ApiError::Internal("making a token panicked".to_owned())))?;
        // It may have taken long: what counts is what the caller may do now, and the token must say the same.
        caller = caller.refreshed(state).map_err(told_to_gateways)?;
        if upstream_token::statement(state, &caller)? == statement {
            return Ok((caller, token));
        }
    }
    Err(ApiError::Busy("making tokens for upstreams"))
}

/// The answer that lets a request through, and says whose it is.
///
/// # Errors
/// Never: what it says fits into headers.
pub(crate) fn allowed(
    state: &AppState,
    caller: &Caller,
    token: Option<&UpstreamToken>,
) -> Result<Answer, ApiError> {
    let name = caller.with_name(state, header_value);
    answer(caller.api_key_id(), name, caller.scope().tenant(), token)
}

fn answer(
    api_key_id: ApiKeyId,
    name: Option<String>,
    tenant_id: Option<TenantId>,
    token: Option<&UpstreamToken>,
) -> Result<Answer, ApiError> {
    let mut headers = Vec::with_capacity(4);
    let mut add = |header: HeaderName, value: String| -> Result<(), InvalidHeaderValue> {
        headers.push((header, HeaderValue::try_from(value)?));
        Ok(())
    };
    add(API_KEY_ID, api_key_id.to_string())
        .and_then(|()| name.map_or(Ok(()), |name| add(API_KEY_NAME, name)))
        .and_then(|()| tenant_id.map_or(Ok(()), |tenant_id| add(TENANT_ID, tenant_id.to_string())))
        .and_then(|()| token.map_or(Ok(()), |token| add(UPSTREAM_TOKEN, token.text.expose().to_owned())))
        .map_err(no_header)?;
    Ok(Answer { headers, ..Answer::empty(200) })
}

/// The answer that lets a request of an entity through.
///
/// # Errors
/// Never: ids fit into headers.
pub(crate) fn allowed_to_entity(entity: AdmittedEntity) -> Result<Answer, ApiError> {
    let AdmittedEntity { entity_id, tenant_id } = entity;
    let own = HeaderValue::try_from(entity_id.to_string()).map_err(no_header)?;
    let tenant = HeaderValue::try_from(tenant_id.to_string()).map_err(no_header)?;
    Ok(Answer { headers: vec![(ENTITY_ID, own), (TENANT_ID, tenant)], ..Answer::empty(200) })
}

fn no_header(error: InvalidHeaderValue) -> ApiError {
    ApiError::Internal(format!("an answer to a gateway: {error}"))
}

/// A name as the value of a header: printable ASCII as it is, but for `%` and for a space at either end, which programs cut
/// off; every other byte of its UTF-8 percent-encoded (RFC 3986, section 2.1). Decoded it is the name again.
fn header_value(name: &str) -> String {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%';
    if name.bytes().fold(true, |all, byte| all & is_plain(byte))
        && !name.starts_with(' ')
        && !name.ends_with(' ')
    {
        return name.to_owned();
    }
    let last = name.len().saturating_sub(1);
    let mut value = String::with_capacity(name.len());
    for (place, byte) in name.bytes().enumerate() {
        if (byte.is_ascii_graphic() && byte != b'%') || (byte == b' ' && place != 0 && place != last) {
            value.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(value, "%{byte:02X}");
        }
    }
    value
}

/// The answer that does not, to whatever was asked.
pub(crate) fn refused(error: &ApiError) -> Answer {
    match error {
        ApiError::Refused(refusal) if refusal.is_forbidden() => Answer::empty(403),
        ApiError::Refused(_) => Answer { headers: vec![CHALLENGE], ..Answer::empty(401) },
        // Nobody is let through either, and it is seen that the reason is not the request.
        _ => Answer::empty(503),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
    use claviger_authz::Reason;

    use super::*;
    use crate::client_address::{Peer, TrustedProxies};
    use crate::credential;

    fn refusal(trusted: &str, lines: &[(&'static str, &str)]) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let trusted: TrustedProxies = trusted.parse().unwrap();
        let peer = Peer::new(Some(([192, 0, 2, 1], 1).into()), false);
        let client = Client::new(peer, &trusted, [].into_iter());
        let credentials = credential::parse([].into_iter(), [].into_iter(), [].into_iter(), None);
        let asked = Particulars {
            method: "GET",
            original: GatewayHeaders::of(&headers).original,
            client,
            credentials,
            tenant: TenantHeader::Absent,
        };
        match original(&asked) {
            Ok((method, uri)) => Ok((method.to_vec(), uri.to_vec())),
            Err(ApiError::Refused(refusal)) => Err(refusal),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn one_convention_is_believed_and_only_from_a_proxy() {
        const NGINX: [(&str, &str); 2] = [("x-original-method", "GET"), ("x-original-uri", "/a?b")];
        const CADDY: [(&str, &str); 2] = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/a?b")];
        let asked = Ok((b"GET".to_vec(), b"/a?b".to_vec()));
        for convention in [NGINX, CADDY] {
            assert_eq!(refusal("192.0.2.1", &convention), asked);
            assert_eq!(refusal("192.0.2.2", &convention), Err(Refusal::UntrustedGateway));
            for line in convention {
                assert_eq!(refusal("192.0.2.1", &[line]), Err(Refusal::OriginalMissing));
                let repeated = [convention.as_slice(), &[line]].concat();
                assert_eq!(refusal("192.0.2.1", &repeated), Err(Refusal::OriginalRepeated));
            }
        }
        for first in NGINX {
            for second in CADDY {
                assert_eq!(refusal("192.0.2.1", &[first, second]), Err(Refusal::OriginalContradictory));
            }
            for (one, two) in [(NGINX, CADDY), (CADDY, NGINX)] {
                let both = [one.as_slice(), &two[..1]].concat();
                assert_eq!(refusal("192.0.2.1", &both), Err(Refusal::OriginalContradictory));
            }
        }
        assert_eq!(refusal("192.0.2.1", &[]), Err(Refusal::OriginalMissing));
    }

    #[test]
    fn underscores_are_a_second_spelling() {
        let good = [("x-original-method", "GET"), ("x-original-uri", "/a")];
        for name in ["x_original_uri", "x-original_uri", "x_original-method"] {
            let beside = [good.as_slice(), &[(name, "/a")]].concat();
            assert_eq!(refusal("192.0.2.1", &beside), Err(Refusal::OriginalRepeated), "{name}");
        }
        assert_eq!(
            refusal("192.0.2.1", &[("x_original_method", "GET"), ("x_original_uri", "/a")]),
            Err(Refusal::OriginalRepeated)
        );
        let beside = [good.as_slice(), &[("x_forwarded_uri", "/a")]].concat();
        assert_eq!(refusal("192.0.2.1", &beside), Err(Refusal::OriginalContradictory));
        let other = [good.as_slice(), &[("x-original-url", "/b"), ("x-forwarded-urn", "/b")]].concat();
        assert!(refusal("192.0.2.1", &other).is_ok());
    }

    #[test]
    fn questions() {
        assert_eq!(Question::of("/forward-auth"), Some(Question::ForwardAuth));
        assert_eq!(Question::of("/forward-auth/"), Some(Question::ForwardAuth));
        assert_eq!(Question::of("/ext-authz"), Some(Question::ExtAuthz("")));
        assert_eq!(Question::of("/ext-authz/"), Some(Question::ExtAuthz("/")));
        assert_eq!(Question::of("/ext-authz//a/../b;c"), Some(Question::ExtAuthz("//a/../b;c")));
        for other in ["/forward-auth/x", "/Forward-Auth", "/ext-authzx", "/ext-Authz/x", "/", ""] {
            assert_eq!(Question::of(other), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_asked_for_in_one_way() {
        for (query, expected) in [
            ("upstreamToken=true", true),
            ("a=b&upstreamToken=true&", true),
            ("&upstreamToken=true&upstreamtoken=false", true),
            ("", false),
            ("upstreamToken", false),
            ("upstreamToken=", false),
            ("upstreamToken=True", false),
            ("upstreamToken=true ", false),
            ("upstreamToken=true=", false),
            ("upstreamToken=1", false),
            ("upstreamToken=%74rue", false),
            ("upstream%54oken=true", false),
            ("upstreamtoken=true", false),
            ("xupstreamToken=true", false),
            ("upstreamToken=true&upstreamToken=true", false),
            ("upstreamToken&upstreamToken=true", false),
            ("upstreamToken=true&upstreamToken=false", false),
            ("upstreamToken=false&upstreamToken=true", false),
        ] {
            assert_eq!(wants_token(Question::ForwardAuth, query), expected, "{query}");
            assert!(!wants_token(Question::ExtAuthz("/"), query));
        }
    }

    #[test]
    fn the_path_ends_at_the_query() {
        let text = |uri: &str| path(uri.as_bytes()).map(|path| path.to_string());
        assert_eq!(text("/v1/a?b=/../c"), Some("/v1/a".to_owned()));
        assert_eq!(text("/v1/a?"), Some("/v1/a".to_owned()));
        for uri in ["", "?a", "a", "*", "http://h/v1", "//v1", "/v1/../a", "/v1/a#b", "/v1/a?b#c", "/v1;a"] {
            assert_eq!(text(uri), None, "{uri}");
        }
    }

    #[test]
    fn names_fit_into_a_header_and_come_back() {
        for (name, value) in [
            ("orders", "orders"),
            ("orders of the shop", "orders of the shop"),
            ("a, b; \"c\" {d} \\ ~!", "a, b; \"c\" {d} \\ ~!"),
            ("100%", "100%25"),
            ("%41", "%2541"),
            (" a  b ", "%20a  b%20"),
            ("  a", "%20 a"),
            ("Zahlungen f\u{fc}r K\u{f6}ln", "Zahlungen f%C3%BCr K%C3%B6ln"),
            ("\u{a0}\u{2028}\u{1f511}", "%C2%A0%E2%80%A8%F0%9F%94%91"),
            ("a\r\nX-Forged: b\0", "a%0D%0AX-Forged: b%00"),
        ] {
            assert_eq!(header_value(name), value);
            assert!(HeaderValue::from_str(value).is_ok() && value.trim() == value);
            let mut rest = value.as_bytes();
            let mut decoded = Vec::new();
            while let [first, after @ ..] = rest {
                rest = after;
                if *first == b'%' {
                    let (digits, after) = rest.split_at(2);
                    rest = after;
                    decoded.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
                } else {
                    decoded.push(*first);
                }
            }
            assert_eq!(decoded, name.as_bytes());
        }
    }

    #[test]
    fn gateways_are_told_401_or_403() {
        let id = claviger_domain::ApiKeyId::from_u128(1);
        for (refusal, status) in [
            (Refusal::NoCredential, 401),
            (Refusal::UnknownKey, 401),
            (Refusal::Denied(id, Reason::Expired), 401),
            (Refusal::Denied(id, Reason::Disabled), 401),
            (Refusal::Denied(id, Reason::AddressBlocked), 401),
            (Refusal::TenantGone(id), 401),
            (Refusal::UntrustedGateway, 401),
            (Refusal::Denied(id, Reason::NotGranted), 403),
            (Refusal::Denied(id, Reason::OtherTenant), 403),
            (Refusal::OriginalPath, 403),
        ] {
            let answer = refused(&ApiError::Refused(refusal));
            assert_eq!((answer.status, answer.headers.is_empty()), (status, status == 403), "{refusal}");
        }
        assert_eq!(refused(&ApiError::Unavailable(None)).status, 503);
    }
}
