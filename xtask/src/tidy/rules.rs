//! The rules, each a function from a path and a text to what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

/// The file with the enum over the two databases' connections.
pub(super) const CONNECTIONS: &str = "crates/storage/src/conn.rs";
/// The other file that may tell the databases apart, and its parts.
const DIALECT: &str = "crates/storage/src/dialect.rs";
const PARTS_OF_DIALECT: &str = "crates/storage/src/dialect/";
const LONGEST_RUST_FILE: usize = 700;
const MIGRATIONS: [&str; 2] = ["migrations/postgres/", "migrations/sqlite/"];

/// Everything that is wrong with one file, as `path:line: what`.
///
/// `connection_type` is the name of the enum in [`CONNECTIONS`].
pub(super) fn check(path: &str, text: &str, connection_type: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let rust = path.ends_with(".rs");
    // Test data is as its test needs it.
    if !is_sample(path) {
        found.extend(layout(text, rust));
        found.extend(machine_paths(text));
    }
    if rust && ["bench/", "bins/", "crates/", "fuzz/", "xtask/"].iter().any(|start| path.starts_with(start)) {
        found.extend(header(text));
    }
    if rust {
        found.extend(length(text));
    }
    if rust && ![CONNECTIONS, DIALECT].contains(&path) && !path.starts_with(PARTS_OF_DIALECT) {
        found.extend(connection_type.into_iter().flat_map(|name| dialect(text, name)));
    }
    if (rust || path.ends_with(".toml"))
        && ["crates/http/src/ops/", "crates/http/src/ops.rs", "bins/"]
            .iter()
            .any(|start| path.starts_with(start))
    {
        found.extend(framework(text));
    }
    if !path.ends_with(".md") {
        found.extend(reminders(text));
    }
    found.into_iter().map(|(line, what)| format!("{path}:{line}: {what}")).collect()
}

type Found = Vec<(usize, String)>;

fn is_sample(path: &str) -> bool {
    ["/fixtures/", "/snapshots/", "/vectors/", "/proptest-regressions/", "/corpus-seeds/"]
        .iter()
        .any(|part| path.contains(part))
        || path.ends_with(".snap")
}

/// The lines that satisfy the condition, numbered from 1.
fn lines_with(text: &str, what: &str, mut condition: impl FnMut(&str) -> bool) -> Found {
    text.lines()
        .enumerate()
        .filter(|(_, line)| condition(line))
        .map(|(index, _)| (index + 1, what.to_owned()))
        .collect()
}

/// No white space at line ends, a newline at the end, no tabs in Rust.
fn layout(text: &str, rust: bool) -> Found {
    // `lines` would take the carriage return of a foreign line end for part of the line's end.
    let mut found: Found = text
        .split('\n')
        .enumerate()
        .filter(|(_, line)| line.ends_with(char::is_whitespace))
        .map(|(index, _)| (index + 1, "white space at the end of the line".to_owned()))
        .collect();
    if rust {
        found.extend(lines_with(text, "a tab", |line| line.contains('\t')));
    }
    if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
        found.push((text.lines().count(), "the file must end in exactly one newline".to_owned()));
    }
    found
}

/// Paths of somebody's machine.
fn machine_paths(text: &str) -> Found {
    lines_with(text, "a path of one machine", |line| {
        ["home", "root", "work"].iter().any(|directory| {
            let path = format!("/{directory}/");
            line.match_indices(&path).any(|(at, _)| {
                let before = line.get(..at).and_then(|before| before.chars().next_back());
                // Inside a longer path or a URL it is something else.
                before.is_none_or(|c| !(c.is_alphanumeric() || "._-/}~$)*".contains(c)))
            })
        })
    })
}

/// Each Rust file says its job first; only inner attributes may stand above.
fn header(text: &str) -> Found {
    let mut in_attribute = false;
    for line in text.lines().map(str::trim) {
        if !in_attribute && (line.starts_with("//!") || line.starts_with("#![doc = include_str!(")) {
            return Vec::new();
        }
        in_attribute |= line.starts_with("#![");
        if !in_attribute && !line.is_empty() {
            break;
        }
        in_attribute &= !line.ends_with(']');
    }
    vec![(1, "the file must start with a `//!` paragraph on its job".to_owned())]
}

fn length(text: &str) -> Found {
    let lines = text.lines().count();
    if lines <= LONGEST_RUST_FILE {
        return Vec::new();
    }
    vec![(lines, format!("{lines} lines, more than {LONGEST_RUST_FILE}: split it by job"))]
}

