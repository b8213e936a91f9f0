CREATE SEQUENCE serve_epoch AS BIGINT;
DROP TABLE node;
DROP SEQUENCE feed_barrier;
DROP INDEX change_transaction_id_index;
ALTER TABLE change DROP COLUMN transaction_id;
ALTER TABLE change DROP COLUMN ended_digests;
