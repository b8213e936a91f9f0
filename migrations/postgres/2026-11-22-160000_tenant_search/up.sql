-- Tenants are searched and sorted by their names in lower case, as Unicode has it. SQL cannot compute that: the program
-- fills the column after the migrations, and with each name that it writes. No name is empty.
ALTER TABLE tenant ADD COLUMN name_folded TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Every column by which tenants are filtered or sorted: a search reads rows, with whole documents, for its page only.
CREATE INDEX tenant_search_index ON tenant (name_folded, name, id, insert_instant);
