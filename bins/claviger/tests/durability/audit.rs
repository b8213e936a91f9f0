//! Whether the `change` table tells the story of the objects that are there, no more and no less.

use std::collections::BTreeMap;

use claviger_crypto::{SealedItem, Sealer};
use claviger_domain::TenantScope;
use claviger_storage::{Action, ChangeRow, Entity, ReadTransaction, StorageError};
use serde_json::Value;

use crate::common::Installation;

const PAGE: usize = 1000;

/// An object: the name of its kind and its id.
pub(crate) type Name = (&'static str, String);

/// What an audit has seen.
pub(crate) struct Audited {
    /// The objects that exist, with their revisions.
    pub(crate) objects: BTreeMap<Name, i64>,
    pub(crate) rows: usize,
}

/// Compares all objects of a database with all rows of its `change` table, and opens every sealed secret.
pub(crate) fn audit(installation: &Installation<'_>) -> Audited {
    let store = installation.open_store();
    let sealer = installation.sealer(&store);
    // In one snapshot: the last write of a server that was killed may take place while this is read.
    let (objects, stories) = store
        .read::<_, ()>(|tx| {
            open_secrets(tx, &sealer)?;
            Ok((objects(tx)?, stories(tx)?))
        })
        .unwrap();
    let rows = stories.values().map(Vec::len).sum();
    for (name, story) in &stories {
        check_story(name, story, objects.get(name).copied());
    }
    for name in objects.keys() {
        assert!(stories.contains_key(name), "no change row for {name:?}");
    }
    Audited { objects, rows }
}

fn stories(tx: &mut ReadTransaction<'_>) -> Result<BTreeMap<Name, Vec<ChangeRow>>, StorageError> {
    let mut stories: BTreeMap<Name, Vec<ChangeRow>> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = tx.changes(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(stories) };
        after = last.id;
        for row in page {
            stories.entry((row.entity.as_str(), row.entity_id.clone())).or_default().push(row);
        }
    }
}

fn objects(tx: &mut ReadTransaction<'_>) -> Result<BTreeMap<Name, i64>, StorageError> {
    let mut objects = BTreeMap::new();
    let mut add = |entity: Entity, id: String, revision: i64| {
        assert_eq!(objects.insert((entity.as_str(), id), revision), None);
    };
    tx.for_each_api_key(&mut |row| {
        let (_, api_key, _) = row.unwrap();
        add(Entity::ApiKey, api_key.id.to_string(), api_key.revision.number());
    })?;
    for tenant in tx.tenants(TenantScope::All)? {
        add(Entity::Tenant, tenant.id.to_string(), tenant.revision.number());
    }
    for key in tx.keys()? {
        add(Entity::Key, key.id.to_string(), key.revision.number());
    }
    for list in tx.ip_access_control_lists()? {
        add(Entity::IpAccessControlList, list.id.to_string(), list.revision.number());
    }
    for role in tx.roles(None)? {
        add(Entity::Role, role.id.to_string(), role.revision.number());
    }
    for (version, _) in tx.data_keys()? {
        add(Entity::DataKey, version.to_string(), 1);
    }
    add(Entity::Instance, tx.find_instance()?.unwrap().id, 1);
    Ok(objects)
}

/// Until when the value before a rotation works.
const ROTATED: &str = "previousValueValidUntil";

/// One creation, then changes that each start where the last one ended, then perhaps one deletion.
fn check_story(name: &Name, story: &[ChangeRow], revision: Option<i64>) {
    let document = |text: &Option<String>| -> Option<Value> {
        text.as_deref().map(|text| serde_json::from_str(text).unwrap())
    };
    let mut state: Option<Value> = None;
    for (index, row) in story.iter().enumerate() {
        let (before, after) = (document(&row.before), document(&row.after));
        assert_eq!(before, state, "{name:?}: row {} does not follow the one before", row.id);
        let (is_first, is_last) = (index == 0, index + 1 == story.len());
        let expected = match (is_first, &after) {
            (true, _) => Action::Create,
            (false, Some(after)) if after.get(ROTATED).is_some() => Action::Rotate,
            (false, Some(_)) => Action::Update,
            (false, None) => Action::Delete,
        };
        assert_eq!(row.action, expected, "{name:?}: {row:?}");
        assert!(after.is_some() || is_last, "{name:?} is changed after its deletion");
        let number = after.as_ref().and_then(|after| after.get("revision")?.as_i64());
        if after.is_some() && name.0 != "DataKey" && name.0 != "Instance" {
            assert_eq!(number, Some(index as i64 + 1), "{name:?}: {row:?}");
        }
        state = after.map(|mut after| {
            // These say something about the change, not the object.
            for member in ["documentChanged", ROTATED] {
                after.as_object_mut().unwrap().remove(member);
            }
            after
        });
    }
    let told = state.is_some().then_some(story.len() as i64);
    assert_eq!(told, revision, "{name:?}: the rows tell of another revision than the object has");
}

/// Every secret that is stored is whole: it is authenticated, so opening it is proof enough.
fn open_secrets(tx: &mut ReadTransaction<'_>, sealer: &Sealer) -> Result<(), StorageError> {
    let mut api_keys = Vec::new();
    tx.for_each_api_key(&mut |row| api_keys.push(row.unwrap().1.id))?;
    for key in tx.keys()?.into_iter().filter(|key| key.has_private_key) {
        let sealed = tx.find_sealed_material(key.id)?.unwrap();
        assert!(!sealer.unseal(SealedItem::KeyMaterial(key.id), &sealed).unwrap().expose().is_empty());
    }
    for id in api_keys {
        let stored = tx.find_api_key(id, TenantScope::All)?.unwrap();
        assert_eq!(stored.sealed_value.is_some(), stored.api_key.retrievable, "{id}");
        if let Some(sealed) = &stored.sealed_value {
            assert!(!sealer.unseal(SealedItem::ApiKeyValue(id), sealed).unwrap().expose().is_empty());
        }
    }
    Ok(())
}
