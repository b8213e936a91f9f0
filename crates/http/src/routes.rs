//! The one table of routes. It routes requests, feeds the gate, makes `docs/API.md` and the OpenAPI document, and drives
//! the authorization matrix of the tests.

mod parameters;
mod tree;

use claviger_authz::{Endpoint, EndpointScope, Path};
use claviger_domain::Method;

use parameters::{
    API_KEY_SEARCH_PARAMETERS, AUDIT_LOG_SEARCH_PARAMETERS, DISCOVERY_PARAMETERS, ENTITY_SEARCH_PARAMETERS,
    ENTITY_TYPE_SEARCH_PARAMETERS, FORWARD_AUTH_PARAMETERS, GRANT_PARAMETERS, GRANT_SEARCH_PARAMETERS,
    IP_ACL_SEARCH_PARAMETERS, PERMISSION_PARAMETERS, PUBLIC_KEY_PARAMETERS, ROLE_PARAMETERS,
    SEARCH_PARAMETERS, TENANT_DELETE_PARAMETERS, TENANT_SEARCH_PARAMETERS,
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Anybody.
    Public,
    /// API keys that are granted this endpoint of the catalogue.
    Endpoint(&'static str),
    /// Anybody; API keys that are granted this endpoint see more.
    Optional(&'static str),
    /// API keys that are granted this endpoint, also as the password of Basic with the user `apikey`; and callers on the
    /// machine itself where the setting `LOCAL_METRICS_ENABLED` says so.
    Operator(&'static str),
    /// API keys that manage others.
    KeyManager,
    /// API keys that manage others, and those whose roles allow it. Changing takes a global key.
    Roles,
    /// The API key of the request about which a gateway asks, if that key may make it.
    Gateway,
}

/// The two APIs that meet on `/api/api-key`, told apart by the header that carries the API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// FusionAuth's: `Authorization`, or no credential at all.
    FusionAuth,
    /// Lucidworks Fusion's: `x-api-key`, `apikey` or the parameter in the query string.
    Fusion,
    /// No API keys at all: the endpoints of OAuth 2.0, whose errors have a form of their own.
    OAuth,
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table says what each one does")]
pub enum Operation {
    CreateApiKey,
    RetrieveApiKey,
    UpdateApiKey,
    PatchApiKey,
    DeleteApiKey,
    RotateApiKey,
    RetrieveApiKeyUsage,
    SearchApiKeys,
    SearchApiKeysByBody,
    CreateFusionApiKey,
    RetrieveFusionApiKeys,
    RetrieveFusionApiKey,
    DeleteFusionApiKey,
    CreateRole,
    RetrieveRoles,
    RetrieveRole,
    UpdateRole,
    DeleteRole,
    CreateEntityType,
    RetrieveEntityTypes,
    RetrieveEntityType,
    UpdateEntityType,
    PatchEntityType,
    DeleteEntityType,
    SearchEntityTypes,
    SearchEntityTypesByBody,
    CreateEntityTypePermission,
    UpdateEntityTypePermission,
    PatchEntityTypePermission,
    DeleteEntityTypePermission,
    DeleteEntityTypePermissionByName,
    CreateEntity,
    RetrieveEntity,
    UpdateEntity,
    PatchEntity,
    DeleteEntity,
    RotateClientSecret,
    SearchEntities,
    SearchEntitiesByBody,
    FlushEntitySearch,
    UpsertEntityGrant,
    ReplaceEntityGrant,
    RetrieveEntityGrants,
    DeleteEntityGrant,
    SearchEntityGrants,
    SearchEntityGrantsByBody,
    CreateIpAccessControlList,
    RetrieveIpAccessControlList,
    UpdateIpAccessControlList,
    PatchIpAccessControlList,
    DeleteIpAccessControlList,
    SearchIpAccessControlLists,
    SearchIpAccessControlListsByBody,
    RetrieveKeys,
    RetrieveKey,
    GenerateKey,
    ImportKey,
    SearchKeys,
    SearchKeysByBody,
    UpdateKey,
    DeleteKey,
    CreateTenant,
    RetrieveTenants,
    RetrieveTenant,
    UpdateTenant,
    PatchTenant,
    DeleteTenant,
    SearchTenants,
    SearchTenantsByBody,
    RetrieveJsonWebKeySet,
    RetrievePublicKeys,
    VendToken,
    ValidateToken,
    IssueToken,
    IntrospectToken,
    RetrieveOpenIdConfiguration,
    RetrieveMetrics,
    RetrieveStatus,
    RetrieveHealth,
    RetrieveVersion,
    RetrieveAuditLog,
    SearchAuditLogs,
    SearchAuditLogsByBody,
    Authorize,
    ForwardAuth,
    ExtAuthz,
}

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// No body; one that is sent is not read.
    Nothing,
    /// A JSON document of this schema.
    Json(&'static str),
    /// A form (`application/x-www-form-urlencoded`) of this schema.
    Form(&'static str),
}

/// What an answer carries when all went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// Nothing.
    Nothing,
    /// A JSON document of this schema.
    Json(&'static str),
    /// A text of this media type.
    Text(&'static str),
}

/// A parameter in the query string of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryParameter {
    /// Its name.
    pub name: &'static str,
    /// Its type in the OpenAPI document.
    pub schema_type: &'static str,
    /// What it is for.
    pub description: &'static str,
}

/// One route.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The HTTP method.
    pub method: Method,
    /// The path; `{name}` stands for one segment.
    pub template: &'static str,
    /// Who may call it.
    pub guard: Guard,
    /// What it does.
    pub operation: Operation,
    /// The body of the request.
    pub takes: Takes,
    /// The body of the answer.
    pub gives: Gives,
    /// A line for people.
    pub summary: &'static str,
    /// The dialect in which a request must come; `None`: in either, and all the same.
    pub dialect: Option<Dialect>,
}

impl Route {
    /// The parameters in the query string that the route reads; it ignores others.
    #[must_use]
    pub const fn query(&self) -> &'static [QueryParameter] {
        match self.operation {
            Operation::SearchApiKeys => &API_KEY_SEARCH_PARAMETERS,
            Operation::SearchAuditLogs => &AUDIT_LOG_SEARCH_PARAMETERS,
            Operation::DeleteEntityTypePermissionByName => &PERMISSION_PARAMETERS,
            Operation::RetrieveEntityGrants | Operation::DeleteEntityGrant => &GRANT_PARAMETERS,
            Operation::SearchEntities => &ENTITY_SEARCH_PARAMETERS,
            Operation::SearchEntityGrants => &GRANT_SEARCH_PARAMETERS,
            Operation::SearchEntityTypes => &ENTITY_TYPE_SEARCH_PARAMETERS,
            Operation::SearchIpAccessControlLists => &IP_ACL_SEARCH_PARAMETERS,
            Operation::SearchKeys => &SEARCH_PARAMETERS,
            Operation::SearchTenants => &TENANT_SEARCH_PARAMETERS,
            Operation::DeleteTenant => &TENANT_DELETE_PARAMETERS,
            Operation::RetrieveOpenIdConfiguration => &DISCOVERY_PARAMETERS,
            Operation::RetrievePublicKeys => &PUBLIC_KEY_PARAMETERS,
            Operation::RetrieveRoles => &ROLE_PARAMETERS,
            Operation::ForwardAuth => &FORWARD_AUTH_PARAMETERS,
            _ => &[],
        }
    }

    /// The dialect of the answer, which for roles is Fusion's in any case: FusionAuth has none there.
    #[must_use]
    pub fn answers_in(&self) -> Dialect {
        if matches!(self.takes, Takes::Form(_)) {
            return Dialect::OAuth;
        }
        match (self.guard, self.dialect) {
            (Guard::Roles, _) | (_, Some(Dialect::Fusion)) => Dialect::Fusion,
            (_, Some(Dialect::FusionAuth) | None) => Dialect::FusionAuth,
            (_, Some(Dialect::OAuth)) => Dialect::OAuth,
        }
    }

    /// Whether requests in this dialect reach the route.
    fn is_spoken(&self, dialect: Dialect) -> bool {
        self.dialect.is_none_or(|own| own == dialect)
    }

    const fn in_dialect(self, dialect: Dialect) -> Self {
        Self { dialect: Some(dialect), ..self }
    }

    /// The scope of what the route does: `None` where no API key is asked for. Tenant-bound keys and the tenant header never
    /// reach a global route. Key managers can be bound to a tenant.
    #[must_use]
    pub fn scope(&self) -> Option<EndpointScope> {
        match self.guard {
            Guard::Public | Guard::Gateway => None,
            Guard::KeyManager => Some(EndpointScope::Tenant),
            Guard::Roles if self.method == Method::Get => Some(EndpointScope::Tenant),
            Guard::Roles => Some(EndpointScope::Global),
            Guard::Endpoint(path) | Guard::Operator(path) | Guard::Optional(path) => {
                Endpoint::find(path).map(Endpoint::scope)
            }
        }
    }

    /// The name of the scope.
    #[must_use]
    pub fn scope_name(&self) -> &'static str {
        match self.scope() {
            Some(EndpointScope::Global) => "global",
            Some(EndpointScope::Tenant) => "tenant",
            None => "none",
        }
    }
}

const fn route(
    method: Method,
    template: &'static str,
    guard: Guard,
    operation: Operation,
    takes: Takes,
    gives: Gives,
    summary: &'static str,
) -> Route {
    Route { method, template, guard, operation, takes, gives, summary, dialect: None }
}

const API_KEY: Takes = Takes::Json("ApiKeyRequest");
const ONE_API_KEY: Gives = Gives::Json("ApiKeyResponse");
const FOUND_API_KEYS: Gives = Gives::Json("ApiKeySearchResponse");
const FUSION_API_KEY: Takes = Takes::Json("FusionApiKeyRequest");
const ONE_FUSION_API_KEY: Gives = Gives::Json("FusionApiKey");
const ROLE: Takes = Takes::Json("RoleRequest");
const ONE_ROLE: Gives = Gives::Json("Role");
const ENTITY_TYPE: Takes = Takes::Json("EntityTypeRequest");
const ONE_ENTITY_TYPE: Gives = Gives::Json("EntityTypeResponse");
const FOUND_ENTITY_TYPES: Gives = Gives::Json("EntityTypeSearchResponse");
const PERMISSION: Takes = Takes::Json("EntityTypePermissionRequest");
const ONE_PERMISSION: Gives = Gives::Json("EntityTypePermissionResponse");
const ENTITY: Takes = Takes::Json("EntityRequest");
const ONE_ENTITY: Gives = Gives::Json("EntityResponse");
const FOUND_ENTITIES: Gives = Gives::Json("EntitySearchResponse");
const GRANT: Takes = Takes::Json("EntityGrantRequest");
const FOUND_GRANTS: Gives = Gives::Json("EntityGrantSearchResponse");
const IP_ACL: Takes = Takes::Json("IPAccessControlListRequest");
const ONE_IP_ACL: Gives = Gives::Json("IPAccessControlListResponse");
const FOUND_IP_ACLS: Gives = Gives::Json("IPAccessControlListSearchResponse");
const FOUND_AUDIT_LOGS: Gives = Gives::Json("AuditLogSearchResponse");
const KEY: Takes = Takes::Json("KeyRequest");
const ONE_KEY: Gives = Gives::Json("KeyResponse");
const TENANT: Takes = Takes::Json("TenantRequest");
const ONE_TENANT: Gives = Gives::Json("TenantResponse");
const FOUND_TENANTS: Gives = Gives::Json("TenantSearchResponse");

/// Every route. One place in memory, so that a route can be told by its address.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    route(Method::Post, "/api/api-key", Guard::KeyManager, Operation::CreateApiKey, API_KEY, ONE_API_KEY, "Create an API key, or copy one").in_dialect(Dialect::FusionAuth),
    route(Method::Post, "/api/api-key/{apiKeyId}", Guard::KeyManager, Operation::CreateApiKey, API_KEY, ONE_API_KEY, "The same with an id of your choice").in_dialect(Dialect::FusionAuth),
    route(Method::Get, "/api/api-key/{apiKeyId}", Guard::KeyManager, Operation::RetrieveApiKey, Takes::Nothing, ONE_API_KEY, "Retrieve an API key").in_dialect(Dialect::FusionAuth),
    route(Method::Put, "/api/api-key/{apiKeyId}", Guard::KeyManager, Operation::UpdateApiKey, API_KEY, ONE_API_KEY, "Replace an API key").in_dialect(Dialect::FusionAuth),
    route(Method::Patch, "/api/api-key/{apiKeyId}", Guard::KeyManager, Operation::PatchApiKey, API_KEY, ONE_API_KEY, "Change some members of an API key").in_dialect(Dialect::FusionAuth),
    route(Method::Delete, "/api/api-key/{apiKeyId}", Guard::KeyManager, Operation::DeleteApiKey, Takes::Nothing, Gives::Nothing, "Delete an API key").in_dialect(Dialect::FusionAuth),
    route(Method::Post, "/api/api-key/{apiKeyId}/rotate", Guard::KeyManager, Operation::RotateApiKey, Takes::Json("ApiKeyRotationRequest"), ONE_API_KEY, "Give an API key a new value; the one before works on for a while").in_dialect(Dialect::FusionAuth),
    route(Method::Get, "/api/api-key/{apiKeyId}/usage", Guard::KeyManager, Operation::RetrieveApiKeyUsage, Takes::Nothing, Gives::Json("ApiKeyUsageResponse"), "How often an API key was used, and when last").in_dialect(Dialect::FusionAuth),
    route(Method::Get, "/api/api-key/search", Guard::KeyManager, Operation::SearchApiKeys, Takes::Nothing, FOUND_API_KEYS, "Search API keys, which are shown without their values").in_dialect(Dialect::FusionAuth),
    route(Method::Post, "/api/api-key/search", Guard::KeyManager, Operation::SearchApiKeysByBody, Takes::Json("ApiKeySearchRequest"), FOUND_API_KEYS, "The same with the search in the body").in_dialect(Dialect::FusionAuth),
    route(Method::Get, "/api/api-key", Guard::KeyManager, Operation::RetrieveFusionApiKeys, Takes::Nothing, Gives::Json("FusionApiKeys"), "Retrieve every API key within reach").in_dialect(Dialect::Fusion),
    route(Method::Post, "/api/api-key", Guard::KeyManager, Operation::CreateFusionApiKey, FUSION_API_KEY, ONE_FUSION_API_KEY, "Create an API key with roles").in_dialect(Dialect::Fusion),
    route(Method::Get, "/api/api-key/{apiKeyId}", Guard::KeyManager, Operation::RetrieveFusionApiKey, Takes::Nothing, ONE_FUSION_API_KEY, "Retrieve an API key").in_dialect(Dialect::Fusion),
    route(Method::Delete, "/api/api-key/{apiKeyId}", Guard::KeyManager, Operation::DeleteFusionApiKey, Takes::Nothing, Gives::Nothing, "Delete an API key").in_dialect(Dialect::Fusion),
    route(Method::Post, "/api/authorize", Guard::KeyManager, Operation::Authorize, Takes::Json("AuthorizationRequest"), Gives::Json("AuthorizationResponse"), "Whether an API key may make a request, and why not"),
    route(Method::Get, "/api/roles", Guard::Roles, Operation::RetrieveRoles, Takes::Nothing, Gives::Json("Roles"), "Retrieve every role"),
    route(Method::Post, "/api/roles", Guard::Roles, Operation::CreateRole, ROLE, ONE_ROLE, "Create a role"),
    route(Method::Get, "/api/roles/{roleId}", Guard::Roles, Operation::RetrieveRole, Takes::Nothing, ONE_ROLE, "Retrieve a role"),
    route(Method::Put, "/api/roles/{roleId}", Guard::Roles, Operation::UpdateRole, ROLE, ONE_ROLE, "Replace a role"),
    route(Method::Delete, "/api/roles/{roleId}", Guard::Roles, Operation::DeleteRole, Takes::Nothing, Gives::Nothing, "Delete a role that is not in use"),
    route(Method::Post, "/api/ip-acl", Guard::Endpoint("/api/ip-acl"), Operation::CreateIpAccessControlList, IP_ACL, ONE_IP_ACL, "Create an IP access control list"),
    route(Method::Post, "/api/ip-acl/{ipAccessControlListId}", Guard::Endpoint("/api/ip-acl"), Operation::CreateIpAccessControlList, IP_ACL, ONE_IP_ACL, "The same with an id of your choice"),
    route(Method::Get, "/api/ip-acl/{ipAccessControlListId}", Guard::Endpoint("/api/ip-acl"), Operation::RetrieveIpAccessControlList, Takes::Nothing, ONE_IP_ACL, "Retrieve an IP access control list"),
    route(Method::Put, "/api/ip-acl/{ipAccessControlListId}", Guard::Endpoint("/api/ip-acl"), Operation::UpdateIpAccessControlList, IP_ACL, ONE_IP_ACL, "Replace an IP access control list"),
    route(Method::Patch, "/api/ip-acl/{ipAccessControlListId}", Guard::Endpoint("/api/ip-acl"), Operation::PatchIpAccessControlList, IP_ACL, ONE_IP_ACL, "Add entries to an IP access control list, or change its other members"),
    route(Method::Delete, "/api/ip-acl/{ipAccessControlListId}", Guard::Endpoint("/api/ip-acl"), Operation::DeleteIpAccessControlList, Takes::Nothing, Gives::Nothing, "Delete an IP access control list that is not in use"),
    route(Method::Get, "/api/ip-acl/search", Guard::Endpoint("/api/ip-acl/search"), Operation::SearchIpAccessControlLists, Takes::Nothing, FOUND_IP_ACLS, "Search IP access control lists"),
    route(Method::Post, "/api/ip-acl/search", Guard::Endpoint("/api/ip-acl/search"), Operation::SearchIpAccessControlListsByBody, Takes::Json("IPAccessControlListSearchRequest"), FOUND_IP_ACLS, "The same with the search in the body"),
    route(Method::Get, "/api/entity/type", Guard::Endpoint("/api/entity/type"), Operation::RetrieveEntityTypes, Takes::Nothing, Gives::Json("EntityTypesResponse"), "Retrieve every entity type"),
    route(Method::Post, "/api/entity/type", Guard::Endpoint("/api/entity/type"), Operation::CreateEntityType, ENTITY_TYPE, ONE_ENTITY_TYPE, "Create an entity type"),
    route(Method::Post, "/api/entity/type/{entityTypeId}", Guard::Endpoint("/api/entity/type"), Operation::CreateEntityType, ENTITY_TYPE, ONE_ENTITY_TYPE, "The same with an id of your choice"),
    route(Method::Get, "/api/entity/type/{entityTypeId}", Guard::Endpoint("/api/entity/type"), Operation::RetrieveEntityType, Takes::Nothing, ONE_ENTITY_TYPE, "Retrieve an entity type with its permissions"),
    route(Method::Put, "/api/entity/type/{entityTypeId}", Guard::Endpoint("/api/entity/type"), Operation::UpdateEntityType, ENTITY_TYPE, ONE_ENTITY_TYPE, "Replace an entity type; its permissions stay"),
    route(Method::Patch, "/api/entity/type/{entityTypeId}", Guard::Endpoint("/api/entity/type"), Operation::PatchEntityType, ENTITY_TYPE, ONE_ENTITY_TYPE, "Change some members of an entity type"),
    route(Method::Delete, "/api/entity/type/{entityTypeId}", Guard::Endpoint("/api/entity/type"), Operation::DeleteEntityType, Takes::Nothing, Gives::Nothing, "Delete an entity type that is not in use, with its permissions"),
    route(Method::Get, "/api/entity/type/search", Guard::Endpoint("/api/entity/type/search"), Operation::SearchEntityTypes, Takes::Nothing, FOUND_ENTITY_TYPES, "Search entity types"),
    route(Method::Post, "/api/entity/type/search", Guard::Endpoint("/api/entity/type/search"), Operation::SearchEntityTypesByBody, Takes::Json("EntityTypeSearchRequest"), FOUND_ENTITY_TYPES, "The same with the search in the body"),
    route(Method::Post, "/api/entity/type/{entityTypeId}/permission", Guard::Endpoint("/api/entity/type/permission"), Operation::CreateEntityTypePermission, PERMISSION, ONE_PERMISSION, "Create a permission of an entity type; takes a global key"),
    route(Method::Delete, "/api/entity/type/{entityTypeId}/permission", Guard::Endpoint("/api/entity/type/permission"), Operation::DeleteEntityTypePermissionByName, Takes::Nothing, Gives::Nothing, "Delete the permission with a name, and take it out of every grant; takes a global key"),
    route(Method::Post, "/api/entity/type/{entityTypeId}/permission/{permissionId}", Guard::Endpoint("/api/entity/type/permission"), Operation::CreateEntityTypePermission, PERMISSION, ONE_PERMISSION, "The same with an id of your choice; takes a global key"),
    route(Method::Put, "/api/entity/type/{entityTypeId}/permission/{permissionId}", Guard::Endpoint("/api/entity/type/permission"), Operation::UpdateEntityTypePermission, PERMISSION, ONE_PERMISSION, "Replace a permission, but for its name; takes a global key"),
    route(Method::Patch, "/api/entity/type/{entityTypeId}/permission/{permissionId}", Guard::Endpoint("/api/entity/type/permission"), Operation::PatchEntityTypePermission, PERMISSION, ONE_PERMISSION, "Change some members of a permission; takes a global key"),
    route(Method::Delete, "/api/entity/type/{entityTypeId}/permission/{permissionId}", Guard::Endpoint("/api/entity/type/permission"), Operation::DeleteEntityTypePermission, Takes::Nothing, Gives::Nothing, "Delete a permission, and take it out of every grant; takes a global key"),
    route(Method::Post, "/api/entity", Guard::Endpoint("/api/entity"), Operation::CreateEntity, ENTITY, ONE_ENTITY, "Create an entity"),
    route(Method::Post, "/api/entity/{entityId}", Guard::Endpoint("/api/entity"), Operation::CreateEntity, ENTITY, ONE_ENTITY, "The same with an id of your choice"),
    route(Method::Get, "/api/entity/{entityId}", Guard::Endpoint("/api/entity"), Operation::RetrieveEntity, Takes::Nothing, ONE_ENTITY, "Retrieve an entity with its secret"),
    route(Method::Put, "/api/entity/{entityId}", Guard::Endpoint("/api/entity"), Operation::UpdateEntity, ENTITY, ONE_ENTITY, "Replace an entity"),
    route(Method::Patch, "/api/entity/{entityId}", Guard::Endpoint("/api/entity"), Operation::PatchEntity, ENTITY, ONE_ENTITY, "Change some members of an entity"),
    route(Method::Delete, "/api/entity/{entityId}", Guard::Endpoint("/api/entity"), Operation::DeleteEntity, Takes::Nothing, Gives::Nothing, "Delete an entity with its grants in both directions"),
    route(Method::Post, "/api/entity/{entityId}/rotate-secret", Guard::Endpoint("/api/entity"), Operation::RotateClientSecret, Takes::Json("ClientSecretRotationRequest"), ONE_ENTITY, "Give an entity a new secret; the one before works on for a while"),
    route(Method::Get, "/api/entity/search", Guard::Endpoint("/api/entity/search"), Operation::SearchEntities, Takes::Nothing, FOUND_ENTITIES, "Search entities"),
    route(Method::Post, "/api/entity/search", Guard::Endpoint("/api/entity/search"), Operation::SearchEntitiesByBody, Takes::Json("EntitySearchRequest"), FOUND_ENTITIES, "The same with the search in the body"),
    route(Method::Put, "/api/entity/search", Guard::Endpoint("/api/entity/search"), Operation::FlushEntitySearch, Takes::Nothing, Gives::Nothing, "Does nothing: searches find what is stored"),
    route(Method::Post, "/api/entity/{entityId}/grant", Guard::Endpoint("/api/entity/grant"), Operation::UpsertEntityGrant, GRANT, Gives::Nothing, "Grant permissions on an entity, or replace what the recipient is granted"),
    route(Method::Put, "/api/entity/{entityId}/grant", Guard::Endpoint("/api/entity/grant"), Operation::ReplaceEntityGrant, GRANT, Gives::Nothing, "The same"),
    route(Method::Get, "/api/entity/{entityId}/grant", Guard::Endpoint("/api/entity/grant"), Operation::RetrieveEntityGrants, Takes::Nothing, Gives::Json("EntityGrantResponse"), "Retrieve every grant on an entity, or that of one recipient"),
    route(Method::Delete, "/api/entity/{entityId}/grant", Guard::Endpoint("/api/entity/grant"), Operation::DeleteEntityGrant, Takes::Nothing, Gives::Nothing, "Delete the grant of a recipient"),
    route(Method::Get, "/api/entity/grant/search", Guard::Endpoint("/api/entity/grant/search"), Operation::SearchEntityGrants, Takes::Nothing, FOUND_GRANTS, "Search grants"),
    route(Method::Post, "/api/entity/grant/search", Guard::Endpoint("/api/entity/grant/search"), Operation::SearchEntityGrantsByBody, Takes::Json("EntityGrantSearchRequest"), FOUND_GRANTS, "The same with the search in the body"),
    route(Method::Get, "/api/key", Guard::Endpoint("/api/key"), Operation::RetrieveKeys, Takes::Nothing, Gives::Json("KeysResponse"), "Retrieve every key"),
    route(Method::Get, "/api/key/{keyId}", Guard::Endpoint("/api/key"), Operation::RetrieveKey, Takes::Nothing, ONE_KEY, "Retrieve a key"),
    route(Method::Put, "/api/key/{keyId}", Guard::Endpoint("/api/key"), Operation::UpdateKey, KEY, ONE_KEY, "Rename a key"),
    route(Method::Delete, "/api/key/{keyId}", Guard::Endpoint("/api/key"), Operation::DeleteKey, Takes::Nothing, Gives::Nothing, "Delete a key that is not in use"),
    route(Method::Post, "/api/key/generate", Guard::Endpoint("/api/key/generate"), Operation::GenerateKey, KEY, ONE_KEY, "Generate a key"),
    route(Method::Post, "/api/key/generate/{keyId}", Guard::Endpoint("/api/key/generate"), Operation::GenerateKey, KEY, ONE_KEY, "The same with an id of your choice"),
    route(Method::Post, "/api/key/import", Guard::Endpoint("/api/key/import"), Operation::ImportKey, KEY, ONE_KEY, "Import a key"),
    route(Method::Post, "/api/key/import/{keyId}", Guard::Endpoint("/api/key/import"), Operation::ImportKey, KEY, ONE_KEY, "The same with an id of your choice"),
    route(Method::Get, "/api/key/search", Guard::Endpoint("/api/key/search"), Operation::SearchKeys, Takes::Nothing, Gives::Json("KeySearchResponse"), "Search keys"),
    route(Method::Post, "/api/key/search", Guard::Endpoint("/api/key/search"), Operation::SearchKeysByBody, Takes::Json("KeySearchRequest"), Gives::Json("KeySearchResponse"), "The same with the search in the body"),
    route(Method::Get, "/api/tenant", Guard::Endpoint("/api/tenant"), Operation::RetrieveTenants, Takes::Nothing, Gives::Json("TenantsResponse"), "Retrieve every tenant within reach"),
    route(Method::Post, "/api/tenant", Guard::Endpoint("/api/tenant"), Operation::CreateTenant, TENANT, ONE_TENANT, "Create a tenant"),
    route(Method::Post, "/api/tenant/{tenantId}", Guard::Endpoint("/api/tenant"), Operation::CreateTenant, TENANT, ONE_TENANT, "The same with an id of your choice"),
    route(Method::Get, "/api/tenant/{tenantId}", Guard::Endpoint("/api/tenant"), Operation::RetrieveTenant, Takes::Nothing, ONE_TENANT, "Retrieve a tenant"),
    route(Method::Put, "/api/tenant/{tenantId}", Guard::Endpoint("/api/tenant"), Operation::UpdateTenant, TENANT, ONE_TENANT, "Replace a tenant"),
    route(Method::Patch, "/api/tenant/{tenantId}", Guard::Endpoint("/api/tenant"), Operation::PatchTenant, TENANT, ONE_TENANT, "Change some members of a tenant"),
    route(Method::Delete, "/api/tenant/{tenantId}", Guard::Endpoint("/api/tenant"), Operation::DeleteTenant, Takes::Json("TenantDeleteRequest"), Gives::Nothing, "Delete a tenant with its API keys"),
    route(Method::Get, "/api/tenant/search", Guard::Endpoint("/api/tenant/search"), Operation::SearchTenants, Takes::Nothing, FOUND_TENANTS, "Search tenants"),
    route(Method::Post, "/api/tenant/search", Guard::Endpoint("/api/tenant/search"), Operation::SearchTenantsByBody, Takes::Json("TenantSearchRequest"), FOUND_TENANTS, "The same with the search in the body"),
    route(Method::Post, "/api/jwt/vend", Guard::Endpoint("/api/jwt/vend"), Operation::VendToken, Takes::Json("VendRequest"), Gives::Json("VendResponse"), "Sign a token with claims of your choice"),
    route(Method::Get, "/api/jwt/validate", Guard::Public, Operation::ValidateToken, Takes::Nothing, Gives::Json("ValidateResponse"), "The claims of the token that is sent, if it is valid"),
    route(Method::Get, "/api/jwt/public-key", Guard::Public, Operation::RetrievePublicKeys, Takes::Nothing, Gives::Json("PublicKeyResponse"), "The public halves of all keys in PEM, or of one"),
    route(Method::Get, "/.well-known/jwks.json", Guard::Public, Operation::RetrieveJsonWebKeySet, Takes::Nothing, Gives::Json("JsonWebKeySet"), "The public halves of all keys"),
    route(Method::Get, "/.well-known/openid-configuration", Guard::Public, Operation::RetrieveOpenIdConfiguration, Takes::Nothing, Gives::Json("OpenIdConfiguration"), "What of OAuth 2.0 and OpenID Connect is served"),
    route(Method::Get, "/{tenantId}/.well-known/openid-configuration", Guard::Public, Operation::RetrieveOpenIdConfiguration, Takes::Nothing, Gives::Json("OpenIdConfiguration"), "The same for this tenant"),
    route(Method::Post, "/oauth2/token", Guard::Public, Operation::IssueToken, Takes::Form("TokenRequest"), Gives::Json("AccessToken"), "A token for an entity, by its client id and secret"),
    route(Method::Post, "/oauth2/introspect", Guard::Public, Operation::IntrospectToken, Takes::Form("IntrospectionRequest"), Gives::Json("IntrospectResponse"), "Whether a token of an entity counts, and what it says"),
    route(Method::Get, "/api/prometheus/metrics", Guard::Operator("/api/prometheus/metrics"), Operation::RetrieveMetrics, Takes::Nothing, Gives::Text(crate::metrics::MEDIA_TYPE), "Metrics for Prometheus"),
    route(Method::Get, "/api/status", Guard::Optional("/api/status"), Operation::RetrieveStatus, Takes::Nothing, Gives::Json("Status"), "The state of the server; more of it for an API key"),
    route(Method::Get, "/api/health", Guard::Public, Operation::RetrieveHealth, Takes::Nothing, Gives::Nothing, "200 when the server can do its work, else 500"),
    route(Method::Get, "/api/system/audit-log/{auditLogId}", Guard::Endpoint("/api/system/audit-log"), Operation::RetrieveAuditLog, Takes::Nothing, Gives::Json("AuditLogResponse"), "Retrieve an entry of the audit log"),
    route(Method::Get, "/api/system/audit-log/search", Guard::Endpoint("/api/system/audit-log/search"), Operation::SearchAuditLogs, Takes::Nothing, FOUND_AUDIT_LOGS, "Search the audit log"),
    route(Method::Post, "/api/system/audit-log/search", Guard::Endpoint("/api/system/audit-log/search"), Operation::SearchAuditLogsByBody, Takes::Json("AuditLogSearchRequest"), FOUND_AUDIT_LOGS, "The same with the search in the body"),
    route(Method::Get, "/api/system/version", Guard::Endpoint("/api/system/version"), Operation::RetrieveVersion, Takes::Nothing, Gives::Json("Version"), "The version of the FusionAuth API that is answered"),
];

