-- Entities: the machines and services of a tenant that get tokens of their own; their types, and what they are granted on each other.
-- Texts that the program folds to lower case are searched by that, as the names of keys; `data` is a JSON object.

CREATE TABLE entity_type (
    id TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    name_folded TEXT COLLATE "C" NOT NULL,
    jwt_enabled BOOLEAN NOT NULL,
    access_token_key_id TEXT COLLATE "C",
    access_token_verification_key_ids TEXT COLLATE "C" NOT NULL,
    time_to_live_in_seconds BIGINT,
    data TEXT COLLATE "C",
    insert_instant BIGINT NOT NULL,
    last_update_instant BIGINT NOT NULL,
    CONSTRAINT entity_type_primary_key PRIMARY KEY (id),
    CONSTRAINT entity_type_name_unique UNIQUE (name)
);

-- Every column by which types are filtered or sorted.
CREATE INDEX entity_type_search_index
    ON entity_type (name_folded, name, id, insert_instant, last_update_instant);

CREATE TABLE entity_type_permission (
    id TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    entity_type_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C",
    is_default BOOLEAN NOT NULL,
    data TEXT COLLATE "C",
    insert_instant BIGINT NOT NULL,
    last_update_instant BIGINT NOT NULL,
    CONSTRAINT entity_type_permission_primary_key PRIMARY KEY (id),
    CONSTRAINT entity_type_permission_name_unique UNIQUE (entity_type_id, name),
    CONSTRAINT entity_type_permission_entity_type_id_foreign_key
        FOREIGN KEY (entity_type_id) REFERENCES entity_type (id)
);

-- The secret before stands beside the present one until its end, when the entity was given a new one. The unique pair of
-- id and tenant is what grants refer to.
CREATE TABLE entity (
    id TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    tenant_id TEXT COLLATE "C" NOT NULL,
    entity_type_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    name_folded TEXT COLLATE "C" NOT NULL,
    client_id TEXT COLLATE "C" NOT NULL,
    client_id_folded TEXT COLLATE "C" NOT NULL,
    sealed_client_secret BYTEA NOT NULL,
    sealed_previous_client_secret BYTEA,
    previous_client_secret_valid_until BIGINT,
    parent_id TEXT COLLATE "C",
    data TEXT COLLATE "C",
    insert_instant BIGINT NOT NULL,
    last_update_instant BIGINT NOT NULL,
    CONSTRAINT entity_primary_key PRIMARY KEY (id),
    CONSTRAINT entity_client_id_unique UNIQUE (client_id),
    CONSTRAINT entity_id_tenant_id_unique UNIQUE (id, tenant_id),
    CONSTRAINT entity_tenant_id_foreign_key FOREIGN KEY (tenant_id) REFERENCES tenant (id),
    CONSTRAINT entity_entity_type_id_foreign_key FOREIGN KEY (entity_type_id) REFERENCES entity_type (id),
    CONSTRAINT entity_previous_client_secret_whole
        CHECK ((sealed_previous_client_secret IS NULL) = (previous_client_secret_valid_until IS NULL))
);

CREATE INDEX entity_tenant_id_index ON entity (tenant_id, id);
CREATE INDEX entity_entity_type_id_index ON entity (entity_type_id, id);
-- Pages are sorted by names, unless something else is asked for.
CREATE INDEX entity_search_index ON entity (name_folded, name, id, tenant_id);

-- Both entities are of the same tenant: the foreign keys see to that.
CREATE TABLE entity_grant (
    id TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    tenant_id TEXT COLLATE "C" NOT NULL,
    entity_id TEXT COLLATE "C" NOT NULL,
    recipient_entity_id TEXT COLLATE "C" NOT NULL,
    data TEXT COLLATE "C",
    insert_instant BIGINT NOT NULL,
    last_update_instant BIGINT NOT NULL,
    CONSTRAINT entity_grant_primary_key PRIMARY KEY (id),
    CONSTRAINT entity_grant_recipient_unique UNIQUE (entity_id, recipient_entity_id),
    CONSTRAINT entity_grant_entity_id_foreign_key
        FOREIGN KEY (entity_id, tenant_id) REFERENCES entity (id, tenant_id),
    CONSTRAINT entity_grant_recipient_entity_id_foreign_key
        FOREIGN KEY (recipient_entity_id, tenant_id) REFERENCES entity (id, tenant_id)
);

CREATE INDEX entity_grant_recipient_entity_id_index ON entity_grant (recipient_entity_id, entity_id);
CREATE INDEX entity_grant_tenant_id_index ON entity_grant (tenant_id, id);

-- A permission that is deleted is gone from every grant.
CREATE TABLE entity_grant_permission (
    entity_grant_id TEXT COLLATE "C" NOT NULL,
    permission_id TEXT COLLATE "C" NOT NULL,
    CONSTRAINT entity_grant_permission_primary_key PRIMARY KEY (entity_grant_id, permission_id),
    CONSTRAINT entity_grant_permission_entity_grant_id_foreign_key
        FOREIGN KEY (entity_grant_id) REFERENCES entity_grant (id) ON DELETE CASCADE,
    CONSTRAINT entity_grant_permission_permission_id_foreign_key
        FOREIGN KEY (permission_id) REFERENCES entity_type_permission (id) ON DELETE CASCADE
);

CREATE INDEX entity_grant_permission_permission_id_index ON entity_grant_permission (permission_id);
