-- Values of an API key that a change ended. Nodes that share a PostgreSQL read them there; SQLite has one node.
ALTER TABLE change ADD COLUMN ended_digests BLOB;
