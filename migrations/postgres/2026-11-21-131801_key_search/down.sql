DROP INDEX key_expiration_instant_index;
DROP INDEX key_search_index;
ALTER TABLE "key" DROP COLUMN name_folded;
