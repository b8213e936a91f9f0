//! From an HTTP request to an HTTP response: the one handler that actix knows.
//!
//! Routing uses the strict path parser of `claviger-authz`, the same that decisions use, so that router and rules cannot
//! disagree about a path. The body is read only after the gate has let the caller through.

mod log;
pub(crate) mod oauth;
mod service;

use std::sync::Arc;
use std::time::{Duration, Instant as Stopwatch};

use actix_web::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, InvalidHeaderValue, REFERRER_POLICY,
};
use actix_web::http::{Method as HttpMethod, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use claviger_authz::{Path, Target};
use claviger_domain::{EntityId, Instant, Method, RequestMethod, UsedValue, Violation, codes};
use zeroize::Zeroizing;

use self::log::log;
use self::oauth::{base, client_headers};
pub(crate) use self::service::service;
use crate::answer::{Answer, Body};
use crate::client_address::{Client, Peer};
use crate::credential::{self, Ambiguous, Carrier, Credential, Presented};
use crate::error::ApiError;
#[cfg(feature = "sabotage-timing")]
use crate::gate::Refusal;
use crate::gate::{Caller, TenantHeader, admit};
use crate::gateway::{self, Decided, GatewayHeaders, Particulars, Question};
use crate::handlers::{self, Input, handle, handle_quickly, token_after_look_up};
use crate::ops::token::ValidateToken;
use crate::routes::{Dialect, Found, Guard, Operation, Route, Takes, find};
use crate::shared_body::SharedBody;
use crate::state::{AppState, Worker};
use crate::without::{Part, is_done};

/// The largest body that is read, in bytes.
pub(crate) const MAXIMUM_BODY: usize = 1024 * 1024;

static APIKEY: HeaderName = HeaderName::from_static("apikey");
static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static TENANT_ID: HeaderName = HeaderName::from_static("x-fusionauth-tenantid");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Starts of the names of headers that only a proxy writes; with any of them a peer on loopback is not the caller itself.
const FORWARDING: [&str; 11] = [
    "cf-connecting-ip",
    "fastly-client-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-",
    "x-forwarded",
    "x-original",
    "x-real-ip",
];

/// Answers any request.
async fn entry(request: &HttpRequest, payload: web::Payload, worker: &Worker) -> HttpResponse {
    let stopwatch = Stopwatch::now();
    let state = &worker.state;
    let mut seen = Seen::new(client(request, &worker.state), worker);
    let in_query =
        if state.api_key_in_query { credential::in_query(request.query_string()) } else { Ok(None) };
    let outcome = respond(request, payload, state, &in_query, &mut seen).await;
    let refused = place_of_refusal(&outcome, stopwatch);
    oauth::wait_if_about_a_secret(&outcome, stopwatch).await;
    let mut response = finish(request, seen, outcome, refused, stopwatch);
    if in_query != Ok(None) {
        // The address of this answer is a secret that nobody else is to be told.
        response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    response
}

/// Answers a gateway's question about a request with an API key. All of it is in memory, so that nothing is kept for
/// later and no task waits; `None` for whatever else is asked.
fn answer_at_once(request: &HttpRequest, worker: &Worker) -> Option<HttpResponse> {
    let question = Question::of(request.uri().path())?;
    // Without a lease the database is asked first.
    if gateway::wants_token(question, request.query_string()) || !worker.state.serves() {
        return None;
    }
    let stopwatch = Stopwatch::now();
    let headers = GatewayHeaders::of(request.headers());
    let client = match headers.forwarded_for.all() {
        Some(lines) => client_behind(request, &worker.state, lines),
        None => client(request, &worker.state),
    };
    let mut seen = Seen::new(client, worker);
    let asked = seen.particulars(request, question, &headers);
    let outcome = gateway::decide_at_once(&worker.state, question, &asked)?;
    let outcome = outcome.map(|(answer, value, now)| {
        (seen.caller, seen.used_at) = (Some(value), Some(now));
        answer
    });
    let refused = place_of_refusal(&outcome, stopwatch);
    Some(finish(request, seen, outcome, refused, stopwatch))
}

/// Which refusal it is, if it is one, as soon as it may be told. What differs between refusals is worked out before the
/// wait that makes them take the same time.
fn place_of_refusal(outcome: &Result<Answer, ApiError>, stopwatch: Stopwatch) -> Option<usize> {
    let Err(ApiError::Refused(refusal)) = outcome else { return None };
    let place = refusal.place();
    fill_up(stopwatch);
    #[cfg(feature = "sabotage-timing")]
    linger_over_expired(outcome);
    Some(place)
}

/// Counts, logs, and makes the response.
fn finish(
    request: &HttpRequest,
    mut seen: Seen<'_>,
    outcome: Result<Answer, ApiError>,
    refused: Option<usize>,
    stopwatch: Stopwatch,
) -> HttpResponse {
    let (answer, error) = match outcome {
        Ok(answer) if answer.etag.is_some() => {
            (answer.unless_known(texts(request.headers(), &IF_NONE_MATCH)), None)
        }
        Ok(answer) => (answer, None),
        Err(error) if seen.by_gateway => (gateway::refused(&error), Some(error)),
        Err(error) => (error.answer(seen.answers_in), Some(error)),
    };
    if let Some(place) = refused {
        seen.refused = true;
        seen.worker.state.metrics.refused(place);
    }
    if is_done(Part::Metrics) {
        seen.worker.tally.request(seen.route, answer.status);
    }
    let request_id = seen.worker.next_request_id();
    log(request, request_id.as_str(), &seen, answer.status, error.as_ref(), stopwatch);
    response(request, answer, error.as_ref(), request_id.as_str(), seen.dialect)
}

/// How long a refusal takes at least, from the first look at the request to the verdict. What is looked at in memory takes
/// less, on any machine of this decade, even where it is not in the processor's caches.
const REFUSAL_TIME: Duration = Duration::from_micros(5);

/// Waits until a refusal has taken [`REFUSAL_TIME`]. A key that is known and one that is not are treated alike, but they lie
/// in different places of the memory, and an address is compared only where there is a list: that is nanoseconds, which
/// nobody is to measure. The wait is the same for all reasons and too short to give the thread away.
fn fill_up(since: Stopwatch) {
    while !is_due(since.elapsed()) {
        std::hint::spin_loop();
    }
}

/// Whether a refusal may be given this long after the request was looked at.
const fn is_due(elapsed: Duration) -> bool {
    elapsed.as_nanos() >= REFUSAL_TIME.as_nanos()
}

/// The delay that the measurement must find: what a careless comparison would take, about half a microsecond.
#[cfg(feature = "sabotage-timing")]
fn linger_over_expired(outcome: &Result<Answer, ApiError>) {
    use claviger_authz::Reason;
    if let Err(ApiError::Refused(Refusal::Denied(_, Reason::Expired))) = outcome {
        (0..600_u64).fold(0, |sum: u64, number| std::hint::black_box(sum.wrapping_mul(31) ^ number));
    }
}

/// The API key in the query string, where that is looked at.
type InQuery = Result<Option<Zeroizing<Vec<u8>>>, Ambiguous>;

/// What became clear about a request on the way, for log and metrics.
struct Seen<'a> {
    worker: &'a Worker,
    client: Client,
    route: Option<&'static Route>,
    carrier: Option<Carrier>,
    caller: Option<UsedValue>,
    /// When it was let through, if the time was looked at.
    used_at: Option<Instant>,
    /// The entity whose request a gateway may let through.
    entity: Option<EntityId>,
    /// Whether the caller was turned away, be it after the gate.
    refused: bool,
    /// The dialect of the request, where the path has two.
    dialect: Dialect,
    /// The dialect of the answer.
    answers_in: Dialect,
    /// Whether a gateway asks about somebody else's request.
    by_gateway: bool,
}

impl<'a> Seen<'a> {
    fn new(client: Client, worker: &'a Worker) -> Self {
        Self {
            worker,
            client,
            route: None,
            carrier: None,
            caller: None,
            used_at: None,
            entity: None,
            refused: false,
            dialect: Dialect::FusionAuth,
            answers_in: Dialect::FusionAuth,
            by_gateway: false,
        }
    }

    /// What a gateway sends along with this question, of which the parts for log and metrics are noted.
    fn particulars<'r>(
        &mut self,
        request: &'r HttpRequest,
        question: Question<'_>,
        headers: &GatewayHeaders<'r>,
    ) -> Particulars<'r> {
        self.by_gateway = true;
        self.route = question.route();
        let (authorization, x_api_key) = (headers.authorization.iter(), headers.x_api_key.iter());
        // What is in the query string is the original request's.
        let credentials = credential::parse(authorization, x_api_key, headers.apikey.iter(), None);
        self.carrier = credentials.ok().and_then(|presented| presented.carrier);
        Particulars {
            method: request.method().as_str(),
            original: headers.original,
            client: self.client,
            credentials,
            tenant: tenant_header(headers.tenant.iter()),
        }
    }
}

