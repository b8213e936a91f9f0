//! What `/api/prometheus/metrics` shows, in the text format of OpenMetrics 1.0, which Prometheus reads.
//!
//! Labels come from fixed lists (routes, statuses, reasons, algorithms): nothing that a caller sends becomes a label, so
//! that nobody can make series without end or put a secret into one.

mod tally;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use claviger_domain::{KeyAlgorithm, KeySpec, KeyType, RsaLength};
use claviger_storage::FeedStatus;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub(crate) use self::tally::Tally;
use crate::gate::Refusal;
use crate::ops::token::InvalidToken;

/// The media type of the text.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Statuses that are counted apart; the rest are rare.
const STATUSES: [u16; 14] = [200, 304, 400, 401, 403, 404, 405, 408, 409, 413, 452, 500, 501, 503];

/// The label of requests that no route matches.
const NO_ROUTE: &str = "none";

/// Seconds: an HMAC secret takes microseconds, an RSA key of 4096 bits up to several seconds.
const GENERATION_BUCKETS: [f64; 12] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// How many keys are near the end of their certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NearExpiry {
    /// The certificate has ended.
    pub(crate) ended: u64,
    /// It ends within 7 days.
    pub(crate) within_7_days: u64,
    /// It ends within 30 days, but not within 7.
    pub(crate) within_30_days: u64,
    /// It ends within 90 days, but not within 30.
    pub(crate) within_90_days: u64,
}

/// What is read off at the moment of asking.
pub(crate) struct Readings {
    /// API keys in memory.
    pub(crate) api_keys: usize,
    /// Distinct sets of permissions in memory.
    pub(crate) permission_sets: usize,
    /// Keys near expiry; `None` while the database is away.
    pub(crate) near_expiry: Option<NearExpiry>,
    /// RSA keys in stock and their bytes, by length.
    pub(crate) rsa_stock: Vec<(RsaLength, usize, usize)>,
    /// Signing keys that are parsed and at hand.
    pub(crate) parsed_keys: usize,
    /// How this node follows the others, where there can be others.
    pub(crate) feed: Option<FeedStatus>,
}

/// All metrics of one server.
pub(crate) struct Metrics {
    registry: Registry,
    /// What the workers counted and nobody looked at yet.
    tallies: Mutex<Vec<Arc<Tally>>>,
    requests: Family<Labels<3>, Counter>,
    decisions: Family<Labels<1>, Counter>,
    /// Those of `decisions` by the place of the refusal, so that counting takes the same time whatever the reason.
    refused: Vec<Counter>,
    allowed: Counter,
    signatures: Family<Labels<1>, Counter>,
    upstream_tokens: Family<Labels<1>, Counter>,
    validations: Family<Labels<1>, Counter>,
    oauth_tokens: Family<Labels<1>, Counter>,
    introspections: Family<Labels<1>, Counter>,
    generations: Family<Labels<1>, Histogram, fn() -> Histogram>,
    stock_misses: Family<Labels<1>, Counter>,
    stock_keys: Family<Labels<1>, Gauge>,
    stock_bytes: Family<Labels<1>, Gauge>,
    near_expiry: Family<Labels<1>, Gauge>,
    api_keys: Gauge,
    permission_sets: Gauge,
    parsed_keys: Gauge,
    feed_age: Gauge<f64, AtomicU64>,
    nodes: Gauge,
    database_up: Gauge,
}

