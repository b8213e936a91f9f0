//! Sequences of operations on keys and roles: through whatever chain of keys, nobody reaches more than the first ones held.

use std::collections::{BTreeMap, BTreeSet};

use claviger_authz::Decision;
use claviger_domain::TenantScope;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::cases::{compile, lasting, permissions, plain_key, shares, tenants};
use crate::grants::{grant, manage, management, scope, wishes, within};
use crate::naive::{NaiveKey, NaivePermission, NaiveRules};

/// A key as it is stored: its roles by name.
#[derive(Debug, Clone)]
struct Stored {
    key: NaiveKey,
    roles: Option<BTreeSet<usize>>,
    /// Whether its value is in the hands of those who act.
    held: bool,
    /// What it could do before anybody acted, if it is from then.
    at_first: Option<NaiveKey>,
}

#[derive(Debug, Clone, Default)]
struct World {
    keys: Vec<Stored>,
    roles: BTreeMap<usize, Vec<NaivePermission>>,
    /// Operations that were done, by name.
    done: BTreeMap<&'static str, usize>,
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    Create,
    Copy,
    Change,
    Rotate,
    Delete,
    WriteRole,
    DeleteRole,
}

#[derive(Debug, Clone)]
struct Step {
    operation: Operation,
    who: Index,
    whom: Index,
    wish: NaiveKey,
    part: bool,
    header: Option<String>,
    roles: Option<BTreeSet<usize>>,
    role: usize,
    written: Vec<NaivePermission>,
}

impl World {
    /// The key with the permissions that its roles have now.
    fn resolved(&self, stored: &Stored) -> NaiveKey {
        let Some(roles) = &stored.roles else { return stored.key.clone() };
        let permissions = roles.iter().filter_map(|role| self.roles.get(role)).flatten().cloned().collect();
        plain_key(NaiveKey { rules: NaiveRules::Roles(permissions), ..stored.key.clone() })
    }

    fn holders(&self) -> Vec<NaiveKey> {
        self.keys.iter().filter(|stored| stored.held).map(|stored| self.resolved(stored)).collect()
    }

    /// One operation of one of those who act, with the checks that a server makes.
    fn step(&mut self, step: &Step) {
        let holders = self.holders();
        if holders.is_empty() {
            return;
        }
        let holder = step.who.get(&holders);
        let done = match step.operation {
            Operation::WriteRole => self.write_role(holder, step),
            Operation::DeleteRole => self.delete_role(holder, step),
            _ => self.key_operation(holder, step),
        };
        if done.is_some() {
            let name = match step.operation {
                Operation::Create => "create",
                Operation::Copy => "copy",
                Operation::Change => "change",
                Operation::Rotate => "rotate",
                Operation::Delete => "delete",
                Operation::WriteRole => "write a role",
                Operation::DeleteRole => "delete a role",
            };
            *self.done.entry(name).or_default() += 1;
        }
    }

    fn key_operation(&mut self, holder: &NaiveKey, step: &Step) -> Option<()> {
        let scope = scope(holder, &step.header)?;
        let place = step.whom.index(self.keys.len());
        let stored = self.keys[place].clone();
        let mut wanted =
            Stored { key: wishes(holder, &step.wish, step.part), roles: None, held: true, at_first: None };
        if step.roles.as_ref().is_some_and(|roles| roles.iter().all(|role| self.roles.contains_key(role))) {
            wanted.roles = step.roles.clone();
        } else if matches!(wanted.key.rules, NaiveRules::Roles(_)) {
            // Roles are named, and these have no name.
            return None;
        }
        if !matches!(step.operation, Operation::Create) {
            manage(holder, scope, &self.resolved(&stored)).ok()?;
        }
        match step.operation {
            Operation::Create => {
                grant(holder, scope, &self.resolved(&wanted)).ok()?;
                self.keys.push(wanted);
            }
            Operation::Copy => {
                let copy = Stored { held: true, ..stored };
                grant(holder, scope, &self.resolved(&copy)).ok()?;
                self.keys.push(copy);
            }
            Operation::Change => {
                // A change keeps the tenant and whether the key is a manager.
                wanted.key =
                    NaiveKey { tenant: stored.key.tenant, key_manager: stored.key.key_manager, ..wanted.key };
                let outcome = self.resolved(&wanted);
                let asked = if outcome.key_manager { manage } else { grant };
                asked(holder, scope, &outcome).ok()?;
                self.keys[place] = wanted;
            }
            // The same power under a new value, which whoever rotates is told.
            Operation::Rotate => self.keys[place].held = true,
            _ => drop(self.keys.remove(place)),
        }
        Some(())
    }

