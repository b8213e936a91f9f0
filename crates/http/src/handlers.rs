//! From a request that passed the gate to its answer: parameters and body in, one operation, JSON out.
//!
//! All of it runs on a blocking thread, in one call, but for what [`handle_quickly`] does. The match over [`Operation`] is exhaustive: a route without a
//! handler does not compile.

mod entity;
mod fusion;
mod oauth;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use claviger_authz::decode_segment;
use claviger_domain::{
    ApiKeySearch, ChangeSearch, Code, FusionId, IpAccessControlListId, IpAccessControlListSearch, KeyId,
    KeySearch, TenantId, TenantSearch, Violations, codes,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Body};
use crate::error::ApiError;
use crate::gate::{Caller, Refusal};
use crate::metrics::{MEDIA_TYPE, Readings};
use crate::ops;
use crate::ops::api_key::ApiKeyReference;
use crate::ops::token::{InvalidToken, ValidateToken, Validated};
use crate::published::{Document, Published};
use crate::routes::Operation;
use crate::state::AppState;
use crate::wire;
use crate::wire::json::parse_object;
use crate::wire::patch::Patch;

pub(crate) use oauth::{
    Base, BegunToken, ClientHeaders, no_cache, schemas as oauth_schemas, token_after_look_up,
};

/// The level of FusionAuth's API that Claviger answers.
pub const FUSIONAUTH_VERSION: &str = "1.69.0";

/// Seconds for which caches may keep the key set: a new key is seen after this time at the latest.
const JWKS_CACHE_SECONDS: u32 = 60;

/// What a request brings along, besides its caller.
pub(crate) struct Input {
    /// The first path parameter, on most paths the only one.
    pub(crate) parameter: Option<String>,
    /// The second one, of what lies inside the object that the first one names.
    pub(crate) inner_parameter: Option<String>,
    /// The value of `Content-Type`.
    pub(crate) content_type: Option<String>,
    /// The whole body.
    pub(crate) body: Vec<u8>,
    /// The parameters in the query string, where the route reads some.
    pub(crate) query: Vec<(String, String)>,
    /// The token that is to be validated.
    pub(crate) presented: Option<ValidateToken>,
    /// What headers say about the client, at the endpoints of OAuth 2.0.
    pub(crate) client: Option<ClientHeaders>,
    /// Under which URL the server is reached, where the answer says so; `None` also if that cannot be told.
    pub(crate) base: Option<Base>,
    /// What was done for a token before it turned out to take longer.
    pub(crate) begun: Option<BegunToken>,
}

/// The largest body that is read on the event loop.
const QUICK_BODY: usize = 16 * 1024;

/// Runs an operation on the event loop, if all that it needs is at hand and takes microseconds.
pub(crate) fn handle_quickly(
    state: &AppState,
    operation: Operation,
    caller: Option<&Caller>,
    input: &mut Input,
) -> Option<Result<Answer, ApiError>> {
    match operation {
        Operation::RetrieveJsonWebKeySet if state.serves() => {
            let published = state.derived.published.at_hand()?;
            Some(Ok(Answer::shared(&published.jwks, JWKS_CACHE_SECONDS)))
        }
        Operation::RetrievePublicKeys if state.serves() => {
            let published = state.derived.published.at_hand()?;
            Some(public_keys(&published, input))
        }
        Operation::ValidateToken if state.serves() => match &input.presented {
            Some(command) => Some(validated(state, ops::token::validate_quickly(state, command)?)),
            None => Some(validated(state, Err(InvalidToken::Absent))),
        },
        Operation::RetrieveOpenIdConfiguration if state.serves() => Some(oauth::discovery(state, input)),
        Operation::IssueToken if input.body.len() <= QUICK_BODY => oauth::token_quickly(state, input),
        Operation::VendToken if input.body.len() <= QUICK_BODY => {
            let command = match input.optional_document().and_then(wire::token::vend) {
                Ok(command) => command,
                Err(violations) => return Some(Err(violations.into())),
            };
            let token = ops::token::vend_quickly(state, caller?, &command)?;
            Some(token.and_then(|token| json_answer(&wire::token::VendResponse { token })))
        }
        _ => None,
    }
}