impl Drop for Seen<'_> {
    /// Counts a request that was let through, however it ends: a client that breaks off its connection takes the answer
    /// along, but not what was done for it, nor the trace of that.
    fn drop(&mut self) {
        if let (Some(value), false) = (self.caller, self.refused) {
            if is_done(Part::Metrics) {
                self.worker.tally.allowed();
            }
            if is_done(Part::Uses) {
                let now = self.used_at.unwrap_or_else(|| self.worker.state.now());
                self.worker.usage.note(value, now, self.client.address());
            }
        }
        if self.entity.is_some() {
            self.worker.tally.allowed();
        }
    }
}

async fn respond(
    request: &HttpRequest,
    payload: web::Payload,
    state: &Arc<AppState>,
    in_query: &InQuery,
    seen: &mut Seen<'_>,
) -> Result<Answer, ApiError> {
    if let Some(question) = Question::of(request.uri().path()) {
        state.wait_for_memory().await;
        return answer_gateway(request, state, question, seen).await;
    }
    let method = method(request)?;
    // A path that could be read in two ways is no path of ours.
    let path = Path::parse(request.uri().path().as_bytes()).map_err(|_| ApiError::NoSuchPath)?;
    // On these paths the carrier of the key says which API is meant, and so which methods there are.
    let target = Target::of(&path);
    if matches!(target, Target::ApiKeys | Target::Roles) {
        let carrier = credentials(request, in_query)?.carrier;
        seen.dialect = carrier.map_or(Dialect::FusionAuth, Carrier::dialect);
        seen.answers_in = if target == Target::Roles { Dialect::Fusion } else { seen.dialect };
    }
    let (route, parameter, inner_parameter) = match find(&path, method, seen.dialect) {
        Found::Route(route, parameter, inner) => {
            (route, parameter.map(str::to_owned), inner.map(str::to_owned))
        }
        Found::OtherMethods => return Err(ApiError::MethodNotAllowed),
        Found::Nothing => return Err(ApiError::NoSuchPath),
    };
    seen.route = Some(route);
    seen.answers_in = route.answers_in();
    if !matches!(route.operation, Operation::RetrieveHealth | Operation::RetrieveStatus) {
        state.wait_for_memory().await;
    }
    let caller = caller(request, state, route, path, in_query, seen)?;
    seen.caller = caller.as_deref().map(Caller::used_value);
    match route.operation {
        Operation::RetrieveHealth => return Ok(handlers::health(state)),
        Operation::RetrieveStatus => {
            return handlers::status(
                state,
                caller.is_some() || is_local_operator(request, state, &seen.client),
            );
        }
        Operation::RetrieveVersion => return handlers::version(),
        _ => {}
    }
    let (body, caller) = match route.takes {
        // Bodies can be slow: what counts is what the caller may do when the whole of it is here.
        Takes::Json(_) | Takes::Form(_) => {
            let body = read(request, payload, state.longest_body).await?;
            let caller = caller.map(|caller| caller.refreshed(state)).transpose()?.map(Arc::new);
            (body, caller)
        }
        Takes::Nothing => (Vec::new(), caller),
    };
    let headers = request.headers();
    let operation = route.operation;
    let mut input = Input {
        parameter,
        inner_parameter,
        query: query(request, route)?,
        content_type: headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned),
        body,
        presented: presented(headers, operation)?,
        client: matches!(route.takes, Takes::Form(_)).then(|| client_headers(headers)),
        base: match operation {
            Operation::RetrieveOpenIdConfiguration => base(headers, state, &seen.client),
            _ => None,
        },
        begun: None,
    };
    if let Some(outcome) = handle_quickly(state, operation, caller.as_deref(), &mut input) {
        return outcome;
    }
    if operation == Operation::IssueToken
        && let Some(outcome) = token_after_look_up(state, &mut input).await
    {
        return outcome;
    }
    let publishes = matches!(operation, Operation::RetrieveJsonWebKeySet | Operation::RetrievePublicKeys);
    let _turn = if publishes { state.derived.published.turn().await } else { None };
    if publishes && let Some(outcome) = handle_quickly(state, operation, None, &mut input) {
        return outcome;
    }
    let state = Arc::clone(state);
    web::block(move || handle(&state, operation, caller, input))
        .await
        .unwrap_or_else(|_| Err(ApiError::Internal("the operation panicked".to_owned())))
}

