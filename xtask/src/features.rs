//! Which features the workspace is built with: both databases and what is optional always, and OpenSSL from the system where its headers
//! are installed, because compiling it costs minutes. `CLAVIGER_VENDORED=1` asks for what a user builds.

use std::path::Path;
use std::process::{Command, Stdio};

/// Packages with a feature per database.
const DATABASE_PACKAGES: [&str; 3] = ["claviger", "claviger-http", "claviger-storage"];
/// The package with an optional `serde`, and the feature.
const OPTIONAL: (&str, &str) = ("claviger-authz", "claviger-authz/serde");
/// Packages with the feature `vendored`.
const VENDORED_PACKAGES: [&str; 3] = ["claviger", "claviger-http", "claviger-crypto"];

/// Where OpenSSL comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenSsl {
    /// The headers and libraries of the machine.
    System,
    /// Compiled from source.
    Vendored,
}

impl OpenSsl {
    /// Looks at `CLAVIGER_VENDORED` and at the machine, and says what was found.
    pub(crate) fn detect() -> Self {
        let forced = std::env::var("CLAVIGER_VENDORED").is_ok_and(|value| value == "1");
        let chosen = if !forced && headers_installed() { Self::System } else { Self::Vendored };
        println!(
            "OpenSSL: {}",
            match chosen {
                Self::System => "the system's (CLAVIGER_VENDORED=1 compiles it in)",
                Self::Vendored if forced => "compiled in, as CLAVIGER_VENDORED=1 asks",
                Self::Vendored => "compiled in, since no headers of it are installed (this takes minutes)",
            }
        );
        chosen
    }

    /// The arguments for a cargo command over the whole workspace (no `packages`) or over some packages of it.
    pub(crate) fn arguments(self, packages: &[String]) -> Vec<String> {
        let mut features = Vec::new();
        if packages.is_empty() {
            if self == Self::Vendored {
                return vec!["--features".to_owned(), OPTIONAL.1.to_owned()];
            }
            features.push(OPTIONAL.1.to_owned());
            features.extend(["claviger/postgres".to_owned(), "claviger/sqlite".to_owned()]);
        }
        for package in packages.iter().map(String::as_str) {
            if DATABASE_PACKAGES.contains(&package) {
                features.extend([format!("{package}/postgres"), format!("{package}/sqlite")]);
            }
            if package == OPTIONAL.0 {
                features.push(OPTIONAL.1.to_owned());
            }
            if self == Self::Vendored && VENDORED_PACKAGES.contains(&package) {
                features.push(format!("{package}/vendored"));
            }
        }
        let mut arguments = vec!["--no-default-features".to_owned()];
        if !features.is_empty() {
            arguments.extend(["--features".to_owned(), features.join(",")]);
        }
        arguments
    }
}

fn headers_installed() -> bool {
    let known_to_pkg_config = Command::new("pkg-config")
        .args(["--exists", "openssl"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    known_to_pkg_config || Path::new("/usr/include/openssl/ssl.h").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(openssl: OpenSsl, packages: &[&str], expected: &str) {
        let packages: Vec<String> = packages.iter().map(|&package| package.to_owned()).collect();
        assert_eq!(openssl.arguments(&packages).join(" "), expected);
    }

    #[test]
    fn arguments_follow_the_selection() {
        let both = "--no-default-features --features claviger/postgres,claviger/sqlite";
        check(
            OpenSsl::System,
            &[],
            "--no-default-features --features claviger-authz/serde,claviger/postgres,claviger/sqlite",
        );
        check(OpenSsl::Vendored, &[], "--features claviger-authz/serde");
        check(OpenSsl::System, &["claviger"], both);
        check(OpenSsl::Vendored, &["claviger"], &format!("{both},claviger/vendored"));
        check(OpenSsl::System, &["claviger-authz"], "--no-default-features --features claviger-authz/serde");
        check(OpenSsl::System, &["claviger-crypto"], "--no-default-features");
        check(
            OpenSsl::Vendored,
            &["claviger-crypto"],
            "--no-default-features --features claviger-crypto/vendored",
        );
        check(
            OpenSsl::Vendored,
            &["claviger-storage", "claviger-authz"],
            "--no-default-features --features \
             claviger-storage/postgres,claviger-storage/sqlite,claviger-authz/serde",
        );
    }
}
