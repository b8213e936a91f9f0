//! A small HTTP/1.1 client that reports a connection that breaks, which is no failure where the server is killed.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// No answer after this time is a failure: requests that hang must not hang the tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that stays open over many requests.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    key: Option<String>,
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Status line and headers as they came.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// Connects; requests carry this API key.
    pub(crate) fn open(address: SocketAddr, key: &str) -> io::Result<Self> {
        Ok(Self { key: Some(key.to_owned()), ..Self::anonymous(address)? })
    }

    /// Connects; requests carry no API key.
    pub(crate) fn anonymous(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), key: None })
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn request(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Reply> {
        self.send(method, path, body)?;
        self.receive()
    }

    /// As [`Self::request`], for a server that is there.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.request(method, path, body).unwrap()
    }

    /// Sends a request without waiting for the answer.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<()> {
        let mut headers = String::new();
        if let Some(key) = &self.key {
            headers.push_str(&format!("Authorization: {key}\r\n"));
        }
        let body = body.map(Value::to_string);
        if body.is_some() {
            headers.push_str("Content-Type: application/json\r\n");
        }
        self.send_raw(method, path, &headers, body.as_deref().unwrap_or_default().as_bytes())
    }

    /// Sends a request with exactly these header lines, besides `Host` and `Content-Length`, and this body.
    pub(crate) fn send_raw(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> io::Result<()> {
        let length = body.len();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request)
    }

    /// Reads one whole answer.
    pub(crate) fn receive(&mut self) -> io::Result<Reply> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if self.stream.read_until(b'\n', &mut head)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        let head = String::from_utf8(head).map_err(Error::other)?;
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or_else(|| Error::other("not a status line"))?;
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .ok_or_else(|| Error::other("an answer without a length"))?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Reply { status, head, body })
    }
}

impl Reply {
    /// The document of an answer with 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body as text, for messages.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