fn validated(state: &AppState, outcome: Validated) -> Result<Answer, ApiError> {
    state.metrics.validation(outcome.as_ref().err().copied());
    match outcome {
        Ok(jwt) => json_answer(&wire::token::ValidateResponse { jwt }),
        // Whatever is wrong, the answer is the same.
        Err(_) => Ok(Answer::empty(401)),
    }
}

/// `/api/jwt/public-key` in its three forms. No application is known in this version, so none has a key of its own.
fn public_keys(published: &Published, input: &Input) -> Result<Answer, ApiError> {
    let (application_id, kid) = wire::token::public_key_parameters(&input.query)?;
    if application_id.is_some() {
        return Err(ApiError::NotFound);
    }
    let Some(kid) = kid else { return Ok(Answer::shared(&published.public_keys, JWKS_CACHE_SECONDS)) };
    let public_key = published.by_kid.get(&kid).ok_or(ApiError::NotFound)?;
    let document = Document::from(json!({"publicKey": public_key}));
    Ok(Answer::shared(&document, JWKS_CACHE_SECONDS))
}

/// Runs one operation. `caller` is there for every route that the gate guards.
pub(crate) fn handle(
    state: &AppState,
    operation: Operation,
    caller: Option<Arc<Caller>>,
    input: Input,
) -> Result<Answer, ApiError> {
    let known = caller.as_ref().ok_or(ApiError::Refused(Refusal::NoCredential));
    let public = matches!(
        operation,
        Operation::RetrieveJsonWebKeySet
            | Operation::RetrieveOpenIdConfiguration
            | Operation::RetrievePublicKeys
            | Operation::ValidateToken
    );
    if public && !state.serves() {
        // What is in memory may be old.
        return Err(ApiError::Unavailable(None));
    }
    match operation {
        Operation::CreateApiKey => {
            let id = input.optional_id(&codes::API_KEY_ID_COULD_NOT_CONVERT);
            let (id, command) = both(id, input.document().and_then(wire::api_key::create))?;
            shown_api_key(&ops::api_key::create(state, known?, id, command)?)
        }
        Operation::RetrieveApiKey => {
            shown_api_key(&ops::api_key::retrieve(state, known?, &input.api_key_reference()?)?)
        }
        Operation::UpdateApiKey => {
            let fields = input.document().and_then(wire::api_key::replace);
            let (reference, fields) = both(input.api_key_reference(), fields)?;
            shown_api_key(&ops::api_key::update(state, known?, reference, move |_| Ok(fields.clone()))?)
        }
        Operation::PatchApiKey => {
            let (reference, patch) = both(input.api_key_reference(), input.patch())?;
            let compute = move |stored: &_| wire::api_key::patched(stored, &patch);
            shown_api_key(&ops::api_key::update(state, known?, reference, compute)?)
        }
        Operation::DeleteApiKey => {
            ops::api_key::delete(state, known?, input.api_key_reference()?)?;
            Ok(Answer::empty(200))
        }
        Operation::RotateApiKey => {
            let command = input.optional_document().and_then(wire::api_key_rotation::rotate);
            let (reference, command) = both(input.api_key_reference(), command)?;
            shown_api_key(&ops::api_key_rotation::rotate(state, known?, &reference, command)?)
        }
        Operation::RetrieveApiKeyUsage => {
            let (id, usage) = ops::api_key_usage::retrieve(state, known?, &input.api_key_reference()?)?;
            json_answer(&wire::api_key_usage::response(id, &usage))
        }
        Operation::SearchApiKeys => {
            found_api_keys(state, known?, wire::api_key_search::from_query(&input.query))
        }
        Operation::SearchApiKeysByBody => {
            found_api_keys(state, known?, input.document().and_then(wire::api_key_search::from_body))
        }
        Operation::CreateFusionApiKey
        | Operation::RetrieveFusionApiKeys
        | Operation::RetrieveFusionApiKey
        | Operation::DeleteFusionApiKey
        | Operation::CreateRole
        | Operation::RetrieveRoles
        | Operation::RetrieveRole
        | Operation::UpdateRole
        | Operation::DeleteRole => fusion::handle(state, operation, known?, &input),
        Operation::CreateEntityType
        | Operation::RetrieveEntityTypes
        | Operation::RetrieveEntityType
        | Operation::UpdateEntityType
        | Operation::PatchEntityType
        | Operation::DeleteEntityType
        | Operation::SearchEntityTypes
        | Operation::SearchEntityTypesByBody
        | Operation::CreateEntityTypePermission
        | Operation::UpdateEntityTypePermission
        | Operation::PatchEntityTypePermission
        | Operation::DeleteEntityTypePermission
        | Operation::DeleteEntityTypePermissionByName => {
            entity::handle_type(state, operation, known?, &input)
        }
        Operation::CreateEntity
        | Operation::RetrieveEntity
        | Operation::UpdateEntity
        | Operation::PatchEntity
        | Operation::DeleteEntity
        | Operation::RotateClientSecret
        | Operation::SearchEntities
        | Operation::SearchEntitiesByBody
        | Operation::FlushEntitySearch
        | Operation::UpsertEntityGrant
        | Operation::ReplaceEntityGrant
        | Operation::RetrieveEntityGrants
        | Operation::DeleteEntityGrant
        | Operation::SearchEntityGrants
        | Operation::SearchEntityGrantsByBody => entity::handle(state, operation, known?, &input),
        Operation::CreateIpAccessControlList => {
            let id = input.optional_id(&codes::IP_ACL_ID_COULD_NOT_CONVERT);
            let (id, fields) = both(id, input.document().and_then(wire::ip_acl::fields))?;
            json_answer(&wire::ip_acl::response(&ops::ip_acl::create(state, known?, id, fields)?))
        }
        Operation::RetrieveIpAccessControlList => {
            let id = input.ip_access_control_list_id()?;
            json_answer(&wire::ip_acl::response(&ops::ip_acl::retrieve(state, known?, id)?))
        }
        Operation::UpdateIpAccessControlList => {
            let fields = input.document().and_then(wire::ip_acl::fields);
            let (id, fields) = both(input.ip_access_control_list_id(), fields)?;
            let compute = move |_: &_| Ok(fields.clone());
            json_answer(&wire::ip_acl::response(&ops::ip_acl::update(state, known?, id, compute)?))
        }
        Operation::PatchIpAccessControlList => {
            let (id, patch) = both(input.ip_access_control_list_id(), input.patch())?;
            let compute = move |stored: &_| wire::ip_acl::patched(stored, &patch);
            json_answer(&wire::ip_acl::response(&ops::ip_acl::update(state, known?, id, compute)?))
        }
        Operation::DeleteIpAccessControlList => {
            ops::ip_acl::delete(state, known?, input.ip_access_control_list_id()?)?;
            Ok(Answer::empty(200))
        }
        Operation::SearchIpAccessControlLists => {
            found_lists(state, known?, wire::ip_acl_search::from_query(&input.query))
        }
        Operation::SearchIpAccessControlListsByBody => {
            found_lists(state, known?, input.document().and_then(wire::ip_acl_search::from_body))
        }
        Operation::RetrieveKeys => {
            json_answer(&wire::key::KeysResponse::from(ops::key::retrieve_all(state, known?)?))
        }
        Operation::RetrieveKey => {
            json_answer(&wire::key::KeyResponse::from(ops::key::retrieve(state, known?, input.key_id()?)?))
        }
        Operation::GenerateKey => {
            let id = input.optional_id(&codes::KEY_ID_COULD_NOT_CONVERT);
            let (id, command) = both(id, input.document().and_then(wire::key::generate))?;
            json_answer(&wire::key::KeyResponse::from(ops::key::generate(state, known?, id, command)?))
        }
        Operation::ImportKey => {
            let id = input.optional_id(&codes::KEY_ID_COULD_NOT_CONVERT);
            let (id, command) = both(id, input.document().and_then(wire::key_import::import))?;
            json_answer(&wire::key::KeyResponse::from(ops::key_import::import(state, known?, id, command)?))
        }
        Operation::SearchKeys => found_keys(state, known?, wire::key_search::from_query(&input.query)),
        Operation::SearchKeysByBody => {
            found_keys(state, known?, input.document().and_then(wire::key_search::from_body))
        }
        Operation::UpdateKey => {
            let (id, name) = both(input.key_id(), input.document().and_then(wire::key::rename))?;
            json_answer(&wire::key::KeyResponse::from(ops::key::rename(state, known?, id, name)?))
        }
        Operation::DeleteKey => {
            ops::key::delete(state, known?, input.key_id()?)?;
            Ok(Answer::empty(200))
        }
        Operation::CreateTenant => {
            ops::tenant::require_all_tenants(
                known.as_ref().map_err(|_| ApiError::Refused(Refusal::NoCredential))?,
            )?;
            let id = input.optional_id(&codes::TENANT_ID_COULD_NOT_CONVERT);
            let (id, command) = both(id, input.document().and_then(wire::tenant::create))?;
            json_answer(&wire::tenant::response(&ops::tenant::create(state, known?, id, command)?))
        }
        Operation::RetrieveTenants => {
            json_answer(&wire::tenant::list_response(&ops::tenant::retrieve_all(state, known?)?))
        }
        Operation::RetrieveTenant => {
            json_answer(&wire::tenant::response(&ops::tenant::retrieve(state, known?, input.tenant_id()?)?))
        }
        Operation::UpdateTenant => {
            let (id, fields) = both(input.tenant_id(), input.document().and_then(wire::tenant::replace))?;
            let compute = move |_: &_| Ok(fields.clone());
            json_answer(&wire::tenant::response(&ops::tenant::update(state, known?, id, compute)?))
        }
        Operation::PatchTenant => {
            let (id, patch) = both(input.tenant_id(), input.patch())?;
            let compute = move |stored: &_| wire::tenant::patched(stored, &patch);
            json_answer(&wire::tenant::response(&ops::tenant::update(state, known?, id, compute)?))
        }
        Operation::DeleteTenant => {
            let asynchronous = input
                .optional_document()
                .and_then(|document| wire::tenant::is_asynchronous(&input.query, document));
            let (id, asynchronous) = both(input.tenant_id(), asynchronous)?;
            ops::tenant::delete(state, known?, id, asynchronous)?;
            Ok(Answer::empty(if asynchronous { 202 } else { 200 }))
        }
        Operation::SearchTenants => {
            found_tenants(state, known?, wire::tenant_search::from_query(&input.query))
        }
        Operation::SearchTenantsByBody => {
            found_tenants(state, known?, input.document().and_then(wire::tenant_search::from_body))
        }
        Operation::RetrieveJsonWebKeySet => {
            Ok(Answer::shared(&ops::key::published(state)?.jwks, JWKS_CACHE_SECONDS))
        }
        Operation::RetrievePublicKeys => public_keys(&*ops::key::published(state)?, &input),
        Operation::VendToken => {
            let command = input.optional_document().and_then(wire::token::vend)?;
            json_answer(&wire::token::VendResponse { token: ops::token::vend(state, known?, &command)? })
        }
        Operation::ValidateToken => match &input.presented {
            Some(command) => validated(state, ops::token::validate(state, command)?),
            None => validated(state, Err(InvalidToken::Absent)),
        },
        Operation::IssueToken => oauth::token(state, input),
        Operation::IntrospectToken => oauth::introspect(state, &input),
        Operation::RetrieveOpenIdConfiguration => oauth::discovery(state, &input),
        Operation::RetrieveAuditLog => {
            let id = input.id(&codes::AUDIT_LOG_ID_COULD_NOT_CONVERT)?;
            json_answer(&wire::audit_log::response(&ops::audit_log::retrieve(state, known?, id)?))
        }
        Operation::SearchAuditLogs => {
            found_audit_logs(state, known?, wire::audit_log::from_query(&input.query))
        }
        Operation::SearchAuditLogsByBody => {
            found_audit_logs(state, known?, input.document().and_then(wire::audit_log::from_body))
        }
        Operation::Authorize => {
            let question = input.document().and_then(wire::authorization::question)?;
            let answer = ops::authorization::authorize(state, known?, &question)?;
            json_answer(&wire::authorization::response(&answer))
        }
        // Answered before any of this.
        Operation::ForwardAuth | Operation::ExtAuthz => Err(ApiError::NoSuchPath),
        Operation::RetrieveMetrics => metrics(state),
        Operation::RetrieveVersion => known.and_then(|_| version()),
        Operation::RetrieveHealth => Ok(health(state)),
        Operation::RetrieveStatus => status(state, caller.is_some()),
    }
}

