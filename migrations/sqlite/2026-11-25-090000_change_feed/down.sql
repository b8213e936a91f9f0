ALTER TABLE change DROP COLUMN ended_digests;
