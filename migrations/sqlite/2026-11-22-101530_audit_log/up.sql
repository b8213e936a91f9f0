-- The latest changes, of the whole instance or of one tenant, and how many those are. SQLite adds the id to each index by itself.
CREATE INDEX change_instant_index ON change (instant);
CREATE INDEX change_tenant_id_index ON change (tenant_id, instant) WHERE tenant_id IS NOT NULL;
