-- Values that API keys had before they were rotated: each works until `valid_until`. `revision` is that of the key which the
-- value was replaced at; the lowest is the oldest.
CREATE TABLE api_key_previous_digest (
    digest BYTEA NOT NULL,
    api_key_id TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    CONSTRAINT api_key_previous_digest_primary_key PRIMARY KEY (digest),
    CONSTRAINT api_key_previous_digest_api_key_id_foreign_key
        FOREIGN KEY (api_key_id) REFERENCES api_key (id) ON DELETE CASCADE,
    CONSTRAINT api_key_previous_digest_length CHECK (octet_length(digest) = 32)
);

CREATE INDEX api_key_previous_digest_api_key_id_index ON api_key_previous_digest (api_key_id);
