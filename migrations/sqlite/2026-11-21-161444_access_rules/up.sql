-- From which addresses a key may be used, roles, and what Fusion's dialect adds to a key.

-- `entries` is a JSON list, `data` a JSON object. The program folds each name that it writes, as those of keys.
CREATE TABLE ip_access_control_list (
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    entries TEXT NOT NULL,
    data TEXT,
    insert_instant INTEGER NOT NULL,
    last_update_instant INTEGER NOT NULL,
    UNIQUE (name),
    PRIMARY KEY (id)
) STRICT;

-- Every column by which lists are filtered or sorted: a row can have a thousand entries.
CREATE INDEX ip_access_control_list_search_index
    ON ip_access_control_list (name_folded, name, id, insert_instant, last_update_instant);

CREATE TABLE role (
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    permissions TEXT NOT NULL,
    ui_permissions TEXT NOT NULL,
    insert_instant INTEGER NOT NULL,
    last_update_instant INTEGER NOT NULL,
    UNIQUE (name),
    PRIMARY KEY (id)
) STRICT;

-- A name stands in `name`, where it is unique, or in `repeating_name`, never in both. A key with `roles`, a JSON list of
-- names in the order in which they were given, has empty `permissions`: to a program that knows no roles it is a key
-- that may do nothing, not one that may do everything. The table is made anew, because a unique column that is added
-- to one would be checked before the others: conflicts are to be reported in the same order as on PostgreSQL.
CREATE TABLE new_api_key (
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
    fusion_id TEXT,
    repeating_name TEXT,
    roles TEXT,
    ip_access_control_list_id TEXT REFERENCES ip_access_control_list (id),
    disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    UNIQUE (fusion_id),
    UNIQUE (digest),
    UNIQUE (name),
    PRIMARY KEY (id)
) STRICT;

INSERT INTO new_api_key (
    id, revision, digest, sealed_value, name, permissions, key_manager, tenant_id, retrievable, expiration_instant,
    attributes, insert_instant, last_update_instant
)
SELECT
    id, revision, digest, sealed_value, name, permissions, key_manager, tenant_id, retrievable, expiration_instant,
    attributes, insert_instant, last_update_instant
FROM api_key;

DROP TABLE api_key;
ALTER TABLE new_api_key RENAME TO api_key;

CREATE INDEX api_key_tenant_id_index ON api_key (tenant_id, id) WHERE tenant_id IS NOT NULL;
CREATE INDEX api_key_repeating_name_index ON api_key (repeating_name) WHERE repeating_name IS NOT NULL;
CREATE INDEX api_key_ip_access_control_list_id_index
    ON api_key (ip_access_control_list_id, id) WHERE ip_access_control_list_id IS NOT NULL;

-- What keeps a role that is in use from being deleted or renamed.
CREATE TABLE api_key_role (
    api_key_id TEXT NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
    role_name TEXT NOT NULL REFERENCES role (name),
    PRIMARY KEY (api_key_id, role_name)
) STRICT, WITHOUT ROWID;

CREATE INDEX api_key_role_role_name_index ON api_key_role (role_name);
