//! `cargo xtask deps`: who may depend on whom. A new arrow or a new crate is a decision: it takes a row here, with its
//! reason, and an entry in docs/DECISIONS.md.

use crate::run::{Failure, Result, cargo, read, root};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// What one package of the workspace uses outside tests: exactly these.
struct Package {
    name: &'static str,
    /// Packages of this workspace, and the crates that its job is made of.
    uses: &'static [&'static str],
    /// Each further crate with its reason.
    further: &'static [(&'static str, &'static str)],
}

const PACKAGES: [Package; 8] = [
    Package {
        name: "claviger-domain",
        uses: &["thiserror", "uuid"],
        further: &[("zeroize", "secrets are wiped when they are dropped")],
    },
    Package {
        name: "claviger-authz",
        uses: &["claviger-domain"],
        further: &[("serde", "only with the feature of this name: answers as JSON, permissions from JSON")],
    },
    Package {
        name: "claviger-keyring",
        uses: &["claviger-authz", "claviger-domain"],
        further: &[
            ("papaya", "a map whose readers never wait for writers"),
            ("smol_str", "short names in the keyring's slots themselves"),
        ],
    },
    Package {
        name: "claviger-crypto",
        uses: &["claviger-domain", "josekit", "openssl", "rand", "serde_json", "thiserror"],
        further: &[
            ("base64", "key ids, thumbprints and the master key; josekit brings it anyway"),
            ("blake3", "the keyed digest of API keys, on every request"),
            ("crc32fast", "the checksum at the end of a generated API key"),
            ("serde", "the strict JSON reader is a visitor; serde_json brings it anyway"),
            ("zeroize", "buffers with key material are wiped"),
        ],
    },
    Package {
        name: "claviger-storage",
        uses: &["claviger-domain", "diesel", "diesel_migrations", "thiserror"],
        further: &[
            ("libsqlite3-sys", "only for its feature that compiles SQLite in"),
            ("pq-sys", "only for its feature that compiles libpq in"),
            ("rustix", "leases go by a clock that goes on while the machine sleeps, which std does not have"),
            ("serde_json", "attributes of keys and the before and after of a change are JSON columns"),
            ("tracing", "the writer and the lock run in own threads, where nobody gets their errors"),
        ],
    },
    Package {
        name: "claviger-http",
        uses: &[
            "actix-web",
            "claviger-authz",
            "claviger-crypto",
            "claviger-domain",
            "claviger-keyring",
            "claviger-storage",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
        ],
        further: &[
            ("base64", "an API key can be the password of Basic"),
            ("prometheus-client", "the metrics, in an explicit registry of each server"),
            ("rustix", "RSA keys are generated ahead on a thread of the lowest priority"),
            ("zeroize", "a decoded password is wiped"),
        ],
    },
    Package {
        name: "claviger",
        uses: &[
            "claviger-crypto",
            "claviger-domain",
            "claviger-http",
            "claviger-storage",
            "thiserror",
            "tracing",
            "tracing-subscriber",
        ],
        further: &[("clap", "the command line with complete help"), ("toml", "the configuration file")],
    },
    Package {
        name: "xtask",
        uses: &[],
        further: &[
            ("claviger-authz", "the test of gateways asks the engine itself what a key may do"),
            ("claviger-domain", "the vocabulary of that question"),
            ("serde_json", "the answer of cargo metadata"),
        ],
    },
];

/// Crates that may not be in Cargo.lock at all, and why.
const FORBIDDEN: [(&str, &str); 2] = [
    ("h2", "its 0.3 has RUSTSEC-2026-0258, and nothing here speaks HTTP/2"),
    ("rsa", "RUSTSEC-2023-0071: its timing gives private keys away"),
];

/// The snapshot of what an embedding service compiles with `claviger-authz`.
const TREE: &str = "xtask/authz-tree.txt";
/// With claviger-authz and claviger-domain themselves.
const LARGEST_TREE: usize = 12;
/// No package of that tree may have one of these in its name: they do I/O, or bind to C.
const OUTSIDE_TREE: [&str; 12] = [
    "actix", "async", "diesel", "hyper", "mio", "openssl", "pq-sys", "r2d2", "rusqlite", "socket", "sqlite",
    "tokio",
];

/// Checks all rules; with `bless`, writes the snapshot of the tree anew instead of comparing it.
///
/// # Errors
/// A rule is broken (each is printed), or cargo fails.
pub(crate) fn run(bless: bool) -> Result<()> {
    let problems = problems(bless)?;
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} broken rules of dependencies"))),
    }
}

