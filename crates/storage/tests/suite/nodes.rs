//! Several nodes on one PostgreSQL: what each has in memory follows what the others write, and nobody decides from what was
//! before.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use claviger_domain::{
    ApiKeyDigest, ApiKeyId, Change, Instant as Epoch, IpAccessControlListId, RoleName, TenantId, TenantScope,
};
use claviger_storage::{
    ApiKeyRotation, DEFAULT_LEASE, ReadTransaction, SHORTEST_LEASE, Serving, StorageError, Store,
    WriteTransaction,
};

use super::only_postgres::terminate;
use crate::support::{Database, objects, read, try_write, wait_until, write};

const ALL: TenantScope = TenantScope::All;

/// What a node keeps: of each object its revision.
#[derive(Debug, Default, PartialEq)]
struct Memory {
    keys: HashMap<ApiKeyDigest, (ApiKeyId, i64)>,
    tenants: BTreeMap<TenantId, i64>,
    lists: BTreeMap<IpAccessControlListId, i64>,
    roles: BTreeMap<RoleName, i64>,
    /// How often something of entities was written.
    entities: usize,
}

impl Memory {
    /// As the keyring takes changes in.
    fn apply(&mut self, change: &Change) {
        match change {
            Change::ApiKeyWritten { digest, api_key, previous, ended } => {
                for digest in ended {
                    self.forget(digest, api_key.id);
                }
                for value in previous {
                    if self.keys.get(&value.digest).is_none_or(|(id, _)| *id == api_key.id) {
                        self.keys.insert(value.digest, (api_key.id, value.valid_until.epoch_millis()));
                    }
                }
                self.keys.insert(*digest, (api_key.id, api_key.revision.number()));
            }
            Change::ApiKeyDeleted { digest, id, previous } => {
                for digest in previous.iter().chain([digest]) {
                    self.forget(digest, *id);
                }
            }
            Change::TenantWritten(tenant) => drop(self.tenants.insert(tenant.id, tenant.revision.number())),
            Change::TenantDeleted(id) => drop(self.tenants.remove(id)),
            Change::IpAccessControlListWritten(list) => {
                self.lists.insert(list.id, list.revision.number());
            }
            Change::IpAccessControlListDeleted(id) => drop(self.lists.remove(id)),
            Change::RoleWritten(role) => drop(self.roles.insert(role.name.clone(), role.revision.number())),
            Change::RoleDeleted(name) => drop(self.roles.remove(name)),
            Change::EntitiesWritten => self.entities += 1,
            Change::KeyWritten { .. } | Change::KeyDeleted(_) => {}
        }
    }

    fn forget(&mut self, digest: &ApiKeyDigest, id: ApiKeyId) {
        if self.keys.get(digest).is_some_and(|(of, _)| *of == id) {
            self.keys.remove(digest);
        }
    }

    /// Everything as it is in the database.
    fn load(tx: &mut ReadTransaction<'_>) -> Result<Self, StorageError> {
        let mut memory = Self::default();
        for tenant in tx.tenants(ALL)? {
            memory.apply(&Change::TenantWritten(tenant));
        }
        for list in tx.each_ip_access_control_list()? {
            memory.apply(&Change::IpAccessControlListWritten(list?));
        }
        for role in tx.each_role()? {
            memory.apply(&Change::RoleWritten(role?));
        }
        tx.for_each_api_key(&mut |row| {
            let (digest, api_key, previous) = row.unwrap();
            memory.apply(&Change::ApiKeyWritten { digest, api_key, previous, ended: Vec::new() });
        })?;
        Ok(memory)
    }

    /// The same without what is only counted.
    fn objects(self) -> Self {
        Self { entities: 0, ..self }
    }
}

/// A node with its memory.
struct Node {
    store: Store,
    serving: Serving,
    memory: Arc<Mutex<Memory>>,
    /// Holds up the thread that follows as soon as it hears anything.
    hold: Arc<AtomicBool>,
}

impl Node {
    fn start(db: &Database, lease: Duration) -> Self {
        let store = Store::open(&db.options).unwrap();
        let memory: Arc<Mutex<Memory>> = Arc::default();
        let hold = Arc::new(AtomicBool::new(false));
        let (own, held) = (Arc::clone(&memory), Arc::clone(&hold));
        store
            .set_listener(Arc::new(move |changes: &[Change]| {
                while held.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                let mut memory = own.lock().unwrap();
                changes.iter().for_each(|change| memory.apply(change));
            }))
            .unwrap();
        let (own, loads) = (Arc::clone(&memory), store.clone());
        let serving = store
            .serve(lease, move || {
                *own.lock().unwrap() =
                    loads.read_between_commits::<_, ()>(|tx| Ok(Memory::load(tx)?)).unwrap();
                true
            })
            .unwrap();
        assert!(serving.holds());
        Self { store, serving, memory, hold }
    }

