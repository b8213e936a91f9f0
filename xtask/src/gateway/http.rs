//! As much HTTP/1.1 as the stand needs: heads of messages, byte by byte as they came.

use std::io::{self, BufRead, Read};

/// More than any head here has.
const LONGEST_HEAD: u64 = 256 * 1024;

/// A request line or status line with the headers, as they stood on the wire.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    /// The first line without its end.
    pub(super) start: String,
    /// Names and values without white space around them, in their order.
    pub(super) headers: Vec<(String, String)>,
    /// All of it, with the empty line.
    pub(super) raw: Vec<u8>,
}

impl Head {
    /// The next head, `None` where the connection ends before one begins. Bytes outside UTF-8 are replaced in the parts, not in
    /// `raw`.
    ///
    /// # Errors
    /// What reading fails with, and a head without end.
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut head = Self::default();
        let mut limited = reader.take(LONGEST_HEAD);
        loop {
            let mut line = Vec::new();
            limited.read_until(b'\n', &mut line)?;
            if line.is_empty() && head.raw.is_empty() {
                return Ok(None);
            }
            if line.last() != Some(&b'\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            head.raw.extend_from_slice(&line);
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\r', '\n']);
            if head.start.is_empty() {
                text.clone_into(&mut head.start);
            } else if text.is_empty() {
                return Ok(Some(head));
            } else {
                let (name, value) = text.split_once(':').unwrap_or((text, ""));
                head.headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }

    /// The values of a header, whatever the case of its name.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The length of the body that follows, as far as a header says.
    pub(super) fn content_length(&self) -> Option<u64> {
        self.values("content-length").next()?.parse().ok()
    }

    /// The words of the first line: method, target and version, or version, status and reason.
    pub(super) fn word(&self, index: usize) -> &str {
        self.start.split(' ').nth(index).unwrap_or_default()
    }

    /// The status of an answer; 0 where there is none.
    pub(super) fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or(0)
    }
}

/// Reads over a body of this length.
///
/// # Errors
/// What reading fails with; a body that ends early.
pub(super) fn skip_body(reader: &mut impl BufRead, length: u64) -> io::Result<()> {
    let copied = io::copy(&mut reader.take(length), &mut io::sink())?;
    if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Reads over a body in chunks (RFC 9112, section 7.1), with what may follow the last one.
///
/// # Errors
/// What reading fails with; something that is no chunk.
pub(super) fn skip_chunks(reader: &mut impl BufRead) -> io::Result<()> {
    let mut last = false;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if last {
            if line.is_empty() {
                return Ok(());
            }
            continue;
        }
        let size = u64::from_str_radix(line, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        last = size == 0;
        if !last {
            skip_body(reader, size + 2)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_one_after_the_other() {
        let mut bytes: &[u8] =
            b"GET /a b HTTP/1.1\r\nHost: x\r\nA-B:  c \r\na-b: \xff\r\n\r\nHTTP/1.1 403 No\n\n";
        let first = Head::read(&mut bytes).unwrap().unwrap();
        assert_eq!(
            (first.word(0), first.word(1), first.values("A-b").collect::<Vec<_>>()),
            ("GET", "/a", vec!["c", "\u{fffd}"])
        );
        assert_eq!(Head::read(&mut bytes).unwrap().unwrap().status(), 403);
        assert!(Head::read(&mut bytes).unwrap().is_none());
        assert!(Head::read(&mut b"GET / HTTP/1.1\r\nHost".as_slice()).is_err());
    }

    #[test]
    fn chunks_end_with_an_empty_one() {
        let mut bytes: &[u8] = b"4\r\na=b\n\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nrest";
        skip_chunks(&mut bytes).unwrap();
        assert_eq!(bytes, b"rest");
        assert!(skip_chunks(&mut b"x\r\n".as_slice()).is_err());
    }
}
