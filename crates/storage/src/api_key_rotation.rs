//! Rotation of API keys: a new value, beside which earlier ones work until their end.

use std::collections::HashMap;

use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, Instant, MAXIMUM_PREVIOUS_VALUES, PreviousApiKeyDigest, Sealed,
};
use diesel::prelude::*;

use crate::schema::{api_key, api_key_previous_digest as previous};
use crate::transaction::corrupt;
use crate::{Entity, Field, ReadTransaction, StorageError, WriteTransaction};

/// The new value of an API key, and how long the one that it replaces still works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRotation {
    /// Under which the key is found from now on.
    pub digest: ApiKeyDigest,
    /// The sealed value, if the key is retrievable.
    pub sealed_value: Option<Sealed>,
    /// From this instant on the value that is replaced is refused. It ends at once unless this lies after the write.
    pub previous_valid_until: Instant,
}

/// The earlier values of one key, as a write leaves them.
pub(crate) struct PreviousValues {
    pub(crate) valid: Vec<PreviousApiKeyDigest>,
    pub(crate) ended: Vec<ApiKeyDigest>,
}

impl ReadTransaction<'_> {
    /// The earlier values of an API key that were not found ended by a write yet, the oldest first.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a digest is none, and failures of the database.
    pub fn previous_api_key_digests(
        &mut self,
        id: ApiKeyId,
    ) -> Result<Vec<PreviousApiKeyDigest>, StorageError> {
        let text = id.to_string();
        let query = previous::table
            .filter(previous::api_key_id.eq(&text))
            .order((previous::revision, previous::digest))
            .select((previous::digest, previous::valid_until));
        let rows: Vec<(Vec<u8>, i64)> = self.run(|connection| query.load(connection))?;
        rows.into_iter().map(|(digest, until)| parsed(&text, &digest, until)).collect()
    }

    /// The earlier values of some keys, by the text of the key's id.
    pub(crate) fn previous_digests_of(
        &mut self,
        ids: &[String],
    ) -> Result<HashMap<String, Vec<PreviousApiKeyDigest>>, StorageError> {
        let query = previous::table
            .filter(previous::api_key_id.eq_any(ids))
            .order((previous::revision, previous::digest))
            .select((previous::api_key_id, previous::digest, previous::valid_until));
        let rows: Vec<(String, Vec<u8>, i64)> = self.run(|connection| query.load(connection))?;
        let mut by_key: HashMap<String, Vec<PreviousApiKeyDigest>> = HashMap::new();
        for (id, digest, until) in rows {
            let value = parsed(&id, &digest, until)?;
            by_key.entry(id).or_default().push(value);
        }
        Ok(by_key)
    }

    /// The earlier values of all keys, by the text of the key's id. A row that makes no sense is left to `bad`: its value
    /// works no more.
    pub(crate) fn all_previous_api_key_digests(
        &mut self,
        bad: &mut dyn FnMut(StorageError),
    ) -> Result<HashMap<String, Vec<PreviousApiKeyDigest>>, StorageError> {
        let query = previous::table.order((previous::revision, previous::digest)).select((
            previous::api_key_id,
            previous::digest,
            previous::valid_until,
        ));
        let rows: Vec<(String, Vec<u8>, i64)> = self.run(|connection| query.load(connection))?;
        let mut by_key: HashMap<String, Vec<PreviousApiKeyDigest>> = HashMap::new();
        for (id, digest, until) in rows {
            match parsed(&id, &digest, until) {
                Ok(value) => by_key.entry(id).or_default().push(value),
                Err(error) => bad(error),
            }
        }
        Ok(by_key)
    }
}

