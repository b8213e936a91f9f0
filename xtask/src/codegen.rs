//! `cargo xtask codegen`: what the documentation repeats from the code. The server's hidden command `codegen` prints
//! each part; here they are put between their markers, or compared with what stands there.

use crate::features::OpenSsl;
use crate::run::{Failure, Result, cargo, read, root};
use std::path::Path;

/// The parts within pages, by page and name: `<!-- generated: name -->` … `<!-- end generated: name -->`.
const PARTS: [(&str, &str); 5] = [
    ("docs/API.md", "routes"),
    ("docs/API.md", "codes"),
    ("docs/API.md", "fusion-codes"),
    ("docs/API.md", "oauth-errors"),
    ("docs/CONFIGURATION.md", "settings"),
];
/// The file that is generated whole, with the name of its part.
const OPENAPI: (&str, &str) = ("docs/openapi.json", "openapi");

/// Writes all generated parts, or only compares them.
///
/// # Errors
/// The server does not build or print a part, a page has no markers for one, or (`check`) something is out of date.
pub(crate) fn run(openssl: OpenSsl, check: bool) -> Result<()> {
    let mut stale = Vec::new();
    let mut pages: Vec<&str> = PARTS.iter().map(|(page, _)| *page).collect();
    pages.dedup();
    for page in pages {
        let path = root().join(page);
        let old = std::fs::read_to_string(&path).map_err(|error| Failure::file(&path, &error))?;
        let mut new = old.clone();
        for (_, name) in PARTS.iter().filter(|(of, _)| *of == page) {
            new = splice(&new, name, &part(openssl, name)?)
                .ok_or_else(|| Failure::new(format!("{page}: no markers for the generated part `{name}`")))?;
        }
        stale.extend(settle(page, &path, &old, &new, check)?);
    }

    let (page, name) = OPENAPI;
    let new = part(openssl, name)?;
    serde_json::from_str::<serde_json::Value>(&new)
        .map_err(|error| Failure::new(format!("the part `{name}` is not JSON: {error}")))?;
    let path = root().join(page);
    // An absent file is as good as an empty one: it gets written, or counts as out of date.
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    stale.extend(settle(page, &path, &old, &new, check)?);

    if stale.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("out of date: {}: run `cargo xtask codegen`", stale.join(", "))))
}

/// What the server prints for a part, without white space at the end.
fn part(openssl: OpenSsl, name: &str) -> Result<String> {
    let mut command = cargo(["run", "--quiet", "--package", "claviger"]);
    command.args(openssl.arguments(&["claviger".to_owned()])).args(["--", "codegen", name]);
    let text = read(&mut command)?;
    match text.trim() {
        "" => Err(Failure::new(format!("the server printed nothing for the part `{name}`"))),
        text => Ok(format!("{text}\n")),
    }
}

/// Writes the new text if it differs. With `check`, answers the place of the first difference instead.
fn settle(page: &str, path: &Path, old: &str, new: &str, check: bool) -> Result<Option<String>> {
    if old == new {
        return Ok(None);
    }
    if check {
        let (line, is, should_be) = first_difference(old, new);
        eprintln!("{page}:{line}:\n  is        {is}\n  should be {should_be}");
        return Ok(Some(page.to_owned()));
    }
    std::fs::write(path, new).map_err(|error| Failure::file(path, &error))?;
    println!("{page}: written");
    Ok(None)
}

/// The text with the part between its markers replaced; `None` where the markers are not there once, in order.
fn splice(text: &str, name: &str, part: &str) -> Option<String> {
    let (start, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end generated: {name} -->\n"));
    let (before, rest) = text.split_once(&start)?;
    let (_, after) = rest.split_once(&end)?;
    if after.contains(&start) || after.contains(&end) || before.contains(&end) {
        return None;
    }
    // Blank lines around it: Markdown would take a table for a part of the marker's HTML.
    Some(format!("{before}{start}\n{part}\n{end}{after}"))
}

/// The number of the first line that differs, and the line in both texts.
fn first_difference<'a>(old: &'a str, new: &'a str) -> (usize, &'a str, &'a str) {
    let (mut old, mut new) = (old.lines(), new.lines());
    for number in 1.. {
        match (old.next(), new.next()) {
            (None, None) => return (number, "(other line ends)", "(other line ends)"),
            (is, should_be) if is != should_be => {
                return (number, is.unwrap_or("(the end)"), should_be.unwrap_or("(the end)"));
            }
            _ => {}
        }
    }
    (0, "", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A\n<!-- generated: x -->\nold\n<!-- end generated: x -->\ntext\n\
                        <!-- generated: y -->\n<!-- end generated: y -->\n";

    #[test]
    fn parts_are_put_between_their_markers() {
        let new = splice(PAGE, "x", "new\n").unwrap();
        assert!(new.starts_with("# A\n<!-- generated: x -->\n\nnew\n\n<!-- end generated: x -->\ntext\n"));
        assert_eq!(splice(&new, "x", "new\n").unwrap(), new);
        let both = splice(&new, "y", "other\n").unwrap();
        assert!(both.contains("\nnew\n") && both.contains("\nother\n") && !both.contains("old"));
    }

    #[test]
    fn wrong_markers_are_refused() {
        assert_eq!(splice(PAGE, "z", ""), None);
        assert_eq!(splice("<!-- generated: x -->\n", "x", ""), None);
        assert_eq!(splice("<!-- end generated: x -->\n<!-- generated: x -->\n", "x", ""), None);
        assert_eq!(splice(&format!("{PAGE}{PAGE}"), "x", ""), None);
    }

    #[test]
    fn differences_are_written_or_told() {
        let file = std::env::temp_dir().join(format!("claviger-xtask-codegen-{}", std::process::id()));
        assert_eq!(settle("p", &file, "a\n", "a\n", true).unwrap(), None);
        assert_eq!(settle("p", &file, "a\n", "b\n", true).unwrap(), Some("p".to_owned()));
        assert!(!file.exists());
        assert_eq!(settle("p", &file, "a\n", "b\n", false).unwrap(), None);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "b\n");
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn first_difference_is_found() {
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), (2, "b", "c"));
        assert_eq!(first_difference("a\n", "a\nc\n"), (2, "(the end)", "c"));
        assert_eq!(first_difference("a\nb", "a\n"), (2, "b", "(the end)"));
        assert_eq!(first_difference("a", "a\n").0, 2);
    }
}
