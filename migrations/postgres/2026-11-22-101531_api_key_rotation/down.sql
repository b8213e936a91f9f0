-- The program before this knows one value of each key: the earlier ones stop working.
DROP TABLE api_key_previous_digest;
