DROP INDEX api_key_expiration_instant_index;
DROP INDEX api_key_name_folded_index;
DROP INDEX api_key_tenant_insert_instant_index;
DROP INDEX api_key_insert_instant_index;
ALTER TABLE api_key DROP COLUMN name_folded;
