//! A small HTTP/1.1 client that sends exactly the bytes it is told to, and answers that can be examined.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// No answer after this time is a failure: requests that hang must not hang the tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends requests with the same headers, each on a connection of its own.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    headers: Vec<(String, String)>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, headers: Vec::new() }
    }

    /// The same client with one more header.
    pub(crate) fn with_header(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same client in this tenant.
    pub(crate) fn in_tenant(&self, id: &str) -> Self {
        self.with_header("X-FusionAuth-TenantId", id)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None)
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, Some(body))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Reply {
        self.send("PUT", path, Some(body))
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send("PATCH", path, Some(body))
    }

    /// Sends a request with a JSON body, or none.
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        match body {
            Some(body) => self.with_header("Content-Type", "application/json").send_bytes(
                method,
                path,
                Some(body.to_string().as_bytes()),
            ),
            None => self.send_bytes(method, path, None),
        }
    }

    /// Sends a request with this body, without a Content-Type of its own.
    pub(crate) fn send_bytes(&self, method: &str, path: &str, body: Option<&[u8]>) -> Reply {
        let mut headers = self.headers.clone();
        if let Some(body) = body {
            headers.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        headers.push(("Connection".to_owned(), "close".to_owned()));
        let mut connection = Connection::open(self.address);
        connection.write(head(method, path, &headers).as_bytes()).unwrap();
        // The server may answer and close before it has read the body.
        let _sent = connection.write(body.unwrap_or_default());
        let reply = connection.read(method).unwrap();
        // A body that was not read is drained for a while before the server closes: not worth the wait.
        let unread = body.is_some() && matches!(reply.status, 401 | 404 | 405 | 413 | 501);
        assert!(unread || !connection.has_more(), "something follows the answer to {method} {path}");
        reply.check_form(method, path);
        reply
    }
}

/// The head of a request.
pub(crate) fn head(method: &str, path: &str, headers: &[(String, String)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head
}

/// A connection for exact bytes.
pub(crate) struct Connection<S = TcpStream>(BufReader<S>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// A second handle, to write from another thread.
    pub(crate) fn stream(&self) -> TcpStream {
        self.0.get_ref().try_clone().unwrap()
    }
}

impl Connection<UnixStream> {
    /// A connection over a Unix socket.
    pub(crate) fn open_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }
}

impl<S: Read + Write> Connection<S> {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Reads one answer to a request with this method.
    pub(crate) fn read(&mut self, method: &str) -> io::Result<Reply> {
        let mut reply = self.read_head()?;
        if method == "HEAD" {
            return Ok(reply);
        }
        match reply.header("content-length").map(|length| length.parse::<usize>().unwrap()) {
            Some(length) => {
                reply.body.resize(length, 0);
                self.0.read_exact(&mut reply.body)?;
            }
            None => {
                self.0.read_to_end(&mut reply.body)?;
            }
        }
        Ok(reply)
    }

    fn read_head(&mut self) -> io::Result<Reply> {
        let status = self.line()?;
        let status = status
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("not a status line: {:?}", status.get(..60)));
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Reply { status, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8(line).unwrap().trim_end().to_owned())
    }

    /// Whether anything follows before the server closes the connection. A reset counts as closed.
    pub(crate) fn has_more(&mut self) -> bool {
        match self.0.fill_buf() {
            Ok(bytes) => !bytes.is_empty(),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("the connection stays open: {error}"),
        }
    }
}

/// An answer. Names of headers are in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The one value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let first = values.next();
        assert_eq!(values.next(), None, "{name} stands twice");
        first
    }

    /// What every answer has, whatever the request.
    #[track_caller]
    fn check_form(&self, method: &str, path: &str) {
        assert!(self.header("x-request-id").is_some(), "{method} {path}: {self:?}");
        assert!(self.header("cache-control").is_some(), "{method} {path}: {self:?}");
        if method != "HEAD" {
            let json = self.header("content-type").is_some();
            assert_eq!(json, !self.body.is_empty(), "{method} {path}: {self:?}");
        }
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body, which says itself that it is JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json;charset=UTF-8"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The document of an answer with 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// Asserts 200 without content.
    #[track_caller]
    pub(crate) fn done(&self) {
        assert_eq!((self.status, self.text()), (200, ""));
    }

    /// Asserts 401 that tells nothing.
    #[track_caller]
    pub(crate) fn denied(&self) {
        assert_eq!((self.status, self.text()), (401, ""));
        assert_eq!(self.header("content-type"), None);
    }

    /// Asserts 404 that tells nothing.
    #[track_caller]
    pub(crate) fn not_found(&self) {
        assert_eq!((self.status, self.text()), (404, ""));
        assert_eq!(self.header("content-type"), None);
    }

    /// Asserts 400 with exactly these codes, each written `path code` or, for general errors, `code`; in any order.
    #[track_caller]
    pub(crate) fn refused(&self, expected: &[&str]) {
        assert_eq!(self.status, 400, "{}", self.text());
        let mut expected: Vec<_> = expected.iter().map(|code| (*code).to_owned()).collect();
        expected.sort();
        assert_eq!(self.errors(), expected, "{}", self.text());
    }

    /// The codes of a body that reports errors, sorted; asserts the shape of it.
    #[track_caller]
    pub(crate) fn errors(&self) -> Vec<String> {
        let document = self.json();
        let mut parts: BTreeMap<String, Value> = serde_json::from_value(document).unwrap();
        // Before it is known which dialect the caller speaks, the members of the other one are there as well.
        if parts.get("code").is_some_and(|code| code == "ambiguous-credentials") {
            parts.remove("code");
            let message = parts.remove("message").unwrap();
            assert_eq!(message, parts["generalErrors"][0]["message"]);
        }
        let mut found = Vec::new();
        let mut code = |error: &Value| {
            let error = error.as_object().unwrap();
            assert!(error.len() == 2 && !error["message"].as_str().unwrap().is_empty(), "{error:?}");
            error["code"].as_str().unwrap().to_owned()
        };
        for (part, errors) in parts {
            match part.as_str() {
                "fieldErrors" => {
                    for (path, list) in errors.as_object().unwrap() {
                        let list = list.as_array().unwrap();
                        assert!(!list.is_empty());
                        found.extend(list.iter().map(|error| format!("{path} {}", code(error))));
                    }
                }
                "generalErrors" => found.extend(errors.as_array().unwrap().iter().map(&mut code)),
                other => panic!("{other} is no part of a report of errors"),
            }
        }
        assert!(!found.is_empty(), "a report without errors");
        found.sort();
        found
    }
}
