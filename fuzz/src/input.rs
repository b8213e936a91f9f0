//! How the targets that import keys lay out their inputs, so that seeds can be written and DER be mutated in place.

use claviger_domain::{KeyAlgorithm, KeyType};

use crate::der::{self, Numbers};
use crate::pem::{armour, bare};

/// The field and container of a piece of DER: its place in [`Container::ALL`] is its byte in an input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// `CERTIFICATE` in `certificate`.
    Certificate,
    /// Base64 without armour in `certificate`.
    BareCertificate,
    /// `PUBLIC KEY` in `publicKey`.
    Spki,
    /// `RSA PUBLIC KEY` in `publicKey`.
    Pkcs1Public,
    /// `CERTIFICATE` in `publicKey`.
    CertificateAsKey,
    /// `PRIVATE KEY` in `privateKey`.
    Pkcs8,
    /// `RSA PRIVATE KEY` in `privateKey`.
    Pkcs1Private,
    /// `EC PRIVATE KEY` in `privateKey`.
    Sec1,
    /// `EC PARAMETERS` in `privateKey`.
    EcParameters,
    /// `ENCRYPTED PRIVATE KEY` in `privateKey`.
    Encrypted,
}

impl Container {
    /// Every container.
    pub const ALL: [Self; 10] = [
        Self::Certificate,
        Self::BareCertificate,
        Self::Spki,
        Self::Pkcs1Public,
        Self::CertificateAsKey,
        Self::Pkcs8,
        Self::Pkcs1Private,
        Self::Sec1,
        Self::EcParameters,
        Self::Encrypted,
    ];

    /// The container that a byte stands for.
    #[must_use]
    pub const fn of(byte: u8) -> Self {
        Self::ALL[byte as usize % Self::ALL.len()]
    }

    fn text(self, der: &[u8]) -> String {
        let label = match self {
            Self::BareCertificate => return bare(der),
            Self::Certificate | Self::CertificateAsKey => "CERTIFICATE",
            Self::Spki => "PUBLIC KEY",
            Self::Pkcs1Public => "RSA PUBLIC KEY",
            Self::Pkcs8 => "PRIVATE KEY",
            Self::Pkcs1Private => "RSA PRIVATE KEY",
            Self::Sec1 => "EC PRIVATE KEY",
            Self::EcParameters => "EC PARAMETERS",
            Self::Encrypted => "ENCRYPTED PRIVATE KEY",
        };
        armour(label, der)
    }
}

/// What is imported.
#[derive(Default)]
pub struct Fields {
    /// `key.type`
    pub key_type: Option<KeyType>,
    /// `key.algorithm`
    pub algorithm: Option<KeyAlgorithm>,
    /// `key.certificate`
    pub certificate: Option<String>,
    /// `key.publicKey`
    pub public_key: Option<String>,
    /// `key.privateKey`
    pub private_key: Option<String>,
    /// `key.secret`
    pub secret: Option<String>,
}

impl Fields {
    /// Reads a type (0: none), an algorithm (0: none), and then either `0` and the texts of certificate, public key,
    /// private key and secret with `ff` between them, or `1` and pieces of DER: container, length in two bytes, bytes.
    /// `None` for texts that are not UTF-8, which cannot come out of JSON.
    #[must_use]
    pub fn read(data: &[u8]) -> Option<Self> {
        let (&[key_type, algorithm, mode], rest) = data.split_first_chunk()?;
        let mut fields =
            Self { key_type: key_type_of(key_type), algorithm: algorithm_of(algorithm), ..Self::default() };
        if mode & 1 == 1 {
            for (container, der) in pieces(rest) {
                fields.add(container, &der);
            }
            return Some(fields);
        }
        let mut texts = rest.split(|byte| *byte == 0xff).map(|text| String::from_utf8(text.to_vec()));
        fields.certificate = texts.next().transpose().ok()?;
        fields.public_key = texts.next().transpose().ok()?;
        fields.private_key = texts.next().transpose().ok()?;
        fields.secret = texts.next().transpose().ok()?;
        Some(fields)
    }

