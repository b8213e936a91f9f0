-- A new kind of actor in the audit log, Kickstart, needs no other tables. On the way down it becomes one that older programs know.
SELECT 1;
