//! Keys from outside: what is given decides what key it makes (FusionAuth: Import a Key).
//!
//! A key passes three gates. Its PEM armour is taken off here, never by OpenSSL, whose readers may ask for a pass
//! phrase on the terminal. Then a small reader of DER says what kind and size of key it is, so that OpenSSL never
//! calculates with numbers of any size. OpenSSL parses and checks it, and what is kept is what OpenSSL writes.
//! Only certificates are kept byte for byte, since thumbprints name them.

mod consistency;
mod containers;
pub(crate) mod der;
mod kind;
mod problems;
mod screen;

use claviger_domain::{Instant, KeyAlgorithm, KeyId, KeySpec, KeyType, Kid, SecretBytes, SecretText};
pub use problems::{ImportFault, ImportField, ImportProblem, ImportRefusal};

use self::consistency::{Pair, PublicHalf};
use self::containers::{Alone, ImportedCertificate, PublicText};
use self::problems::Problems;
use crate::error::backend;
use crate::self_signed::self_signed;
use crate::{CryptoError, GenerateRequest, certificate_information, jwk_thumbprint, pem};

/// The longest secret of an HMAC key, in bytes.
pub const MAXIMUM_SECRET_LENGTH: usize = 64 * 1024;

/// The longest value of a [`KeyType::Secret`], in characters (FusionAuth: Keys, `secret`).
pub const MAXIMUM_SECRET_KEY_LENGTH: usize = 256;

/// What to import. Texts that are empty count as absent: some clients send every field. Each text has at most
/// [`MAXIMUM_PEM_LENGTH`](crate::MAXIMUM_PEM_LENGTH) bytes.
pub struct ImportRequest<'a> {
    /// The serial number of the certificate that a pair without one gets; not zero then.
    pub id: KeyId,
    /// What the key shall be; needed with `secret` where `algorithm` does not tell it, otherwise checked.
    pub key_type: Option<KeyType>,
    /// What the key shall be used with; told from the key where it is absent and the key tells it.
    pub algorithm: Option<KeyAlgorithm>,
    /// An X.509 certificate in PEM, or its DER in base64.
    pub certificate: Option<&'a str>,
    /// A public key in PEM (`PUBLIC KEY`, `RSA PUBLIC KEY`), or a certificate in PEM.
    pub public_key: Option<&'a str>,
    /// A private key in PEM that is not encrypted (`PRIVATE KEY`, `RSA PRIVATE KEY`, `EC PRIVATE KEY`).
    pub private_key: Option<&'a SecretText>,
    /// The secret of an HMAC key or of a [`KeyType::Secret`]; white space belongs to it.
    pub secret: Option<&'a SecretText>,
    /// The common name in the certificate that a pair without one gets: 1 to 64 characters, none of them a control
    /// character.
    pub issuer: &'a str,
    /// The start of that certificate's validity.
    pub now: Instant,
}

/// A key that was imported.
pub struct ImportedKey {
    /// RSA, EC, OKP, HMAC or Secret.
    pub key_type: KeyType,
    /// None for an RSA public key whose certificate does not tell it.
    pub algorithm: Option<KeyAlgorithm>,
    /// As [`KeySpec::length`]: bits, for Ed25519 bytes, none for HMAC and secrets.
    pub length: Option<u32>,
    /// The SHA-1 thumbprint of the certificate or, where there is none, of the JWK (RFC 7638). None for HMAC and secrets,
    /// whose `kid` the caller decides.
    pub kid: Option<Kid>,
    /// SubjectPublicKeyInfo as PEM.
    pub public_key: Option<String>,
    /// The certificate as PEM: as it was given, or a self-signed one of ten years for a pair that came without.
    pub certificate: Option<String>,
    /// The common name of the certificate's issuer; none also where it is no text or has control characters.
    pub issuer: Option<String>,
    /// The end of the certificate's validity.
    pub expiration_instant: Option<Instant>,
    /// What is to be sealed: the private key as PKCS#8 DER (RFC 5208), or the secret's text as it was given.
    pub material: Option<SecretBytes>,
}