    /// Adds DER in its container; a second block of one field stands after the first.
    pub fn add(&mut self, container: Container, der: &[u8]) {
        let field = match container {
            Container::Certificate | Container::BareCertificate => &mut self.certificate,
            Container::Spki | Container::Pkcs1Public | Container::CertificateAsKey => &mut self.public_key,
            Container::Pkcs8
            | Container::Pkcs1Private
            | Container::Sec1
            | Container::EcParameters
            | Container::Encrypted => &mut self.private_key,
        };
        field.get_or_insert_default().push_str(&container.text(der));
    }
}

/// The type that a byte stands for; 0 and whatever is too large for none.
#[must_use]
pub fn key_type_of(byte: u8) -> Option<KeyType> {
    KeyType::ALL.get(usize::from(byte).checked_sub(1)?).copied()
}

/// The algorithm that a byte stands for; 0 and whatever is too large for none.
#[must_use]
pub fn algorithm_of(byte: u8) -> Option<KeyAlgorithm> {
    KeyAlgorithm::ALL.get(usize::from(byte).checked_sub(1)?).copied()
}

/// The pieces of DER of an input; the last may be cut short.
fn pieces(mut data: &[u8]) -> Vec<(Container, Vec<u8>)> {
    let mut pieces = Vec::new();
    while let Some((&[container, high, low], rest)) = data.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (der, rest) = rest.split_at(length);
        pieces.push((Container::of(container), der.to_vec()));
        data = rest;
    }
    pieces
}

/// The input of these pieces, without its first three bytes.
#[must_use]
pub fn write_pieces(pieces: &[(Container, Vec<u8>)]) -> Vec<u8> {
    let mut data = Vec::new();
    for (container, der) in pieces {
        let place = Container::ALL.iter().position(|other| other == container).unwrap();
        data.push(u8::try_from(place).unwrap());
        data.extend(u16::try_from(der.len()).unwrap_or(u16::MAX).to_be_bytes());
        data.extend(der);
    }
    data
}

/// A libFuzzer mutator that knows DER. `plain` is how many bytes stand before the DER, or before its pieces; three of
/// four mutations are in it, the others anywhere. Answers the new size.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    maximum: usize,
    seed: u32,
    plain: usize,
    in_pieces: bool,
) -> usize {
    let mut numbers = Numbers::new(seed);
    let start = data.get(..size).and_then(|data| data.split_at_checked(plain));
    let is_der = start.is_some_and(|(start, _)| start.last().is_some_and(|mode| mode & 1 == 1));
    let (Some((start, rest)), true) = (start, is_der && numbers.below(4) > 0) else {
        return libfuzzer_sys::fuzzer_mutate(data, size, maximum);
    };
    let mut written = start.to_vec();
    if in_pieces {
        let mut pieces = pieces(rest);
        let count = pieces.len();
        if let Some((_, der)) = pieces.get_mut(numbers.below(count)) {
            *der = mutated(der, &mut numbers);
        }
        written.extend(write_pieces(&pieces));
    } else {
        written.extend(mutated(rest, &mut numbers));
    }
    if written.len() > maximum {
        return libfuzzer_sys::fuzzer_mutate(data, size, maximum);
    }
    data[..written.len()].copy_from_slice(&written);
    written.len()
}

/// One change to DER, or to bytes that are none.
fn mutated(der: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    der::mutate(der, numbers, any_bytes).unwrap_or_else(|| {
        let mut bytes = der.to_vec();
        any_bytes(&mut bytes);
        bytes
    })
}

/// Lets libFuzzer change bytes, which it may make longer.
fn any_bytes(bytes: &mut Vec<u8>) {
    let size = bytes.len();
    let maximum = size + 64;
    bytes.resize(maximum, 0);
    let size = libfuzzer_sys::fuzzer_mutate(bytes, size, maximum);
    bytes.truncate(size);
}
