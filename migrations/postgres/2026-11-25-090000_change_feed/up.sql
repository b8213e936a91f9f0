-- What nodes need to follow the changes. The default comes after the column, so that the rows that are there have none: all
-- nodes that start have read them.
ALTER TABLE change ADD COLUMN ended_digests BYTEA;
ALTER TABLE change ADD COLUMN transaction_id BIGINT;
ALTER TABLE change ALTER COLUMN transaction_id SET DEFAULT pg_current_xact_id()::text::bigint;
CREATE INDEX change_transaction_id_index ON change (transaction_id) WHERE transaction_id IS NOT NULL;

-- A number is drawn after each commit; who sees it in the sequence, and reads then, has read that commit.
CREATE SEQUENCE feed_barrier AS BIGINT;

-- The nodes that may decide from what they have in memory, how far each of them has read, and how often it has renewed its lease.
CREATE TABLE node (
    id TEXT COLLATE "C" NOT NULL,
    applied BIGINT NOT NULL,
    lease_milliseconds BIGINT NOT NULL,
    renewed BIGINT NOT NULL,
    CONSTRAINT node_primary_key PRIMARY KEY (id)
);

-- Any number of nodes may serve and write.
DROP SEQUENCE serve_epoch;
