//! The path templates of FusionAuth 1.69: with identifiers put in, each resolves to the endpoint that guards it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

use std::collections::BTreeSet;

use claviger_authz::{Endpoint, Path};

/// Lines of a template and its endpoint, for all operations that API keys open.
const TEMPLATES: &str = include_str!("templates.txt");

const IDENTIFIERS: [&str; 4] =
    ["780e1d5b-ee3b-43b2-aec8-db99b99adc4e", "780E1D5B-EE3B-43B2-AEC8-DB99B99ADC4E", "7", "a%20b"];

fn resolve(path: &str) -> Option<Endpoint> {
    Endpoint::resolve(&Path::parse(path.as_bytes()).unwrap())
}

/// `template` with each `{...}` replaced.
fn fill(template: &str, identifier: &str) -> String {
    let segments =
        template.split('/').map(|segment| if segment.starts_with('{') { identifier } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

#[test]
fn every_template_resolves_to_its_endpoint() {
    let mut seen = BTreeSet::new();
    for line in TEMPLATES.lines() {
        let (template, endpoint) = line.split_once(' ').unwrap();
        let endpoint = Endpoint::find(endpoint).unwrap();
        seen.insert(endpoint);
        for identifier in IDENTIFIERS {
            let path = fill(template, identifier);
            assert_eq!(resolve(&path), Some(endpoint), "{path}");
            assert_eq!(resolve(&format!("{path}/")), Some(endpoint), "{path}/");
        }
    }
    // Six endpoints have no operation in FusionAuth's OpenAPI document.
    assert_eq!((TEMPLATES.lines().count(), seen.len()), (149, 108));
}

#[test]
fn every_endpoint_resolves_with_identifiers_behind_each_endpoint_on_its_way() {
    for endpoint in Endpoint::all() {
        for count in 0..=2 {
            let mut path = String::new();
            let mut literal = String::new();
            for segment in endpoint.as_str().split('/').skip(1) {
                path += &format!("/{segment}");
                literal += &format!("/{segment}");
                if Endpoint::find(&literal).is_some() {
                    path += &"/780e1d5b".repeat(count);
                }
            }
            assert_eq!(resolve(&path), Some(endpoint), "{path}");
        }
    }
}