/// The level of FusionAuth's API.
pub(crate) fn version() -> Result<Answer, ApiError> {
    json_answer(&json!({"version": FUSIONAUTH_VERSION}))
}

/// Whether a load balancer should send requests here.
pub(crate) fn health(state: &AppState) -> Answer {
    Answer::empty(if state.database_up() && state.serves() { 200 } else { 500 })
}

/// 200, or FusionAuth's 452 while the database is away. `full` adds what only operators should see.
pub(crate) fn status(state: &AppState, full: bool) -> Result<Answer, ApiError> {
    let up = state.database_up() && state.serves();
    let health = if up { "Ok" } else { "DatabaseUnavailable" };
    let document = if full {
        let keyring = &state.keyring;
        let mut document = json!({
            "claviger": {"startInstant": state.started.epoch_millis(), "version": env!("CARGO_PKG_VERSION")},
            "database": {"connected": up, "engine": state.engine},
            "keyring": {"apiKeys": keyring.len(), "permissionSets": keyring.permission_sets()},
            "status": health,
            "version": FUSIONAUTH_VERSION,
        });
        if let (Some(feed), Some(members)) = (state.feed(), document.as_object_mut()) {
            let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            let (age, lease) = (milliseconds(feed.age), milliseconds(feed.lease));
            members.insert(
                "feed".to_owned(),
                json!({"ageInMilliseconds": age, "leaseInMilliseconds": lease, "nodes": feed.nodes}),
            );
        }
        document
    } else {
        json!({"status": health})
    };
    let mut answer = json_answer(&document)?;
    answer.status = if up { 200 } else { 452 };
    Ok(answer)
}

