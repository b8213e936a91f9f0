-- How often API keys were let through, and when last: one row for the present value of a key, and one for all its earlier
-- values. It is no part of what a key is: no revision, no row in `change`.
CREATE TABLE api_key_usage (
    api_key_id TEXT NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
    earlier_value INTEGER NOT NULL CHECK (earlier_value IN (0, 1)),
    uses INTEGER NOT NULL,
    last_used_instant INTEGER NOT NULL,
    last_address TEXT,
    PRIMARY KEY (api_key_id, earlier_value)
) STRICT, WITHOUT ROWID;
