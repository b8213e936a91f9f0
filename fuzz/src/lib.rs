//! What the fuzz targets share: fixed keys, PEM and DER of their own, how inputs are laid out, and what must hold of
//! every key that is imported.

pub mod der;
pub mod import;
pub mod input;
pub mod keys;
pub mod pem;
