-- The latest changes, of the whole instance or of one tenant, and how many those are.
CREATE INDEX change_instant_index ON change (instant, id);
CREATE INDEX change_tenant_id_index ON change (tenant_id, instant, id) WHERE tenant_id IS NOT NULL;
