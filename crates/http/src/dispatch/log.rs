//! The lines that requests leave in the log.

use std::time::Instant as Stopwatch;

use actix_web::{HttpRequest, rt};
use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::{Seen, oauth};
use crate::credential::Carrier;
use crate::error::ApiError;
use crate::routes::{Operation, all_routes};

/// One line per request that matters: faults as errors, refusals and changes as information, the rest for debugging. A
/// line per allowed check would cost as much as the check; one in so many is shown where the settings ask for it.
pub(super) fn log(
    request: &HttpRequest,
    request_id: &str,
    seen: &Seen<'_>,
    status: u16,
    error: Option<&ApiError>,
    stopwatch: Stopwatch,
) {
    // Vending a token, searching with a body and asking about rights change nothing.
    let changing = !request.method().is_safe()
        && seen.route.is_none_or(|route| {
            !matches!(
                route.operation,
                Operation::SearchApiKeysByBody
                    | Operation::SearchAuditLogsByBody
                    | Operation::FlushEntitySearch
                    | Operation::SearchEntitiesByBody
                    | Operation::SearchEntityGrantsByBody
                    | Operation::SearchEntityTypesByBody
                    | Operation::SearchIpAccessControlListsByBody
                    | Operation::SearchKeysByBody
                    | Operation::SearchTenantsByBody
                    | Operation::VendToken
                    | Operation::IssueToken
                    | Operation::IntrospectToken
                    | Operation::Authorize
                    | Operation::ForwardAuth
                    | Operation::ExtAuthz
            )
        });
    let level = match error {
        // Whoever follows the changes has told of it once: nobody wants a line for each request of an outage.
        Some(ApiError::Unavailable(None)) => Level::DEBUG,
        Some(ApiError::Internal(_) | ApiError::Unavailable(Some(_))) => Level::ERROR,
        Some(ApiError::Busy(_) | ApiError::NoUpstreamToken(_)) => Level::WARN,
        Some(ApiError::Refused(_)) => Level::INFO,
        Some(ApiError::OAuth(refusal)) => oauth::level(refusal.error),
        None if changing => Level::INFO,
        None if seen.worker.is_sampled() => Level::INFO,
        _ => Level::DEBUG,
    };
    // What a line shows costs as much as a check: it is put together only if somebody reads it.
    if level > LevelFilter::current() {
        return;
    }
    let method = request.method().as_str();
    let path = loggable(request.uri().path());
    let path = path.as_str();
    let duration_us = u64::try_from(stopwatch.elapsed().as_micros()).unwrap_or(u64::MAX);
    let peer = seen.client.peer().to_string();
    let client = seen.client.behind_peer();
    let carrier = seen.carrier.map(Carrier::as_str);
    let api_key_id = text_or_dash(seen.caller.map(|value| value.api_key_id));
    // Absent where none is involved.
    let entity_id = seen.entity.map(|id| id.to_string());
    match error {
        Some(ApiError::Internal(reason)) => {
            tracing::error!(request_id, method, path, status, duration_us, reason, "internal error");
        }
        Some(ApiError::Unavailable(None)) => {
            tracing::debug!(request_id, method, path, status, duration_us, "this node has no lease");
        }
        Some(ApiError::Unavailable(Some(source))) => {
            let reason = source.to_string();
            tracing::error!(request_id, method, path, status, duration_us, reason, "database unavailable");
        }
        Some(ApiError::Busy(what)) => {
            tracing::warn!(request_id, method, path, status, duration_us, what, "too busy");
        }
        Some(ApiError::NoUpstreamToken(reason)) => {
            tracing::warn!(
                request_id,
                method,
                path,
                status,
                duration_us,
                reason,
                "no token for the upstream"
            );
        }
        Some(ApiError::Refused(refusal)) => {
            // After the answer has gone: lines about keys that are known are longer than those about others.
            let (request_id, method, path) = (request_id.to_owned(), method.to_owned(), path.to_owned());
            let refusal = *refusal;
            rt::spawn(async move {
                let reason = refusal.as_str();
                let api_key_id = text_or_dash(refusal.api_key_id());
                let entity_id = refusal.entity_id().map(|id| id.to_string());
                tracing::info!(
                    request_id, method, path, status, peer, client, carrier, reason, api_key_id, entity_id,
                    "refused"
                );
            });
        }
        Some(ApiError::OAuth(refusal)) => {
            // As above: from outside an unknown client is one with a wrong secret.
            let (request_id, method, path) = (request_id.to_owned(), method.to_owned(), path.to_owned());
            let reason = refusal.error.as_str();
            rt::spawn(async move {
                match level {
                    Level::WARN => {
                        tracing::warn!(request_id, method, path, status, peer, client, reason, "no token");
                    }
                    Level::INFO => {
                        tracing::info!(request_id, method, path, status, peer, client, reason, "refused");
                    }
                    _ => tracing::debug!(request_id, method, path, status, peer, client, reason, "refused"),
                }
            });
        }
        _ => {
            macro_rules! line {
                ($level:ident, $message:literal) => {
                    tracing::$level!(
                        request_id,
                        method,
                        path,
                        status,
                        duration_us,
                        peer,
                        client,
                        carrier,
                        api_key_id,
                        entity_id,
                        $message
                    )
                };
            }
            match level {
                Level::INFO if changing => line!(info, "changed"),
                Level::INFO => line!(info, "answered"),
                _ => line!(debug, "answered"),
            }
        }
    }
}

fn text_or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A path as it may stand in the log. Somebody who puts an API key into the path by mistake must not find it there, so
/// only segments that routes know or that are ids are shown.
fn loggable(path: &str) -> String {
    let known = |segment: &str| {
        segment.is_empty()
            || segment.parse::<claviger_domain::KeyId>().is_ok()
            || all_routes().any(|route| route.template.split('/').any(|literal| literal == segment))
    };
    let segments: Vec<_> =
        path.split('/').take(16).map(|segment| if known(segment) { segment } else { "*" }).collect();
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_shows_no_unknown_segment() {
        assert_eq!(loggable("/api/key/generate/"), "/api/key/generate/");
        assert_eq!(
            loggable("/api/key/780e1d5b-ee3b-43b2-aec8-db99b99adc4e"),
            "/api/key/780e1d5b-ee3b-43b2-aec8-db99b99adc4e"
        );
        assert_eq!(loggable("/api/api-key/clv_secret"), "/api/api-key/*");
    }
}