/// Where gateways ask about requests of others. They stand apart: any method is taken there, and what is decided about is
/// not these paths. The second one stands for everything below it.
#[rustfmt::skip]
pub static GATEWAY_ROUTES: &[Route] = &[
    route(Method::Get, "/forward-auth", Guard::Gateway, Operation::ForwardAuth, Takes::Nothing, Gives::Nothing, "Whether a request may go on whose method and URI stand in X-Original-* or X-Forwarded-* headers"),
    route(Method::Get, "/ext-authz/{path}", Guard::Gateway, Operation::ExtAuthz, Takes::Nothing, Gives::Nothing, "Whether a request with this method and the path behind the prefix may go on"),
];

/// The routes of both tables.
pub(crate) fn all_routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().chain(GATEWAY_ROUTES)
}

/// The place of a route among [`all_routes`], told by its address, which is quicker than to search for it.
pub(crate) fn place_of(route: &'static Route) -> Option<usize> {
    let place_in = |table: &'static [Route]| {
        let distance = std::ptr::from_ref(route).addr().checked_sub(table.as_ptr().addr())?;
        Some(distance / size_of::<Route>()).filter(|place| *place < table.len())
    };
    place_in(ROUTES).or_else(|| place_in(GATEWAY_ROUTES).map(|place| ROUTES.len() + place))
}

