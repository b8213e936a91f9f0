-- Entities: the machines and services of a tenant that get tokens of their own; their types, and what they are granted on each other.
-- Texts that the program folds to lower case are searched by that, as the names of keys; `data` is a JSON object.

CREATE TABLE entity_type (
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    jwt_enabled INTEGER NOT NULL CHECK (jwt_enabled IN (0, 1)),
    access_token_key_id TEXT,
    access_token_verification_key_ids TEXT NOT NULL,
    time_to_live_in_seconds INTEGER,
    data TEXT,
    insert_instant INTEGER NOT NULL,
    last_update_instant INTEGER NOT NULL,
    UNIQUE (name),
    PRIMARY KEY (id)
) STRICT;

-- Every column by which types are filtered or sorted.
CREATE INDEX entity_type_search_index
    ON entity_type (name_folded, name, id, insert_instant, last_update_instant);

CREATE TABLE entity_type_permission (
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    entity_type_id TEXT NOT NULL REFERENCES entity_type (id),
    name TEXT NOT NULL,
    description TEXT,
    is_default INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    data TEXT,
    insert_instant INTEGER NOT NULL,
    last_update_instant INTEGER NOT NULL,
    UNIQUE (entity_type_id, name),
    PRIMARY KEY (id)
) STRICT;

-- The secret before stands beside the present one until its end, when the entity was given a new one. The unique pair of
-- id and tenant is what grants refer to.
CREATE TABLE entity (
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    entity_type_id TEXT NOT NULL REFERENCES entity_type (id),
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_id_folded TEXT NOT NULL,
    sealed_client_secret BLOB NOT NULL,
    sealed_previous_client_secret BLOB,
    previous_client_secret_valid_until INTEGER,
    parent_id TEXT,
    data TEXT,
    insert_instant INTEGER NOT NULL,
    last_update_instant INTEGER NOT NULL,
    UNIQUE (id, tenant_id),
    UNIQUE (client_id),
    PRIMARY KEY (id),
    CHECK ((sealed_previous_client_secret IS NULL) = (previous_client_secret_valid_until IS NULL))
) STRICT;

CREATE INDEX entity_tenant_id_index ON entity (tenant_id, id);
CREATE INDEX entity_entity_type_id_index ON entity (entity_type_id, id);
-- Pages are sorted by names, unless something else is asked for.
CREATE INDEX entity_search_index ON entity (name_folded, name, id, tenant_id);

-- Both entities are of the same tenant: the foreign keys see to that.
CREATE TABLE entity_grant (
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    tenant_id TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    recipient_entity_id TEXT NOT NULL,
    data TEXT,
    insert_instant INTEGER NOT NULL,
    last_update_instant INTEGER NOT NULL,
    UNIQUE (entity_id, recipient_entity_id),
    PRIMARY KEY (id),
    FOREIGN KEY (entity_id, tenant_id) REFERENCES entity (id, tenant_id),
    FOREIGN KEY (recipient_entity_id, tenant_id) REFERENCES entity (id, tenant_id)
) STRICT;

CREATE INDEX entity_grant_recipient_entity_id_index ON entity_grant (recipient_entity_id, entity_id);
CREATE INDEX entity_grant_tenant_id_index ON entity_grant (tenant_id, id);

-- A permission that is deleted is gone from every grant.
CREATE TABLE entity_grant_permission (
    entity_grant_id TEXT NOT NULL REFERENCES entity_grant (id) ON DELETE CASCADE,
    permission_id TEXT NOT NULL REFERENCES entity_type_permission (id) ON DELETE CASCADE,
    PRIMARY KEY (entity_grant_id, permission_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX entity_grant_permission_permission_id_index ON entity_grant_permission (permission_id);
