//! Cryptography for Claviger: random bytes, secrets sealed at rest, the values of API keys, and the keys and
//! certificates that sign tokens.
//!
//! This crate is a facade: neither OpenSSL's types nor josekit's stand in a public signature. Whatever comes from
//! outside is parsed by OpenSSL first; PEM armour is taken off by this crate itself, since OpenSSL's own PEM readers
//! may ask for a pass phrase on the terminal.

mod api_key;
mod calendar;
mod certificate;
mod client_secret;
mod digest;
mod distinguished_name;
mod error;
mod generate;
mod import;
mod json;
mod jwk;
mod master_key;
mod pem;
mod random;
mod seal;
mod self_signed;
mod sign;
mod token;

pub use api_key::{ApiKeyDigester, ApiKeyFormat, ApiKeyShape, MAXIMUM_PREFIX_LENGTH};
pub use certificate::{CertificateInformation, certificate_information};
pub use client_secret::generate_client_secret;
pub use digest::{content_digest, is_same_secret, text_digest};
pub use error::CryptoError;
pub use generate::{
    GenerateRequest, GeneratedKey, PrivateMaterial, finish, generate, generate_material, random_hmac_kid,
};
pub use import::{
    ImportFault, ImportField, ImportProblem, ImportRefusal, ImportRequest, ImportedKey,
    MAXIMUM_SECRET_KEY_LENGTH, MAXIMUM_SECRET_LENGTH, import,
};
pub use json::{JsonError, JsonFault, parse_array, parse_object};
pub use jwk::{jwk_thumbprint, public_jwk};
pub use master_key::MasterKey;
pub use pem::MAXIMUM_PEM_LENGTH;
pub use random::{RandomSource, SystemRandom, random_array};
pub use seal::{MAXIMUM_PLAIN_LENGTH, SealedItem, Sealer};
pub use sign::{Signer, Verifier};
pub use token::{MAXIMUM_TOKEN_LENGTH, TokenFault, TokenHeader, UnverifiedToken, sign_claims, sign_token};

/// Takes OpenSSL into service for the whole process. To be called before anything else uses OpenSSL, such as the client of a
/// database: whoever is first decides whether OpenSSL tidies up when the process ends, and must not while a thread that
/// nobody waits for is generating a key. It does not after this.
pub fn initialize() {
    openssl::init();
}