fn problems(bless: bool) -> Result<Vec<String>> {
    let root = root();
    let metadata = read(&mut cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata)
        .map_err(|error| Failure::new(format!("the answer of cargo metadata: {error}")))?;
    let mut problems = table(&metadata);
    for manifest in manifests(&metadata) {
        let path = Path::new(manifest);
        problems.extend(versions(&shorten(path, &root), &read_file(path)?));
    }
    problems.extend(lock(&read_file(&root.join("Cargo.lock"))?));

    // One target for everyone, so that the snapshot is the same on every machine.
    let tree = read(&mut cargo([
        "tree",
        "--package=claviger-authz",
        "--edges=normal",
        "--prefix=none",
        "--format=|{p}",
        "--target=x86_64-unknown-linux-gnu",
    ]))?;
    let tree = tree_names(&tree);
    problems.extend(tree_rules(&tree));
    let snapshot = root.join(TREE);
    let text: String = tree.iter().map(|name| format!("{name}\n")).collect();
    if bless {
        std::fs::write(&snapshot, text).map_err(|error| Failure::file(&snapshot, &error))?;
    } else if read_file(&snapshot)? != text {
        problems.push(format!(
            "{TREE}: claviger-authz now compiles {}: if that is wanted, run `cargo xtask deps --bless`",
            tree.iter().cloned().collect::<Vec<_>>().join(", ")
        ));
    }
    Ok(problems)
}

fn read_file(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

fn shorten(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata.get("packages").and_then(Value::as_array).into_iter().flatten()
}

fn manifests(metadata: &Value) -> impl Iterator<Item = &str> {
    packages(metadata).filter_map(|package| package.get("manifest_path")?.as_str())
}

/// Compares the manifests with [`PACKAGES`].
fn table(metadata: &Value) -> Vec<String> {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut problems = Vec::new();
    let mut met = BTreeSet::new();
    for package in packages(metadata) {
        let name = text(package, "name");
        met.insert(name.clone());
        let Some(allowed) = PACKAGES.iter().find(|allowed| allowed.name == name) else {
            problems.push(format!("{name}: no row in the table of xtask/src/deps.rs"));
            continue;
        };
        let allowed: BTreeSet<&str> =
            allowed.uses.iter().copied().chain(allowed.further.iter().map(|(name, _)| *name)).collect();
        let mut used = BTreeSet::new();
        for dependency in package.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            match text(dependency, "kind").as_str() {
                "dev" => {}
                "build" => {
                    problems.push(format!("{name}: a build dependency on {}", text(dependency, "name")))
                }
                _ => drop(used.insert(text(dependency, "name"))),
            }
        }
        for new in used.iter().filter(|used| !allowed.contains(used.as_str())) {
            problems.push(format!("{name}: may not use {new} (the table of xtask/src/deps.rs)"));
        }
        for gone in allowed.iter().filter(|allowed| !used.contains(**allowed)) {
            problems
                .push(format!("{name}: no longer uses {gone}: take it off the table of xtask/src/deps.rs"));
        }
    }
    for package in PACKAGES.iter().filter(|package| !met.contains(package.name)) {
        problems
            .push(format!("{}: in the table of xtask/src/deps.rs, but not in the workspace", package.name));
    }
    problems
}

/// Members take every version from the workspace's table.
fn versions(path: &str, manifest: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut in_dependencies = false;
    for (index, line) in manifest.lines().enumerate() {
        let place = format!("{path}:{}", index + 1);
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end().trim_end_matches(']');
            in_dependencies = section.ends_with("dependencies") && section != "workspace.dependencies";
            if section.contains("dependencies.") {
                problems.push(format!("{place}: write `name = {{ workspace = true, … }}` in one line"));
            }
            continue;
        }
        let entry = line.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '"' || c == '_');
        let inherited = line.contains(".workspace = true") || line.contains("{ workspace = true");
        if in_dependencies && entry && !inherited {
            problems.push(format!("{place}: the version belongs into the workspace's table"));
        }
    }
    problems
}

/// Nothing forbidden, and nothing from elsewhere than the registry.
fn lock(text: &str) -> Vec<String> {
    let value = |line: &'_ str, key: &str| -> Option<String> {
        Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
    };
    let mut problems = Vec::new();
    let mut registry: Option<String> = None;
    for line in text.lines() {
        if let Some(name) = value(line, "name")
            && let Some((name, reason)) = FORBIDDEN.iter().find(|(forbidden, _)| *forbidden == name)
        {
            problems.push(format!("Cargo.lock: {name} is forbidden: {reason}"));
        }
        // All packages come from one registry; that it is cargo's own is checked by cargo-deny.
        if let Some(source) = value(line, "source") {
            let registry = registry.get_or_insert_with(|| source.to_owned());
            if !source.starts_with("registry+") || source != *registry {
                problems.push(format!("Cargo.lock: a package from {source}"));
            }
        }
    }
    problems
}

