//! A middleware that lets requests of API keys through to the handlers of an actix-web service, or answers 400, 401 or 403.
//!
//! Run it with `cargo run -p claviger-authz --example actix`: it makes the requests that it then answers.

use std::collections::HashMap;
use std::error::Error;
use std::net::IpAddr;
use std::time::SystemTime;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpMessage, HttpResponse, test, web};
use claviger_authz::{Access, AddressRules, CompiledPermissions, Decision, Path, Reason, Request, decide};
use claviger_domain::{
    AddressRange, Instant, IpAccessControlEntry, IpAction, Permissions, RequestMethod, TenantId, TenantScope,
};

/// What the service knows of a key.
struct Key {
    permissions: CompiledPermissions,
    tenant_id: Option<TenantId>,
    addresses: Option<AddressRules>,
}

/// Keys by value, and the clock. A service that holds real keys keeps digests instead, and looks those up.
struct Rules {
    keys: HashMap<&'static str, Key>,
    now: fn() -> Instant,
}

async fn authorize<B: MessageBody + 'static>(
    rules: web::Data<Rules>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    match rules.check(&request) {
        Ok(scope) => {
            // Handlers filter by it; without the middleware there is none, and they fail.
            request.extensions_mut().insert(scope);
            Ok(next.call(request).await?.map_into_left_body())
        }
        Err(status) => Ok(request.into_response(HttpResponse::new(status)).map_into_right_body()),
    }
}

impl Rules {
    fn check(&self, request: &ServiceRequest) -> Result<TenantScope, StatusCode> {
        let credential = one(request.headers(), header::AUTHORIZATION.as_str())?;
        let key = credential.and_then(|value| self.keys.get(value)).ok_or(StatusCode::UNAUTHORIZED)?;
        // Not `request.path()`, which is percent-decoded in part: the engine wants what stands in the request target.
        let path = Path::parse(request.uri().path().as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
        let tenant_id = one(request.headers(), "x-fusionauth-tenantid")?
            .map(str::parse)
            .transpose()
            .map_err(|_| StatusCode::BAD_REQUEST)?;
        // Methods that the engine does not know, TRACE for instance, are granted by nothing. Preflight requests of browsers
        // carry no key: a middleware for CORS is wrapped around this one.
        let method: RequestMethod =
            request.method().as_str().parse().map_err(|_| StatusCode::METHOD_NOT_ALLOWED)?;
        let access = Access {
            tenant_id: key.tenant_id,
            addresses: key.addresses.as_ref(),
            ..Access::new(&key.permissions)
        };
        let asked = Request {
            tenant_id,
            // That of the connection. What headers say of it counts only where a trusted proxy wrote them.
            address: request.peer_addr().map(|address| address.ip()),
            ..Request::new(method, path, (self.now)())
        };
        match decide(&access, &asked) {
            Decision::Allow(scope) => Ok(scope),
            Decision::Deny(Reason::Expired | Reason::Disabled) => Err(StatusCode::UNAUTHORIZED),
            Decision::Deny(_) => Err(StatusCode::FORBIDDEN),
        }
    }
}

/// The value of a header that may stand there once. Of two, a proxy may have checked the other one.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, StatusCode> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| StatusCode::BAD_REQUEST),
        (Some(_), Some(_)) => Err(StatusCode::BAD_REQUEST),
    }
}

async fn user(scope: web::ReqData<TenantScope>) -> String {
    scope.tenant().map_or_else(|| "of any tenant".to_owned(), |tenant| format!("of tenant {tenant}"))
}

/// What `now` of the rules is in a service; a test may give another one.
#[expect(clippy::disallowed_methods, reason = "the edge of the service is where the clock is read")]
fn clock() -> Instant {
    Instant::from_system_time(SystemTime::now())
}

const TENANT: &str = "780e1d5b-ee3b-43b2-aec8-db99b99adc4e";
const OTHER: &str = "00000000-0000-0000-0000-000000000001";
const INSIDE: [u8; 4] = [192, 0, 2, 7];
const OUTSIDE: [u8; 4] = [198, 51, 100, 7];

