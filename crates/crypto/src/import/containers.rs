//! The texts that keys and certificates come in: which PEM blocks a field may hold, and what is in them.

use claviger_domain::KeyAlgorithm;
use openssl::ec::EcKey;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::X509;
use zeroize::Zeroizing;

use super::ImportFault;
use super::consistency::{self, Pair, PublicHalf};
use super::kind::Kind;
use super::screen;
use crate::certificate::{CertificateInformation, certificate_information};
use crate::distinguished_name::common_name;
use crate::pem::{self, Block, MAXIMUM_PEM_LENGTH};

const EC_PARAMETERS: &str = "EC PARAMETERS";
const EC_PRIVATE_KEY: &str = "EC PRIVATE KEY";
const PRIVATE_KEY: &str = "PRIVATE KEY";
const RSA_PRIVATE_KEY: &str = "RSA PRIVATE KEY";
const RSA_PUBLIC_KEY: &str = "RSA PUBLIC KEY";

/// A certificate with all that a key takes from it.
pub(super) struct ImportedCertificate {
    /// The armoured certificate.
    pub(super) pem: String,
    pub(super) public: PublicHalf,
    pub(super) information: CertificateInformation,
    /// The common name of its issuer.
    pub(super) issuer: Option<String>,
    /// What the signature's algorithm says about the key, if that is RSA.
    pub(super) rsa_algorithm: Option<KeyAlgorithm>,
}

/// What the field for a public key may hold.
pub(super) enum PublicText {
    Key(PublicHalf),
    Certificate(Box<ImportedCertificate>),
}

/// Whether the key has no private half in this request: only then may RSA have 1024 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Alone(pub(super) bool);

/// Reads a certificate in PEM, or in base64 without armour.
pub(super) fn certificate(text: &str, alone: Alone) -> Result<ImportedCertificate, ImportFault> {
    let blocks = blocks(text)?;
    if blocks.is_empty() {
        return certificate_der(&pem::decode_bare(text).ok_or(ImportFault::Invalid)?, alone);
    }
    let block = only(&blocks)?;
    match block.label {
        pem::CERTIFICATE => certificate_der(&block_der(block)?, alone),
        label if is_key(label) => Err(ImportFault::WrongContent),
        _ => Err(ImportFault::Invalid),
    }
}

/// Reads a public key, or a certificate in its place, in PEM.
pub(super) fn public_key(text: &str, alone: Alone) -> Result<PublicText, ImportFault> {
    let blocks = blocks(text)?;
    let block = only(&blocks)?;
    let (key, kind) = match block.label {
        pem::CERTIFICATE => {
            let certificate = certificate_der(&block_der(block)?, alone)?;
            return Ok(PublicText::Certificate(Box::new(certificate)));
        }
        pem::PUBLIC_KEY => {
            let der = block_der(block)?;
            let kind = allowed(screen::spki(&der)?, alone)?;
            (PKey::public_key_from_der(&der), kind)
        }
        RSA_PUBLIC_KEY => {
            let der = block_der(block)?;
            let kind = allowed(screen::pkcs1_public(&der)?, alone)?;
            (Rsa::public_key_from_der_pkcs1(&der).and_then(PKey::from_rsa), kind)
        }
        label if is_key(label) => return Err(ImportFault::WrongContent),
        _ => return Err(ImportFault::Invalid),
    };
    consistency::public(&*key.map_err(invalid)?, kind).map(PublicText::Key)
}