/// The packages in cargo's tree (lines of `|name version …`), each once.
fn tree_names(tree: &str) -> BTreeSet<String> {
    let names = tree.lines().filter_map(|line| line.split_once('|')?.1.split_whitespace().next());
    names.map(str::to_owned).collect()
}

fn tree_rules(tree: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    if tree.len() > LARGEST_TREE {
        problems.push(format!("claviger-authz compiles {} packages, more than {LARGEST_TREE}", tree.len()));
    }
    for name in tree {
        if OUTSIDE_TREE.iter().any(|forbidden| name.contains(forbidden)) {
            problems.push(format!("claviger-authz may not compile {name}: it stays free of I/O"));
        }
    }
    if !tree.contains("claviger-authz") {
        problems.push("the tree of claviger-authz does not name it: cargo's format has changed".to_owned());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// So that a plain `cargo test` tells of broken rules too.
    #[test]
    fn this_workspace_keeps_the_rules() {
        assert_eq!(problems(false).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn every_further_crate_has_a_reason() {
        for package in PACKAGES {
            assert!(package.further.iter().all(|(_, reason)| !reason.is_empty()), "{}", package.name);
        }
    }

    fn metadata(package: &str, dependencies: &[(&str, Value)]) -> Value {
        let dependencies: Vec<Value> =
            dependencies.iter().map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
        json!({ "packages": [{ "name": package, "dependencies": dependencies }] })
    }

    #[track_caller]
    fn in_table(metadata: &Value, expected: &str) {
        let problems = table(metadata);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{problems:?}");
    }

    #[test]
    fn table_is_exact() {
        let domain = ("claviger-domain", Value::Null);
        let serde = ("serde", Value::Null);
        let problems =
            table(&metadata("claviger-authz", &[domain.clone(), serde, ("proptest", json!("dev"))]));
        assert!(!problems.iter().any(|problem| problem.starts_with("claviger-authz:")), "{problems:?}");
        in_table(
            &metadata("claviger-authz", &[domain.clone(), ("tokio", Value::Null)]),
            "claviger-authz: may not use tokio",
        );
        in_table(&metadata("claviger-authz", &[]), "claviger-authz: no longer uses claviger-domain");
        in_table(&metadata("claviger-authz", &[domain, ("cc", json!("build"))]), "a build dependency on cc");
        in_table(&metadata("claviger-new", &[]), "claviger-new: no row");
        in_table(&metadata("claviger-new", &[]), "claviger-http: in the table");
    }

    #[test]
    fn versions_stand_in_the_workspace_only() {
        let good = "[package]\nname = \"a\"\nversion.workspace = true\n[dependencies]\nb.workspace = true\n\
                    c = { workspace = true, features = [\n  \"d\",\n] }\n# e\n\n[features]\nf = []\n";
        assert!(versions("a", good).is_empty());
        for bad in [
            "[dependencies]\nb = \"1\"\n",
            "[dev-dependencies]\nb = { version = \"1\" }\n",
            "[build-dependencies]\nb = { path = \"../b\" }\n",
            "[target.'cfg(unix)'.dependencies]\nb = \"1\"\n",
            "[dependencies.b]\nversion = \"1\"\n",
        ] {
            assert_eq!(versions("a", bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn forbidden_crates_and_foreign_sources_are_seen() {
        let own = "registry+https://example.org/index";
        let good = format!(
            "[[package]]\nname = \"rsa-other\"\nsource = \"{own}\"\ndependencies = [\n \"h2x\",\n]\n"
        );
        assert!(lock(&good).is_empty());
        assert_eq!(lock("[[package]]\nname = \"rsa\"\nversion = \"0.9.0\"\n").len(), 1);
        assert_eq!(lock("name = \"h2\"\n").len(), 1);
        assert_eq!(lock("source = \"git+https://example.org/a\"\n").len(), 1);
        assert_eq!(lock(&format!("{good}source = \"registry+https://example.org/other\"\n")).len(), 1);
    }

    #[test]
    fn tree_is_small_and_pure() {
        let tree = |names: &[&str]| {
            let lines: String = names.iter().map(|name| format!("|{name} v1.0.0\n")).collect();
            tree_names(&format!("{lines}|claviger-authz v0.1.0 (path)\n|claviger-authz v0.1.0 (*)\n"))
        };
        assert_eq!(tree(&["uuid"]).len(), 2);
        assert!(tree_rules(&tree(&["uuid"])).is_empty());
        assert_eq!(tree_rules(&tree(&["tokio-util"])).len(), 1);
        assert_eq!(tree_rules(&tree(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"])).len(), 1);
        assert_eq!(tree_rules(&tree_names("")).len(), 1);
    }
}
