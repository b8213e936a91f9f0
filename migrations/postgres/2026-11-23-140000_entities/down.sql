-- Children before parents. The program before this would not let keys be deleted that only these objects named.
DROP TABLE entity_grant_permission;
DROP TABLE entity_grant;
DROP TABLE entity;
DROP TABLE entity_type_permission;
DROP TABLE entity_type;
DELETE FROM key_reference WHERE owner = 'EntityType';