impl Metrics {
    /// Metrics that start at zero.
    pub(crate) fn new() -> Self {
        let decisions = Family::<Labels<1>, Counter>::default();
        let mut metrics = Self {
            registry: Registry::with_prefix("claviger"),
            tallies: Mutex::default(),
            requests: Family::default(),
            allowed: decisions.get_or_create_owned(&[("reason", "allowed")]),
            refused: Refusal::names()
                .map(|name| decisions.get_or_create_owned(&[("reason", name)]))
                .collect(),
            decisions,
            signatures: Family::default(),
            upstream_tokens: Family::default(),
            validations: Family::default(),
            oauth_tokens: Family::default(),
            introspections: Family::default(),
            generations: Family::new_with_constructor(|| Histogram::new(GENERATION_BUCKETS)),
            stock_misses: Family::default(),
            stock_keys: Family::default(),
            stock_bytes: Family::default(),
            near_expiry: Family::default(),
            api_keys: Gauge::default(),
            permission_sets: Gauge::default(),
            parsed_keys: Gauge::default(),
            feed_age: Gauge::default(),
            nodes: Gauge::default(),
            database_up: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("http_requests", "Requests by method, route and status", self.requests.clone());
        registry.register("decisions", "Decisions of the gate by reason", self.decisions.clone());
        registry.register("signatures", "Tokens signed, by algorithm", self.signatures.clone());
        registry.register(
            "upstream_tokens",
            "Tokens for upstreams, made or given out again",
            self.upstream_tokens.clone(),
        );
        registry.register("token_validations", "Tokens validated, by result", self.validations.clone());
        registry.register(
            "oauth_tokens",
            "Requests to the token endpoint, by result",
            self.oauth_tokens.clone(),
        );
        registry.register("introspections", "Tokens introspected, by result", self.introspections.clone());
        registry.register_with_unit(
            "key_generation",
            "Time to generate a key, by kind; keys from the stock are not counted",
            Unit::Seconds,
            self.generations.clone(),
        );
        registry.register(
            "rsa_stock_misses",
            "RSA keys that were asked for while none was in stock, by length",
            self.stock_misses.clone(),
        );
        registry.register(
            "rsa_stock_keys",
            "RSA keys generated ahead that are in stock, by length",
            self.stock_keys.clone(),
        );
        registry.register_with_unit(
            "rsa_stock",
            "Memory that the RSA keys in stock take, by length",
            Unit::Bytes,
            self.stock_bytes.clone(),
        );
        registry.register(
            "keys_near_expiry",
            "Keys by how soon their certificate ends; each is counted once, under the nearest end",
            self.near_expiry.clone(),
        );
        registry.register("api_keys", "API keys in memory", self.api_keys.clone());
        registry.register(
            "permission_sets",
            "Distinct sets of permissions in memory",
            self.permission_sets.clone(),
        );
        registry.register(
            "parsed_keys",
            "Signing keys that are parsed and at hand",
            self.parsed_keys.clone(),
        );
        registry.register_with_unit(
            "feed_age",
            "How old memory is at most: the time since the changes of all nodes were read; 0 on SQLite",
            Unit::Seconds,
            self.feed_age.clone(),
        );
        registry.register("nodes", "Nodes that serve the database", self.nodes.clone());
        registry.register(
            "database_up",
            "Whether the database answered the last question",
            self.database_up.clone(),
        );
    }

    /// Counts for one worker more.
    pub(crate) fn tally(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally::new());
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&tally));
        tally
    }

    /// Adds up what the workers counted.
    fn add_up(&self) {
        for tally in &*self.tallies.lock().unwrap_or_else(PoisonError::into_inner) {
            self.allowed.inc_by(tally.take_allowed());
            tally.take_requests(|route, status, count| {
                let labels = [
                    ("method", route.map_or(NO_ROUTE, |route| route.method.as_str())),
                    ("route", route.map_or(NO_ROUTE, |route| route.template)),
                    ("status", status),
                ];
                self.requests.get_or_create(&labels).inc_by(count);
            });
        }
    }

    /// Counts a decision against a caller.
    /// The refusal is given by its place, see [`Refusal::place`].
    pub(crate) fn refused(&self, place: usize) {
        if let Some(counter) = self.refused.get(place) {
            counter.inc();
        }
    }

    /// How many decisions were made.
    pub(crate) fn decisions(&self) -> u64 {
        self.add_up();
        self.allowed.get() + self.refused.iter().map(Counter::get).sum::<u64>()
    }

    /// Counts a signature.
    pub(crate) fn signature(&self, algorithm: KeyAlgorithm) {
        self.signatures.get_or_create(&[("algorithm", algorithm.as_str())]).inc();
    }

    /// Counts a token for an upstream that was made.
    pub(crate) fn upstream_token_made(&self) {
        self.upstream_tokens.get_or_create(&[("source", "made")]).inc();
    }

    /// Counts a token for an upstream that was given out again.
    pub(crate) fn upstream_token_reused(&self) {
        self.upstream_tokens.get_or_create(&[("source", "kept")]).inc();
    }

    /// Counts a validation.
    pub(crate) fn validation(&self, invalid: Option<InvalidToken>) {
        let result = invalid.map_or("valid", InvalidToken::as_str);
        self.validations.get_or_create(&[("result", result)]).inc();
    }

    /// Counts a request to the token endpoint: a token, or the name of what was wrong.
    pub(crate) fn oauth_token(&self, refused: Option<&'static str>) {
        self.oauth_tokens.get_or_create(&[("result", refused.unwrap_or("issued"))]).inc();
    }

    /// Counts an introspection: whether the token is active, or the name of what was wrong.
    pub(crate) fn introspection(&self, active: bool, refused: Option<&'static str>) {
        let result = refused.unwrap_or(if active { "active" } else { "inactive" });
        self.introspections.get_or_create(&[("result", result)]).inc();
    }

    /// Notes how long a key took to generate.
    pub(crate) fn generation(&self, spec: KeySpec, took: Duration) {
        self.generations.get_or_create(&[("kind", kind(spec))]).observe(took.as_secs_f64());
    }

    /// Counts a request for an RSA key that found none in stock.
    pub(crate) fn stock_miss(&self, length: RsaLength) {
        self.stock_misses.get_or_create(&[("length", length_name(length))]).inc();
    }

    /// The text, with what is read off now.
    ///
    /// # Errors
    /// Never in practice: the text is written to memory.
    pub(crate) fn render(&self, readings: &Readings) -> Result<String, std::fmt::Error> {
        self.add_up();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.api_keys.set(number(readings.api_keys));
        self.permission_sets.set(number(readings.permission_sets));
        self.parsed_keys.set(number(readings.parsed_keys));
        self.feed_age.set(readings.feed.map_or(0.0, |feed| feed.age.as_secs_f64()));
        self.nodes.set(readings.feed.map_or(1, |feed| i64::try_from(feed.nodes).unwrap_or(i64::MAX)));
        for (length, keys, bytes) in &readings.rsa_stock {
            let labels = [("length", length_name(*length))];
            self.stock_keys.get_or_create(&labels).set(number(*keys));
            self.stock_bytes.get_or_create(&labels).set(number(*bytes));
        }
        self.database_up.set(i64::from(readings.near_expiry.is_some()));
        match readings.near_expiry {
            // What was true once is not shown as if it were now.
            None => self.near_expiry.clear(),
            Some(near) => {
                for (within, count) in [
                    ("ended", near.ended),
                    ("7d", near.within_7_days),
                    ("30d", near.within_30_days),
                    ("90d", near.within_90_days),
                ] {
                    let count = i64::try_from(count).unwrap_or(i64::MAX);
                    self.near_expiry.get_or_create(&[("within", within)]).set(count);
                }
            }
        }
        let mut text = String::with_capacity(8 * 1024);
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

const fn length_name(length: RsaLength) -> &'static str {
    match length {
        RsaLength::Bits2048 => "2048",
        RsaLength::Bits3072 => "3072",
        RsaLength::Bits4096 => "4096",
    }
}

