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

-- Children before parents. Indexes and constraints go with their columns.
DROP TABLE api_key_role;
ALTER TABLE api_key
    DROP COLUMN fusion_id,
    DROP COLUMN repeating_name,
    DROP COLUMN roles,
    DROP COLUMN ip_access_control_list_id,
    DROP COLUMN disabled;
DROP TABLE role;
DROP TABLE ip_access_control_list;
