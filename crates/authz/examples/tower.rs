//! A layer of tower's that lets requests of API keys through to an axum router, or answers 400, 401 or 403 itself.
//!
//! Run it with `cargo run -p claviger-authz --example tower`: it makes the requests that it then answers.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use claviger_authz::{Access, CompiledPermissions, Decision, Path, Reason, decide};
use claviger_domain::{Instant, Permissions, RequestMethod, TenantId, TenantScope};
use tower::{Layer, Service, ServiceExt};

/// What the service knows of a key.
struct Key {
    permissions: CompiledPermissions,
    tenant_id: Option<TenantId>,
}

/// Keys by value. A service that holds real ones keeps digests instead, and looks those up.
type Keys = Arc<HashMap<&'static str, Key>>;

/// Puts [`Authorized`] around a service. It belongs around the whole router: a nested one sees only the rest of the path.
#[derive(Clone)]
struct Authorize {
    keys: Keys,
    now: fn() -> Instant,
}

impl<S> Layer<S> for Authorize {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized { rules: self.clone(), inner }
    }
}

#[derive(Clone)]
struct Authorized<S> {
    rules: Authorize,
    inner: S,
}

impl<S> Service<Request<Body>> for Authorized<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.rules.check(&request) {
            Ok(scope) => {
                // Handlers filter by it; without the layer there is none, and they fail.
                request.extensions_mut().insert(scope);
                Box::pin(self.inner.call(request))
            }
            Err(status) => Box::pin(async move { Ok(status.into_response()) }),
        }
    }
}

impl Authorize {
    fn check(&self, request: &Request<Body>) -> Result<TenantScope, StatusCode> {
        let credential = one(request.headers(), header::AUTHORIZATION.as_str())?;
        let key = credential.and_then(|value| self.keys.get(value)).ok_or(StatusCode::UNAUTHORIZED)?;
        // Raw, as it stands in the request target: percent-encoding is the engine's business.
        let path = Path::parse(request.uri().path().as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
        let tenant_id = one(request.headers(), "x-fusionauth-tenantid")?
            .map(str::parse)
            .transpose()
            .map_err(|_| StatusCode::BAD_REQUEST)?;
        // Methods that the engine does not know, TRACE for instance, are granted by nothing. Preflight requests of browsers
        // carry no key: a layer for CORS stands outside this one.
        let method: RequestMethod =
            request.method().as_str().parse().map_err(|_| StatusCode::METHOD_NOT_ALLOWED)?;
        let access = Access { tenant_id: key.tenant_id, ..Access::new(&key.permissions) };
        let asked =
            claviger_authz::Request { tenant_id, ..claviger_authz::Request::new(method, path, (self.now)()) };
        match decide(&access, &asked) {
            Decision::Allow(scope) => Ok(scope),
            Decision::Deny(Reason::Expired | Reason::Disabled) => Err(StatusCode::UNAUTHORIZED),
            Decision::Deny(_) => Err(StatusCode::FORBIDDEN),
        }
    }
}

/// The value of a header that may stand there once. Of two, a proxy may have checked the other one.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, StatusCode> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| StatusCode::BAD_REQUEST),
        (Some(_), Some(_)) => Err(StatusCode::BAD_REQUEST),
    }
}

async fn user(Extension(scope): Extension<TenantScope>) -> String {
    scope.tenant().map_or_else(|| "of any tenant".to_owned(), |tenant| format!("of tenant {tenant}"))
}

/// What `now` of the rules is in a service; a test may give another one.
#[expect(clippy::disallowed_methods, reason = "the edge of the service is where the clock is read")]
fn clock() -> Instant {
    Instant::from_system_time(SystemTime::now())
}

const TENANT: &str = "780e1d5b-ee3b-43b2-aec8-db99b99adc4e";
const OTHER: &str = "00000000-0000-0000-0000-000000000001";

fn router() -> Result<Router, Box<dyn Error>> {
    let reader = Permissions::Only("GET:/api/user\nGET:/v1/orders".parse()?);
    let keys = HashMap::from([
        ("global", Key { permissions: CompiledPermissions::from(&Permissions::All), tenant_id: None }),
        ("reader", Key { permissions: CompiledPermissions::from(&reader), tenant_id: Some(TENANT.parse()?) }),
    ]);
    let authorize = Authorize { keys: Arc::new(keys), now: clock };
    let methods = get(user).delete(user).options(user);
    Ok(Router::new()
        .route("/api/user/{id}", methods.clone())
        .route("/v1/orders/{id}", methods)
        .layer(authorize))
}

async fn run() -> Result<(), Box<dyn Error>> {
    let router = router()?;
    let cases = [
        ("reader", "", "GET", "/api/user/17?loginId=x", 200),
        ("reader", TENANT, "GET", "/api/user/17", 200),
        ("reader", OTHER, "GET", "/api/user/17", 403),
        ("reader", "acme", "GET", "/api/user/17", 400),
        ("reader", "", "GET", "/v1/orders/17", 200),
        ("reader", "", "HEAD", "/api/user/17", 200),
        ("reader", "", "OPTIONS", "/api/user/17", 403),
        ("reader", "", "TRACE", "/api/user/17", 405),
        ("reader", "", "DELETE", "/api/user/17", 403),
        ("reader", "", "GET", "/api/group/17", 403),
        ("reader", "", "GET", "/api/user/%2e%2e", 400),
        ("reader", "", "GET", "/api//user/17", 400),
        ("global", "", "OPTIONS", "/api/user/17", 200),
        ("global", "", "DELETE", "/api/user/17", 200),
        ("unknown", "", "GET", "/api/user/17", 401),
        ("", "", "GET", "/api/user/17", 401),
    ];
    for (key, tenant, method, target, expected) in cases {
        let mut request = Request::builder().method(method).uri(target);
        if !key.is_empty() {
            request = request.header(header::AUTHORIZATION, key);
        }
        if !tenant.is_empty() {
            request = request.header("X-FusionAuth-TenantId", tenant);
        }
        let response = router.clone().oneshot(request.body(Body::empty())?).await?;
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1024).await?;
        println!("{key:8} {method:8} {target:24} {status} {}", String::from_utf8_lossy(&body));
        if status != expected {
            return Err(format!("expected {expected}").into());
        }
        let within_tenant = status == 200 && key == "reader" && method != "HEAD";
        if within_tenant && *body != *format!("of tenant {TENANT}").as_bytes() {
            return Err("the handler was not told the tenant".into());
        }
    }
    let twice = Request::builder().uri("/api/user/17").header("Authorization", "reader");
    let twice = twice.header("Authorization", "global").body(Body::empty())?;
    if router.oneshot(twice).await?.status() != StatusCode::BAD_REQUEST {
        return Err("two credentials must be refused".into());
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().build()?.block_on(run())
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_as_expected() {
        super::main().unwrap();
    }
}