    fn knows_tenant(&self, number: u128) -> bool {
        self.memory.lock().unwrap().tenants.contains_key(&TenantId::from_u128(number))
    }

    fn nodes(&self) -> u64 {
        self.serving.feed().unwrap().nodes
    }
}

impl Drop for Node {
    /// Its thread is waited for, and must not stand still for ever after a test that failed.
    fn drop(&mut self) {
        self.hold.store(false, Ordering::SeqCst);
    }
}

fn insert_tenant(store: &Store, number: u128) {
    write(store, move |tx| tx.insert_tenant(&objects::tenant(number)));
}

fn delete_tenant(store: &Store, number: u128) {
    assert!(write(store, move |tx| tx.delete_tenant(TenantId::from_u128(number))));
}

/// The first deletion is the first thing that is told in a new database.
pub fn nodes_hear_of_each_other(db: &Database) {
    let nodes = [Node::start(db, DEFAULT_LEASE), Node::start(db, DEFAULT_LEASE)];
    for [writer, reader] in [[0, 1], [1, 0]] {
        let (writer, reader) = (&nodes[writer], &nodes[reader]);
        insert_tenant(&writer.store, 1);
        assert!(writer.knows_tenant(1), "the node that wrote knows it before it answers");
        wait_until("the other node knows the tenant", || reader.knows_tenant(1));
        delete_tenant(&writer.store, 1);
        assert!(!writer.knows_tenant(1) && !reader.knows_tenant(1), "nobody knows it when the call returns");
    }
    assert!(nodes.iter().all(|node| node.serving.holds() && node.nodes() == 2));
}

fn digest(number: u128) -> ApiKeyDigest {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&number.to_be_bytes());
    ApiKeyDigest::from_bytes(bytes)
}

/// One change of some object out of few, whatever is possible. Values move from key to key, and names from role to role.
fn step(tx: &mut WriteTransaction<'_>, random: u128) -> Result<(), StorageError> {
    let number = random / 16 % 4 + 1;
    match random % 16 {
        0..=7 => {
            let id = ApiKeyId::from_u128(number);
            let found = tx.find_api_key(id, ALL)?;
            match (found, random % 4) {
                (None, _) => {
                    let mut key = objects::api_key(number, None);
                    key.digest = digest(random / 64 % 6);
                    tx.insert_api_key(&key)
                }
                (Some(_), 0) => tx.delete_api_key(id, ALL).map(drop),
                (Some(found), 1) => tx.update_api_key(&found.api_key).map(drop),
                (Some(found), _) => {
                    let rotation = ApiKeyRotation {
                        digest: digest(random / 64 % 6),
                        sealed_value: None,
                        // Over at once, or still good.
                        previous_valid_until: Epoch::from_epoch_millis(
                            [0, 1_000_000][usize::from(random % 8 > 3)],
                        ),
                    };
                    tx.rotate_api_key(&found.api_key, &rotation).map(drop)
                }
            }
        }
        8..=10 => {
            let id = TenantId::from_u128(number);
            match tx.find_tenant(id, ALL)? {
                None => tx.insert_tenant(&objects::tenant(number)),
                Some(tenant) if random.is_multiple_of(2) => tx.update_tenant(&tenant).map(drop),
                Some(_) => tx.delete_tenant(id).map(drop),
            }
        }
        11..=13 => {
            let role = objects::role(number);
            let mut named = role.clone();
            named.name = objects::role_name(["a", "b", "c"][usize::try_from(random / 64 % 3).unwrap()]);
            match tx.find_role(role.id)? {
                None => tx.insert_role(&named),
                Some(found) if random.is_multiple_of(2) => {
                    named.revision = found.revision;
                    tx.update_role(&named).map(drop)
                }
                Some(_) => tx.delete_role(role.id).map(drop),
            }
        }
        _ => {
            let id = objects::list_id(number);
            match tx.find_ip_access_control_list(id)? {
                None => tx.insert_ip_access_control_list(&objects::list(number)),
                Some(list) if random.is_multiple_of(2) => tx.update_ip_access_control_list(&list).map(drop),
                Some(_) => tx.delete_ip_access_control_list(id).map(drop),
            }
        }
    }
}

