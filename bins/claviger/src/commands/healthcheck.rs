//! `claviger healthcheck`: asks the server at the configured address how it is, for container runtimes.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use claviger_http::ListenAddress;

use crate::config::Config;
use crate::error::Error;

const TIMEOUT: Duration = Duration::from_secs(2);
const REQUEST: &[u8] = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const STATUS_LINE: usize = 128;

/// Returns when the server answers 200.
///
/// # Errors
/// [`Error::Unhealthy`] for any other answer, and for none within 2 seconds.
pub(crate) fn healthcheck(config: &Config) -> Result<(), Error> {
    let answer = match &config.http_addr {
        ListenAddress::Tcp(address) => tcp(reachable(*address)),
        ListenAddress::Unix(path) => UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            ask(stream)
        }),
    };
    match answer {
        Ok(line) if is_ok(&line) => Ok(()),
        Ok(line) => Err(Error::Unhealthy(format!("{} answers {line:?}", config.http_addr))),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Err(Error::Unhealthy(format!("{}: no answer within 2 seconds", config.http_addr)))
        }
        Err(error) => Err(Error::Unhealthy(format!("{}: {error}", config.http_addr))),
    }
}

fn tcp(address: SocketAddr) -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    ask(stream)
}

/// A server that listens on all addresses is reached on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(ip, address.port())
}

/// The status line of the answer.
fn ask(mut stream: impl Read + Write) -> io::Result<String> {
    let start = Instant::now();
    stream.write_all(REQUEST)?;
    let mut answer = Vec::new();
    let mut buffer = [0; STATUS_LINE];
    while !answer.contains(&b'\n') && answer.len() < STATUS_LINE {
        // Each read has its own time-out, but a byte now and then is no answer either.
        if start.elapsed() > TIMEOUT {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        answer.extend(buffer.iter().take(count));
    }
    let line: Vec<u8> =
        answer.into_iter().take_while(|byte| !b"\r\n".contains(byte)).take(STATUS_LINE).collect();
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn is_ok(line: &str) -> bool {
    let mut words = line.split(' ');
    words.next().is_some_and(|version| version.starts_with("HTTP/1.")) && words.next() == Some("200")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_200_is_healthy() {
        assert!(is_ok("HTTP/1.1 200 OK") && is_ok("HTTP/1.1 200"));
        for bad in ["", "200", "HTTP/1.1 500 Internal Server Error", "HTTP/1.1 2000", "SSH-2.0 200"] {
            assert!(!is_ok(bad), "{bad}");
        }
    }

    #[test]
    fn all_addresses_are_reached_on_loopback() {
        for (given, expected) in [
            ("0.0.0.0:9011", "127.0.0.1:9011"),
            ("[::]:9011", "[::1]:9011"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(given.parse().unwrap()), expected.parse().unwrap());
        }
    }
}
