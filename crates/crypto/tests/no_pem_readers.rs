//! OpenSSL's PEM readers ask for a pass phrase on the terminal, and its readers of "any private key" may decrypt: no
//! source of this crate names one. (That encrypted keys are refused is tested in `import_matrix`.)
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names in a source that OpenSSL's or josekit's readers of PEM, and OpenSSL's readers with a pass phrase, have.
fn readers(source: &str) -> Vec<&str> {
    source
        .split(|character: char| !(character.is_ascii_alphanumeric() || character == '_' || character == ':'))
        .filter(|word| !word.starts_with("Certificate::")) // our own
        .filter(|word| {
            let name = word.rsplit("::").next().unwrap();
            // `PKey::private_key_from_der` takes encrypted keys too; that of `Rsa` and of `EcKey` takes one form.
            (name.contains("from_pem") && !word.ends_with("fn"))
                || name.contains("stack_from_pem")
                || name.contains("passphrase")
                || name.contains("from_pkcs8_callback")
                || *word == "PKey::private_key_from_der"
        })
        .collect()
}

#[test]
fn openssls_pem_readers_are_not_used() {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    assert!(paths.len() > 15);
    for path in paths {
        let source = fs::read_to_string(&path).unwrap();
        // The one function of that name that is defined here reads armour itself.
        let source = source.replace("pub(crate) fn from_pem(", "");
        assert_eq!(readers(&source), Vec::<&str>::new(), "{}", path.display());
    }
}

#[test]
fn readers_are_found() {
    for bad in [
        "PKey::private_key_from_pem(text)",
        "openssl::x509::X509::from_pem(text)",
        "X509::stack_from_pem(text)",
        "Rsa::public_key_from_pem_pkcs1(text)",
        "PKey::private_key_from_pkcs8_passphrase(der, b\"\")",
        "PKey::private_key_from_pkcs8_callback(der, ask)",
        "PKey::private_key_from_der(der)",
        "RS256.signer_from_pem(text)",
    ] {
        assert_eq!(readers(bad).len(), 1, "{bad}");
    }
    assert!(readers("Certificate::from_pem(text); Rsa::private_key_from_der(der)").is_empty());
}
