//! What the documentation repeats from the code, as Markdown; `cargo xtask codegen` puts it into the pages.

use std::fmt::Write;

use claviger_domain::{CODES, Place};
use claviger_http::{Dialect, FUSION_CODES, GATEWAY_ROUTES, Guard, OAUTH_ERRORS, ROUTES, openapi_document};

use crate::settings::SETTINGS;

/// A part of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Codes,
    FusionCodes,
    OAuthErrors,
    OpenApi,
    Routes,
    Settings,
}

impl Part {
    const ALL: [(&'static str, Self); 6] = [
        ("codes", Self::Codes),
        ("fusion-codes", Self::FusionCodes),
        ("oauth-errors", Self::OAuthErrors),
        ("openapi", Self::OpenApi),
        ("routes", Self::Routes),
        ("settings", Self::Settings),
    ];

    /// The names of the parts.
    pub(crate) const NAMES: [&'static str; 6] =
        [Self::ALL[0].0, Self::ALL[1].0, Self::ALL[2].0, Self::ALL[3].0, Self::ALL[4].0, Self::ALL[5].0];

    /// The part with this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(own, _)| *own == name).map(|(_, part)| part)
    }

    /// The text of the part, with a newline at its end.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Codes => codes(),
            Self::FusionCodes => fusion_codes(),
            Self::OAuthErrors => oauth_errors(),
            Self::OpenApi => format!("{:#}\n", openapi_document()),
            Self::Routes => routes(),
            Self::Settings => settings(),
        }
    }
}

fn routes() -> String {
    let rows = ROUTES.iter().chain(GATEWAY_ROUTES).map(|route| {
        let guard = match route.guard {
            Guard::Public => "anybody".to_owned(),
            Guard::Endpoint(endpoint) => format!("`{} {endpoint}`", route.method),
            Guard::Optional(endpoint) => format!("anybody; more with `{} {endpoint}`", route.method),
            Guard::Operator(endpoint) => {
                format!("`{} {endpoint}`, also with Basic; the machine itself", route.method)
            }
            Guard::KeyManager => match route.dialect {
                Some(Dialect::Fusion) => "key managers, with `x-api-key`".to_owned(),
                Some(Dialect::FusionAuth) => "key managers, with `Authorization`".to_owned(),
                Some(Dialect::OAuth) | None => "key managers".to_owned(),
            },
            Guard::Roles => "key managers, or by role".to_owned(),
            Guard::Gateway => "gateways, with the credential of the request".to_owned(),
        };
        let path = format!("`{}`", route.template);
        let scope = route.scope_name().to_owned();
        let method = match route.guard {
            Guard::Gateway => "any".to_owned(),
            _ => format!("`{}`", route.method),
        };
        vec![method, path, guard, scope, route.summary.to_owned()]
    });
    table(["method", "path", "who may call it", "scope", "what it does"], rows)
}

fn codes() -> String {
    let rows = CODES.iter().map(|code| {
        let (text, place) = match code.place {
            Place::Request => (format!("[{}]", code.reason), "the request".to_owned()),
            Place::Field(path) => (format!("[{}]{path}", code.reason), format!("`{path}`")),
            Place::AnyField => (format!("[{}]…", code.reason), "the member that it names".to_owned()),
        };
        vec![format!("`{text}`"), place, code.message.to_owned()]
    });
    table(["code", "where", "message"], rows)
}

fn fusion_codes() -> String {
    let rows = FUSION_CODES
        .iter()
        .map(|(status, code, meaning)| vec![status.to_string(), format!("`{code}`"), (*meaning).to_owned()]);
    table(["status", "code", "meaning"], rows)
}

fn oauth_errors() -> String {
    let mut rows: Vec<_> = Vec::new();
    for (status, error, reason, description) in OAUTH_ERRORS {
        let row =
            vec![status.to_string(), format!("`{error}`"), format!("`{reason}`"), (*description).to_owned()];
        // What looks alike from outside is one row.
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    table(["status", "error", "error_reason", "error_description"], rows.into_iter())
}

fn settings() -> String {
    let mut text = table(
        ["setting", "value", "default", "meaning"],
        SETTINGS.iter().map(|setting| {
            vec![
                format!("`{}`", setting.name),
                setting.value.to_owned(),
                setting.default.to_owned(),
                setting.description.to_owned(),
            ]
        }),
    );
    text.push('\n');
    text.push_str(&table(
        ["setting", "flag", "environment", "file"],
        SETTINGS.iter().map(|setting| {
            vec![
                format!("`{}`", setting.name),
                setting.flag().map_or_else(|| "none: a secret".to_owned(), |flag| format!("`--{flag}`")),
                format!("`{}`", setting.variable()),
                format!("`{}`", setting.key()),
            ]
        }),
    ));
    text
}

/// A table in Markdown. Bars inside cells are escaped.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        // Writing to a string cannot fail.
        let _written = writeln!(text, "| {} |", cells.join(" | "));
    };
    line(head.map(str::to_owned).to_vec());
    line(head.map(|_| "---".to_owned()).to_vec());
    rows.for_each(&mut line);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_as_many_cells_as_the_head() {
        for part in [Part::Codes, Part::FusionCodes, Part::OAuthErrors, Part::Routes, Part::Settings] {
            let text = part.text();
            for table in text.split("\n\n") {
                let cells = |line: &str| line.replace("\\|", "").matches('|').count();
                let head = table.lines().next().map(cells).unwrap();
                assert!(table.lines().count() > 10, "{part:?}");
                assert!(table.lines().all(|line| cells(line) == head), "{part:?}");
            }
        }
    }

    #[test]
    fn every_setting_and_route_is_there() {
        let (settings, routes) = (Part::Settings.text(), Part::Routes.text());
        for setting in SETTINGS {
            assert!(settings.contains(&format!("| `{}` |", setting.name)), "{}", setting.name);
        }
        for route in ROUTES.iter().chain(GATEWAY_ROUTES) {
            assert!(routes.contains(route.template), "{}", route.template);
        }
    }
}
