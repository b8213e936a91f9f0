-- Ids are lower-case hyphenated UUIDs, instants milliseconds since the epoch, flags 0 or 1. SQLite checks the
-- unique column that is declared last first. They stand so that conflicts are reported in the same order as
-- on PostgreSQL: id, name, then the rest. A test of the storage suite watches over it.

CREATE TABLE tenant (
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    name TEXT NOT NULL,
    issuer TEXT NOT NULL,
    access_token_key_id TEXT,
    id_token_key_id TEXT,
    access_token_verification_key_ids TEXT NOT NULL,
    id_token_verification_key_ids TEXT NOT NULL,
    time_to_live_in_seconds INTEGER NOT NULL,
    refresh_token_time_to_live_in_minutes INTEGER NOT NULL,
    document TEXT NOT NULL,
    state TEXT NOT NULL,
    insert_instant INTEGER NOT NULL,
    last_update_instant INTEGER NOT NULL,
    UNIQUE (name),
    PRIMARY KEY (id)
) STRICT;

CREATE TABLE "key" (
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    name TEXT NOT NULL,
    kid TEXT NOT NULL,
    key_type TEXT NOT NULL,
    algorithm TEXT,
    length INTEGER,
    issuer TEXT,
    public_key TEXT,
    certificate TEXT,
    sealed_material BLOB,
    has_private_key INTEGER NOT NULL CHECK (has_private_key IN (0, 1)),
    shadow INTEGER NOT NULL CHECK (shadow IN (0, 1)),
    expiration_instant INTEGER,
    insert_instant INTEGER NOT NULL,
    last_update_instant INTEGER NOT NULL,
    UNIQUE (kid),
    UNIQUE (name),
    PRIMARY KEY (id)
) STRICT;

-- Every place that names a key. It is what keeps a key from being deleted while it is in use.
CREATE TABLE key_reference (
    owner TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    property TEXT NOT NULL,
    key_id TEXT NOT NULL REFERENCES "key" (id),
    PRIMARY KEY (owner, owner_id, property, key_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX key_reference_key_id_index ON key_reference (key_id);

CREATE TABLE api_key (
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    sealed_value BLOB,
    name TEXT,
    permissions TEXT,
    key_manager INTEGER NOT NULL CHECK (key_manager IN (0, 1)),
    tenant_id TEXT REFERENCES tenant (id),
    retrievable INTEGER NOT NULL CHECK (retrievable IN (0, 1)),
    expiration_instant INTEGER,
    attributes TEXT NOT NULL,
    insert_instant INTEGER NOT NULL,
    last_update_instant INTEGER NOT NULL,
    UNIQUE (digest),
    UNIQUE (name),
    PRIMARY KEY (id)
) STRICT;

CREATE INDEX api_key_tenant_id_index ON api_key (tenant_id, id) WHERE tenant_id IS NOT NULL;

CREATE TABLE instance (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    id TEXT NOT NULL,
    default_tenant_id TEXT NOT NULL REFERENCES tenant (id),
    sealed_digest_key BLOB NOT NULL,
    insert_instant INTEGER NOT NULL
) STRICT;

CREATE TABLE data_key (
    version INTEGER NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL,
    insert_instant INTEGER NOT NULL
) STRICT;

-- What was changed, by whom and when. The objects are named, not referenced: their rows outlive them here.
CREATE TABLE change (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    instant INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT,
    address TEXT,
    entity TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    tenant_id TEXT,
    action TEXT NOT NULL,
    "before" TEXT,
    "after" TEXT
) STRICT;