/// The metrics. They are there also while the database is away: that is when somebody looks at them.
fn metrics(state: &AppState) -> Result<Answer, ApiError> {
    let readings = Readings {
        api_keys: state.keyring.len(),
        permission_sets: state.keyring.permission_sets(),
        // While the database is away, nobody waits for it here.
        near_expiry: state.database_up().then(|| ops::expiry::near_expiry(state).ok()).flatten(),
        rsa_stock: state.rsa_keys.stock(),
        parsed_keys: state.derived.parsed_keys.len(),
        feed: state.feed(),
    };
    let text = state
        .metrics
        .render(&readings)
        .map_err(|error| ApiError::Internal(format!("cannot render the metrics: {error}")))?;
    Ok(Answer { body: Body::Text(MEDIA_TYPE, text), ..Answer::empty(200) })
}

impl Input {
    /// The body as a JSON object, all of whose members are optional: some clients send none at all.
    fn optional_document(&self) -> Result<Map<String, Value>, Violations> {
        if self.body.is_empty() { Ok(Map::new()) } else { self.document() }
    }

    /// The body as a JSON object.
    fn document(&self) -> Result<Map<String, Value>, Violations> {
        if !self.media_type()?.eq_ignore_ascii_case("application/json") {
            return Err(Violations::from(&codes::CONTENT_TYPE_UNSUPPORTED));
        }
        parse_object(&self.body)
    }

