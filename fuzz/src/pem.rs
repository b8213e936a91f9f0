//! PEM armour (RFC 7468), written and read without the code under test.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The armoured form of these bytes: lines of 64 columns, LF at the end of each.
#[must_use]
pub fn armour(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..base64.len()).step_by(64).map(|at| &base64[at..base64.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The bytes within the armour of one block that is known to be good.
///
/// # Panics
/// When it is not.
#[must_use]
pub fn unarmour(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(base64).unwrap()
}

/// The bytes in base64 without armour, in one line.
#[must_use]
pub fn bare(der: &[u8]) -> String {
    STANDARD.encode(der)
}