/// The value of a path parameter of a route, if it has one: the raw segment.
pub(crate) type Parameter<'a> = Option<&'a str>;

/// What a path and method lead to.
pub(crate) enum Found<'a> {
    /// A route, with its path parameter, and with the one of what lies inside the object that this names.
    Route(&'static Route, Parameter<'a>, Parameter<'a>),
    /// The path exists with other methods only.
    OtherMethods,
    /// No such path.
    Nothing,
}

/// Finds the route: a path with literal segments goes before one with a parameter (`/api/key/generate` is no key), if it
/// has routes in the dialect: in Fusion's, which has no search, `/api/api-key/search` is the path of a key.
pub(crate) fn find<'a>(path: &Path<'a>, method: Option<Method>, dialect: Dialect) -> Found<'a> {
    let Some(fit) = tree::best_fit(path, dialect) else { return Found::Nothing };
    let [parameter, inner] = fit.parameters;
    // A call of FusionAuth's that is in no catalogue, because it needs no API key, and that is not served.
    if path.segments().eq(["api", "tenant", "password-validation-rules"]) {
        return Found::Nothing;
    }
    let mut routes = fit.routes.iter().copied();
    // A path of the catalogue that is not served yet, such as /api/system/audit-log/export, is no identifier below another one.
    let other_endpoint = routes.clone().any(|route| match route.guard {
        Guard::Endpoint(own) | Guard::Operator(own) | Guard::Optional(own) => {
            Endpoint::resolve(path) != Endpoint::find(own)
        }
        Guard::Public | Guard::KeyManager | Guard::Roles | Guard::Gateway => false,
    });
    if other_endpoint {
        return Found::Nothing;
    }
    let spoken = |route: &&Route| Some(route.method) == method && route.is_spoken(dialect);
    match routes.find(spoken) {
        Some(route) => Found::Route(route, parameter, inner),
        // FusionAuth has no call that lists API keys, and its docs show no such path.
        None if dialect == Dialect::FusionAuth && path.segments().eq(["api", "api-key"]) => Found::Nothing,
        None => Found::OtherMethods,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[track_caller]
    fn check(method: Method, path: &str, expected: Result<(Operation, Parameter<'_>), &str>) {
        let path = Path::parse(path.as_bytes()).unwrap();
        let found = match find(&path, Some(method), Dialect::FusionAuth) {
            Found::Route(route, parameter, _) => Ok((route.operation, parameter)),
            Found::OtherMethods => Err("405"),
            Found::Nothing => Err("404"),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn finds_routes() {
        check(Method::Post, "/api/api-key", Ok((Operation::CreateApiKey, None)));
        check(Method::Post, "/api/api-key/", Ok((Operation::CreateApiKey, None)));
        check(Method::Put, "/api/api-key/x", Ok((Operation::UpdateApiKey, Some("x"))));
        check(Method::Post, "/api/api-key/x/rotate", Ok((Operation::RotateApiKey, Some("x"))));
        check(Method::Get, "/api/api-key/x/rotate", Err("405"));
        check(Method::Post, "/api/api-key/x/rotate/y", Err("404"));
        check(Method::Post, "/api/api-key/x/Rotate", Err("404"));
        check(Method::Get, "/api/api-key/search", Ok((Operation::SearchApiKeys, None)));
        check(Method::Get, "/api/api-key/search/", Ok((Operation::SearchApiKeys, None)));
        check(Method::Post, "/api/api-key/search", Ok((Operation::SearchApiKeysByBody, None)));
        check(Method::Put, "/api/api-key/search", Err("405"));
        check(Method::Delete, "/api/api-key/search", Err("405"));
        check(Method::Get, "/api/api-key/Search", Ok((Operation::RetrieveApiKey, Some("Search"))));
        check(Method::Post, "/api/api-key/search/rotate", Ok((Operation::RotateApiKey, Some("search"))));
        check(Method::Get, "/api/api-key/search/x", Err("404"));
        check(Method::Get, "/api/key/generate", Err("405"));
        check(Method::Post, "/api/key/generate", Ok((Operation::GenerateKey, None)));
        check(Method::Post, "/api/key/generate/x", Ok((Operation::GenerateKey, Some("x"))));
        check(Method::Patch, "/api/key/x", Err("405"));
        // There is no call that lists them all but the search.
        check(Method::Get, "/api/ip-acl", Err("405"));
        check(Method::Post, "/api/ip-acl/search", Ok((Operation::SearchIpAccessControlListsByBody, None)));
        check(Method::Put, "/api/ip-acl/search", Err("405"));
        check(Method::Patch, "/api/ip-acl/x", Ok((Operation::PatchIpAccessControlList, Some("x"))));
        check(Method::Patch, "/api/tenant/x", Ok((Operation::PatchTenant, Some("x"))));
        check(Method::Get, "/api/tenant/search", Ok((Operation::SearchTenants, None)));
        check(Method::Delete, "/api/tenant/search", Err("405"));
        check(Method::Get, "/api/system/audit-log/7", Ok((Operation::RetrieveAuditLog, Some("7"))));
        check(Method::Get, "/api/system/audit-log/search", Ok((Operation::SearchAuditLogs, None)));
        check(Method::Post, "/api/system/audit-log/7", Err("405"));
        check(Method::Get, "/api/entity/x", Ok((Operation::RetrieveEntity, Some("x"))));
        check(Method::Get, "/api/entity/type", Ok((Operation::RetrieveEntityTypes, None)));
        check(Method::Get, "/api/entity/type/x", Ok((Operation::RetrieveEntityType, Some("x"))));
        check(Method::Get, "/api/entity/type/search", Ok((Operation::SearchEntityTypes, None)));
        check(Method::Get, "/api/entity/type/grant", Ok((Operation::RetrieveEntityType, Some("grant"))));
        check(Method::Put, "/api/entity/search", Ok((Operation::FlushEntitySearch, None)));
        check(Method::Get, "/api/entity/x/grant", Ok((Operation::RetrieveEntityGrants, Some("x"))));
        check(Method::Get, "/api/entity/grant/search", Ok((Operation::SearchEntityGrants, None)));
        check(Method::Get, "/api/entity/x/rotate-secret", Err("405"));
        check(Method::Get, "/api/entity/type/x/permission", Err("405"));
        for nowhere in [
            "/api/entity/grant",
            "/api/entity/search/grant",
            "/api/entity/type/permission",
            "/api/entity/type/search/permission",
            "/api/entity/x/y",
            "/api/entity/type/x/y",
            "/api/entity/x/grant/y",
        ] {
            check(Method::Get, nowhere, Err("404"));
        }
        let path = Path::parse(b"/api/entity/type/x/permission/y").unwrap();
        let Found::Route(route, outer, inner) = find(&path, Some(Method::Put), Dialect::FusionAuth) else {
            panic!()
        };
        let found = (route.operation, outer, inner);
        assert_eq!(found, (Operation::UpdateEntityTypePermission, Some("x"), Some("y")));
        // The audit log takes no entries from outside, and no export is served.
        check(Method::Post, "/api/system/audit-log", Err("404"));
        for nowhere in [
            "/api/system/audit-log",
            "/api/system/audit-log/export",
            "/api/api-key",
            "/api/key/search/x",
            "/api/tenant/password-validation-rules",
            "/",
            "/api",
            "/API/key",
            "/api/keys",
            "/api/key/x/y",
            "/api/tenant/search/x",
        ] {
            check(Method::Get, nowhere, Err("404"));
        }
    }

    #[test]
    fn fusion_knows_no_search_and_no_rotation_of_api_keys() {
        let found = |method, path: &'static str| {
            let path = Path::parse(path.as_bytes()).unwrap();
            match find(&path, Some(method), Dialect::Fusion) {
                Found::Route(route, parameter, _) => Ok((route.operation, parameter)),
                Found::OtherMethods => Err("405"),
                Found::Nothing => Err("404"),
            }
        };
        let search = "/api/api-key/search";
        assert_eq!(found(Method::Get, search), Ok((Operation::RetrieveFusionApiKey, Some("search"))));
        assert_eq!(found(Method::Delete, search), Ok((Operation::DeleteFusionApiKey, Some("search"))));
        for method in [Method::Post, Method::Put, Method::Patch] {
            assert_eq!(found(method, search), Err("405"), "{method}");
        }
        assert_eq!(found(Method::Post, "/api/api-key/search/rotate"), Err("405"));
        assert_eq!(found(Method::Get, "/api/key/search"), Ok((Operation::SearchKeys, None)));
    }

    #[test]
    fn every_route_has_its_place() {
        for (place, route) in all_routes().enumerate() {
            assert_eq!(place_of(route), Some(place));
        }
        assert_eq!(all_routes().count(), ROUTES.len() + GATEWAY_ROUTES.len());
    }

    #[test]
    fn every_endpoint_is_in_the_catalogue_and_every_pair_once() {
        let mut seen = HashSet::new();
        for route in ROUTES {
            for dialect in ["FusionAuth", "Fusion"] {
                if route.dialect.is_none_or(|own| format!("{own:?}") == dialect) {
                    assert!(seen.insert((route.method, route.template, dialect)), "{}", route.template);
                }
            }
            if let Guard::Endpoint(path) | Guard::Operator(path) | Guard::Optional(path) = route.guard {
                let endpoint = claviger_authz::Endpoint::find(path).unwrap();
                assert!(endpoint.methods().contains(route.method), "{} {path}", route.method);
                let sample = route.template.replace(['{', '}'], "");
                let path = Path::parse(sample.as_bytes()).unwrap();
                assert_eq!(claviger_authz::Endpoint::resolve(&path), Some(endpoint), "{sample}");
            }
        }
    }
}