    /// The body of a PATCH, in any of its three media types.
    fn patch(&self) -> Result<Patch, Violations> {
        Patch::read(self.media_type()?, &self.body)
    }

    /// The media type of a body that must be there, without its parameters.
    fn media_type(&self) -> Result<&str, Violations> {
        if self.body.is_empty() {
            return Err(Violations::from(&codes::BODY_MISSING));
        }
        let content_type =
            self.content_type.as_deref().ok_or(Violations::from(&codes::CONTENT_TYPE_MISSING))?;
        Ok(content_type.split(';').next().unwrap_or_default().trim())
    }

    fn optional_id<T: FromStr>(&self, code: &'static Code) -> Result<Option<T>, Violations> {
        self.parameter.as_deref().map(|text| text.parse().map_err(|_| Violations::from(code))).transpose()
    }

    fn id<T: FromStr>(&self, code: &'static Code) -> Result<T, Violations> {
        self.optional_id(code)?.ok_or_else(|| Violations::from(code))
    }

    /// The key that the URL names, in either dialect's way.
    fn api_key_reference(&self) -> Result<ApiKeyReference, Violations> {
        let code = &codes::API_KEY_ID_COULD_NOT_CONVERT;
        let text = decode_segment(self.parameter.as_deref().ok_or(Violations::from(code))?);
        let reference = ApiKeyReference { id: text.parse().ok(), fusion_id: FusionId::try_from(text).ok() };
        if reference.id.is_none() && reference.fusion_id.is_none() {
            return Err(Violations::from(code));
        }
        Ok(reference)
    }