const fn kind(spec: KeySpec) -> &'static str {
    match spec {
        KeySpec::Rsa(_, RsaLength::Bits2048) => "RSA-2048",
        KeySpec::Rsa(_, RsaLength::Bits3072) => "RSA-3072",
        KeySpec::Rsa(_, RsaLength::Bits4096) => "RSA-4096",
        KeySpec::Ec(_) => KeyType::Ec.as_str(),
        KeySpec::Ed25519 => KeyType::Okp.as_str(),
        KeySpec::Hmac(_) => KeyType::Hmac.as_str(),
    }
}

/// A status as a label. Statuses that are not ours come from the HTTP library alone.
const fn status_name(status: u16) -> &'static str {
    match status {
        200 => "200",
        304 => "304",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        413 => "413",
        452 => "452",
        500 => "500",
        501 => "501",
        503 => "503",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::HashSize;

    use crate::routes::{Dialect, Route, all_routes};

    use super::*;

    fn readings() -> Readings {
        Readings {
            api_keys: 3,
            permission_sets: 2,
            near_expiry: Some(NearExpiry {
                ended: 1,
                within_7_days: 2,
                within_30_days: 3,
                within_90_days: 4,
            }),
            rsa_stock: vec![(RsaLength::Bits4096, 2, 4750)],
            parsed_keys: 5,
            feed: Some(FeedStatus {
                age: Duration::from_millis(250),
                lease: Duration::from_secs(2),
                nodes: 3,
            }),
        }
    }

    #[test]
    fn the_text_has_every_kind() {
        let metrics = Metrics::new();
        let route = all_routes().next();
        let (tally, other) = (metrics.tally(), metrics.tally());
        for tally in [&tally, &other, &tally] {
            tally.request(route, 200);
        }
        tally.request(None, 404);
        tally.request(route, 299);
        other.allowed();
        metrics.refused(Refusal::NoCredential.place());
        metrics.signature(KeyAlgorithm::Es256);
        metrics.upstream_token_made();
        metrics.upstream_token_reused();
        metrics.validation(None);
        metrics.oauth_token(None);
        metrics.oauth_token(Some("wrong_secret"));
        metrics.introspection(true, None);
        metrics.introspection(false, None);
        metrics.generation(KeySpec::Rsa(HashSize::Bits256, RsaLength::Bits4096), Duration::from_millis(1500));
        metrics.stock_miss(RsaLength::Bits2048);
        let text = metrics.render(&readings()).unwrap();
        for line in [
            "claviger_http_requests_total{method=\"POST\",route=\"/api/api-key\",status=\"200\"} 3",
            "claviger_http_requests_total{method=\"POST\",route=\"/api/api-key\",status=\"other\"} 1",
            "claviger_http_requests_total{method=\"none\",route=\"none\",status=\"404\"} 1",
            "claviger_decisions_total{reason=\"allowed\"} 1",
            "claviger_decisions_total{reason=\"no_credential\"} 1",
            "claviger_signatures_total{algorithm=\"ES256\"} 1",
            "claviger_upstream_tokens_total{source=\"made\"} 1",
            "claviger_upstream_tokens_total{source=\"kept\"} 1",
            "claviger_token_validations_total{result=\"valid\"} 1",
            "claviger_oauth_tokens_total{result=\"issued\"} 1",
            "claviger_oauth_tokens_total{result=\"wrong_secret\"} 1",
            "claviger_introspections_total{result=\"active\"} 1",
            "claviger_introspections_total{result=\"inactive\"} 1",
            "claviger_key_generation_seconds_bucket{le=\"2.0\",kind=\"RSA-4096\"} 1",
            "claviger_key_generation_seconds_bucket{le=\"1.0\",kind=\"RSA-4096\"} 0",
            "claviger_rsa_stock_misses_total{length=\"2048\"} 1",
            "claviger_rsa_stock_keys{length=\"4096\"} 2",
            "claviger_rsa_stock_bytes{length=\"4096\"} 4750",
            "claviger_keys_near_expiry{within=\"ended\"} 1",
            "claviger_keys_near_expiry{within=\"90d\"} 4",
            "claviger_api_keys 3",
            "claviger_database_up 1",
            "claviger_parsed_keys 5",
            "claviger_feed_age_seconds 0.25",
            "claviger_nodes 3",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn every_route_has_series_of_its_own() {
        let metrics = Metrics::new();
        // The two dialects of one path share theirs.
        let own = |route: &&Route| route.dialect != Some(Dialect::Fusion);
        let tally = metrics.tally();
        for (count, route) in (1..).zip(all_routes().filter(own)) {
            for _ in 0..count {
                tally.request(Some(route), 200);
            }
        }
        let text = metrics.render(&readings()).unwrap();
        for (count, route) in (1..).zip(all_routes().filter(own)) {
            let series = format!(
                "claviger_http_requests_total{{method=\"{}\",route=\"{}\",status=\"200\"}} {count}",
                route.method, route.template
            );
            assert!(text.lines().any(|line| line == series), "{series}");
        }
    }

    #[test]
    fn what_was_counted_is_added_up_once() {
        let metrics = Metrics::new();
        let (one, other) = (metrics.tally(), metrics.tally());
        one.allowed();
        other.allowed();
        metrics.refused(0);
        assert_eq!([metrics.decisions(), metrics.decisions()], [3, 3]);
        one.allowed();
        assert_eq!(metrics.decisions(), 4);
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        let metrics = Metrics::new();
        metrics.render(&readings()).unwrap();
        let text = metrics.render(&Readings { near_expiry: None, ..readings() }).unwrap();
        assert!(text.contains("claviger_database_up 0"), "{text}");
        assert!(!text.contains("claviger_keys_near_expiry{"), "{text}");
    }
}
