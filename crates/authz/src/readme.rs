//! What the README says about refused paths, held against the parser: its table names every [`PathError`], and each example
//! is refused for the reason of its row.

use std::collections::BTreeSet;

use crate::{Endpoint, Path};

const README: &str = include_str!("../README.md");

/// The names and examples of the rows of the table under this heading of its first column.
fn rows(heading: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let start = format!("| {heading} |");
    let table = README.lines().skip_while(move |line| !line.starts_with(&start)).skip(2);
    table.map_while(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        Some((cells.next()?.trim_matches('`'), cells.next()?))
    })
}

/// The paths in a cell; `text` × 3 is three times the text.
fn examples(cell: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut parts = cell.split('`').skip(1);
    while let (Some(text), Some(behind)) = (parts.next(), parts.next()) {
        let times = behind.trim().strip_prefix('×').map_or(1, |count| count.trim().parse().unwrap());
        examples.push(text.repeat(times));
    }
    examples
}

#[test]
fn every_refusal_has_a_row_and_each_example_is_refused_so() {
    let mut named = BTreeSet::new();
    for (name, cell) in rows("refusal") {
        assert!(named.insert(name.to_owned()), "{name} twice");
        let examples = examples(cell);
        assert!(!examples.is_empty(), "{name}: no example");
        for example in examples {
            let error = Path::parse(example.as_bytes()).unwrap_err();
            assert_eq!(format!("{error:?}"), name, "{example}");
        }
    }
    assert_eq!(named, variants(include_str!("path.rs"), "PathError"));
}

#[test]
fn every_reason_and_target_has_a_row() {
    let names = |heading| rows(heading).map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names("reason"), variants(include_str!("decision.rs"), "Reason"));
    assert_eq!(names("target"), variants(include_str!("target.rs"), "Target"));
}

#[test]
fn each_example_of_a_target_leads_there() {
    for (name, cell) in rows("target") {
        for example in examples(cell) {
            let target = format!("{:?}", crate::Target::of(&Path::parse(example.as_bytes()).unwrap()));
            assert!(target == name || target.starts_with(&format!("{name}(")), "{example}: {target}");
        }
    }
}

#[test]
fn the_number_of_endpoints_is_right() {
    assert!(README.contains(&format!("one of the {} endpoints", Endpoint::all().len())));
}

/// The variants of an enum as its source lists them: the compiler has no list to ask for.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let code = body.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    code.map(|line| line.split(['(', ',']).next().unwrap().to_owned()).collect()
}
