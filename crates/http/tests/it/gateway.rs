//! What gateways ask: `/forward-auth` in both conventions and with a token for the upstream, `/ext-authz`, both also about tokens of
//! entities, and the explanation at `/api/authorize`.

mod entity_token;
mod explained;
mod ext_authz;
mod forward_auth;
mod identity;
mod pitfalls;
mod upstream_token;

use crate::support::{Client, Reply, Server, Settings};

/// Where the tests connect from is a trusted gateway.
fn behind(server: &Server) -> Server {
    server.sibling(Settings { trusted_proxies: "127.0.0.1", ..Settings::default() })
}

fn nginx(client: &Client, method: &str, uri: &str) -> Client {
    client.with_header("X-Original-Method", method).with_header("X-Original-URI", uri)
}

fn traefik(client: &Client, method: &str, uri: &str) -> Client {
    client.with_header("X-Forwarded-Method", method).with_header("X-Forwarded-Uri", uri)
}

/// What nginx is told about a request.
fn ask(client: &Client, method: &str, uri: &str) -> Reply {
    nginx(client, method, uri).get("/forward-auth")
}

trait Told {
    fn let_through(&self) -> &Self;
    fn unknown(&self) -> &Self;
    fn forbidden(&self) -> &Self;
}

impl Told for Reply {
    /// 200 without content.
    #[track_caller]
    fn let_through(&self) -> &Self {
        self.done();
        assert_eq!(self.header("www-authenticate"), None);
        assert!(self.header("x-claviger-api-key-id").is_some());
        self
    }

    /// 401 that says how to identify oneself, and nothing else.
    #[track_caller]
    fn unknown(&self) -> &Self {
        self.denied();
        assert_eq!(self.header("www-authenticate"), Some("ApiKey realm=\"claviger\""));
        self.anonymous()
    }

    /// 403 that says nothing.
    #[track_caller]
    fn forbidden(&self) -> &Self {
        assert_eq!((self.status, self.text()), (403, ""));
        assert_eq!(self.header("www-authenticate"), None);
        self.anonymous()
    }
}

trait Anonymous {
    fn anonymous(&self) -> &Self;
}

impl Anonymous for Reply {
    /// Names nobody.
    #[track_caller]
    fn anonymous(&self) -> &Self {
        assert!(!self.headers.iter().any(|(name, _)| name.starts_with("x-claviger")), "{self:?}");
        self
    }
}