pub fn nodes_end_with_the_state_of_the_database(db: &Database) {
    let nodes: Vec<_> = (0..3).map(|_| Node::start(db, DEFAULT_LEASE)).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = nodes
            .iter()
            .zip(1_u128..)
            .flat_map(|node| [node, node])
            .zip(1_u128..)
            .map(|((node, _), seed)| {
                scope.spawn(move || {
                    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
                    for _ in 0..60 {
                        random =
                            random.wrapping_mul(0x5851_f42d_4c95_7f2d_1405_7b7e_f767_814f) ^ (random >> 61);
                        let wanted = random >> 40;
                        let _lost = try_write(&node.store, move |tx| step(tx, wanted));
                    }
                })
            })
            .collect();
        // Connections that follow get lost all the while.
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                terminate(db, FOLLOWING);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::SeqCst);
    });
    let stored = read(&db.store, Memory::load);
    assert!(!stored.keys.is_empty() && !stored.roles.is_empty(), "{stored:?}");
    for node in nodes {
        wait_until("the node follows", || node.serving.holds());
        // Another look at the database, after everything that was written.
        insert_tenant(&node.store, 99);
        assert_eq!(node.serving.generation(), 0, "nothing had to be loaded again");
        delete_tenant(&node.store, 99);
        let memory = std::mem::take(&mut *node.memory.lock().unwrap());
        assert_eq!(memory.objects(), read(&db.store, Memory::load));
    }
}

/// The connections that follow the changes.
const FOLLOWING: &str = "query LIKE '%feed_barrier%' OR query LIKE '%node%' OR query LIKE 'LISTEN%' \
                         OR pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock')";

pub fn nodes_read_what_commits_late(db: &Database) {
    let node = Node::start(db, DEFAULT_LEASE);
    let other = Node::start(db, DEFAULT_LEASE);
    let (drawn, may_commit) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    std::thread::scope(|scope| {
        let (first, second) = (Arc::clone(&drawn), Arc::clone(&may_commit));
        let late = scope.spawn(|| {
            write(&other.store, move |tx| {
                tx.insert_tenant(&objects::tenant(1))?;
                first.wait();
                second.wait();
                Ok(())
            });
        });
        drawn.wait();
        // These have later numbers, of rows and of transactions, and are read before.
        for number in 2..5 {
            insert_tenant(&other.store, number);
            wait_until("the node has read it", || node.knows_tenant(number));
        }
        assert!(!node.knows_tenant(1));
        may_commit.wait();
        late.join().unwrap();
    });
    wait_until("the node has read what committed late", || node.knows_tenant(1));
    assert_eq!(node.serving.generation(), 0);
}

pub fn nodes_hear_once_of_what_they_make(db: &Database) {
    let (node, other) = (Node::start(db, DEFAULT_LEASE), Node::start(db, DEFAULT_LEASE));
    let heard = |node: &Node| node.memory.lock().unwrap().entities;
    for number in 1..4 {
        write(&node.store, move |tx| tx.insert_entity_type(&objects::entity_type(number)));
    }
    assert_eq!(heard(&node), 3);
    // A deletion is answered when everything before it has been read.
    insert_tenant(&other.store, 1);
    delete_tenant(&other.store, 1);
    assert_eq!(heard(&node), 3);
    assert!((1..=3).contains(&heard(&other)));
}

pub fn nodes_read_what_nobody_tells(db: &Database) {
    let node = Node::start(db, DEFAULT_LEASE);
    insert_tenant(&node.store, 1);
    let revision = || node.memory.lock().unwrap().tenants[&TenantId::from_u128(1)];
    assert_eq!(revision(), 1);
    // As if the notification had been lost.
    let id = TenantId::from_u128(1);
    db.execute(&format!(
        "BEGIN; UPDATE tenant SET revision = 7 WHERE id = '{id}'; \
         INSERT INTO change (instant, actor_kind, entity, entity_id, action) \
         VALUES (1, 'System', 'Tenant', '{id}', 'update'); COMMIT"
    ));
    wait_until("the node has read it", || revision() == 7);
}

