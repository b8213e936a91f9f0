-- Values that API keys had before they were rotated: each works until `valid_until`. `revision` is that of the key which the
-- value was replaced at; the lowest is the oldest.
CREATE TABLE api_key_previous_digest (
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    api_key_id TEXT NOT NULL REFERENCES api_key (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    valid_until INTEGER NOT NULL,
    PRIMARY KEY (digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX api_key_previous_digest_api_key_id_index ON api_key_previous_digest (api_key_id);
