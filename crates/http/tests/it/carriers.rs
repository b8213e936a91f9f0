//! Where an API key may stand in a request: every carrier, alone and beside others, on every route.

mod pitfalls;
mod routes;
mod table;

use crate::support::{Client, Server, Settings};

/// The carriers of an API key, in spellings that mean the same.
const CARRIERS: [Carrier; 9] = [
    Carrier::Header("Authorization"),
    Carrier::Header("AUTHORIZATION"),
    Carrier::Header("x-api-key"),
    Carrier::Header("X-API-Key"),
    Carrier::Header("apikey"),
    Carrier::Header("apiKey"),
    Carrier::Header("ApiKey"),
    Carrier::BothHeaders,
    Carrier::Query,
];

/// One way to send an API key.
#[derive(Debug, Clone, Copy)]
enum Carrier {
    Header(&'static str),
    /// `x-api-key` and `apiKey` with the same value.
    BothHeaders,
    /// The parameter `apiKey`, where the server takes it.
    Query,
}

impl Carrier {
    /// A client that sends this key, and the path to ask for.
    fn send(self, client: &Client, key: &str, path: &str) -> (Client, String) {
        match self {
            Self::Header(name) => (client.with_header(name, key), path.to_owned()),
            Self::BothHeaders => {
                (client.with_header("x-api-key", key).with_header("apiKey", key), path.to_owned())
            }
            Self::Query => (client.clone(), in_query(path, key)),
        }
    }
}

/// The path with the key in its query string.
fn in_query(path: &str, key: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    let encoded: String = key
        .bytes()
        .map(|byte| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("{path}{separator}apiKey={encoded}")
}

/// A server that takes API keys in the query string.
fn with_query(server: &Server) -> Server {
    server.sibling(Settings { api_key_in_query: true, ..Settings::default() })
}