fn rules() -> Result<Rules, Box<dyn Error>> {
    let reader = Permissions::Only("GET:/api/user\nGET:/v1/orders".parse()?);
    let network = AddressRange::new(IpAddr::from([192, 0, 2, 0]), IpAddr::from([192, 0, 2, 255]));
    let addresses = AddressRules::compile(&[
        IpAccessControlEntry { action: IpAction::Allow, range: Some(network.ok_or("no range")?) },
        IpAccessControlEntry { action: IpAction::Block, range: None },
    ]);
    let keys = HashMap::from([
        (
            "global",
            Key {
                permissions: CompiledPermissions::from(&Permissions::All),
                tenant_id: None,
                addresses: None,
            },
        ),
        (
            "reader",
            Key {
                permissions: CompiledPermissions::from(&reader),
                tenant_id: Some(TENANT.parse()?),
                addresses: Some(addresses),
            },
        ),
    ]);
    Ok(Rules { keys, now: clock })
}

async fn run() -> Result<(), Box<dyn Error>> {
    let app = App::new()
        .app_data(web::Data::new(rules()?))
        .wrap(from_fn(authorize))
        .route("/api/user/{id}", web::route().to(user))
        .route("/v1/orders/{id}", web::route().to(user));
    let app = test::init_service(app).await;
    let cases = [
        ("reader", "", INSIDE, "GET", "/api/user/17?loginId=x", 200),
        ("reader", TENANT, INSIDE, "GET", "/api/user/17", 200),
        ("reader", OTHER, INSIDE, "GET", "/api/user/17", 403),
        ("reader", "acme", INSIDE, "GET", "/api/user/17", 400),
        ("reader", "", OUTSIDE, "GET", "/api/user/17", 403),
        ("reader", "", INSIDE, "GET", "/v1/orders/17", 200),
        ("reader", "", INSIDE, "HEAD", "/api/user/17", 200),
        ("reader", "", INSIDE, "OPTIONS", "/api/user/17", 403),
        ("reader", "", INSIDE, "TRACE", "/api/user/17", 405),
        ("reader", "", INSIDE, "DELETE", "/api/user/17", 403),
        ("reader", "", INSIDE, "GET", "/api/group/17", 403),
        ("reader", "", INSIDE, "GET", "/api/user/%2e%2e", 400),
        ("reader", "", INSIDE, "GET", "/api//user/17", 400),
        ("global", "", OUTSIDE, "OPTIONS", "/api/user/17", 200),
        ("global", "", OUTSIDE, "DELETE", "/api/user/17", 200),
        ("unknown", "", INSIDE, "GET", "/api/user/17", 401),
        ("", "", INSIDE, "GET", "/api/user/17", 401),
    ];
    for (key, tenant, from, method, target, expected) in cases {
        let mut request = test::TestRequest::with_uri(target)
            .method(Method::from_bytes(method.as_bytes())?)
            .peer_addr((from, 9011).into());
        if !key.is_empty() {
            request = request.insert_header((header::AUTHORIZATION, key));
        }
        if !tenant.is_empty() {
            request = request.insert_header(("X-FusionAuth-TenantId", tenant));
        }
        let response = app.call(request.to_request()).await?;
        let status = response.status();
        let body = test::read_body(response).await;
        println!("{key:8} {method:8} {target:24} {status} {}", String::from_utf8_lossy(&body));
        if status != expected {
            return Err(format!("expected {expected}").into());
        }
        let within_tenant = status == 200 && key == "reader" && method != "HEAD";
        if within_tenant && *body != *format!("of tenant {TENANT}").as_bytes() {
            return Err("the handler was not told the tenant".into());
        }
    }
    let twice = test::TestRequest::with_uri("/api/user/17").append_header((header::AUTHORIZATION, "reader"));
    let twice = twice.append_header((header::AUTHORIZATION, "global")).to_request();
    if app.call(twice).await?.status() != StatusCode::BAD_REQUEST {
        return Err("two credentials must be refused".into());
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    actix_web::rt::System::new().block_on(run())
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_as_expected() {
        super::main().unwrap();
    }
}
