//! The vocabulary of Claviger: API keys, signing keys, tenants, permissions and what can be wrong with them.
//!
//! Nothing here does I/O, reads a clock, draws random bytes or knows JSON: every other crate of the workspace
//! builds on these types, the embeddable `claviger-authz` among them. An [`ApiKey`] authenticates callers, a
//! [`Key`] signs tokens; no public name says "key" alone where it could mean either.

mod api_key;
mod api_key_search;
mod api_key_usage;
mod change;
mod change_search;
mod entity;
mod entity_search;
mod entity_type;
mod fusion;
mod ids;
mod instant;
mod ip_access_control;
mod ip_access_control_search;
mod key;
mod key_reference;
mod key_search;
mod name;
mod order;
mod permission;
mod request_method;
mod role;
mod scope;
mod secret;
mod tenant;
mod tenant_search;
mod violation;

pub use api_key::{ApiKey, ApiKeyDigest, MAXIMUM_PREVIOUS_VALUES, PreviousApiKeyDigest};
pub use api_key_search::{ApiKeyColumn, ApiKeySearch, MAXIMUM_API_KEYS_PER_PAGE};
pub use api_key_usage::{ApiKeyUsage, UsedValue, Uses};
pub use change::{Actor, Change, ChangeContext, Revision};
pub use change_search::{ChangeColumn, ChangeSearch, MAXIMUM_CHANGES_PER_PAGE};
pub use entity::{ClientId, Entity, EntityGrant, InvalidClientId};
pub use entity_search::{
    EntityColumn, EntityFilter, EntityGrantColumn, EntityGrantSearch, EntitySearch, EntityTypeColumn,
    EntityTypeSearch, MAXIMUM_ENTITY_IDS,
};
pub use entity_type::{
    EntityType, EntityTypeJwtConfiguration, EntityTypePermission, MAXIMUM_ENTITY_TYPE_PERMISSIONS,
};
pub use fusion::{FusionId, InvalidFusionId, MAXIMUM_FUSION_ID_LENGTH};
pub use ids::{
    ApiKeyId, EntityGrantId, EntityId, EntityTypeId, EntityTypePermissionId, InvalidId,
    IpAccessControlListId, KeyId, RoleId, TenantId,
};
pub use instant::Instant;
pub use ip_access_control::{
    AddressRange, IpAccessControlEntry, IpAccessControlList, IpAction, MAXIMUM_IP_ENTRIES,
};
pub use ip_access_control_search::{IpAccessControlListColumn, IpAccessControlListSearch};
pub use key::{
    HashSize, Key, KeyAlgorithm, KeySpec, KeySpecError, KeyType, Kid, RsaLength, SHADOW_KEYS, ShadowKey,
    UnknownName,
};
pub use key_reference::{KEY_PLACES, KeyOwner, KeyPlace, KeyReference, KeyUsage};
pub use key_search::{DEFAULT_NUMBER_OF_RESULTS, KeyColumn, KeyOrder, KeySearch, NamePattern, TextPattern};
pub use name::{MAXIMUM_NAME_LENGTH, Name, NameError, fold};
pub use order::{Order, SortColumn, UnknownColumn, parse_order_by};
pub use permission::{
    EndpointPath, EndpointPermissions, InvalidPermission, MAXIMUM_ENDPOINT_LENGTH, Method, MethodSet,
    Permissions,
};
pub use request_method::{RequestMethod, RequestMethodSet, UnknownMethod};
pub use role::{
    Fragment, InvalidRoleName, InvalidRolePermission, MAXIMUM_FRAGMENTS, MAXIMUM_PATTERN_LENGTH,
    MAXIMUM_ROLE_NAME_LENGTH, MAXIMUM_ROLE_PERMISSIONS, MAXIMUM_ROLE_VALUES, MAXIMUM_ROLES,
    MAXIMUM_VALUE_LENGTH, MAXIMUM_VALUES, OWN_USER_ID, Role, RoleName, RolePermission,
};
pub use scope::TenantScope;
pub use secret::{Sealed, SecretBytes, SecretText};
pub use tenant::{
    DEFAULT_ISSUER, DEFAULT_REFRESH_TOKEN_TIME_TO_LIVE_IN_MINUTES, DEFAULT_TIME_TO_LIVE_IN_SECONDS,
    KeptDocument, Tenant, TenantJwtConfiguration, TenantState,
};
pub use tenant_search::{TenantColumn, TenantSearch};
pub use violation::{CODES, Code, MAXIMUM_VIOLATIONS, Place, Violation, Violations, codes};
