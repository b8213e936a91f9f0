//! The parameters in the query strings of routes that read some.

use super::QueryParameter;

const fn parameter(
    name: &'static str,
    schema_type: &'static str,
    description: &'static str,
) -> QueryParameter {
    QueryParameter { name, schema_type, description }
}

pub(super) const SEARCH_PARAMETERS: [QueryParameter; 6] = [
    parameter("algorithm", "string", "Only keys of this algorithm"),
    parameter(
        "name",
        "string",
        "Only keys whose name contains this; `*` stands for any characters, `**` for an asterisk",
    ),
    parameter("numberOfResults", "integer", "Keys on the page; 25 if absent"),
    parameter(
        "orderBy",
        "string",
        "Columns separated by commas, each with ASC or DESC; `name ASC` if absent",
    ),
    parameter("startRow", "integer", "Keys to skip; 0 if absent"),
    parameter("type", "string", "Only keys of this type"),
];

pub(super) const IP_ACL_SEARCH_PARAMETERS: [QueryParameter; 4] = [
    parameter(
        "name",
        "string",
        "Only lists whose name contains this; `*` stands for any characters, `**` for an asterisk",
    ),
    parameter("numberOfResults", "integer", "Lists on the page; 25 if absent"),
    parameter(
        "orderBy",
        "string",
        "Columns separated by commas, each with ASC or DESC; `name ASC` if absent",
    ),
    parameter("startRow", "integer", "Lists to skip; 0 if absent"),
];

pub(super) const API_KEY_SEARCH_PARAMETERS: [QueryParameter; 12] = [
    parameter("disabled", "boolean", "Only keys that are disabled, or only keys that are not"),
    parameter("expiresBefore", "integer", "Only keys that expire, or did, earlier than this instant"),
    parameter("ipAccessControlListId", "string", "Only keys that name this list"),
    parameter("keyManager", "boolean", "Only key managers, or only other keys"),
    parameter(
        "name",
        "string",
        "Only keys whose name contains this; `*` stands for any characters, `**` for an asterisk",
    ),
    parameter("numberOfResults", "integer", "Keys on the page; 25 if absent, at most 1000"),
    parameter(
        "orderBy",
        "string",
        "Columns separated by commas, each with ASC or DESC; `insertInstant DESC` if absent",
    ),
    parameter("retrievable", "boolean", "Only keys whose value can be read again, or only others"),
    parameter("role", "string", "Only keys that have this role of Fusion's dialect"),
    parameter("startRow", "integer", "Keys to skip; 0 if absent"),
    parameter("tenantId", "string", "Only keys of this tenant"),
    parameter("unusedSince", "integer", "Only keys that were made before this instant and not used since"),
];

pub(super) const TENANT_SEARCH_PARAMETERS: [QueryParameter; 4] = [
    parameter(
        "name",
        "string",
        "Only tenants whose name contains this; `*` stands for any characters, `**` for an asterisk",
    ),
    parameter("numberOfResults", "integer", "Tenants on the page; 25 if absent"),
    parameter(
        "orderBy",
        "string",
        "Columns separated by commas, each with ASC or DESC; `name ASC` if absent",
    ),
    parameter("startRow", "integer", "Tenants to skip; 0 if absent"),
];

pub(super) const TENANT_DELETE_PARAMETERS: [QueryParameter; 1] = [parameter(
    "async",
    "boolean",
    "With `true` the answer is 202 once the tenant's API keys are refused; the rest follows",
)];

pub(super) const PERMISSION_PARAMETERS: [QueryParameter; 1] =
    [parameter("name", "string", "The name of the permission")];

pub(super) const GRANT_PARAMETERS: [QueryParameter; 2] = [
    parameter("recipientEntityId", "string", "The grant of this entity"),
    parameter("userId", "string", "The grant of this user; there are none"),
];

