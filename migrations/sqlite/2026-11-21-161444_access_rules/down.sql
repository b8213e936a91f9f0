-- The program before this knows neither disabled keys nor lists of addresses nor roles. No key may get more rights by that:
-- it ends the keys that it could not restrict, and those with roles may do nothing.
UPDATE api_key SET expiration_instant = 0 WHERE disabled OR ip_access_control_list_id IS NOT NULL;
UPDATE api_key SET permissions = '' WHERE roles IS NOT NULL;

-- A name that no other key has becomes the unique name that it is. Names that do repeat are lost, and so are Fusion's ids;
-- the keys are still found under their own ids.
UPDATE api_key SET name = repeating_name
WHERE repeating_name IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM api_key other WHERE other.name = api_key.repeating_name)
    AND NOT EXISTS (
        SELECT 1 FROM api_key other
        WHERE other.repeating_name = api_key.repeating_name AND other.id <> api_key.id
    );

-- Children before parents. A column with a constraint cannot be dropped: the table is made anew, as it was.
DROP TABLE api_key_role;

CREATE TABLE old_api_key (
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

INSERT INTO old_api_key
SELECT
    id, revision, digest, sealed_value, name, permissions, key_manager, tenant_id, retrievable, expiration_instant,
    attributes, insert_instant, last_update_instant
FROM api_key;

DROP TABLE api_key;
ALTER TABLE old_api_key RENAME TO api_key;

CREATE INDEX api_key_tenant_id_index ON api_key (tenant_id, id) WHERE tenant_id IS NOT NULL;

DROP TABLE role;
DROP TABLE ip_access_control_list;
