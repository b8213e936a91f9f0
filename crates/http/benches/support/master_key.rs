//! The master key of every instance that is measured.

use claviger_crypto::MasterKey;
use claviger_domain::SecretBytes;

/// One and the same for all.
pub(crate) fn master_key() -> MasterKey {
    MasterKey::from_bytes(SecretBytes::from((1..=32).collect::<Vec<u8>>())).unwrap()
}
