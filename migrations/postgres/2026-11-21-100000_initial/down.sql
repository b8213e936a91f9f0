-- Children before parents: the foreign keys are checked at each step.
DROP SEQUENCE serve_epoch;
DROP TABLE change;
DROP TABLE data_key;
DROP TABLE instance;
DROP TABLE api_key;
DROP TABLE key_reference;
DROP TABLE "key";
DROP TABLE tenant;
