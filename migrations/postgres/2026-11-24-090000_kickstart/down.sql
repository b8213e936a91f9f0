UPDATE change SET actor_kind = 'System' WHERE actor_kind = 'Kickstart';