/// Whether a request may go on about which a gateway asks. The body, if any, and what is in the query string are the
/// upstream's, but for the one parameter with which `/forward-auth` is asked for a token.
async fn answer_gateway(
    request: &HttpRequest,
    state: &Arc<AppState>,
    question: Question<'_>,
    seen: &mut Seen<'_>,
) -> Result<Answer, ApiError> {
    let asked = seen.particulars(request, question, &GatewayHeaders::of(request.headers()));
    let wants_token = gateway::wants_token(question, request.query_string());
    let mut caller = match gateway::decide(state, question, &asked)? {
        Decided::ApiKey(caller) => caller,
        Decided::Token(asked) => {
            let entity = gateway::admit_entity(state, asked, wants_token).await?;
            seen.entity = Some(entity.entity_id);
            return gateway::allowed_to_entity(entity);
        }
    };
    let mut token = None;
    if wants_token {
        let made = gateway::token(state, caller).await?;
        (caller, token) = (made.0, Some(made.1));
    }
    // Not before: whoever gets no token is not let through, and has used nothing.
    seen.caller = Some(caller.used_value());
    gateway::allowed(state, &caller, token.as_deref())
}

/// The method that counts: HEAD is a GET without a body in the answer, and clients that cannot send PATCH send POST with
/// `X-HTTP-Method-Override: PATCH`. No other override is read. `None` is a known method that no route has.
fn method(request: &HttpRequest) -> Result<Option<Method>, ApiError> {
    let mut overrides = request.headers().get_all(METHOD_OVERRIDE);
    let patch =
        matches!((overrides.next(), overrides.next()), (Some(value), None) if value.as_bytes() == b"PATCH");
    match *request.method() {
        HttpMethod::GET | HttpMethod::HEAD => Ok(Some(Method::Get)),
        HttpMethod::POST if patch => Ok(Some(Method::Patch)),
        HttpMethod::POST => Ok(Some(Method::Post)),
        HttpMethod::PUT => Ok(Some(Method::Put)),
        HttpMethod::PATCH => Ok(Some(Method::Patch)),
        HttpMethod::DELETE => Ok(Some(Method::Delete)),
        HttpMethod::OPTIONS | HttpMethod::TRACE | HttpMethod::CONNECT => Ok(None),
        _ => Err(ApiError::MethodNotImplemented),
    }
}

