//! The public halves of all keys as documents that anybody may fetch: the JSON Web Key Set, and the PEM texts of
//! `/api/jwt/public-key`. Made once for each change of a key, by whoever asks first; nobody else works meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::Bytes;
use claviger_crypto::{public_jwk, text_digest};
use claviger_domain::Key;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::ApiError;
use crate::wire::json::sorted;

/// The documents, as of one state of the keys.
pub(crate) struct Published {
    /// The JSON Web Key Set (RFC 7517, section 5), oldest key first.
    pub(crate) jwks: Document,
    /// `{"publicKeys": {kid: PEM, …}}`.
    pub(crate) public_keys: Document,
    /// The public keys in PEM by kid.
    pub(crate) by_kid: HashMap<String, String>,
}

/// A document with its strong entity tag.
pub(crate) struct Document {
    /// Shared by all answers.
    pub(crate) text: Bytes,
    /// With its quotes (RFC 9110, section 8.8.3).
    pub(crate) etag: Arc<str>,
}

impl From<Value> for Document {
    fn from(value: Value) -> Self {
        let text = sorted(value).to_string();
        let etag = format!("\"{}\"", text_digest(&text));
        Self { text: Bytes::from(text), etag: etag.into() }
    }
}

impl Published {
    /// The documents for these keys, in any order. A key that cannot be read is left out: the others still verify.
    pub(crate) fn of(mut keys: Vec<Key>) -> Self {
        keys.sort_by_key(|key| (key.insert_instant, key.id));
        let mut jwks = Vec::with_capacity(keys.len());
        let (mut public_keys, mut by_kid) = (Map::new(), HashMap::new());
        for key in keys {
            match public_jwk(&key) {
                Ok(Some(jwk)) => jwks.push(jwk),
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(key_id = %key.id, %error, "a key is not published: it cannot be read");
                    continue;
                }
            }
            if let Some(pem) = key.public_key {
                public_keys.insert(key.kid.as_str().to_owned(), Value::from(pem.as_str()));
                by_kid.insert(key.kid.as_str().to_owned(), pem);
            }
        }
        Self {
            jwks: Document::from(json!({"keys": jwks})),
            public_keys: Document::from(json!({"publicKeys": public_keys})),
            by_kid,
        }
    }
}

/// The documents as last made, under the number of key changes seen so far: they cannot be stale.
pub(crate) struct PublishedCache {
    changes: AtomicU64,
    made: Mutex<Option<(u64, Arc<Published>)>>,
    turn: Semaphore,
}

impl Default for PublishedCache {
    fn default() -> Self {
        Self { changes: AtomicU64::default(), made: Mutex::default(), turn: Semaphore::new(1) }
    }
}

impl PublishedCache {
    /// Forgets the documents, because a key changed.
    pub(crate) fn invalidate(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Waits for the turn to make the documents, on the event loop: whoever waits for them holds no thread that others
    /// need. Look whether they are [at hand](Self::at_hand) once it has come.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.turn.acquire().await.ok()
    }

    /// The documents, if they are at hand and true.
    pub(crate) fn at_hand(&self) -> Option<Arc<Published>> {
        let made = self.made.try_lock().ok()?;
        let version = self.changes.load(Ordering::Acquire);
        made.as_ref().filter(|(of, _)| *of == version).map(|(_, published)| Arc::clone(published))
    }

    /// The documents that are true now. `read` gives all keys; it is called only when they are not at hand, by one caller
    /// at a time.
    ///
    /// # Errors
    /// Those of `read`.
    pub(crate) fn current(
        &self,
        read: impl FnOnce() -> Result<Vec<Key>, ApiError>,
    ) -> Result<Arc<Published>, ApiError> {
        // Replaced whole: a panic elsewhere leaves it valid.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // Read before the keys are: a change that comes meanwhile makes the document old at once.
        let version = self.changes.load(Ordering::Acquire);
        if let Some((of, published)) = &*made
            && *of == version
        {
            return Ok(Arc::clone(published));
        }
        let published = Arc::new(Published::of(read()?));
        *made = Some((version, Arc::clone(&published)));
        Ok(published)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_made_once_per_change() {
        let cache = PublishedCache::default();
        let mut reads = 0;
        let mut ask = |cache: &PublishedCache, change_meanwhile: bool| {
            cache
                .current(|| {
                    reads += 1;
                    if change_meanwhile {
                        cache.invalidate();
                    }
                    Ok(Vec::new())
                })
                .unwrap();
            reads
        };
        assert_eq!(ask(&cache, false), 1);
        assert_eq!(ask(&cache, false), 1);
        cache.invalidate();
        // What was read while a key changed serves that one caller only.
        assert_eq!(ask(&cache, true), 2);
        assert!(cache.at_hand().is_none());
        assert_eq!(ask(&cache, false), 3);
        assert_eq!(ask(&cache, false), 3);
        assert!(cache.at_hand().is_some());
    }

    #[test]
    fn a_failure_is_not_kept() {
        let cache = PublishedCache::default();
        assert!(cache.current(|| Err(ApiError::Busy("the database"))).is_err());
        assert!(cache.current(|| Ok(Vec::new())).is_ok());
    }

    #[test]
    fn tags_follow_the_text() {
        let empty = Published::of(Vec::new());
        assert_eq!(&*empty.jwks.text, br#"{"keys":[]}"#);
        assert_eq!(&*empty.public_keys.text, br#"{"publicKeys":{}}"#);
        assert_ne!(empty.jwks.etag, empty.public_keys.etag);
        assert!(
            empty.jwks.etag.starts_with('"') && empty.jwks.etag.ends_with('"') && empty.jwks.etag.len() == 45
        );
    }
}
