//! What can be wrong with an import, field by field.

use crate::CryptoError;

/// A field of an import, by its name in the Keys API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImportField {
    /// `key.algorithm`
    Algorithm,
    /// `key.certificate`
    Certificate,
    /// `key.privateKey`
    PrivateKey,
    /// `key.publicKey`
    PublicKey,
    /// `key.secret`
    Secret,
    /// `key.type`
    Type,
}

impl ImportField {
    /// The name of the member, such as `privateKey`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Algorithm => "algorithm",
            Self::Certificate => "certificate",
            Self::PrivateKey => "privateKey",
            Self::PublicKey => "publicKey",
            Self::Secret => "secret",
            Self::Type => "type",
        }
    }
}

/// What is wrong with a field. None of the texts repeats anything of the field's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ImportFault {
    /// It is needed: of a key with a public half any part, of a secret the type.
    #[error("this is needed to import a key")]
    Missing,
    /// The key needs a secret, and white space is none.
    #[error("this type of key needs a secret")]
    Blank,
    /// More than the field may have.
    #[error("the text is too long")]
    TooLong,
    /// Not what the field takes, in a form that can be read; or numbers that make no key.
    #[error("this cannot be read, or is no valid key or certificate; the form is PEM")]
    Invalid,
    /// An RSA modulus of another size.
    #[error("RSA keys have 2048, 3072 or 4096 bits, or 1024 where there is no private key")]
    InvalidLength,
    /// An RSA public exponent that is even, 1 or larger than 2^64.
    #[error("the public exponent of an RSA key is odd, and from 3 to 2^64")]
    InvalidExponent,
    /// It contradicts the other fields.
    #[error("this does not fit the other fields, which are those of another key")]
    Mismatch,
    /// A private key that needs a pass phrase.
    #[error("the private key is encrypted; remove the pass phrase first, for instance with openssl pkey")]
    Encrypted,
    /// A curve other than P-256, P-384 and P-521, or one without a name.
    #[error("the curve must be P-256, P-384 or P-521, and be given by its name")]
    UnsupportedCurve,
    /// Neither RSA, EC nor Ed25519; also RSA that is for PSS alone.
    #[error("only RSA, EC and Ed25519 keys can be imported; not RSA-PSS, DSA, Ed448 or X25519")]
    UnsupportedAlgorithm,
    /// More than one PEM block, such as a chain of certificates.
    #[error("the field takes one certificate or key; of a chain, send the key's own certificate alone")]
    SeveralBlocks,
    /// PEM of another kind: a private key where it could be read by all, or a public one in its place.
    #[error("the field takes another kind of PEM; a private key belongs into privateKey alone")]
    WrongContent,
    /// The type of the key has no such field.
    #[error("a key has either a secret or PEM, as its type says")]
    NotExpected,
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}: {fault}", field.as_str())]
pub struct ImportProblem {
    /// The field that is to be changed.
    pub field: ImportField,
    /// What is wrong with it.
    pub fault: ImportFault,
}

/// Why nothing was imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// The request is wrong. At least one problem, and at most one of a kind.
    #[error("{}", sentence(.0))]
    Problems(Vec<ImportProblem>),
    /// The request is right, and still there is no key.
    #[error(transparent)]
    Failed(CryptoError),
}

fn sentence(problems: &[ImportProblem]) -> String {
    problems.iter().map(ImportProblem::to_string).collect::<Vec<_>>().join("; ")
}

/// The problems of one request while they are being found.
#[derive(Default)]
pub(super) struct Problems(Vec<ImportProblem>);

impl Problems {
    pub(super) fn add(&mut self, field: ImportField, fault: ImportFault) {
        let problem = ImportProblem { field, fault };
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// What was read of a field that is there, or its fault on the list.
    pub(super) fn keep<T>(&mut self, field: ImportField, read: Option<Result<T, ImportFault>>) -> Option<T> {
        match read? {
            Ok(value) => Some(value),
            Err(fault) => {
                self.add(field, fault);
                None
            }
        }
    }

    pub(super) fn has_mismatch(&self) -> bool {
        self.0.iter().any(|problem| problem.fault == ImportFault::Mismatch)
    }

    /// The value, if nothing is wrong.
    pub(super) fn result<T>(self, value: Option<T>) -> Result<T, ImportRefusal> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(ImportRefusal::Problems(self.0)),
        }
    }
}