/// Reads a private key in PEM. `openssl ecparam -genkey` writes the curve in a block of its own before the key.
pub(super) fn private_key(text: &str) -> Result<Pair, ImportFault> {
    let blocks = blocks(text)?;
    let (parameters, block) = match blocks.as_slice() {
        [parameters, key] if parameters.label == EC_PARAMETERS && key.label == EC_PRIVATE_KEY => {
            (Some(parameters), key)
        }
        blocks => (None, only(blocks)?),
    };
    if block.is_encrypted() {
        return Err(ImportFault::Encrypted);
    }
    let alone = Alone(false);
    let (key, kind) = match block.label {
        PRIVATE_KEY => {
            let der = block_der(block)?;
            let kind = allowed(screen::pkcs8(&der)?, alone)?;
            (PKey::private_key_from_pkcs8(&der), kind)
        }
        RSA_PRIVATE_KEY => {
            let der = block_der(block)?;
            let kind = allowed(screen::pkcs1_private(&der)?, alone)?;
            (Rsa::private_key_from_der(&der).and_then(PKey::from_rsa), kind)
        }
        EC_PRIVATE_KEY => {
            let der = block_der(block)?;
            let kind = screen::sec1(&der)?;
            if let Some(parameters) = parameters
                && kind != Kind::Ec(screen::curve(&block_der(parameters)?)?)
            {
                return Err(ImportFault::Invalid);
            }
            (EcKey::private_key_from_der(&der).and_then(PKey::from_ec_key), kind)
        }
        pem::CERTIFICATE | pem::PUBLIC_KEY | RSA_PUBLIC_KEY => return Err(ImportFault::WrongContent),
        "DSA PRIVATE KEY" => return Err(ImportFault::UnsupportedAlgorithm),
        _ => return Err(ImportFault::Invalid),
    };
    consistency::pair(key.map_err(invalid)?, kind)
}

fn certificate_der(der: &[u8], alone: Alone) -> Result<ImportedCertificate, ImportFault> {
    let kind = allowed(screen::certificate(der)?, alone)?;
    let pem = pem::encode(pem::CERTIFICATE, der);
    // Base64 in one line can grow beyond what is read again.
    if pem.len() > MAXIMUM_PEM_LENGTH {
        return Err(ImportFault::TooLong);
    }
    let information = certificate_information(&pem).map_err(|_| ImportFault::Invalid)?;
    let x509 = X509::from_der(der).map_err(invalid)?;
    let public = consistency::public(&*x509.public_key().map_err(invalid)?, kind)?;
    let issuer = common_name(&x509.issuer_name().to_der().map_err(invalid)?);
    let rsa_algorithm = match x509.signature_algorithm().object().nid() {
        Nid::SHA256WITHRSAENCRYPTION => Some(KeyAlgorithm::Rs256),
        Nid::SHA384WITHRSAENCRYPTION => Some(KeyAlgorithm::Rs384),
        Nid::SHA512WITHRSAENCRYPTION => Some(KeyAlgorithm::Rs512),
        _ => None,
    };
    Ok(ImportedCertificate { pem, public, information, issuer, rsa_algorithm })
}

fn allowed(kind: Kind, alone: Alone) -> Result<Kind, ImportFault> {
    if kind == Kind::Rsa(1024) && alone != Alone(true) { Err(ImportFault::InvalidLength) } else { Ok(kind) }
}

fn blocks(text: &str) -> Result<Vec<Block<'_>>, ImportFault> {
    if text.len() > MAXIMUM_PEM_LENGTH {
        return Err(ImportFault::TooLong);
    }
    pem::blocks(text).ok_or(ImportFault::Invalid)
}

fn only<'a, 'b>(blocks: &'b [Block<'a>]) -> Result<&'b Block<'a>, ImportFault> {
    match blocks {
        [block] => Ok(block),
        [] => Err(ImportFault::Invalid),
        _ => Err(ImportFault::SeveralBlocks),
    }
}

fn block_der(block: &Block<'_>) -> Result<Zeroizing<Vec<u8>>, ImportFault> {
    if block.is_encrypted() {
        return Err(ImportFault::Encrypted);
    }
    block.der().ok_or(ImportFault::Invalid)
}

/// Whether a label is that of a key of any kind, in good form or not.
fn is_key(label: &str) -> bool {
    label.ends_with(" KEY")
}

fn invalid(_: ErrorStack) -> ImportFault {
    ImportFault::Invalid
}
