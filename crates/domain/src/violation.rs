//! What can be wrong with a request: one table of codes, and lists of violations.
//!
//! A code is `[reason]` followed by the field's path, or `[Reason]` alone where it concerns the request as a whole
//! (FusionAuth: Errors). `docs/API.md` is generated from [`CODES`].

use std::borrow::Cow;

/// The most violations of one request that are reported: a body of a megabyte could hold a hundred thousand.
pub const MAXIMUM_VIOLATIONS: usize = 100;

/// Where a code shows up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Among `generalErrors`, or under a field where the path is known; the code itself carries no path.
    Request,
    /// Among `fieldErrors` under this path.
    Field(&'static str),
    /// Among `fieldErrors` under the path of the member that it concerns.
    AnyField,
}

/// One entry of the table of codes.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// The part in brackets.
    pub reason: &'static str,
    /// Where it shows up.
    pub place: Place,
    /// The message, unless a violation has a better one.
    pub message: &'static str,
}

macro_rules! codes {
    ($($name:ident = $reason:literal $place:expr, $message:literal;)*) => {
        /// The codes by name.
        pub mod codes {
            use super::{Code, Place};
            $(
                #[doc = $message]
                pub static $name: Code = Code { reason: $reason, place: $place, message: $message };
            )*
        }

        /// Every code that Claviger answers with.
        pub static CODES: &[&Code] = &[$(&codes::$name),*];
    };
}

