//! Who names a key: one row for each place of each object, whatever the kind of the object. The foreign key of these rows
//! is what keeps a key from being deleted while it is in use.

use claviger_domain::{KeyId, KeyOwner, KeyReference};
use diesel::prelude::*;

use crate::schema::key_reference;
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction};

impl ReadTransaction<'_> {
    /// Every place that names this key, sorted.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn references_to_key(&mut self, id: KeyId) -> Result<Vec<KeyReference>, StorageError> {
        let rows: Vec<(String, String, String)> = self.run(|connection| {
            key_reference::table
                .filter(key_reference::key_id.eq(id.to_string()))
                .order((key_reference::owner, key_reference::owner_id, key_reference::property))
                .select((key_reference::owner, key_reference::owner_id, key_reference::property))
                .load(connection)
        })?;
        let reference = |(owner, owner_id, property)| KeyReference { owner, owner_id, property, key_id: id };
        Ok(rows.into_iter().map(reference).collect())
    }
}

impl WriteTransaction<'_> {
    /// Notes what an object names. What it named before must be gone ([`Self::delete_key_references`]).
    ///
    /// # Errors
    /// [`StorageError::MissingReference`] when there is no such key, and failures of the database.
    pub(crate) fn insert_key_references(&mut self, references: &[KeyReference]) -> Result<(), StorageError> {
        for reference in references {
            self.run_referring(StorageError::MissingReference(Entity::Key), |connection| {
                diesel::insert_into(key_reference::table)
                    .values((
                        key_reference::owner.eq(&reference.owner),
                        key_reference::owner_id.eq(&reference.owner_id),
                        key_reference::property.eq(&reference.property),
                        key_reference::key_id.eq(reference.key_id.to_string()),
                    ))
                    .execute(connection)
            })?;
        }
        Ok(())
    }

    /// Forgets everything that an object names.
    ///
    /// # Errors
    /// Failures of the database.
    pub(crate) fn delete_key_references(
        &mut self,
        owner: KeyOwner,
        owner_id: &str,
    ) -> Result<(), StorageError> {
        let own = key_reference::owner.eq(owner.as_str()).and(key_reference::owner_id.eq(owner_id));
        self.run(|connection| diesel::delete(key_reference::table.filter(own)).execute(connection)).map(drop)
    }
}
