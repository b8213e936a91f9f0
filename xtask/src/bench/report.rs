//! The tables of benchmarks in docs/PERFORMANCE.md: each between markers of its own, `<!-- bench:NAME:begin -->` and
//! `<!-- bench:NAME:end -->`, with the machine and the versions that it was measured with.

use std::process::{Command, Stdio};

use crate::run::{Failure, Result, root};

const PAGE: &str = "docs/PERFORMANCE.md";

/// Writes the tables in the output of a benchmark to the page: its lines that begin with `|`, and an empty one between tables, where others
/// stand between them. `tools` are further programs that had
/// a part in it, with their versions.
///
/// # Errors
/// The page cannot be read or written, or has no such place; the output has no table.
pub(crate) fn write(name: &str, output: &str, tools: &[(&str, String)]) -> Result<()> {
    let tables = tables(output);
    if tables.is_empty() {
        return Err(Failure::new("the measurement left no table"));
    }
    let text = format!("{tables}\n\n{}", machine(tools));
    let path = root().join(PAGE);
    let page = std::fs::read_to_string(&path).map_err(|error| Failure::file(&path, &error))?;
    let page = splice(&page, name, &text)
        .ok_or_else(|| Failure::new(format!("{PAGE}: no markers for the benchmark `{name}`")))?;
    std::fs::write(&path, page).map_err(|error| Failure::file(&path, &error))
}

/// The tables of a text.
fn tables(output: &str) -> String {
    let is_row = |line: &&str| line.starts_with('|');
    let lines: Vec<_> = output.lines().collect();
    let tables = lines.chunk_by(|one, next| is_row(one) == is_row(next));
    let tables = tables.filter(|lines| lines.first().is_some_and(is_row));
    tables.map(|lines| lines.join("\n")).collect::<Vec<_>>().join("\n\n")
}

/// The page with this text between the markers; `None` if they are not there, in this order.
fn splice(page: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- bench:{name}:begin -->\n"), format!("<!-- bench:{name}:end -->\n"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{text}\n\n{end}{after}"))
}

/// A sentence on the machine and on what was measured with.
fn machine(tools: &[(&str, String)]) -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name").and_then(|rest| rest.split_once(": ")))
        .map_or("unknown processor", |(_, model)| model.trim());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut versions = vec![format!("Linux {}", kernel.trim())];
    versions.extend(said("rustc"));
    versions.extend(said("postgres"));
    versions.extend(tools.iter().map(|(tool, version)| format!("{tool} {version}")));
    format!("{cores} cores of {model}; {}.", versions.join(", "))
}

/// The name of a program and its version, as it says it.
fn said(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    named(program, &String::from_utf8(output.stdout).ok()?)
}

/// The first word that begins with a digit is the version.
fn named(program: &str, text: &str) -> Option<String> {
    let version =
        text.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    Some(format!("{program} {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_taken_out_of_what_is_printed() {
        assert_eq!(tables("a\n| b |\n| c |\n\nd\n\n| e |\nend"), "| b |\n| c |\n\n| e |");
        assert_eq!(tables("nothing"), "");
    }

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let page = "# A\n<!-- bench:x:begin -->\nold\n<!-- bench:x:end -->\n\nb\n<!-- bench:y:begin -->\n<!-- bench:y:end -->\n";
        let new = splice(page, "x", "| 1 |").unwrap();
        let expected = "# A\n<!-- bench:x:begin -->\n\n| 1 |\n\n<!-- bench:x:end -->\n\nb\n<!-- bench:y:begin -->\n<!-- bench:y:end -->\n";
        assert_eq!(new, expected);
        assert_eq!(splice(&new, "x", "| 1 |").as_deref(), Some(expected));
        assert_eq!(splice(page, "z", ""), None);
        assert_eq!(splice("<!-- bench:x:end -->\n<!-- bench:x:begin -->\n", "x", ""), None);
    }

    #[test]
    fn versions_are_found() {
        assert_eq!(named("rustc", "rustc 1.95.0 (a1b2 2026-01-02)").as_deref(), Some("rustc 1.95.0"));
        assert_eq!(named("postgres", "postgres (PostgreSQL) 15.18").as_deref(), Some("postgres 15.18"));
        assert_eq!(named("x", "unknown"), None);
    }

    #[test]
    fn the_page_has_a_place_for_each_table() {
        let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
        for name in ["cluster", "create", "keyring", "start", "tokens", "verify"] {
            assert!(splice(&page, name, "").is_some(), "{name}");
        }
    }
}