fn client(request: &HttpRequest, state: &AppState) -> Client {
    client_behind(request, state, bytes(request.headers(), &X_FORWARDED_FOR))
}

/// The client, with these lines of `X-Forwarded-For`.
fn client_behind<'a>(
    request: &HttpRequest,
    state: &AppState,
    forwarded_for: impl Iterator<Item = &'a [u8]>,
) -> Client {
    let peer = Peer::new(request.peer_addr(), state.unix_socket);
    Client::new(peer, &state.trusted_proxies, forwarded_for)
}

fn credentials<'a>(request: &'a HttpRequest, in_query: &'a InQuery) -> Result<Presented<'a>, Ambiguous> {
    let headers = request.headers();
    credential::parse(
        bytes(headers, &AUTHORIZATION),
        bytes(headers, &X_API_KEY),
        bytes(headers, &APIKEY),
        in_query.as_ref().map_err(|Ambiguous| Ambiguous)?.as_ref().map(|value| value.as_slice()),
    )
}

fn caller(
    request: &HttpRequest,
    state: &AppState,
    route: &Route,
    path: Path<'_>,
    in_query: &InQuery,
    seen: &mut Seen<'_>,
) -> Result<Option<Arc<Caller>>, ApiError> {
    if route.guard == Guard::Public {
        return Ok(None);
    }
    let headers = request.headers();
    let presented = credentials(request, in_query)?;
    seen.carrier = presented.carrier;
    let mut credential = presented.credential;
    let basic;
    if let (Guard::Operator(_), Credential::Basic(credentials)) = (route.guard, credential) {
        basic = credential::basic_api_key(credentials);
        credential = basic.as_ref().map_or(Credential::OtherScheme, |key| Credential::ApiKey(key));
    }
    let anonymous = match route.guard {
        Guard::Optional(_) => true,
        Guard::Operator(_) => is_local_operator(request, state, &seen.client),
        Guard::Public | Guard::Endpoint(_) | Guard::KeyManager | Guard::Roles | Guard::Gateway => false,
    };
    if anonymous && credential == Credential::None {
        return Ok(None);
    }
    let address = seen.client.address();
    // Permissions of roles tell HEAD from the GET as which it is routed.
    let method = match *request.method() {
        HttpMethod::HEAD => RequestMethod::Head,
        _ => RequestMethod::from(route.method),
    };
    admit(state, route.guard, method, path, credential, tenant_header(bytes(headers, &TENANT_ID)), address)
        .map(|caller| Some(Arc::new(caller)))
}

