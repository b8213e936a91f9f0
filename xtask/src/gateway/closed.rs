//! Fail closed: whatever a gateway hears but a clear yes, the request goes no further.
//!
//! Instead of Claviger answers something that breaks off, talks nonsense or says what Claviger never says.

use super::generator::Generated;
use super::http::Head;
use super::records::{self, Notes};
use super::stand::{Directory, Gateway, Running};
use super::{TEST_ID, send};
use crate::run::{Failure, Result};
use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread;

/// The one answer that lets a request through: the others mean something only if it does.
const YES: &str = "HTTP/1.1 200 OK\r\nX-Claviger-Api-Key-Id: 7e57a0d1-e9ce-4000-8000-000000000002\r\n\
                   Content-Length: 0\r\nConnection: close\r\n\r\n";

/// Answers that are none, as they stand on the wire.
const NO: [&str; 15] = [
    "",
    "HTTP/1.1 200",
    "HTTP/1.1 200 OK\r\nX-Claviger-Api-Key-Id: 7e57a0d1",
    "yes\r\n\r\n",
    "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 302 Found\r\nLocation: /v1/orders\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
];

/// Starts the gateway, as shipped, with every such answer in turn, and once more with nobody there to answer.
///
/// # Errors
/// Something does not start, a request went through that must not, or the one did not that must.
pub(super) fn check(gateway: Gateway, program: &Path, directory: &Directory) -> Result<()> {
    let received = Arc::<Notes<Head>>::default();
    let upstream = records::upstream(Arc::clone(&received))?;
    let answering = records::serve(|stream| {
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        if let Some(question) = Head::read(&mut reader)? {
            let number = question.values(TEST_ID).next().and_then(|id| id.parse::<usize>().ok());
            // The number behind the last of them stands for the yes.
            let answer = number.and_then(|number| NO.get(number).or((number == NO.len()).then_some(&YES)));
            writer.write_all(answer.copied().unwrap_or_default().as_bytes())?;
        }
        writer.shutdown(Shutdown::Both)
    })?;
    let running = Running::start(gateway, program, directory, answering, upstream, None)?;
    let count = NO.len();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..=count).map(|number| scope.spawn(move || ask(running.address, number))).collect();
        clients.into_iter().map(|client| client.join().unwrap_or_default()).collect()
    });
    drop(running);
    // Nobody has listened there since the port was found free.
    let nobody = super::stand::free_address()?;
    let alone = Running::start(gateway, program, directory, nobody, upstream, None)?;
    let without = ask(alone.address, count + 1);
    drop(alone);

    let name = gateway.program();
    let through = |number: usize| !received.take(u64::try_from(number).unwrap_or(u64::MAX)).is_empty();
    if statuses.get(count) != Some(&200) || !through(count) {
        return Err(Failure::new(format!("{name}: the answer that lets a request through did not")));
    }
    let refusals = NO.iter().zip(&statuses).map(|(answer, status)| (*answer, *status));
    for (number, (answer, status)) in refusals.chain([("nobody", without)]).enumerate() {
        let number = if number == count { count + 1 } else { number };
        if through(number) || (200..300).contains(&status) {
            return Err(Failure::new(format!("{name}: {answer:?} let a request through ({status})")));
        }
    }
    let told: Vec<_> = statuses.iter().take(count).collect();
    println!(
        "{name}: {count} answers that are none let nothing through, and the client is told {told:?}; without any, {without}"
    );
    Ok(())
}

/// Sends a request that is good but for the answer, and returns the status that the client is told, 0 for none.
fn ask(gateway: SocketAddr, number: usize) -> u16 {
    let bytes = format!(
        "GET /v1/orders HTTP/1.1\r\nHost: localhost\r\n{TEST_ID}: {number}\r\nAuthorization: key\r\nConnection: close\r\n\r\n"
    );
    send(&mut None, gateway, &Generated { bytes: bytes.into_bytes(), last: true, ..Generated::default() })
        .status
}