    fn ip_access_control_list_id(&self) -> Result<IpAccessControlListId, Violations> {
        self.id(&codes::IP_ACL_ID_COULD_NOT_CONVERT)
    }

    fn key_id(&self) -> Result<KeyId, Violations> {
        self.id(&codes::KEY_ID_COULD_NOT_CONVERT)
    }

    fn tenant_id(&self) -> Result<TenantId, Violations> {
        self.id(&codes::TENANT_ID_COULD_NOT_CONVERT)
    }
}

/// Both values, or everything that is wrong with either.
fn both<A, B>(a: Result<A, Violations>, b: Result<B, Violations>) -> Result<(A, B), Violations> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(violations), Ok(_)) | (Ok(_), Err(violations)) => Err(violations),
        (Err(mut violations), Err(more)) => {
            for violation in more.iter() {
                violations.push(violation.clone());
            }
            Err(violations)
        }
    }
}

fn json_answer<T: Serialize>(document: &T) -> Result<Answer, ApiError> {
    let text = wire::render(document)
        .map_err(|error| ApiError::Internal(format!("cannot render the answer: {error}")))?;
    Ok(Answer::json(200, text))
}

fn found_lists(
    state: &AppState,
    caller: &Caller,
    search: Result<IpAccessControlListSearch, Violations>,
) -> Result<Answer, ApiError> {
    let page = ops::ip_acl::search(state, caller, &search?)?;
    json_answer(&wire::ip_acl_search::response(&page.lists, page.total))
}

fn found_api_keys(
    state: &AppState,
    caller: &Caller,
    search: Result<ApiKeySearch, Violations>,
) -> Result<Answer, ApiError> {
    let (api_keys, total) = ops::api_key_search::search(state, caller, &search?)?;
    json_answer(&wire::api_key_search::ApiKeySearchResponse::new(&api_keys, total))
}

fn found_tenants(
    state: &AppState,
    caller: &Caller,
    search: Result<TenantSearch, Violations>,
) -> Result<Answer, ApiError> {
    let page = ops::tenant::search(state, caller, &search?)?;
    json_answer(&wire::tenant_search::response(&page.tenants, page.total))
}

fn found_audit_logs(
    state: &AppState,
    caller: &Caller,
    search: Result<ChangeSearch, Violations>,
) -> Result<Answer, ApiError> {
    let page = ops::audit_log::search(state, caller, &search?)?;
    json_answer(&wire::audit_log::search_response(&page.changes, page.total))
}

fn found_keys(
    state: &AppState,
    caller: &Caller,
    search: Result<KeySearch, Violations>,
) -> Result<Answer, ApiError> {
    let (keys, total) = ops::key::search(state, caller, &search?)?;
    json_answer(&wire::key_search::KeySearchResponse::new(keys, total))
}

fn shown_api_key((api_key, value): &ops::api_key::ShownApiKey) -> Result<Answer, ApiError> {
    json_answer(&wire::api_key::ApiKeyResponse::new(api_key, value.as_ref()))
}