/// The parameters in the query string, decoded, of routes that read some.
fn query(request: &HttpRequest, route: &Route) -> Result<Vec<(String, String)>, ApiError> {
    if route.query().is_empty() || request.query_string().is_empty() {
        return Ok(Vec::new());
    }
    web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map(web::Query::into_inner)
        .map_err(|_| Violation::at(&codes::PARAMETER_COULD_NOT_CONVERT, "query").into())
}

/// The token that is to be validated, and the tenant for which.
fn presented(headers: &HeaderMap, operation: Operation) -> Result<Option<ValidateToken>, ApiError> {
    if operation != Operation::ValidateToken {
        return Ok(None);
    }
    let tenant_id = match tenant_header(bytes(headers, &TENANT_ID)) {
        TenantHeader::Absent => None,
        TenantHeader::Tenant(id) => Some(id),
        TenantHeader::Malformed => return Err((&codes::TENANT_ID_COULD_NOT_CONVERT).into()),
    };
    let token = credential::token(bytes(headers, &AUTHORIZATION), bytes(headers, &COOKIE));
    Ok(token.map(|token| ValidateToken { token: token.to_owned(), tenant_id }))
}

/// The values of a header.
fn bytes<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).map(HeaderValue::as_bytes)
}

/// The values of a header that are text.
fn texts<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).filter_map(|value| value.to_str().ok())
}

/// What the values of the tenant header name.
fn tenant_header<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> TenantHeader {
    match (values.next(), values.next()) {
        (None, _) => TenantHeader::Absent,
        (Some(value), None) => std::str::from_utf8(value)
            .ok()
            .filter(|text| text.is_ascii())
            .and_then(|text| text.trim().parse().ok())
            .map_or(TenantHeader::Malformed, TenantHeader::Tenant),
        (Some(_), Some(_)) => TenantHeader::Malformed,
    }
}

/// The loopback bypass: a setting, the peer's own address, which is no trusted proxy's, and no sign of any other proxy.
fn is_local_operator(request: &HttpRequest, state: &AppState, client: &Client) -> bool {
    state.local_metrics
        && client.is_on_loopback()
        && !request
            .headers()
            .keys()
            .any(|name| FORWARDING.iter().any(|start| name.as_str().starts_with(start)))
}

async fn read(request: &HttpRequest, payload: web::Payload, longest: Duration) -> Result<Vec<u8>, ApiError> {
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAXIMUM_BODY as u64) {
        return Err(ApiError::TooLarge);
    }
    match tokio::time::timeout(longest, payload.to_bytes_limited(MAXIMUM_BODY)).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes.to_vec()),
        Ok(Ok(Err(_))) => Err(ApiError::BodyCut),
        Ok(Err(_)) => Err(ApiError::TooLarge),
        Err(_) => Err(ApiError::BodyLate),
    }
}

