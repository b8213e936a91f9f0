//! The server without a socket, for measurements: requests go straight into the one handler, and only the handler is timed. The
//! token endpoint can be had without the handler too, to see what it costs beside HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::Service;
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::test::{TestRequest, init_service, read_body};
use actix_web::{App, HttpRequest, rt};

use crate::answer::Body;
use crate::dispatch::oauth::client_headers;
use crate::dispatch::service;
use crate::error::ApiError;
use crate::handlers::{Input, handle, handle_quickly, token_after_look_up};
use crate::options::ServerOptions;
use crate::routes::{Dialect, Operation};
use crate::server::{ServerError, open};
use crate::state::{AppState, Worker};

/// What a request brings along.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path with its query.
    pub path: &'a str,
    /// Headers by name.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; a JSON document or nothing.
    pub body: &'a str,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// How long the handler took, from the parsed request to the answer.
    pub took: Duration,
}

/// Opens the instance of `options` and runs `work`, which makes requests with the function that it is given. They come one
/// after the other, from the address 127.0.0.1.
///
/// # Errors
/// When the instance cannot be opened.
pub fn in_process<T>(
    options: &ServerOptions,
    work: impl FnOnce(&mut dyn FnMut(&Call<'_>) -> Outcome) -> T,
) -> Result<T, ServerError> {
    claviger_crypto::initialize();
    let (state, _) = open(options)?;
    let system = rt::System::new();
    let service = system.block_on(init_service(App::new().default_service(service(Worker::new(state)))));
    let mut call = |wanted: &Call<'_>| {
        let request = request(wanted).to_request();
        system.block_on(async {
            let start = Instant::now();
            let answer = service.call(request).await;
            let took = start.elapsed();
            // What the handler leaves for later is done now, and not within the next measurement.
            rt::task::yield_now().await;
            match answer {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    Outcome { status, body: read_body(answer).await.to_vec(), took }
                }
                Err(error) => {
                    let status = error.as_response_error().status_code().as_u16();
                    Outcome { status, body: Vec::new(), took }
                }
            }
        })
    };
    Ok(work(&mut call))
}

fn request(wanted: &Call<'_>) -> TestRequest {
    let mut request = TestRequest::with_uri(wanted.path)
        .method(Method::from_bytes(wanted.method.as_bytes()).unwrap_or_default())
        .peer_addr(([127, 0, 0, 1], 40_000).into());
    for (name, value) in wanted.headers {
        request = request.insert_header((*name, *value));
    }
    if !wanted.body.is_empty() {
        let media_type = ("content-type", "application/json");
        request = request.insert_header(media_type).set_payload(wanted.body.to_owned());
    }
    request
}

/// A request of the token endpoint, as it is when actix has read it.
pub struct TokenCall {
    request: HttpRequest,
    form: String,
}

impl TokenCall {
    /// A form, and the value of the header `Authorization`, if there is to be one.
    #[must_use]
    pub fn new(authorization: Option<&str>, form: String) -> Self {
        let media_type = ("content-type", "application/x-www-form-urlencoded");
        let mut request = TestRequest::post().uri("/oauth2/token").insert_header(media_type);
        if let Some(value) = authorization {
            request = request.insert_header(("authorization", value));
        }
        Self { request: request.to_http_request(), form }
    }
}

/// The token endpoint without HTTP.
pub struct TokenEndpoint(Arc<AppState>);

impl TokenEndpoint {
    /// Opens the instance of `options`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(options: &ServerOptions) -> Result<Self, ServerError> {
        claviger_crypto::initialize();
        Ok(Self(open(options)?.0))
    }

    /// Status and body of the answer: all that the server does between reading the request, finding its route, and writing the answer. What
    /// it would leave to a blocking thread is done on this one.
    pub async fn answer(&self, call: &TokenCall) -> (u16, String) {
        let headers = call.request.headers();
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let mut input = Input {
            parameter: None,
            inner_parameter: None,
            content_type: content_type.map(str::to_owned),
            body: call.form.clone().into_bytes(),
            query: Vec::new(),
            presented: None,
            client: Some(client_headers(headers)),
            base: None,
            begun: None,
        };
        let mut outcome = handle_quickly(&self.0, Operation::IssueToken, None, &mut input);
        if outcome.is_none() {
            outcome = token_after_look_up(&self.0, &mut input).await;
        }
        let outcome = outcome.unwrap_or_else(|| handle(&self.0, Operation::IssueToken, None, input));
        let answer = outcome.unwrap_or_else(|error: ApiError| error.answer(Dialect::OAuth));
        match answer.body {
            Body::Json(text) => (answer.status, text),
            Body::Empty | Body::SharedJson(_) | Body::Text(..) => (answer.status, String::new()),
        }
    }
}