/// A crash of the database gives up the numbers of transactions that nobody waited for, such as those in which nodes say how far they
/// are; a change that comes later can have one that a snapshot counts as seen.
pub fn nodes_read_numbers_that_are_given_out_again(db: &Database) {
    let node = Node::start(db, SHORTEST_LEASE);
    insert_tenant(&node.store, 1);
    for _ in 0..20 {
        db.execute("SELECT pg_current_xact_id()");
    }
    // By then it has looked again.
    std::thread::sleep(SHORTEST_LEASE);
    let id = TenantId::from_u128(1);
    db.execute(&format!(
        "BEGIN; UPDATE tenant SET revision = 7 WHERE id = '{id}'; \
         INSERT INTO change (instant, actor_kind, entity, entity_id, action, transaction_id) \
         SELECT 1, 'System', 'Tenant', '{id}', 'update', max(transaction_id) + 1 FROM change; COMMIT"
    ));
    wait_until("the node has read it", || node.memory.lock().unwrap().tenants[&id] == 7);
    assert_eq!(node.serving.generation(), 0);
}

pub fn nodes_follow_again_after_a_cut(db: &Database) {
    let (node, other) = (Node::start(db, DEFAULT_LEASE), Node::start(db, DEFAULT_LEASE));
    for number in 1..4 {
        assert!(terminate(db, FOLLOWING) >= 2);
        insert_tenant(&other.store, number);
        wait_until("the node follows again", || node.knows_tenant(number) && node.serving.holds());
        delete_tenant(&other.store, number);
        assert!(!node.knows_tenant(number) || !node.serving.holds());
    }
    assert_eq!((node.serving.generation(), other.serving.generation()), (0, 0));
}

pub fn nodes_wait_for_one_that_stands_still(db: &Database) {
    let (node, frozen) = (Node::start(db, SHORTEST_LEASE), Node::start(db, SHORTEST_LEASE));
    insert_tenant(&node.store, 1);
    wait_until("both know the tenant", || frozen.knows_tenant(1));
    frozen.hold.store(true, Ordering::SeqCst);
    delete_tenant(&node.store, 1);
    assert!(frozen.knows_tenant(1) && !frozen.serving.holds(), "what it knows does not count any more");
    assert!(!node.knows_tenant(1) && node.serving.holds());
    // It is off the list: the next change waits for nobody.
    wait_until("it is off the list", || node.nodes() == 1);
    insert_tenant(&node.store, 2);
    delete_tenant(&node.store, 2);
    assert!(!frozen.serving.holds());
    frozen.hold.store(false, Ordering::SeqCst);
    wait_until("it is there again", || frozen.serving.holds());
    assert!(!frozen.knows_tenant(1) && frozen.serving.generation() == 0);
    wait_until("it is on the list again", || node.nodes() == 2);
}

pub fn nodes_do_not_wait_for_new_objects(db: &Database) {
    // So long that nobody takes the wait for it for anything else.
    let lease = Duration::from_secs(8);
    let (node, frozen) = (Node::start(db, lease), Node::start(db, lease));
    frozen.hold.store(true, Ordering::SeqCst);
    let start = Instant::now();
    insert_tenant(&node.store, 1);
    assert!(node.knows_tenant(1) && start.elapsed() < lease / 2);
    frozen.hold.store(false, Ordering::SeqCst);
    wait_until("the other one knows it too", || frozen.knows_tenant(1));
}

/// Who makes something takes it in without reading it back. By then another node may have deleted it.
pub fn nodes_revive_nothing_that_another_one_deletes(db: &Database) {
    let (node, other) = (Node::start(db, DEFAULT_LEASE), Node::start(db, DEFAULT_LEASE));
    insert_tenant(&node.store, 1);
    let knows = |node: &Node, number| node.memory.lock().unwrap().keys.contains_key(&digest(number));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Both read all the time.
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                write(&other.store, |tx| {
                    let tenant = tx.find_tenant(TenantId::from_u128(1), ALL)?.unwrap();
                    tx.update_tenant(&tenant).map(drop)
                });
            }
        });
        let keys = 1..=200_u128;
        let made = keys.clone();
        let (node, other) = (&node, &other);
        scope.spawn(move || {
            for number in made {
                let mut key = objects::api_key(number, None);
                key.digest = digest(number);
                write(&node.store, move |tx| tx.insert_api_key(&key));
            }
        });
        for number in keys {
            wait_until("the other node knows the key", || knows(other, number));
            assert!(write(&other.store, move |tx| tx.delete_api_key(ApiKeyId::from_u128(number), ALL)));
            assert!(!knows(node, number) && !knows(other, number), "dead when the call returns: {number}");
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(node.memory.lock().unwrap().keys.is_empty(), "nor does it come back");
    assert_eq!((node.serving.generation(), other.serving.generation()), (0, 0));
}

