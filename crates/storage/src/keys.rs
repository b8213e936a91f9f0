//! Keys that sign and verify tokens: rows, conversions, queries.

use claviger_domain::{Change, Instant, Key, KeyId, KeyType, Kid, Name, Revision, Sealed};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::changes::Record;
use crate::schema::key;
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction, dialect};

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its public side.
    pub key: Key,
    /// The sealed private half or secret, if it is kept.
    pub sealed_material: Option<Sealed>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = key)]
pub(crate) struct Row {
    pub(crate) id: String,
    revision: i64,
    name: String,
    kid: String,
    key_type: String,
    algorithm: Option<String>,
    length: Option<i64>,
    issuer: Option<String>,
    public_key: Option<String>,
    certificate: Option<String>,
    has_private_key: bool,
    shadow: bool,
    expiration_instant: Option<i64>,
    insert_instant: i64,
    last_update_instant: i64,
}

/// The columns of [`Row`], in its order: all but the sealed material and what only searches use.
pub(crate) type Columns = (
    key::id,
    key::revision,
    key::name,
    key::kid,
    key::key_type,
    key::algorithm,
    key::length,
    key::issuer,
    key::public_key,
    key::certificate,
    key::has_private_key,
    key::shadow,
    key::expiration_instant,
    key::insert_instant,
    key::last_update_instant,
);

pub(crate) const COLUMNS: Columns = (
    key::id,
    key::revision,
    key::name,
    key::kid,
    key::key_type,
    key::algorithm,
    key::length,
    key::issuer,
    key::public_key,
    key::certificate,
    key::has_private_key,
    key::shadow,
    key::expiration_instant,
    key::insert_instant,
    key::last_update_instant,
);

impl ReadTransaction<'_> {
    /// The key with this id, without its sealed material. Keys belong to no tenant.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when its row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn find_key(&mut self, id: KeyId) -> Result<Option<Key>, StorageError> {
        let row: Option<Row> = self
            .run(|connection| key::table.find(id.to_string()).select(COLUMNS).first(connection).optional())?;
        row.map(Key::try_from).transpose()
    }

    /// The sealed private half or secret of a key; `None` when there is no such key or nothing is kept of it.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn find_sealed_material(&mut self, id: KeyId) -> Result<Option<Sealed>, StorageError> {
        let sealed: Option<Option<Vec<u8>>> = self.run(|connection| {
            key::table.find(id.to_string()).select(key::sealed_material).first(connection).optional()
        })?;
        Ok(sealed.flatten().map(Sealed::from))
    }

    /// The key with this id and its sealed material.
    ///
    /// # Errors
    /// As [`Self::find_key`].
    pub fn find_key_with_material(&mut self, id: KeyId) -> Result<Option<StoredKey>, StorageError> {
        let query = key::table.find(id.to_string()).select((COLUMNS, key::sealed_material));
        let found: Option<(Row, Option<Vec<u8>>)> =
            self.run(|connection| query.first(connection).optional())?;
        let Some((row, sealed_material)) = found else { return Ok(None) };
        Ok(Some(StoredKey { key: row.try_into()?, sealed_material: sealed_material.map(Sealed::from) }))
    }

    /// Calls `each` with the id and kid of every key, in no order, as the rows come.
    ///
    /// # Errors
    /// Failures of the database; what was passed until then is not all. [`StorageError::Corrupt`] when rows make no
    /// sense: it is about the first of them, and all others have been passed.
    pub fn for_each_kid(&mut self, each: &mut dyn FnMut(KeyId, Kid)) -> Result<(), StorageError> {
        let mut outcome = Ok(());
        let each = |row: Result<(String, String), String>| {
            let named =
                row.map_err(|reason| corrupt(Entity::Key, "unknown", reason)).and_then(|(id, kid)| {
                    let id = id.parse().map_err(|_| corrupt(Entity::Key, &id, "id"))?;
                    Ok((id, Kid::from(kid)))
                });
            match named {
                Ok((id, kid)) => each(id, kid),
                Err(error) if outcome.is_ok() => outcome = Err(error),
                Err(_) => {}
            }
        };
        let query = key::table.select((key::id, key::kid));
        self.run(|connection| dialect::stream!(connection, query, (String, String), each))?;
        outcome
    }

    /// All keys, sorted by name (by its bytes in UTF-8), then id.
    ///
    /// # Errors
    /// As [`Self::find_key`].
    pub fn keys(&mut self) -> Result<Vec<Key>, StorageError> {
        let rows: Vec<Row> =
            self.run(|connection| key::table.order((key::name, key::id)).select(COLUMNS).load(connection))?;
        rows.into_iter().map(Key::try_from).collect()
    }

    /// Whether a key has this name. Asked before slow work; the unique constraint decides again at the insert.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn key_name_taken(&mut self, name: &Name) -> Result<bool, StorageError> {
        let named = key::table.filter(key::name.eq(name.as_str())).count();
        let count: i64 = self.run(|connection| named.get_result(connection))?;
        Ok(count > 0)
    }
}

