//! Certificates: one byte says whether a text (even) or DER (odd) follows. What is imported is kept to the byte and can be
//! shown, and is DER; PEM, base64 in one line and base64 in many lines are one and the same.
#![no_main]

use claviger_crypto::certificate_information;
use claviger_fuzz::der::has_shortest_lengths;
use claviger_fuzz::import::{import_fields, import_soundly, keeps_certificate};
use claviger_fuzz::input::{Fields, mutate};
use claviger_fuzz::pem::{armour, bare};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|data: &[u8]| match data {
    [mode, der @ ..] if mode & 1 == 1 => from_der(der),
    [_, text @ ..] => {
        if let Ok(text) = std::str::from_utf8(text) {
            drop(certificate_information(text));
            drop(import_soundly(&fields(text.to_owned())));
        }
    }
    [] => {}
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, 1, false)
});

fn fields(certificate: String) -> Fields {
    Fields { certificate: Some(certificate), ..Fields::default() }
}

fn from_der(der: &[u8]) {
    let pem = armour("CERTIFICATE", der);
    let shown = certificate_information(&pem);
    assert!(
        shown.is_err() || has_shortest_lengths(der),
        "not in DER, so that one certificate has many fingerprints"
    );
    let imported = import_soundly(&fields(pem.clone()));
    let one_line = import_fields(&fields(bare(der)));
    let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let many_lines = import_fields(&fields(lines.join("\r\n")));
    match imported {
        Ok(imported) => {
            let shown = shown.unwrap();
            assert!(keeps_certificate(&imported, der), "the certificate is changed");
            for text in [&shown.issuer, &shown.subject] {
                assert!(!text.chars().any(char::is_control), "a name with control characters: {text:?}");
            }
            for other in [one_line, many_lines] {
                let other = other.unwrap_or_else(|refusal| panic!("refused without armour: {refusal}"));
                assert!(keeps_certificate(&other, der));
                assert_eq!(other.kid, imported.kid);
            }
        }
        // Without certificates of some sort there is nothing to import; an empty text counts as absent.
        Err(refusal) => {
            for other in [one_line, many_lines] {
                assert!(
                    der.is_empty() || other.err() == Some(refusal.clone()),
                    "accepted without armour alone"
                );
            }
        }
    }
}
