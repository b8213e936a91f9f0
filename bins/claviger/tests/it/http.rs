//! As much of an HTTP client as these tests need: one request per connection, over TCP or a Unix socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection to `http://IP:PORT` or `unix:/path`.
pub(crate) fn connect(address: &str) -> Box<dyn Stream> {
    if let Some(path) = address.strip_prefix("unix:") {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        return Box::new(stream);
    }
    let stream = TcpStream::connect(address.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    Box::new(stream)
}

/// Status and body of the answer.
pub(crate) fn request(
    address: &str,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: &str,
) -> (u16, String) {
    let mut stream = connect(address);
    stream.write_all(head(method, path, key, body.len(), "").as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    answer(&mut *stream)
}

/// The status that GET answers with.
pub(crate) fn get(address: &str, path: &str, key: Option<&str>) -> u16 {
    request(address, "GET", path, key, "").0
}

/// The head of a request. `further` are more lines.
pub(crate) fn head(method: &str, path: &str, key: Option<&str>, length: usize, further: &str) -> String {
    let authorization = key.map_or(String::new(), |key| format!("Authorization: {key}\r\n"));
    format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{authorization}{further}\r\n"
    )
}

/// Reads until the server closes the connection.
pub(crate) fn answer(stream: &mut dyn Stream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
