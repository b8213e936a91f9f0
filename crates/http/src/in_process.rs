//! The server without a socket, for measurements: requests go straight into the one handler, and only the handler is timed.

use std::time::{Duration, Instant};

use actix_web::dev::Service;
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service, read_body};
use actix_web::{App, rt};

use crate::dispatch::service;
use crate::options::ServerOptions;
use crate::server::{ServerError, open};
use crate::state::Worker;

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