pub(super) const ENTITY_TYPE_SEARCH_PARAMETERS: [QueryParameter; 4] = [
    parameter(
        "name",
        "string",
        "Only types whose name contains this; `*` stands for any characters, `**` for an asterisk",
    ),
    parameter("numberOfResults", "integer", "Types on the page; 25 if absent"),
    parameter(
        "orderBy",
        "string",
        "Columns separated by commas, each with ASC or DESC; `name ASC` if absent",
    ),
    parameter("startRow", "integer", "Types to skip; 0 if absent"),
];

pub(super) const ENTITY_SEARCH_PARAMETERS: [QueryParameter; 8] = [
    parameter("ids", "string", "Only the entities with these ids, all on one page; once for each id"),
    parameter("nextResults", "string", "Not supported"),
    parameter("numberOfResults", "integer", "Entities on the page; 25 if absent"),
    parameter(
        "orderBy",
        "string",
        "Columns separated by commas, each with ASC or DESC; `name ASC` if absent",
    ),
    parameter("query", "string", "Not supported"),
    parameter(
        "queryString",
        "string",
        "Only entities whose name, client id or name of the type contains this; `*` stands for any characters, `**` for an asterisk",
    ),
    parameter(
        "sortFields[0].name",
        "string",
        "The first column to sort by, with sortFields[0].order; and so on",
    ),
    parameter("startRow", "integer", "Entities to skip; 0 if absent"),
];

pub(super) const GRANT_SEARCH_PARAMETERS: [QueryParameter; 6] = [
    parameter("entityId", "string", "Only grants on this entity"),
    parameter(
        "name",
        "string",
        "Only grants on entities whose name contains this; `*` stands for any characters, `**` for an asterisk",
    ),
    parameter("numberOfResults", "integer", "Grants on the page; 25 if absent"),
    parameter(
        "orderBy",
        "string",
        "Columns separated by commas, each with ASC or DESC; `name ASC` if absent",
    ),
    parameter("startRow", "integer", "Grants to skip; 0 if absent"),
    parameter("userId", "string", "Only grants to this user; there are none"),
];

pub(super) const AUDIT_LOG_SEARCH_PARAMETERS: [QueryParameter; 11] = [
    parameter("end", "integer", "Only entries at this instant or earlier"),
    parameter(
        "message",
        "string",
        "Only entries whose message contains this; `*` stands for any characters, `**` for an asterisk",
    ),
    parameter(
        "newValue",
        "string",
        "Only entries whose new value, as JSON, contains this; wildcards likewise",
    ),
    parameter("numberOfResults", "integer", "Entries on the page; 25 if absent, at most 1000"),
    parameter(
        "oldValue",
        "string",
        "Only entries whose old value, as JSON, contains this; wildcards likewise",
    ),
    parameter(
        "orderBy",
        "string",
        "Columns separated by commas, each with ASC or DESC; `insertInstant DESC` if absent",
    ),
    parameter("reason", "string", "Only entries whose reason contains this; none has one"),
    parameter("start", "integer", "Only entries at this instant or later"),
    parameter("startRow", "integer", "Entries to skip; 0 if absent"),
    parameter("tenantId", "string", "Only entries about this tenant and what belongs to it"),
    parameter("user", "string", "Only entries whose insertUser contains this; wildcards likewise"),
];

pub(super) const PUBLIC_KEY_PARAMETERS: [QueryParameter; 3] = [
    parameter("applicationId", "string", "The key that signs the access tokens of this application"),
    parameter("keyId", "string", "The same as kid"),
    parameter("kid", "string", "The key with this kid"),
];

pub(super) const ROLE_PARAMETERS: [QueryParameter; 1] =
    [parameter("name", "string", "Only roles whose name contains this, whatever its case")];

pub(super) const FORWARD_AUTH_PARAMETERS: [QueryParameter; 1] = [parameter(
    "upstreamToken",
    "boolean",
    "With `true` the answer to a request that may go on has a token for the upstream",
)];

pub(super) const DISCOVERY_PARAMETERS: [QueryParameter; 1] = [parameter(
    "tenantId",
    "string",
    "The tenant; the default tenant if absent. One in the path counts first",
)];