/// Imports a key. RSA private keys take from some tens of milliseconds (2048 bits) to a third of a second (4096), since
/// their primes are checked.
///
/// | given | result |
/// | --- | --- |
/// | certificate, public key, or both of one key | a key that verifies |
/// | private key | a pair; the public half is derived |
/// | private key with its public key, its certificate or both | a pair |
/// | secret, with the type or an algorithm of HMAC or Secret | that; HMAC is for HS256 unless it says otherwise |
///
/// RSA has 2048, 3072 or 4096 bits, or 1024 without private key; EC is on P-256, P-384 or P-521; of the Edwards curves
/// there is Ed25519. An RSA pair whose certificate does not tell its algorithm, and that comes without, is for RS256.
///
/// # Errors
/// [`ImportRefusal::Problems`] with all problems of the request that do not follow from each other.
/// [`ImportRefusal::Failed`] when the certificate of a pair cannot be made, as for [`generate`](fn@crate::generate).
pub fn import(request: &ImportRequest<'_>) -> Result<ImportedKey, ImportRefusal> {
    let given = Given::of(request);
    let mut problems = Problems::default();
    match (given.secret, given.has_pem()) {
        (Some(secret), false) => {
            let key = symmetric(request, secret, &mut problems);
            problems.result(key)
        }
        (None, true) => {
            let parts = examine(request, &given, &mut problems);
            build(request, problems.result(parts)?).map_err(ImportRefusal::Failed)
        }
        (Some(secret), true) => {
            contradiction(request, &given, secret, &mut problems);
            problems.result(None)
        }
        (None, false) => {
            match wanted_type(request) {
                Some(KeyType::Hmac | KeyType::Secret) => {
                    problems.add(ImportField::Secret, ImportFault::Blank)
                }
                _ => problems.add(ImportField::PublicKey, ImportFault::Missing),
            }
            check_request(request, &mut problems);
            problems.result(None)
        }
    }
}

/// The texts that are there.
struct Given<'a> {
    certificate: Option<&'a str>,
    public_key: Option<&'a str>,
    private_key: Option<&'a str>,
    secret: Option<&'a str>,
}

impl<'a> Given<'a> {
    fn of(request: &ImportRequest<'a>) -> Self {
        let present = |text: &&str| !text.trim_ascii().is_empty();
        Self {
            certificate: request.certificate.filter(present),
            public_key: request.public_key.filter(present),
            private_key: request.private_key.map(SecretText::expose).filter(present),
            secret: request.secret.map(SecretText::expose).filter(|secret| !secret.is_empty()),
        }
    }

    const fn has_pem(&self) -> bool {
        self.certificate.is_some() || self.public_key.is_some() || self.private_key.is_some()
    }
}

/// A key with a public half, every part of which has been checked.
struct Parts {
    certificate: Option<Box<ImportedCertificate>>,
    public: PublicHalf,
    pair: Option<Pair>,
}

fn wanted_type(request: &ImportRequest<'_>) -> Option<KeyType> {
    request.key_type.or_else(|| request.algorithm.map(KeyAlgorithm::key_type))
}

/// Whether type and algorithm fit each other, where there is nothing else to hold them against.
fn check_request(request: &ImportRequest<'_>, problems: &mut Problems) {
    if let (Some(key_type), Some(algorithm)) = (request.key_type, request.algorithm)
        && algorithm.key_type() != key_type
    {
        problems.add(ImportField::Algorithm, ImportFault::Mismatch);
    }
}

/// A key of a secret alone.
fn symmetric(request: &ImportRequest<'_>, secret: &str, problems: &mut Problems) -> Option<ImportedKey> {
    let Some(key_type) = wanted_type(request) else {
        problems.add(ImportField::Type, ImportFault::Missing);
        return None;
    };
    check_request(request, problems);
    let (algorithm, fits) = match key_type {
        KeyType::Hmac => {
            (request.algorithm.unwrap_or(KeyAlgorithm::Hs256), secret.len() <= MAXIMUM_SECRET_LENGTH)
        }
        KeyType::Secret => (KeyAlgorithm::None, secret.chars().count() <= MAXIMUM_SECRET_KEY_LENGTH),
        KeyType::Ec | KeyType::Okp | KeyType::Rsa => {
            let field = if request.key_type.is_some() { ImportField::Type } else { ImportField::Algorithm };
            problems.add(field, ImportFault::Mismatch);
            return None;
        }
    };
    if !fits {
        problems.add(ImportField::Secret, ImportFault::TooLong);
    } else if secret.trim().is_empty() {
        problems.add(ImportField::Secret, ImportFault::Blank);
    }
    Some(ImportedKey {
        key_type,
        algorithm: Some(algorithm),
        length: None,
        kid: None,
        public_key: None,
        certificate: None,
        issuer: None,
        expiration_instant: None,
        material: Some(SecretBytes::from(secret.as_bytes().to_vec())),
    })
}

/// A secret beside PEM: type or algorithm say which of them is one too many, without them it is the secret.
fn contradiction(request: &ImportRequest<'_>, given: &Given<'_>, secret: &str, problems: &mut Problems) {
    if wanted_type(request).is_some_and(|wanted| !wanted.is_asymmetric()) {
        for (field, text) in [
            (ImportField::Certificate, given.certificate),
            (ImportField::PublicKey, given.public_key),
            (ImportField::PrivateKey, given.private_key),
        ] {
            if text.is_some() {
                problems.add(field, ImportFault::NotExpected);
            }
        }
        symmetric(request, secret, problems);
    } else {
        problems.add(ImportField::Secret, ImportFault::NotExpected);
        examine(request, given, problems);
    }
}

