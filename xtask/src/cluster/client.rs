//! A client of one node: HTTP/1.1 over a connection that is kept, and a patience that ends. Light, because it shares the cores with
//! the servers.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// A connection that rested for longer is not used again: the server may be about to close it.
const IDLE: Duration = Duration::from_secs(1);
/// No answer here is longer.
const LONGEST_ANSWER: usize = 256 * 1024;

/// Where a node listens at present.
#[derive(Debug, Default)]
pub(crate) struct Seat(AtomicU16);

impl Seat {
    /// Another port, 0 while the node is not there.
    pub(crate) fn set(&self, port: u16) {
        self.0.store(port, Ordering::Relaxed);
    }

    /// The address, if the node is there.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let port = self.0.load(Ordering::Relaxed);
        (port != 0).then(|| (Ipv4Addr::LOCALHOST, port).into())
    }
}

/// A client of one node.
#[derive(Debug)]
pub(crate) struct Client {
    seat: Arc<Seat>,
    patience: Duration,
    connection: Option<TcpStream>,
    used: Instant,
    answer: Vec<u8>,
}

impl Client {
    /// A client that waits so long for each part of an answer.
    pub(crate) fn new(seat: Arc<Seat>, patience: Duration) -> Self {
        Self { seat, patience, connection: None, used: Instant::now(), answer: Vec::new() }
    }

    /// Whether there is anybody to ask.
    pub(crate) fn has_server(&self) -> bool {
        self.seat.address().is_some()
    }

    /// Sends a request and answers the status, 0 for no answer. After that the connection is another one.
    pub(crate) fn send(&mut self, request: &[u8]) -> u16 {
        if self.used.elapsed() > IDLE {
            self.connection = None;
        }
        let outcome = self.exchange(request);
        self.used = Instant::now();
        outcome.unwrap_or_else(|_| {
            self.connection = None;
            0
        })
    }

    /// Sends JSON with the key manager's value.
    pub(crate) fn call(&mut self, method: &str, path: &str, manager: &str, body: &str) -> u16 {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {manager}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(request.as_bytes())
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        let mut stream = match self.connection.take() {
            Some(stream) => stream,
            None => {
                let address = self.seat.address().ok_or(io::ErrorKind::NotConnected)?;
                let stream = TcpStream::connect_timeout(&address, self.patience)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(self.patience))?;
                stream.set_write_timeout(Some(self.patience))?;
                stream
            }
        };
        stream.write_all(request)?;
        self.answer.clear();
        let mut part = [0; 4096];
        loop {
            let length = stream.read(&mut part)?;
            if length == 0 || self.answer.len() > LONGEST_ANSWER {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.answer.extend_from_slice(part.get(..length).unwrap_or_default());
            let Some(head) = Head::of(&self.answer) else { continue };
            if self.answer.len() < head.length {
                continue;
            }
            if !head.closes {
                self.connection = Some(stream);
            }
            return Ok(head.status);
        }
    }
}

/// What has to be known of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Of head and body.
    length: usize,
    closes: bool,
}

impl Head {
    /// Reads a head that has arrived wholly. An answer without a length ends with its head here: the server always says one.
    fn of(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(bytes.get(..end)?);
        let mut lines = text.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let (mut length, mut closes) = (end, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                length = end.checked_add(value.trim().parse().ok()?)?;
            } else if name.eq_ignore_ascii_case("connection") {
                closes |= value.trim().eq_ignore_ascii_case("close");
            }
        }
        Some(Self { status, length, closes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn heads_are_read_when_they_are_whole() {
        assert_eq!(Head::of(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n"), None);
        let whole = b"HTTP/1.1 503 Busy\r\nContent-Length: 3\r\nConnection: Close\r\n\r\nab";
        assert_eq!(Head::of(whole), Some(Head { status: 503, length: whole.len() + 1, closes: true }));
        assert_eq!(Head::of(b"HTTP/1.1 x\r\n\r\n"), None);
    }

    #[test]
    fn connections_are_kept_and_replaced() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let seat = Arc::new(Seat::default());
        let mut client = Client::new(Arc::clone(&seat), Duration::from_secs(10));
        assert!(!client.has_server());
        assert_eq!(client.send(b"x"), 0);
        seat.set(listener.local_addr().unwrap().port());
        let server = std::thread::spawn(move || {
            let mut seen = [0; 1];
            let (mut first, _) = listener.accept().unwrap();
            for answer in [
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
                "HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n",
            ] {
                first.read_exact(&mut seen).unwrap();
                first.write_all(answer.as_bytes()).unwrap();
            }
            // The third request gets no answer, the fourth one comes over a new connection.
            first.read_exact(&mut seen).unwrap();
            drop(first);
            let (mut second, _) = listener.accept().unwrap();
            second.read_exact(&mut seen).unwrap();
            second.write_all(b"HTTP/1.1 403 No\r\nConnection: close\r\n\r\n").unwrap();
        });
        let statuses = [(); 4].map(|()| client.send(b"x"));
        server.join().unwrap();
        assert_eq!(statuses, [200, 401, 0, 403]);
        assert!(client.connection.is_none());
    }
}