/// The name of the enum that derives `MultiConnection`.
pub(super) fn connection_type(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("MultiConnection)]").or_else(|| text.split_once("MultiConnection,"))?;
    let (_, after) = after.split_once("enum ")?;
    after.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

/// Only the dialect tells the databases apart: no variant of the connections elsewhere, not even imported.
fn dialect(text: &str, connection_type: &str) -> Found {
    let variant = format!("{connection_type}::");
    lines_with(text, "a variant of the connections: this belongs into storage's dialect.rs", |line| {
        code(line).match_indices(&variant).any(|(at, _)| {
            let after = code(line).get(at + variant.len()..).and_then(|after| after.chars().next());
            after.is_some_and(|c| c.is_ascii_uppercase() || c == '*' || c == '{')
        })
    })
}

/// Use cases and the binary know nothing of the web framework.
fn framework(text: &str) -> Found {
    let name = concat!("act", "ix");
    lines_with(text, "the web framework is named outside http's edge", |line| code(line).contains(name))
}

/// What is left for later has an issue: its number stands on the same line.
fn reminders(text: &str) -> Found {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME")];
    lines_with(text, "something left for later without the number of its issue (#n)", |line| {
        let named = line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| words.contains(&word));
        named && !line.split('#').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// The line without its comment.
fn code(line: &str) -> &str {
    let comment =
        if line.trim_start().starts_with('#') && !line.trim_start().starts_with("#[") { "#" } else { "//" };
    line.split_once(comment).map_or(line, |(code, _)| code)
}

/// Both databases have the same migrations, each with both directions, named `YYYY-MM-DD-HHMMSS_name`.
pub(super) fn twin_migrations(paths: &[String]) -> Vec<String> {
    let mut migrations: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut problems = Vec::new();
    for path in paths {
        let Some((side, file)) =
            MIGRATIONS.iter().find_map(|&side| path.strip_prefix(side).map(|file| (side, file)))
        else {
            continue;
        };
        match file.split_once('/') {
            Some((name, direction @ ("up.sql" | "down.sql"))) if is_migration_name(name) => {
                migrations.entry(name).or_default().insert(format!("{side}{name}/{direction}"));
            }
            _ => problems.push(format!("{path}: not a migration's up.sql or down.sql")),
        }
    }
    for (name, present) in &migrations {
        for side in MIGRATIONS {
            for direction in ["up.sql", "down.sql"] {
                let path = format!("{side}{name}/{direction}");
                if !present.contains(&path) {
                    problems.push(format!("{path}: absent, though {name} has other files"));
                }
            }
        }
    }
    problems
}

/// Whether this is `YYYY-MM-DD-HHMMSS_name`, the name in lower-case letters, digits and `_`.
pub(crate) fn is_migration_name(text: &str) -> bool {
    let Some((version, name)) = text.split_once('_') else { return false };
    let pattern = "dddd-dd-dd-dddddd";
    version.len() == pattern.len()
        && version
            .chars()
            .zip(pattern.chars())
            .all(|(c, p)| if p == 'd' { c.is_ascii_digit() } else { c == p })
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that exactly these lines of the text are found.
    #[track_caller]
    fn found(path: &str, text: &str, lines: &[usize]) {
        let problems = check(path, text, Some("AnyConnection"));
        let numbers: Vec<usize> =
            problems.iter().map(|problem| problem.split(':').nth(1).unwrap().parse().unwrap()).collect();
        assert_eq!(numbers, lines, "{problems:?}");
    }

    const LIB: &str = "crates/domain/src/lib.rs";

    #[test]
    fn tidy_text_passes() {
        found(LIB, "//! Job.\n\nfn a() {}\n", &[]);
        found("docs/API.md", "# A\n", &[]);
        found("docs/API.md", "", &[]);
    }

    #[test]
    fn headers_are_demanded() {
        found(LIB, "use std::fmt;\n", &[1]);
        found(LIB, "// Job.\n", &[1]);
        found(LIB, "\n", &[1]);
        found(LIB, "", &[1]);
        found(LIB, "#![doc = include_str!(\"../README.md\")]\n", &[]);
        found(LIB, "#![allow(\n    unused,\n)]\n//! Job.\n", &[]);
        found(LIB, "#![allow(unused)]\nfn a() {}\n//! Late.\n", &[1]);
        found("fuzz/fuzz_targets/a.rs", "#![no_main]\nfn a() {}\n", &[1]);
        found("bench/src/a.rs", "fn a() {}\n", &[1]);
        found("examples/lib.rs", "fn a() {}\n", &[]);
    }

    #[test]
    fn white_space_tabs_and_ends_are_seen() {
        found(LIB, "//! Job. \n", &[1]);
        found(LIB, "//! Job.\n\n  \nfn a() {}\n", &[3]);
        found(LIB, "//! Job.\r\n", &[1]);
        found(LIB, "//! Job.\n\tfn a() {}\n", &[2]);
        found("a.md", "\ta\n", &[]);
        found("a.md", "a", &[1]);
        found("a.md", "a\n\n", &[2]);
        found("crates/crypto/tests/fixtures/broken.pem", "a \n\n", &[]);
        found("fuzz/corpus-seeds/json/a", "a ", &[]);
    }

    #[test]
    fn long_files_are_seen() {
        found(LIB, &format!("//! Job.\n{}", "// a\n".repeat(LONGEST_RUST_FILE - 1)), &[]);
        found(LIB, &format!("//! Job.\n{}", "// a\n".repeat(LONGEST_RUST_FILE)), &[LONGEST_RUST_FILE + 1]);
        found("a.md", &"a\n".repeat(2 * LONGEST_RUST_FILE), &[]);
    }

    #[test]
    fn variants_belong_to_the_dialect() {
        let text = "//! Job.\nAnyConnection::Sqlite(c)\nAnyConnection::new()\nuse c::AnyConnection::*;\n\
                    // AnyConnection::Postgres\nuse AnyConnection::{A};\n";
        found("crates/storage/src/keys.rs", text, &[2, 4, 6]);
        found("crates/http/src/state.rs", text, &[2, 4, 6]);
        found(CONNECTIONS, text, &[]);
        found(DIALECT, text, &[]);
        found("crates/storage/src/dialect/node.rs", text, &[]);
    }

    #[test]
    fn connection_type_is_read_from_its_derive() {
        assert_eq!(
            connection_type("#[derive(diesel::MultiConnection)]\npub(crate) enum AnyConnection {"),
            Some("AnyConnection")
        );
        assert_eq!(connection_type("#[derive(MultiConnection, Debug)]\nenum Any{"), Some("Any"));
        assert_eq!(connection_type("enum Any {"), None);
        assert_eq!(connection_type("#[derive(MultiConnection)]\n"), None);
    }

    #[test]
    fn framework_stays_at_the_edge() {
        let text = concat!("//! No act", "ix.\nuse act", "ix_web::web; // why\n");
        found("crates/http/src/ops/key.rs", text, &[2]);
        found("bins/claviger/src/main.rs", text, &[2]);
        found("bins/claviger/Cargo.toml", concat!("# no act", "ix\nact", "ix-web.workspace = true\n"), &[2]);
        found("crates/http/src/server.rs", text, &[]);
    }

    #[test]
    fn reminders_need_an_issue() {
        let word = concat!("TO", "DO");
        found(LIB, &format!("//! Job.\n// {word}: later\n// {word} #7: later\n// {word}(#12)\n"), &[2]);
        found(LIB, concat!("//! Job.\n// FIX", "ME # later\n// MASTO", "DONT\n"), &[2]);
        found(".ci/run", &format!("# {word}\n"), &[1]);
        found("CONTRIBUTING.md", &format!("{word}\n"), &[]);
    }

    #[test]
    fn paths_of_a_machine_are_seen() {
        let [home, root] = [concat!("/ho", "me/"), concat!("/ro", "ot/")];
        found(LIB, &format!("//! Job.\n// {home}me/x\nlet a = \"{root}x\";\n"), &[2, 3]);
        found("a.md", &format!("{home}x\nhttps://example.org{home}x\n$A{root}\n"), &[1]);
    }

    #[test]
    fn migrations_are_twins() {
        let all = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let twins = [
            "migrations/postgres/2026-11-21-100000_initial/down.sql",
            "migrations/postgres/2026-11-21-100000_initial/up.sql",
            "migrations/sqlite/2026-11-21-100000_initial/down.sql",
            "migrations/sqlite/2026-11-21-100000_initial/up.sql",
        ];
        assert!(twin_migrations(&all(&twins)).is_empty());
        assert!(twin_migrations(&[]).is_empty());
        for left_out in 0..twins.len() {
            let mut some = all(&twins);
            some.remove(left_out);
            assert_eq!(twin_migrations(&some).len(), 1, "{some:?}");
        }
        assert_eq!(twin_migrations(&all(&["migrations/sqlite/2026-11-21_a/up.sql"])).len(), 1);
        assert_eq!(twin_migrations(&all(&["migrations/sqlite/notes.txt"])).len(), 1);
    }

    #[test]
    fn migration_names_are_checked() {
        assert!(is_migration_name("2026-11-21-100000_add_ip_acl"));
        for wrong in
            ["2026-11-21-100000", "2026-11-21-100000_", "2026-11-21-100000_A", "2026-11-21_a", "x_y", ""]
        {
            assert!(!is_migration_name(wrong), "{wrong}");
        }
    }
}