/// Reads and checks whatever is given of a key with a public half; `None` where something is missing or wrong.
fn examine(request: &ImportRequest<'_>, given: &Given<'_>, problems: &mut Problems) -> Option<Parts> {
    let alone = Alone(given.private_key.is_none());
    let certificate = given.certificate.map(|text| containers::certificate(text, alone));
    let mut certificate = problems.keep(ImportField::Certificate, certificate).map(Box::new);
    let public = given.public_key.map(|text| containers::public_key(text, alone));
    let mut public = match problems.keep(ImportField::PublicKey, public) {
        None => None,
        Some(PublicText::Key(public)) => Some(public),
        Some(PublicText::Certificate(other)) => {
            if let Some(certificate) = &certificate {
                // Two certificates, even of one key, are one too many: which one is to be kept?
                if certificate.pem != other.pem {
                    problems.add(ImportField::Certificate, ImportFault::Mismatch);
                }
            } else {
                certificate = Some(other);
            }
            None
        }
    };
    let pair = problems.keep(ImportField::PrivateKey, given.private_key.map(containers::private_key));
    check_halves(certificate.as_deref(), public.as_ref(), pair.as_ref(), problems);

    let kind = [
        certificate.as_ref().map(|certificate| &certificate.public),
        public.as_ref(),
        pair.as_ref().map(|pair| &pair.public),
    ];
    match kind.into_iter().flatten().next().map(|half| half.kind) {
        // Halves that do not fit each other cannot be held against type and algorithm.
        Some(kind) if !problems.has_mismatch() => {
            if request.key_type.is_some_and(|key_type| key_type != kind.key_type()) {
                problems.add(ImportField::Type, ImportFault::Mismatch);
            }
            if request.algorithm.is_some_and(|algorithm| !kind.serves(algorithm)) {
                problems.add(ImportField::Algorithm, ImportFault::Mismatch);
            }
        }
        Some(_) => {}
        None => check_request(request, problems),
    }

    let public = public.take().or_else(|| {
        let half = certificate.as_ref().map(|certificate| &certificate.public);
        let half = half.or_else(|| pair.as_ref().map(|pair| &pair.public))?;
        Some(half.clone())
    })?;
    Some(Parts { certificate, public, pair })
}

/// Whether certificate, public key and private key are those of one key.
fn check_halves(
    certificate: Option<&ImportedCertificate>,
    public: Option<&PublicHalf>,
    pair: Option<&Pair>,
    problems: &mut Problems,
) {
    let certified = certificate.map(|certificate| &certificate.public);
    if let (Some(certified), Some(public)) = (certified, public)
        && certified.spki != public.spki
    {
        problems.add(ImportField::Certificate, ImportFault::Mismatch);
    }
    let mut others = [certified, public].into_iter().flatten().peekable();
    if let Some(pair) = pair
        && others.peek().is_some()
        && others.all(|other| other.spki != pair.public.spki)
    {
        problems.add(ImportField::PrivateKey, ImportFault::Mismatch);
    }
}

/// Puts the key together, with a certificate of its own where a pair has none.
fn build(request: &ImportRequest<'_>, parts: Parts) -> Result<ImportedKey, CryptoError> {
    let Parts { certificate, public, pair } = parts;
    let kind = public.kind;
    let told = request.algorithm.or_else(|| kind.algorithm());
    let told = told.or_else(|| certificate.as_ref()?.rsa_algorithm);
    let algorithm = told.or_else(|| pair.is_some().then_some(KeyAlgorithm::Rs256));
    let public_key = pem::encode(pem::PUBLIC_KEY, &public.spki);
    let mut key = ImportedKey {
        key_type: kind.key_type(),
        algorithm,
        length: Some(kind.length()),
        kid: None,
        certificate: None,
        issuer: None,
        expiration_instant: None,
        material: pair.as_ref().map(Pair::pkcs8).transpose().map_err(backend)?,
        public_key: None,
    };
    if let Some(certificate) = certificate {
        key.kid = Some(Kid::from(certificate.information.sha1_thumbprint));
        key.expiration_instant = Some(certificate.information.valid_to);
        key.issuer = certificate.issuer;
        key.certificate = Some(certificate.pem);
    } else if let (Some(pair), Some(algorithm)) = (&pair, algorithm) {
        let spec = KeySpec::new(algorithm, Some(i64::from(kind.length())));
        let spec = spec.map_err(|_| CryptoError::Unsupported)?;
        let certificate = GenerateRequest { id: request.id, spec, issuer: request.issuer, now: request.now };
        let certificate = self_signed(&certificate, &pair.key)?;
        let certificate_pem = pem::encode(pem::CERTIFICATE, &certificate.der);
        key.kid = Some(Kid::from(certificate_information(&certificate_pem)?.sha1_thumbprint));
        key.expiration_instant = Some(certificate.end);
        key.issuer = Some(request.issuer.to_owned());
        key.certificate = Some(certificate_pem);
    } else {
        key.kid = Some(Kid::from(jwk_thumbprint(&public_key)?));
    }
    key.public_key = Some(public_key);
    Ok(key)
}
