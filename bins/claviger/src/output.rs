//! Standard output and standard error. Neither panics when nobody reads it.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Writes to standard output. That the reader has seen enough is no failure.
///
/// # Errors
/// Whatever else the operating system says, such as a full disk.
pub(crate) fn print(text: &dyn Display) -> io::Result<()> {
    match print_all(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes to standard output what must not get lost.
///
/// # Errors
/// Whatever the operating system says; also when nobody reads it.
pub(crate) fn print_all(text: &dyn Display) -> io::Result<()> {
    let mut output = io::stdout().lock();
    write!(output, "{text}")?;
    output.flush()
}

/// Writes a line to standard error. When that fails there is nobody left to tell.
pub(crate) fn note(text: &dyn Display) {
    let _unread = writeln!(io::stderr().lock(), "{text}");
}