codes! {
    AMBIGUOUS_CREDENTIALS = "ambiguousCredentials" Place::Request,
        "The request carries more than one API key. Send exactly one.";
    API_KEY_ATTRIBUTES_INVALID = "invalid" Place::Field("apiKey.metaData.attributes"),
        "At most 64 attributes, names up to 191 and values up to 4096 characters, without NUL.";
    API_KEY_EXPIRATION_INVALID = "invalid" Place::Field("apiKey.expirationInstant"),
        "The instant must lie between 1970 and 9999, in milliseconds since the epoch.";
    API_KEY_GRACE_PERIOD_INVALID = "invalid" Place::Field("gracePeriodInSeconds"),
        "The grace period must be a whole number of seconds from 0 to 2592000.";
    API_KEY_ID_COULD_NOT_CONVERT = "couldNotConvert" Place::Field("apiKeyId"),
        "The id in the URL must be a UUID.";
    API_KEY_ID_DUPLICATE = "duplicate" Place::Field("apiKeyId"),
        "An API key with this id exists already.";
    API_KEY_IP_ACL_INVALID = "invalid" Place::Field("apiKey.ipAccessControlListId"),
        "There is no IP access control list with this id.";
    API_KEY_KEY_BLANK = "blank" Place::Field("apiKey.key"),
        "The value of the key must not be empty. Leave it out to have one generated.";
    API_KEY_KEY_DUPLICATE = "duplicate" Place::Field("apiKey.key"),
        "An API key with this value exists already.";
    API_KEY_KEY_INVALID = "invalid" Place::Field("apiKey.key"),
        "The value could never be presented: it has white space at an end, a control character, or the form of a generated key with a wrong checksum.";
    API_KEY_KEY_MANAGER_NOT_ALLOWED = "notAllowed" Place::Field("apiKey.keyManager"),
        "A key manager cannot be made through the API.";
    API_KEY_KEY_TOO_LONG = "tooLong" Place::Field("apiKey.key"),
        "The value of the key has more than 1024 bytes.";
    API_KEY_MISSING = "missing" Place::Field("apiKey"),
        "The body must hold the member apiKey.";
    API_KEY_NAME_BLANK = "blank" Place::Field("apiKey.name"),
        "A key whose value is not retrievable needs a name, and a name must not be blank.";
    API_KEY_NAME_DUPLICATE = "duplicate" Place::Field("apiKey.name"),
        "An API key with this name exists already.";
    API_KEY_NAME_INVALID = "invalid" Place::Field("apiKey.name"),
        "The name contains a control character.";
    API_KEY_NAME_TOO_LONG = "tooLong" Place::Field("apiKey.name"),
        "The name has more than 191 characters.";
    API_KEY_NOT_COPIED = "notAllowed" Place::AnyField,
        "A copy takes everything but the name from its source.";
    API_KEY_NUMBER_OF_RESULTS_INVALID = "invalid" Place::AnyField,
        "At most 1000 API keys on a page.";
    API_KEY_ORDER_BY_INVALID = "invalid" Place::AnyField,
        "Sort by expirationInstant, id, insertInstant, lastUpdateInstant or name, each with ASC or DESC.";
    API_KEY_PERMISSIONS_BY_ROLE = "notAllowed" Place::Field("apiKey.permissions.endpoints"),
        "This key may do what its roles allow, and neither they nor its permissions can be changed. Make a new key.";
    API_KEY_PERMISSIONS_INVALID = "invalid" Place::Field("apiKey.permissions.endpoints"),
        "An endpoint starts with '/' and has at most 512 bytes without white space; a method is one of GET, POST, PUT, PATCH, DELETE.";
    API_KEY_PERMISSIONS_LIFTED = "invalid" Place::Field("apiKey.permissions.endpoints"),
        "The list of endpoints of this key is empty, so that it may do nothing. To lift that, say so with permissions null.";
    API_KEY_PERMISSIONS_NOT_AUTHORIZED = "notAuthorized" Place::Field("apiKey.permissions.endpoints"),
        "The permissions exceed those of the API key that makes this request.";
    API_KEY_PERMISSIONS_TOO_MANY = "tooMany" Place::Field("apiKey.permissions.endpoints"),
        "At most 1024 endpoints.";
    API_KEY_TENANT_INVALID = "invalid" Place::Field("apiKey.tenantId"),
        "There is no such tenant within reach of the API key that makes this request, or the key belongs to another tenant already.";
    AUDIT_LOG_ID_COULD_NOT_CONVERT = "couldNotConvert" Place::Field("auditLogId"),
        "The id in the URL must be a whole number.";
    AUDIT_LOG_NUMBER_OF_RESULTS_INVALID = "invalid" Place::AnyField,
        "At most 1000 audit logs on a page.";
    AUDIT_LOG_ORDER_BY_INVALID = "invalid" Place::AnyField,
        "Sort by id, insertInstant, insertUser or message, each with ASC or DESC.";
    AUTHORIZATION_ADDRESS_INVALID = "invalid" Place::Field("authorization.address"),
        "The address must be an IPv4 or IPv6 address.";
    AUTHORIZATION_KEY_MISSING = "missing" Place::Field("authorization.key"),
        "Name the API key by either its value or its id, or give the token of an entity, and only one of them.";
    AUTHORIZATION_METHOD_INVALID = "invalid" Place::Field("authorization.method"),
        "The method must be GET, POST, PUT, DELETE, PATCH, HEAD or OPTIONS.";
    AUTHORIZATION_METHOD_MISSING = "missing" Place::Field("authorization.method"),
        "The method is required.";
    AUTHORIZATION_MISSING = "missing" Place::Field("authorization"),
        "The object authorization is required.";
    AUTHORIZATION_PATH_MISSING = "missing" Place::Field("authorization.path"),
        "The path is required.";
    BODY_MISSING = "missing" Place::Request,
        "The request needs a JSON body.";
    BODY_TOO_LARGE = "tooLarge" Place::Request,
        "The body has more than 1 MiB.";
    CLAIMS_AUDIENCE_INVALID = "invalid" Place::Field("claims.aud"),
        "This audience is that of tokens for upstreams, which are made for gateways alone.";
    CLAIMS_ISSUER_INVALID = "invalid" Place::Field("claims.iss"),
        "An API key of a tenant makes tokens of that tenant's issuer only.";
    CLAIMS_TOO_LONG = "tooLong" Place::Field("claims"),
        "The token would have more than 64 KiB.";
    CLAIMS_TENANT_INVALID = "invalid" Place::Field("claims.tid"),
        "An API key of a tenant makes no tokens that name another tenant.";
    CONTENT_TYPE_MISSING = "MissingContentType" Place::Request,
        "The body needs the header Content-Type: application/json.";
    CONTENT_TYPE_UNSUPPORTED = "UnsupportedContentType" Place::Request,
        "The body must be of the type application/json.";
    ENTITY_CLIENT_ID_DUPLICATE = "duplicate" Place::Field("entity.clientId"),
        "An entity with this client id exists already.";
    ENTITY_CLIENT_ID_INVALID = "invalid" Place::Field("entity.clientId"),
        "The client id has 1 to 191 characters, none of them a control character, and no white space at an end.";
    ENTITY_CLIENT_ID_NOT_ALLOWED = "notAllowed" Place::Field("entity.clientId"),
        "The client id of an entity cannot be changed. Make a new entity.";
    ENTITY_CLIENT_SECRET_INVALID = "invalid" Place::Field("entity.clientSecret"),
        "The secret has at most 1024 bytes, none of them of a control character.";
    ENTITY_DATA_TOO_LONG = "tooLong" Place::Field("entity.data"),
        "The data has more than 1 MiB.";
    ENTITY_GRACE_PERIOD_INVALID = "invalid" Place::Field("gracePeriodInSeconds"),
        "The grace period of a client secret must be a whole number of seconds from 0 to 2592000.";
    ENTITY_ID_COULD_NOT_CONVERT = "couldNotConvert" Place::Field("entityId"),
        "The id in the URL must be a UUID.";
    ENTITY_ID_DUPLICATE = "duplicate" Place::Field("entityId"),
        "An entity with this id exists already.";
    ENTITY_MISSING = "missing" Place::Field("entity"),
        "The body must hold the member entity.";
    ENTITY_NAME_BLANK = "blank" Place::Field("entity.name"),
        "The name is required.";
    ENTITY_NAME_INVALID = "invalid" Place::Field("entity.name"),
        "The name contains a control character.";
    ENTITY_NAME_TOO_LONG = "tooLong" Place::Field("entity.name"),
        "The name has more than 191 characters.";
    ENTITY_ORDER_BY_INVALID = "invalid" Place::AnyField,
        "Sort by clientId, insertInstant, lastUpdateInstant, name, tenantId or typeId, each with asc or desc.";
    ENTITY_SEARCH_IDS_TOO_MANY = "tooMany" Place::AnyField,
        "At most 1000 ids.";
    ENTITY_SEARCH_NOT_SUPPORTED = "notSupported" Place::AnyField,
        "Searches in the language of Elasticsearch are not possible. Search by queryString or ids.";
    ENTITY_TYPE_DATA_TOO_LONG = "tooLong" Place::Field("entityType.data"),
        "The data has more than 1 MiB.";
    ENTITY_TYPE_ID_COULD_NOT_CONVERT = "couldNotConvert" Place::Field("entityTypeId"),
        "The id in the URL must be a UUID.";
    ENTITY_TYPE_ID_DUPLICATE = "duplicate" Place::Field("entityTypeId"),
        "An entity type with this id exists already.";
    ENTITY_TYPE_ID_IN_USE = "inUse" Place::Field("entityTypeId"),
        "The entity type is in use.";
    ENTITY_TYPE_INVALID = "invalid" Place::Field("entity.type.id"),
        "There is no entity type with this id.";
    ENTITY_TYPE_JWT_MEMBER_MISSING = "missing" Place::AnyField,
        "A configuration that is enabled needs an accessTokenKeyId and a timeToLiveInSeconds.";
    ENTITY_TYPE_KEY_INVALID = "invalid" Place::AnyField,
        "There is no key with this id that can be used by an entity type here.";
    ENTITY_TYPE_LIFETIME_INVALID = "invalid" Place::Field("entityType.jwtConfiguration.timeToLiveInSeconds"),
        "The lifetime must be a whole number from 1 to 2147483647.";
    ENTITY_TYPE_MISSING = "missing" Place::Field("entityType"),
        "The body must hold the member entityType.";
    ENTITY_TYPE_NAME_BLANK = "blank" Place::Field("entityType.name"),
        "The name is required.";
    ENTITY_TYPE_NAME_DUPLICATE = "duplicate" Place::Field("entityType.name"),
        "An entity type with this name exists already.";
    ENTITY_TYPE_NAME_INVALID = "invalid" Place::Field("entityType.name"),
        "The name contains a control character.";
    ENTITY_TYPE_NAME_TOO_LONG = "tooLong" Place::Field("entityType.name"),
        "The name has more than 191 characters.";
    ENTITY_TYPE_NOT_ALLOWED = "notAllowed" Place::Field("entity.type.id"),
        "The type of an entity cannot be changed. Make a new entity.";
    ENTITY_TYPE_ORDER_BY_INVALID = "invalid" Place::AnyField,
        "Sort entity types by id, insertInstant, lastUpdateInstant or name, each with ASC or DESC.";
    ENTITY_TYPE_REQUIRED = "missing" Place::Field("entity.type.id"),
        "The id of the type is required.";
    ENTITY_TYPE_VERIFICATION_KEYS_TOO_MANY = "tooMany" Place::Field("entityType.jwtConfiguration.accessTokenVerificationKeyIds"),
        "At most 64 keys.";
    EXCEPTION = "Exception" Place::Request,
        "An unexpected error. The log of the server has it under the request id in the header X-Request-Id.";
    GRANT_DATA_TOO_LONG = "tooLong" Place::Field("grant.data"),
        "The data has more than 1 MiB.";
    GRANT_MISSING = "missing" Place::Field("grant"),
        "The body must hold the member grant.";
    GRANT_ORDER_BY_INVALID = "invalid" Place::AnyField,
        "Sort by insertInstant or name, each with ASC or DESC.";
    GRANT_PERMISSIONS_INVALID = "invalid" Place::Field("grant.permissions"),
        "The type of the entity has no permission of this name.";
    GRANT_RECIPIENT_INVALID = "invalid" Place::Field("grant.recipientEntityId"),
        "There is no entity with this id in the tenant of the entity.";
    GRANT_RECIPIENT_MISSING = "missing" Place::Field("grant.recipientEntityId"),
        "A grant needs a recipient: exactly one of recipientEntityId and userId.";
    GRANT_RECIPIENT_PARAMETER_MISSING = "missing" Place::Field("recipientEntityId"),
        "The URL must name the recipient: recipientEntityId or userId.";
    GRANT_USER_INVALID = "invalid" Place::Field("grant.userId"),
        "There is no user with this id in the tenant of the entity.";
    INVALID_JSON = "invalidJSON" Place::Request,
        "The body is not the JSON that is expected here.";
    INVALID_OPTION = "invalidOption" Place::AnyField,
        "The value is not one of the options.";
    INVALID_TENANT_ID = "InvalidTenantId" Place::Request,
        "The header X-FusionAuth-TenantId names no tenant.";
    IP_ACL_ADDRESS_INVALID = "invalid" Place::AnyField,
        "The address must be an IPv4 address in four decimal numbers without leading zeros, or an IPv6 address without a zone; the end of a range is of the family of its start and does not lie before it.";
    IP_ACL_DATA_TOO_LONG = "tooLong" Place::Field("ipAccessControlList.data"),
        "The data has more than 1 MiB.";
    IP_ACL_ENTRIES_MISSING = "missing" Place::Field("ipAccessControlList.entries"),
        "The entries are required.";
    IP_ACL_ENTRIES_MISSING_DEFAULT = "missingDefault" Place::Field("ipAccessControlList.entries"),
        "One entry must have the startIPAddress *: it says what happens to all addresses that no other entry speaks of.";
    IP_ACL_ENTRIES_MULTIPLE_DEFAULTS = "multipleDefaults" Place::Field("ipAccessControlList.entries"),
        "Only one entry may have the startIPAddress *.";
    IP_ACL_ENTRIES_TOO_MANY = "tooMany" Place::Field("ipAccessControlList.entries"),
        "At most 1024 entries.";
    IP_ACL_ENTRY_MEMBER_MISSING = "missing" Place::AnyField,
        "Each entry needs an action and a startIPAddress, and unless that is * an endIPAddress.";
    IP_ACL_ID_COULD_NOT_CONVERT = "couldNotConvert" Place::Field("ipAccessControlListId"),
        "The id in the URL must be a UUID.";
    IP_ACL_ID_DUPLICATE = "duplicate" Place::Field("ipAccessControlListId"),
        "An IP access control list with this id exists already.";
    IP_ACL_ID_IN_USE = "inUse" Place::Field("ipAccessControlListId"),
        "The IP access control list is in use.";
    IP_ACL_MISSING = "missing" Place::Field("ipAccessControlList"),
        "The body must hold the member ipAccessControlList.";
    IP_ACL_NAME_BLANK = "blank" Place::Field("ipAccessControlList.name"),
        "The name is required.";
    IP_ACL_NAME_DUPLICATE = "duplicate" Place::Field("ipAccessControlList.name"),
        "An IP access control list with this name exists already.";
    IP_ACL_NAME_INVALID = "invalid" Place::Field("ipAccessControlList.name"),
        "The name contains a control character.";
    IP_ACL_NAME_TOO_LONG = "tooLong" Place::Field("ipAccessControlList.name"),
        "The name has more than 191 characters.";
    IP_ACL_ORDER_BY_INVALID = "invalid" Place::AnyField,
        "Sort by id, insertInstant, lastUpdateInstant or name, each with ASC or DESC.";
    JSON_PATCH_NOT_APPLICABLE = "JSONPatchNotApplicable" Place::Request,
        "An operation of the patch names a place that is not in the document.";
    JSON_PATCH_TEST_FAILED = "JSONPatchTestFailed" Place::Request,
        "An operation of the patch tests for a value that is not there.";
    JSON_PATCH_TOO_LARGE = "JSONPatchTooLarge" Place::Request,
        "The patch has more than 1024 operations, or makes the document too large or too deep.";
    KEY_ALGORITHM_INVALID = "invalid" Place::Field("key.algorithm"),
        "The algorithm None is for imported secrets; it cannot be generated.";
    KEY_ALGORITHM_MISSING = "missing" Place::Field("key.algorithm"),
        "The algorithm is required.";
    KEY_ID_COULD_NOT_CONVERT = "couldNotConvert" Place::Field("keyId"),
        "The id in the URL must be a UUID.";
    KEY_ID_DUPLICATE = "duplicate" Place::Field("keyId"),
        "A key with this id exists already.";
    KEY_ID_INVALID = "invalid" Place::Field("keyId"),
        "The shadow keys can be neither changed nor deleted, and the id of all zeros makes no serial number.";
    KEY_ID_IN_USE = "inUse" Place::Field("keyId"),
        "The key is in use.";
    KEY_ID_NOT_SIGNING = "invalid" Place::Field("keyId"),
        "There is no key with this id that signs, or the API key may not use it.";
    KEY_IMPORT_BLANK = "blank" Place::AnyField,
        "This type of key needs a secret.";
    KEY_IMPORT_INVALID = "invalid" Place::AnyField,
        "This is no key or certificate that can be imported. The message of the answer says why.";
    KEY_IMPORT_INVALID_LENGTH = "invalidLength" Place::AnyField,
        "RSA keys have 2048, 3072 or 4096 bits, or 1024 where there is no private key.";
    KEY_IMPORT_MISMATCH = "mismatch" Place::AnyField,
        "This does not fit the other members.";
    KEY_IMPORT_MISSING = "missing" Place::AnyField,
        "This is needed to import a key.";
    KEY_IMPORT_TOO_LONG = "tooLong" Place::AnyField,
        "The text is too long: 64 KiB, of a secret of the type Secret 256 characters.";
    KEY_ISSUER_INVALID = "invalid" Place::Field("key.issuer"),
        "The issuer becomes the common name of a certificate: 1 to 64 characters, none of them a control character.";
    KEY_KID_DUPLICATE = "duplicate" Place::Field("key.kid"),
        "A key with this kid exists already.";
    KEY_KID_INVALID = "invalid" Place::Field("key.kid"),
        "The kid has 1 to 191 characters, none of them a control character.";
    KEY_LENGTH_INVALID = "invalid" Place::Field("key.length"),
        "The length must be 2048, 3072 or 4096 for RSA; for EC it may be left out, or is 256, 384 or 521 as the algorithm says.";
    KEY_LENGTH_MISSING = "missing" Place::Field("key.length"),
        "RSA keys need a length: 2048, 3072 or 4096.";
    KEY_MISSING = "missing" Place::Field("key"),
        "The body must hold the member key.";
    KEY_NAME_BLANK = "blank" Place::Field("key.name"),
        "The name is required.";
    KEY_NAME_DUPLICATE = "duplicate" Place::Field("key.name"),
        "A key with this name exists already.";
    KEY_NAME_INVALID = "invalid" Place::Field("key.name"),
        "The name contains a control character.";
    KEY_NAME_TOO_LONG = "tooLong" Place::Field("key.name"),
        "The name has more than 191 characters.";
    NUMBER_OF_RESULTS_INVALID = "invalid" Place::AnyField,
        "The number of results is a whole number, 0 or more.";
    ORDER_BY_INVALID = "invalid" Place::AnyField,
        "Sort by algorithm, expiration, id, insertInstant, name or type, each with ASC or DESC.";
    PARAMETER_AMBIGUOUS = "invalid" Place::AnyField,
        "The parameter stands in the URL more than once.";
    PARAMETER_COULD_NOT_CONVERT = "couldNotConvert" Place::AnyField,
        "The value of the parameter cannot be read.";
    PERMISSION_DATA_TOO_LONG = "tooLong" Place::Field("permission.data"),
        "The data has more than 1 MiB.";
    PERMISSION_DESCRIPTION_INVALID = "invalid" Place::Field("permission.description"),
        "The description has at most 4096 characters, without NUL.";
    PERMISSION_ID_COULD_NOT_CONVERT = "couldNotConvert" Place::Field("permissionId"),
        "The id in the URL must be a UUID.";
    PERMISSION_ID_DUPLICATE = "duplicate" Place::Field("permissionId"),
        "A permission with this id exists already.";
    PERMISSION_MISSING = "missing" Place::Field("permission"),
        "The body must hold the member permission.";
    PERMISSION_NAME_BLANK = "blank" Place::Field("permission.name"),
        "The name is required.";
    PERMISSION_NAME_DUPLICATE = "duplicate" Place::Field("permission.name"),
        "The entity type has a permission of this name already.";
    PERMISSION_NAME_INVALID = "invalid" Place::Field("permission.name"),
        "The name contains a control character.";
    PERMISSION_NAME_NOT_ALLOWED = "notAllowed" Place::Field("permission.name"),
        "The name of a permission cannot be changed. Make a new permission.";
    PERMISSION_NAME_PARAMETER_MISSING = "missing" Place::Field("name"),
        "The URL must name the permission.";
    PERMISSION_NAME_TOO_LONG = "tooLong" Place::Field("permission.name"),
        "The name has more than 191 characters.";
    PERMISSIONS_TOO_MANY = "tooMany" Place::Field("permission"),
        "An entity type has at most 1024 permissions.";
    RETRYABLE_CONFLICT = "retryableConflict" Place::Request,
        "Somebody else changed the object at the same time. Try again.";
    SOURCE_KEY_ID_INVALID = "invalid" Place::Field("sourceKeyId"),
        "There is no API key with this id that could be copied.";
    SEARCH_MISSING = "missing" Place::Field("search"),
        "The body must hold the member search.";
    SEARCH_NAME_TOO_LONG = "tooLong" Place::AnyField,
        "The name to search for has more than 512 characters.";
    SEARCH_TEXT_TOO_LONG = "tooLong" Place::AnyField,
        "The text to search for has more than 512 characters.";
    START_ROW_INVALID = "invalid" Place::AnyField,
        "The first row is a whole number, 0 or more.";
    TENANT_ID_COULD_NOT_CONVERT = "couldNotConvert" Place::Field("tenantId"),
        "The tenant's id must be a UUID.";
    TENANT_ID_DUPLICATE = "duplicate" Place::Field("tenantId"),
        "A tenant with this id exists already.";
    TENANT_ID_NOT_ALLOWED = "notAllowed" Place::Field("tenantId"),
        "The default tenant cannot be deleted.";
    TENANT_ID_PENDING_DELETE = "pendingDelete" Place::Field("tenantId"),
        "The tenant is being deleted.";
    TENANT_ID_REQUIRED = "TenantIdRequired" Place::Request,
        "There is more than one tenant. Name one in the header X-FusionAuth-TenantId, or use an API key of a tenant.";
    TENANT_ISSUER_INVALID = "invalid" Place::Field("tenant.issuer"),
        "The issuer has 1 to 191 characters, none of them a control character.";
    TENANT_ISSUER_NOT_AUTHORIZED = "notAuthorized" Place::Field("tenant.issuer"),
        "An API key of a tenant cannot change the issuer of its tokens.";
    TENANT_KEY_INVALID = "invalid" Place::AnyField,
        "There is no key with this id that can be used here.";
    TENANT_KEY_NOT_AUTHORIZED = "notAuthorized" Place::AnyField,
        "An API key of a tenant cannot give its tenant a key that the tenant did not name before.";
    TENANT_LIFETIME_INVALID = "invalid" Place::AnyField,
        "The lifetime must be a whole number from 1 to 2147483647.";
    TENANT_MISSING = "missing" Place::Field("tenant"),
        "The body must hold the member tenant.";
    TENANT_NAME_BLANK = "blank" Place::Field("tenant.name"),
        "The name is required.";
    TENANT_NAME_DUPLICATE = "duplicate" Place::Field("tenant.name"),
        "A tenant with this name exists already.";
    TENANT_NAME_INVALID = "invalid" Place::Field("tenant.name"),
        "The name contains a control character.";
    TENANT_NAME_TOO_LONG = "tooLong" Place::Field("tenant.name"),
        "The name has more than 191 characters.";
    TENANT_NOT_COPIED = "notAllowed" Place::AnyField,
        "A copy of a tenant takes everything but the name from its source.";
    TENANT_ORDER_BY_INVALID = "invalid" Place::AnyField,
        "Sort by id, insertInstant or name, each with ASC or DESC.";
    TENANT_SOURCE_INVALID = "invalid" Place::Field("sourceTenantId"),
        "There is no tenant with this id that could be copied.";
    TENANT_TOO_LONG = "tooLong" Place::Field("tenant"),
        "The members that are kept have more than 1 MiB.";
    TENANT_VERIFICATION_KEYS_TOO_MANY = "tooMany" Place::AnyField,
        "At most 64 keys.";
    TIME_TO_LIVE_INVALID = "invalid" Place::Field("timeToLiveInSeconds"),
        "The lifetime must be a whole number of seconds from 1 to 2147483647.";
    UNAVAILABLE = "Unavailable" Place::Request,
        "The server cannot answer this now. Try again later.";
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    code: &'static Code,
    field: Option<Cow<'static, str>>,
    message: Cow<'static, str>,
}

