-- From which addresses a key may be used, roles, and what Fusion's dialect adds to a key.

-- `entries` is a JSON list, `data` a JSON object. The program folds each name that it writes, as those of keys.
CREATE TABLE ip_access_control_list (
    id TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    name_folded TEXT COLLATE "C" NOT NULL,
    entries TEXT COLLATE "C" NOT NULL,
    data TEXT COLLATE "C",
    insert_instant BIGINT NOT NULL,
    last_update_instant BIGINT NOT NULL,
    CONSTRAINT ip_access_control_list_primary_key PRIMARY KEY (id),
    CONSTRAINT ip_access_control_list_name_unique UNIQUE (name)
);

-- Every column by which lists are filtered or sorted: a row can have a thousand entries.
CREATE INDEX ip_access_control_list_search_index
    ON ip_access_control_list (name_folded, name, id, insert_instant, last_update_instant);

CREATE TABLE role (
    id TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C",
    permissions TEXT COLLATE "C" NOT NULL,
    ui_permissions TEXT COLLATE "C" NOT NULL,
    insert_instant BIGINT NOT NULL,
    last_update_instant BIGINT NOT NULL,
    CONSTRAINT role_primary_key PRIMARY KEY (id),
    CONSTRAINT role_name_unique UNIQUE (name)
);

-- A name stands in `name`, where it is unique, or in `repeating_name`, never in both. A key with `roles`, a JSON list of
-- names in the order in which they were given, has empty `permissions`: to a program that knows no roles it is a key
-- that may do nothing, not one that may do everything. The unique column comes last: conflicts are reported in the
-- order in which the constraints were made.
ALTER TABLE api_key
    ADD COLUMN fusion_id TEXT COLLATE "C",
    ADD COLUMN repeating_name TEXT COLLATE "C",
    ADD COLUMN roles TEXT COLLATE "C",
    ADD COLUMN ip_access_control_list_id TEXT COLLATE "C",
    ADD COLUMN disabled BOOLEAN NOT NULL DEFAULT FALSE,
    ADD CONSTRAINT api_key_fusion_id_unique UNIQUE (fusion_id),
    ADD CONSTRAINT api_key_ip_access_control_list_id_foreign_key
        FOREIGN KEY (ip_access_control_list_id) REFERENCES ip_access_control_list (id);

CREATE INDEX api_key_repeating_name_index ON api_key (repeating_name) WHERE repeating_name IS NOT NULL;
CREATE INDEX api_key_ip_access_control_list_id_index
    ON api_key (ip_access_control_list_id, id) WHERE ip_access_control_list_id IS NOT NULL;

-- What keeps a role that is in use from being deleted or renamed.
CREATE TABLE api_key_role (
    api_key_id TEXT COLLATE "C" NOT NULL,
    role_name TEXT COLLATE "C" NOT NULL,
    CONSTRAINT api_key_role_primary_key PRIMARY KEY (api_key_id, role_name),
    CONSTRAINT api_key_role_api_key_id_foreign_key
        FOREIGN KEY (api_key_id) REFERENCES api_key (id) ON DELETE CASCADE,
    CONSTRAINT api_key_role_role_name_foreign_key FOREIGN KEY (role_name) REFERENCES role (name)
);

CREATE INDEX api_key_role_role_name_index ON api_key_role (role_name);