fn response(
    request: &HttpRequest,
    answer: Answer,
    error: Option<&ApiError>,
    request_id: &str,
    dialect: Dialect,
) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::build(status);
    // What is left of a body that was not read: the connection cannot be used again.
    if let Some(ApiError::TooLarge | ApiError::BodyCut | ApiError::BodyLate) = error {
        builder.force_close();
    }
    let mut response = match answer.body {
        Body::Empty => builder.finish(),
        Body::Json(document) => builder.content_type("application/json;charset=UTF-8").body(document),
        Body::SharedJson(document) => {
            builder.content_type("application/json;charset=UTF-8").body(SharedBody(document))
        }
        Body::Text(media_type, text) => builder.content_type(media_type).body(text),
    };
    let headers = response.headers_mut();
    let mut insert = |name: HeaderName, value: Result<HeaderValue, InvalidHeaderValue>| match value {
        Ok(value) => drop(headers.insert(name, value)),
        Err(error) => tracing::error!(%name, %error, "a header of an answer is left out"),
    };
    insert(REQUEST_ID, HeaderValue::from_str(request_id));
    insert(
        CACHE_CONTROL,
        match answer.cache_seconds {
            0 => Ok(HeaderValue::from_static("no-store")),
            seconds => HeaderValue::try_from(format!("public, max-age={seconds}")),
        },
    );
    if let Some(etag) = &answer.etag {
        insert(ETAG, HeaderValue::from_str(etag));
    }
    if let Some(ApiError::MethodNotAllowed) = error {
        insert(ALLOW, HeaderValue::try_from(allowed_methods(request, dialect)));
    }
    for (name, value) in answer.headers {
        insert(name, Ok(value));
    }
    response
}

/// The methods of the path, for `Allow` (RFC 9110, section 15.5.6).
fn allowed_methods(request: &HttpRequest, dialect: Dialect) -> String {
    let Ok(path) = Path::parse(request.uri().path().as_bytes()) else { return String::new() };
    let methods = Method::ALL
        .into_iter()
        .filter(|method| matches!(find(&path, Some(*method), dialect), Found::Route(..)));
    let mut names: Vec<_> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[track_caller]
    fn check_method(sent: &str, overrides: &[&str], expected: Result<Option<Method>, ()>) {
        let mut request = TestRequest::default().method(sent.parse().unwrap());
        for value in overrides {
            request = request.append_header((METHOD_OVERRIDE, *value));
        }
        assert_eq!(method(&request.to_http_request()).map_err(drop), expected, "{sent} {overrides:?}");
    }

    #[test]
    fn one_override_is_read_on_one_method() {
        check_method("POST", &["PATCH"], Ok(Some(Method::Patch)));
        for other in ["patch", "Patch", "PATCH ", "PATCH,PATCH", "PUT", "DELETE", "GET", ""] {
            check_method("POST", &[other], Ok(Some(Method::Post)));
        }
        check_method("POST", &["PATCH", "PATCH"], Ok(Some(Method::Post)));
        check_method("POST", &["PATCH", "x"], Ok(Some(Method::Post)));
        for (sent, expected) in [
            ("GET", Ok(Some(Method::Get))),
            ("HEAD", Ok(Some(Method::Get))),
            ("PUT", Ok(Some(Method::Put))),
            ("PATCH", Ok(Some(Method::Patch))),
            ("DELETE", Ok(Some(Method::Delete))),
            ("OPTIONS", Ok(None)),
            ("TRACE", Ok(None)),
            ("CONNECT", Ok(None)),
            ("BREW", Err(())),
            ("post", Err(())),
        ] {
            for overrides in [&[][..], &["PATCH"], &["POST"], &["DELETE"], &["PATCH", "PATCH"]] {
                check_method(sent, overrides, expected);
            }
        }
    }

    /// CVE-2026-23996 (fastapi-api-key): failures, and only these, were delayed at random, which an attacker averages away. Here
    /// every refusal waits for one instant, whatever it is about; nothing of it is drawn.
    #[test]
    fn cve_2026_23996_refusals_wait_for_the_same_instant() {
        let tick = Duration::from_nanos(1);
        for _ in 0..1_000 {
            assert!(!is_due(Duration::ZERO) && !is_due(REFUSAL_TIME - tick));
            assert!(is_due(REFUSAL_TIME) && is_due(Duration::MAX));
        }
        for _ in 0..100 {
            let since = Stopwatch::now();
            fill_up(since);
            assert!(is_due(since.elapsed()));
        }
    }
}