    /// Creates or changes: what is written must be covered, and what was there before.
    fn write_role(&mut self, holder: &NaiveKey, step: &Step) -> Option<()> {
        let (method, path) = if self.roles.contains_key(&step.role) {
            ("PUT", "/api/roles/7")
        } else {
            ("POST", "/api/roles")
        };
        let held = compile(&holder.rules);
        let covered =
            |written: &[NaivePermission]| held.covers(&compile(&NaiveRules::Roles(written.to_vec())));
        let allowed = holder.compile().decide(&management(method, path, &step.header));
        let before = self.roles.get(&step.role).is_none_or(|before| covered(before));
        if allowed != Decision::Allow(TenantScope::All) || !before || !covered(&step.written) {
            return None;
        }
        self.roles.insert(step.role, step.written.clone());
        Some(())
    }

    fn delete_role(&mut self, holder: &NaiveKey, step: &Step) -> Option<()> {
        let allowed = holder.compile().allows(&management("DELETE", "/api/roles/7", &step.header));
        let in_use = self
            .keys
            .iter()
            .any(|stored| stored.roles.as_ref().is_some_and(|roles| roles.contains(&step.role)));
        if !allowed || in_use {
            return None;
        }
        self.roles.remove(&step.role).map(drop)
    }
}

/// A world with one manager and one editor of roles who act together, and others who do not.
fn worlds() -> impl Strategy<Value = World> {
    let stranger = (lasting(), prop::option::of(role_names()));
    let strangers = prop::collection::vec(stranger, 0..4);
    let editor = (permissions(), any::<bool>());
    (lasting(), editor, strangers, prop::collection::vec(permissions(), 4)).prop_map(
        |(first, (mut edits, writes), strangers, roles)| {
            let mut world = World { roles: roles.into_iter().enumerate().collect(), ..World::default() };
            // Keys from the beginning that act, restricted or not, but with no role that others could change.
            let manager = NaiveKey { key_manager: true, ..first };
            let manager = match &manager.rules {
                NaiveRules::Roles(_) => NaiveKey { rules: NaiveRules::All, ..manager },
                _ => manager,
            };
            world.keys.push(Stored { key: manager, roles: None, held: true, at_first: None });
            if writes {
                let methods = ["GET", "POST", "PUT", "DELETE"].map(str::to_owned).into();
                edits.push(NaivePermission {
                    methods,
                    path: String::from("/roles/**"),
                    values: BTreeMap::new(),
                });
            }
            let name = world.roles.len();
            world.roles.insert(name, edits);
            let key = NaiveKey { tenant: None, key_manager: false, ..world.keys[0].key.clone() };
            world.keys.push(Stored { key, roles: Some([name].into()), held: true, at_first: None });
            for (key, roles) in strangers {
                if roles.is_some() || !matches!(key.rules, NaiveRules::Roles(_)) {
                    world.keys.push(Stored { key, roles, held: false, at_first: None });
                }
            }
            world
        },
    )
}

fn role_names() -> impl Strategy<Value = BTreeSet<usize>> {
    prop::collection::btree_set(0_usize..5, 1..3)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Operation::{Change, Copy, Create, Delete, DeleteRole, Rotate, WriteRole};
    let operation = prop_oneof![
        4 => Just(Create), 4 => Just(Copy), 4 => Just(Change), 2 => Just(Rotate),
        1 => Just(Delete), 6 => Just(WriteRole), 2 => Just(DeleteRole),
    ];
    let whose = (any::<Index>(), any::<Index>(), lasting(), any::<bool>(), tenants());
    let roles = (prop::option::weighted(0.3, role_names()), 0_usize..7, permissions());
    let step = (operation, whose, roles).prop_map(
        |(operation, (who, whom, wish, part, header), (roles, role, written))| Step {
            operation,
            who,
            whom,
            wish,
            part,
            header,
            roles,
            role,
            written,
        },
    );
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    /// Those who act never reach more than the first two together, and no other key becomes more than it was plus that.
    #[test]
    fn no_sequence_exceeds_the_first_holders(mut world in worlds(), steps in steps()) {
        let first = world.holders();
        for place in 0..world.keys.len() {
            world.keys[place].at_first = Some(world.resolved(&world.keys[place]));
        }
        for step in &steps {
            world.step(step);
        }
        for stored in &world.keys {
            let key = world.resolved(stored);
            let mut bounds = first.clone();
            bounds.extend(stored.at_first.clone().filter(|_| !stored.held));
            prop_assert!(within(&key, &bounds), "{:?}", stored);
        }
    }
}

/// Every operation is done now and then.
#[test]
fn the_cases_contain_every_operation() {
    let done = std::cell::RefCell::new(BTreeMap::<_, usize>::new());
    shares((worlds(), steps()), 300, |(mut world, steps)| {
        steps.iter().for_each(|step| world.step(step));
        for (name, count) in world.done {
            *done.borrow_mut().entry(name).or_default() += count;
        }
        ""
    });
    let done = done.into_inner();
    assert!(done.len() == 7 && done.values().all(|count| *count > 10), "{done:?}");
}
