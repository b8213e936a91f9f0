-- API keys are searched and sorted by their names in lower case, as Unicode has it. SQL cannot compute that: the program
-- fills the column after the migrations, and with each name that it writes. Keys without a name have none here either.
ALTER TABLE api_key ADD COLUMN name_folded TEXT;

-- The newest keys, of the whole instance or of one tenant; the names; the keys that expire soon. And how many those are.
CREATE INDEX api_key_insert_instant_index ON api_key (insert_instant, id);
CREATE INDEX api_key_tenant_insert_instant_index ON api_key (tenant_id, insert_instant, id) WHERE tenant_id IS NOT NULL;
CREATE INDEX api_key_name_folded_index ON api_key (name_folded, id);
CREATE INDEX api_key_expiration_instant_index ON api_key (expiration_instant, id) WHERE expiration_instant IS NOT NULL;
