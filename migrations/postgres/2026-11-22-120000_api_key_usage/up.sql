-- How often API keys were let through, and when last: one row for the present value of a key, and one for all its earlier
-- values. It is no part of what a key is: no revision, no row in `change`.
CREATE TABLE api_key_usage (
    api_key_id TEXT COLLATE "C" NOT NULL,
    earlier_value BOOLEAN NOT NULL,
    uses BIGINT NOT NULL,
    last_used_instant BIGINT NOT NULL,
    last_address TEXT COLLATE "C",
    CONSTRAINT api_key_usage_primary_key PRIMARY KEY (api_key_id, earlier_value),
    CONSTRAINT api_key_usage_api_key_id_foreign_key
        FOREIGN KEY (api_key_id) REFERENCES api_key (id) ON DELETE CASCADE
);
