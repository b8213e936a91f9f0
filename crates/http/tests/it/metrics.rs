//! `/api/prometheus/metrics`: who sees it, that it is OpenMetrics, and that every number is what was done.

mod access;
mod counters;
mod openmetrics;
mod readings;

use std::collections::BTreeMap;

use crate::support::{Reply, Server};

const PATH: &str = "/api/prometheus/metrics";

/// Series with their values.
type Series = BTreeMap<String, f64>;

/// The series in an answer, every line of which has been checked.
#[track_caller]
fn read(reply: &Reply) -> Series {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        reply.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    openmetrics::parse(reply.text())
}

/// The metrics, as the key manager sees them.
#[track_caller]
fn look(server: &Server) -> Series {
    read(&server.as_key_manager().get(PATH))
}

/// The value of a series that is there.
#[track_caller]
fn value(series: &Series, name: &str) -> f64 {
    *series.get(name).unwrap_or_else(|| panic!("{name} is not in {series:?}"))
}

/// The name of the counter of requests.
fn requests(method: &str, route: &str, status: u16) -> String {
    format!("claviger_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}")
}

/// The name of the counter of decisions.
fn decisions(reason: &str) -> String {
    format!("claviger_decisions_total{{reason=\"{reason}\"}}")
}
