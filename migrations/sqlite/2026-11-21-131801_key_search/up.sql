-- Keys are searched and sorted by their names in lower case, as Unicode has it. SQL cannot compute that: the program
-- fills the column after the migrations, and with each name that it writes. No name is empty.
ALTER TABLE "key" ADD COLUMN name_folded TEXT NOT NULL DEFAULT '';

-- Every column by which keys are filtered or sorted: a search reads rows, with kilobytes of PEM each, for its page only.
CREATE INDEX key_search_index
    ON "key" (name_folded, name, id, key_type, algorithm, expiration_instant, insert_instant);

-- The keys that end soon, and how many those are.
CREATE INDEX key_expiration_instant_index ON "key" (expiration_instant, id) WHERE expiration_instant IS NOT NULL;