impl WriteTransaction<'_> {
    /// Stores a new key, at the revision that it carries.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] in id, name or kid, and failures of the database.
    pub fn insert_key(&mut self, stored: &StoredKey) -> Result<(), StorageError> {
        let row = Row::from(&stored.key);
        let sealed = key::sealed_material.eq(stored.sealed_material.as_ref().map(Sealed::as_bytes));
        let folded = key::name_folded.eq(stored.key.name.folded());
        let values = (row, sealed, folded);
        self.run(|connection| diesel::insert_into(key::table).values(values).execute(connection))?;
        self.record_key(stored.key.id, None, Some(key_json(&stored.key)))?;
        self.announce(Change::KeyWritten { id: stored.key.id, kid: stored.key.kid.clone() });
        Ok(())
    }

    /// Gives a key another name; the kid of a secret is its name, and goes with it. Of the state that is passed, only the name and the instant of the last
    /// change are taken, and the revision at which the key was read. Returns the key as it is stored now.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when the stored revision is another or the key is gone,
    /// [`StorageError::Conflict`] in name or kid, and failures of the database.
    pub fn rename_key(&mut self, renamed: &Key) -> Result<Key, StorageError> {
        let before = self
            .find_key(renamed.id)?
            .filter(|before| before.revision == renamed.revision)
            .ok_or(StorageError::Stale)?;
        let after = Key {
            revision: before.revision.next(),
            name: renamed.name.clone(),
            kid: match before.key_type {
                KeyType::Secret => Kid::from(renamed.name.as_str().to_owned()),
                KeyType::Ec | KeyType::Hmac | KeyType::Okp | KeyType::Rsa => before.kid.clone(),
            },
            last_update_instant: renamed.last_update_instant,
            ..before.clone()
        };
        let same = key::id.eq(after.id.to_string()).and(key::revision.eq(before.revision.number()));
        let updated = self.run(|connection| {
            diesel::update(key::table.filter(same))
                .set((
                    key::revision.eq(after.revision.number()),
                    key::name.eq(after.name.as_str()),
                    key::kid.eq(after.kid.as_str()),
                    key::name_folded.eq(after.name.folded()),
                    key::last_update_instant.eq(after.last_update_instant.epoch_millis()),
                ))
                .execute(connection)
        })?;
        if updated == 0 {
            return Err(StorageError::Stale);
        }
        self.record_key(after.id, Some(key_json(&before)), Some(key_json(&after)))?;
        self.announce(Change::KeyWritten { id: after.id, kid: after.kid.clone() });
        Ok(after)
    }

    /// Deletes a key with everything that is kept of it; `false` when there was none.
    ///
    /// # Errors
    /// [`StorageError::InUse`] while something names it ([`ReadTransaction::references_to_key`]), and
    /// failures of the database.
    pub fn delete_key(&mut self, id: KeyId) -> Result<bool, StorageError> {
        let row: Option<Row> = self.run_referring(StorageError::InUse(Entity::Key), |connection| {
            diesel::delete(key::table.find(id.to_string()))
                .returning(COLUMNS)
                .get_result(connection)
                .optional()
        })?;
        let Some(row) = row else { return Ok(false) };
        let before = Key::try_from(row)
            .map_or_else(|error| json!({ "corrupt": error.to_string() }), |key| key_json(&key));
        self.record_key(id, Some(before), None)?;
        self.announce(Change::KeyDeleted(id));
        Ok(true)
    }

    fn record_key(
        &mut self,
        id: KeyId,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), StorageError> {
        self.record(Record {
            entity: Entity::Key,
            entity_id: id.to_string(),
            tenant_id: None,
            before,
            after,
            ended_digests: Vec::new(),
        })
    }
}

fn key_json(key: &Key) -> Value {
    json!({
        "id": key.id.to_string(),
        "revision": key.revision.number(),
        "name": key.name.as_str(),
        "kid": key.kid.as_str(),
        "type": key.key_type.as_str(),
        "algorithm": key.algorithm.map(claviger_domain::KeyAlgorithm::as_str),
        "length": key.length,
        "issuer": key.issuer,
        "publicKey": key.public_key,
        "certificate": key.certificate,
        "hasPrivateKey": key.has_private_key,
        "shadow": key.shadow,
        "expirationInstant": key.expiration_instant.map(Instant::epoch_millis),
        "insertInstant": key.insert_instant.epoch_millis(),
        "lastUpdateInstant": key.last_update_instant.epoch_millis(),
    })
}

impl From<&Key> for Row {
    fn from(key: &Key) -> Self {
        Self {
            id: key.id.to_string(),
            revision: key.revision.number(),
            name: key.name.as_str().to_owned(),
            kid: key.kid.as_str().to_owned(),
            key_type: key.key_type.as_str().to_owned(),
            algorithm: key.algorithm.map(|algorithm| algorithm.as_str().to_owned()),
            length: key.length.map(i64::from),
            issuer: key.issuer.clone(),
            public_key: key.public_key.clone(),
            certificate: key.certificate.clone(),
            has_private_key: key.has_private_key,
            shadow: key.shadow,
            expiration_instant: key.expiration_instant.map(Instant::epoch_millis),
            insert_instant: key.insert_instant.epoch_millis(),
            last_update_instant: key.last_update_instant.epoch_millis(),
        }
    }
}

impl TryFrom<Row> for Key {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let id = row.id;
        let bad = |reason: &str| corrupt(Entity::Key, &id, reason);
        Ok(Self {
            id: id.parse().map_err(|_| bad("id"))?,
            revision: Revision::from_number(row.revision),
            name: Name::try_from(row.name).map_err(|_| bad("name"))?,
            kid: Kid::from(row.kid),
            key_type: row.key_type.parse().map_err(|_| bad("type"))?,
            algorithm: row.algorithm.map(|text| text.parse()).transpose().map_err(|_| bad("algorithm"))?,
            length: row.length.map(u32::try_from).transpose().map_err(|_| bad("length"))?,
            issuer: row.issuer,
            public_key: row.public_key,
            certificate: row.certificate,
            has_private_key: row.has_private_key,
            shadow: row.shadow,
            expiration_instant: row.expiration_instant.map(Instant::from_epoch_millis),
            insert_instant: Instant::from_epoch_millis(row.insert_instant),
            last_update_instant: Instant::from_epoch_millis(row.last_update_instant),
        })
    }
}
