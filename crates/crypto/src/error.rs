//! What can go wrong in this crate. No variant carries secret or caller-supplied text.

use openssl::error::ErrorStack;

/// Why a cryptographic operation was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The input is not of the form that it should have.
    #[error("malformed input")]
    Malformed,
    /// The input is well formed, but names something that Claviger does not do.
    #[error("unsupported algorithm, curve or value")]
    Unsupported,
    /// Two inputs that should belong together do not.
    #[error("the parts do not belong together")]
    Mismatch,
    /// The secret is trivially guessable.
    #[error("the secret is too weak")]
    TooWeak,
    /// The operating system gave no random bytes.
    #[error("no random bytes available")]
    Entropy,
    /// A sealed value cannot be opened: another key, another row, or changed bytes. Which one it is cannot be told.
    #[error("a sealed value cannot be opened with this key")]
    Unsealable,
    /// OpenSSL failed in an operation that should work. The text is OpenSSL's own, such as `error:0A…`.
    #[error("cryptographic backend: {0}")]
    Backend(String),
}

/// Wraps a failure of an operation that should work on any input that reaches it. A function and not `From`, which
/// would put OpenSSL's type into this crate's public interface.
pub(crate) fn backend(error: ErrorStack) -> CryptoError {
    CryptoError::Backend(error.to_string())
}

/// For operations that fail on bad input: what OpenSSL says about it is of no use to the caller.
pub(crate) fn malformed(_: ErrorStack) -> CryptoError {
    CryptoError::Malformed
}