/// What refers to something else is read back with that: the one may be known here later than the other.
pub fn nodes_know_what_new_keys_refer_to(db: &Database) {
    let (node, other) = (Node::start(db, DEFAULT_LEASE), Node::start(db, DEFAULT_LEASE));
    for number in 1..=20_u128 {
        insert_tenant(&other.store, number);
        let mut key = objects::api_key(number, Some(TenantId::from_u128(number)));
        key.digest = digest(number);
        write(&node.store, move |tx| tx.insert_api_key(&key));
        let memory = node.memory.lock().unwrap();
        assert!(memory.keys.contains_key(&digest(number)));
        assert!(memory.tenants.contains_key(&TenantId::from_u128(number)), "{number}");
    }
}

pub fn nodes_come_and_go(db: &Database) {
    let node = Node::start(db, DEFAULT_LEASE);
    assert_eq!(node.nodes(), 1);
    let listed = || db.texts("SELECT id AS value FROM node").len();
    for _ in 0..3 {
        let other = Node::start(db, DEFAULT_LEASE);
        assert_eq!((other.nodes(), listed()), (2, 2));
        drop(other);
        assert_eq!(listed(), 1);
    }
    // A store that does not serve is no node, and its writes are heard all the same.
    insert_tenant(&db.store, 1);
    wait_until("the node knows it", || node.knows_tenant(1));
    delete_tenant(&db.store, 1);
    assert!(!node.knows_tenant(1));
}

pub fn nodes_forget_what_another_database_counted(db: &Database) {
    insert_tenant(&db.store, 1);
    // As a dump says that was made where more transactions had taken place.
    db.execute("UPDATE change SET transaction_id = 4000000000000");
    let node = Node::start(db, DEFAULT_LEASE);
    let marked = "SELECT id::text AS value FROM change WHERE transaction_id IS NOT NULL";
    assert_eq!(db.texts(marked), [""; 0]);
    insert_tenant(&node.store, 2);
    assert!(node.knows_tenant(1) && node.knows_tenant(2));
    assert_eq!(db.texts(marked).len(), 1);
}

pub fn nodes_without_lease_do_not_hold(db: &Database) {
    let node = Node::start(db, SHORTEST_LEASE);
    assert!(node.serving.database_up() && node.serving.ask());
    db.execute("ALTER TABLE node RENAME TO gone");
    wait_until("the lease is over", || !node.serving.holds());
    wait_until("it is known why", || !node.serving.ask());
    assert!(!node.serving.database_up());
    db.execute("ALTER TABLE gone RENAME TO node");
    wait_until("it holds again", || node.serving.holds() && node.serving.database_up());
    assert_eq!(node.serving.generation(), 0);
}

pub fn nodes_keep_out_who_wants_it_alone(db: &Database) {
    let alone = db.store.exclusive().unwrap();
    let other = Store::open(&db.options).unwrap();
    assert_eq!(other.exclusive().map(drop), Err(StorageError::Locked));
    assert_eq!(other.serve(DEFAULT_LEASE, || true).map(drop), Err(StorageError::Locked));
    drop(alone);
    // The server notices a little later that the connection is closed.
    let serving = std::cell::RefCell::new(None);
    wait_until("the database can be served", || {
        *serving.borrow_mut() = other.serve(DEFAULT_LEASE, || true).ok();
        serving.borrow().is_some()
    });
    assert_eq!(db.store.exclusive().map(drop), Err(StorageError::Locked));
    drop(serving);
    wait_until("the database is free", || db.store.exclusive().is_ok());
}

pub fn nodes_start_in_turn(db: &Database) {
    let turn = db.store.start_turn().unwrap();
    let waits = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let other = Store::open(&db.options).unwrap();
            let _turn = other.start_turn().unwrap();
            waits.store(false, Ordering::SeqCst);
        });
        let waiting = format!(
            "SELECT pid::text AS value FROM pg_stat_activity \
             WHERE application_name = '{}' AND wait_event = 'advisory'",
            db.application_name()
        );
        wait_until("the other one waits", || !db.texts(&waiting).is_empty());
        assert!(waits.load(Ordering::SeqCst));
        drop(turn);
    });
    assert!(!waits.load(Ordering::SeqCst));
}
