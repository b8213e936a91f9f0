DROP INDEX tenant_search_index;
ALTER TABLE tenant DROP COLUMN name_folded;
