//! What was set where: flags, environment and file are read into one map of texts, the first of them that names a
//! setting wins, and names that nobody knows are collected as problems.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use claviger_domain::SecretText;

use crate::config::Problems;
use crate::settings::{CONFIG_VARIABLE, PREFIX, SETTINGS, Setting, is_foreign, is_planned};

/// The flags of one call.
#[derive(Default)]
pub(crate) struct Flags {
    /// `--config`
    pub(crate) config: Option<PathBuf>,
    /// The settings that were given, each once.
    pub(crate) values: Vec<(&'static Setting, String)>,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command line.
    Flag,
    /// An environment variable.
    Environment,
    /// The configuration file.
    File,
    /// Nothing was set.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Default => "default",
        })
    }
}

/// A value as it was given. It may be a secret.
pub(crate) struct Given {
    /// The text.
    pub(crate) text: SecretText,
    /// Where it comes from.
    pub(crate) source: Source,
    /// The name under which it was given, for messages.
    pub(crate) place: String,
}

/// Everything that was set.
pub(crate) struct Sources {
    given: HashMap<&'static str, Given>,
    /// The configuration file, if it holds a secret.
    pub(crate) file_with_secret: Option<PathBuf>,
}

impl Sources {
    /// Reads flags, environment and file. What is wrong with names goes to `problems`.
    pub(crate) fn read(flags: &Flags, environment: &[(OsString, OsString)], problems: &mut Problems) -> Self {
        let mut sources = Self { given: HashMap::new(), file_with_secret: None };
        for (setting, value) in &flags.values {
            let place = format!("--{}", setting.flag().unwrap_or_default());
            sources.add(setting, Source::Flag, place, value.clone());
        }
        let mut file = flags.config.clone();
        for (name, value) in environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            if value.is_empty() {
                continue;
            }
            if name == CONFIG_VARIABLE {
                file = file.or_else(|| Some(PathBuf::from(value)));
            } else {
                sources.add_variable(name, value, problems);
            }
        }
        if let Some(path) = file {
            sources.add_file(&path, problems);
        }
        sources
    }

    /// What was given for a setting, in the place that counts.
    pub(crate) fn take(&mut self, setting: &Setting) -> Option<Given> {
        self.given.remove(setting.name)
    }

    fn add(&mut self, setting: &'static Setting, source: Source, place: String, text: String) {
        self.given.entry(setting.name).or_insert(Given { text: SecretText::from(text), source, place });
    }

    fn add_variable(&mut self, variable: &str, value: &OsString, problems: &mut Problems) {
        let name = variable.strip_prefix(PREFIX).unwrap_or(variable);
        match (find(name), value.to_str()) {
            (Some(setting), Some(text)) => {
                self.add(setting, Source::Environment, variable.to_owned(), text.to_owned());
            }
            (Some(_), None) => problems.add(&variable, "the value is not UTF-8"),
            (None, _) if is_foreign(name) => {}
            (None, _) => problems.add(&variable, unknown(name).unwrap_or("there is no such setting")),
        }
    }

    fn add_file(&mut self, path: &Path, problems: &mut Problems) {
        let shown = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return problems.add(&shown, format!("cannot be read: {error}")),
        };
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                // The error's own text quotes the line, which may hold a secret.
                let line = error.span().map_or(1, |span| {
                    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count().saturating_add(1)
                });
                return problems.add(&format!("{shown}:{line}"), "is not TOML");
            }
        };
        for (key, value) in table {
            let place = format!("{shown}: {key}");
            let name = key.to_ascii_uppercase();
            let Some(setting) = find(&name).filter(|setting| setting.key() == key) else {
                let planned = is_planned(&name).then_some("not supported in this version");
                problems.add(&place, planned.unwrap_or("there is no such setting"));
                continue;
            };
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(value) => value.to_string(),
                _ => {
                    problems.add(&place, "must be a text, a whole number or true or false");
                    continue;
                }
            };
            if setting.secret {
                self.file_with_secret = Some(path.to_owned());
            }
            self.add(setting, Source::File, place, text);
        }
    }
}

fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().copied().find(|setting| setting.name == name)
}

/// What is known about a name, in capitals, that cannot be used where it stands.
pub(crate) fn unknown(name: &str) -> Option<&'static str> {
    if is_planned(name) {
        Some("not supported in this version")
    } else if find(name).is_some_and(|setting| setting.secret) {
        Some("a secret has no flag, because the list of processes shows it: use the environment or a file")
    } else {
        None
    }
}