impl Violation {
    /// A violation at the place that the code itself names.
    #[must_use]
    pub fn new(code: &'static Code) -> Self {
        let field = match code.place {
            Place::Field(path) => Some(Cow::Borrowed(path)),
            Place::Request | Place::AnyField => None,
        };
        Self { code, field, message: Cow::Borrowed(code.message) }
    }

    /// A violation at the member with this path.
    #[must_use]
    pub fn at(code: &'static Code, path: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(path.into()), ..Self::new(code) }
    }

    /// The same violation with another message. Messages never carry secrets.
    #[must_use]
    pub fn with_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// The path under which it stands among `fieldErrors`; `None` for `generalErrors`.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The code, such as `[blank]apiKey.name` or `[InvalidTenantId]`.
    #[must_use]
    pub fn code(&self) -> String {
        let path = match self.code.place {
            Place::Request => "",
            Place::Field(_) | Place::AnyField => self.field().unwrap_or(""),
        };
        format!("[{}]{path}", self.code.reason)
    }

    /// The entry of the table.
    #[must_use]
    pub const fn entry(&self) -> &'static Code {
        self.code
    }

    /// The message for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Everything that is wrong with one request, so that it is reported at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Nothing wrong so far.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds a violation; the same one twice counts once, and those beyond [`MAXIMUM_VIOLATIONS`] are left out.
    pub fn push(&mut self, violation: Violation) {
        if self.0.len() < MAXIMUM_VIOLATIONS && !self.0.contains(&violation) {
            self.0.push(violation);
        }
    }

    /// Adds a violation at the place that the code itself names.
    pub fn add(&mut self, code: &'static Code) {
        self.push(Violation::new(code));
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The violations in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }

    /// `value` if nothing is wrong.
    ///
    /// # Errors
    /// The violations, if there are any.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Violation> for Violations {
    fn from(violation: Violation) -> Self {
        Self(vec![violation])
    }
}

