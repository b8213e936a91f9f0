//! The use cases: each checks what the caller may do with the object at hand, then reads or writes it in one
//! transaction. Nothing here knows of HTTP servers or JSON; the caller passed the gate before.

pub(crate) mod api_key;
pub(crate) mod instance;
pub(crate) mod key;
pub(crate) mod tenant;

use claviger_crypto::{CryptoError, RandomSource, random_array};

/// Random bytes for a fresh id.
///
/// # Errors
/// When the operating system gives no random bytes.
pub(crate) fn id_bytes(random: &mut dyn RandomSource) -> Result<[u8; 16], CryptoError> {
    random_array::<16>(random)
}
