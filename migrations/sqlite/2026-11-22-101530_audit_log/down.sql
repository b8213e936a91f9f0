DROP INDEX change_tenant_id_index;
DROP INDEX change_instant_index;