impl From<&'static Code> for Violations {
    fn from(code: &'static Code) -> Self {
        Violation::new(code).into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_written_as_documented() {
        let blank = Violation::new(&codes::API_KEY_NAME_BLANK);
        assert_eq!((blank.code().as_str(), blank.field()), ("[blank]apiKey.name", Some("apiKey.name")));
        let general = Violation::new(&codes::INVALID_TENANT_ID);
        assert_eq!((general.code().as_str(), general.field()), ("[InvalidTenantId]", None));
        let json = Violation::at(&codes::INVALID_JSON, "apiKey.name");
        assert_eq!((json.code().as_str(), json.field()), ("[invalidJSON]", Some("apiKey.name")));
        let option = Violation::at(&codes::INVALID_OPTION, "key.algorithm");
        assert_eq!(option.code(), "[invalidOption]key.algorithm");
    }

    #[test]
    fn messages_end_with_a_full_stop_and_are_unique() {
        let mut seen = HashSet::new();
        for code in CODES {
            assert!(code.message.ends_with('.'), "{code:?}");
            assert!(seen.insert((code.reason, format!("{:?}", code.place), code.message)), "{code:?}");
        }
    }

    #[test]
    fn a_request_cannot_make_an_endless_list() {
        let mut violations = Violations::none();
        for number in 0..10 * MAXIMUM_VIOLATIONS {
            violations.push(Violation::at(&codes::INVALID_JSON, number.to_string()));
        }
        assert_eq!(violations.iter().count(), MAXIMUM_VIOLATIONS);
    }

    #[test]
    fn the_same_violation_counts_once() {
        let mut violations = Violations::none();
        violations.add(&codes::KEY_MISSING);
        violations.add(&codes::KEY_MISSING);
        assert_eq!(violations.iter().count(), 1);
        assert!(violations.into_result(()).is_err());
    }
}