impl WriteTransaction<'_> {
    /// Gives an API key a new value; the key carries the revision at which it was read, and is returned at the next one.
    /// Its other members are updated as [`Self::update_api_key`] does it. At most [`MAXIMUM_PREVIOUS_VALUES`] earlier values
    /// stay: the oldest ends at once where there would be one more.
    ///
    /// # Errors
    /// As [`Self::update_api_key`]; [`StorageError::Conflict`] in the digest when the value is that of an API key, this one
    /// included, or was one until a short while ago and still works.
    pub fn rotate_api_key(
        &mut self,
        api_key: &ApiKey,
        rotation: &ApiKeyRotation,
    ) -> Result<ApiKey, StorageError> {
        self.replace_api_key(api_key, Some(rotation))
    }

    /// Deletes the earlier values of all API keys that have ended, and returns how many those were. Nobody is told: they
    /// are refused already.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn delete_ended_api_key_digests(&mut self) -> Result<usize, StorageError> {
        let ended = previous::valid_until.le(self.context().instant.epoch_millis());
        self.run(|connection| diesel::delete(previous::table.filter(ended)).execute(connection))
    }

    /// Replaces the value of a key whose row was just updated, and so is locked. `revision` is that of the row before.
    pub(crate) fn replace_value(
        &mut self,
        id: ApiKeyId,
        revision: i64,
        replaced: &ApiKeyDigest,
        rotation: &ApiKeyRotation,
    ) -> Result<PreviousValues, StorageError> {
        if rotation.digest == *replaced {
            return Err(IN_USE);
        }
        self.run(|connection| {
            diesel::update(api_key::table.filter(api_key::id.eq(id.to_string())))
                .set((
                    api_key::digest.eq(rotation.digest.as_bytes().as_slice()),
                    api_key::sealed_value.eq(rotation.sealed_value.as_ref().map(Sealed::as_bytes)),
                ))
                .execute(connection)
        })?;
        let query = previous::table.find(rotation.digest.as_bytes().as_slice()).select(previous::valid_until);
        let until: Option<i64> = self.run(|connection| query.first(connection).optional())?;
        self.require_free(&rotation.digest, until)?;
        let PreviousValues { mut valid, mut ended } = self.settle_previous_values(id)?;
        if rotation.previous_valid_until <= self.context().instant {
            ended.push(*replaced);
        } else {
            while valid.len() >= MAXIMUM_PREVIOUS_VALUES {
                let oldest = valid.remove(0);
                self.delete_previous(&oldest.digest)?;
                ended.push(oldest.digest);
            }
            let row = (
                previous::digest.eq(replaced.as_bytes().as_slice()),
                previous::api_key_id.eq(id.to_string()),
                previous::revision.eq(revision),
                previous::valid_until.eq(rotation.previous_valid_until.epoch_millis()),
            );
            self.run(|connection| diesel::insert_into(previous::table).values(row).execute(connection))?;
            valid
                .push(PreviousApiKeyDigest { digest: *replaced, valid_until: rotation.previous_valid_until });
        }
        // A value that ended and was chosen anew is one again.
        ended.retain(|digest| *digest != rotation.digest);
        Ok(PreviousValues { valid, ended })
    }

    /// The earlier values of a key whose row this transaction has locked. Those that have ended are deleted.
    pub(crate) fn settle_previous_values(&mut self, id: ApiKeyId) -> Result<PreviousValues, StorageError> {
        let now = self.context().instant;
        let (valid, ended): (Vec<_>, Vec<_>) =
            self.previous_api_key_digests(id)?.into_iter().partition(|value| now < value.valid_until);
        for value in &ended {
            self.delete_previous(&value.digest)?;
        }
        Ok(PreviousValues { valid, ended: ended.into_iter().map(|value| value.digest).collect() })
    }

    /// Refuses a value that was another one's and still works. Asked after the value was written, so that nobody can give
    /// it up unseen in between: who does had it until then, and the unique column waited for that.
    pub(crate) fn require_free(
        &mut self,
        digest: &ApiKeyDigest,
        until: Option<i64>,
    ) -> Result<(), StorageError> {
        match until.map(Instant::from_epoch_millis) {
            None => Ok(()),
            Some(until) if self.context().instant < until => Err(IN_USE),
            Some(_) => self.delete_previous(digest),
        }
    }

    /// The earlier values that go with a key. One that makes no sense never worked, and keeps no key from being deleted.
    pub(crate) fn digests_to_forget(
        &mut self,
        ids: &[String],
    ) -> Result<HashMap<String, Vec<ApiKeyDigest>>, StorageError> {
        let query = previous::table
            .filter(previous::api_key_id.eq_any(ids))
            .order((previous::revision, previous::digest))
            .select((previous::api_key_id, previous::digest));
        let rows: Vec<(String, Vec<u8>)> = self.run(|connection| query.load(connection))?;
        let mut digests: HashMap<_, Vec<_>> = HashMap::new();
        for (id, bytes) in rows {
            if let Ok(digest) = bytes.as_slice().try_into() {
                digests.entry(id).or_default().push(ApiKeyDigest::from_bytes(digest));
            }
        }
        Ok(digests)
    }

    fn delete_previous(&mut self, digest: &ApiKeyDigest) -> Result<(), StorageError> {
        let row = previous::table.find(digest.as_bytes().as_slice());
        self.run(|connection| diesel::delete(row).execute(connection)).map(drop)
    }
}

const IN_USE: StorageError = StorageError::Conflict { entity: Entity::ApiKey, field: Field::Digest };

fn parsed(id: &str, digest: &[u8], until: i64) -> Result<PreviousApiKeyDigest, StorageError> {
    let digest = digest.try_into().map_err(|_| corrupt(Entity::ApiKey, id, "previous digest"))?;
    Ok(PreviousApiKeyDigest {
        digest: ApiKeyDigest::from_bytes(digest),
        valid_until: Instant::from_epoch_millis(until),
    })
}
