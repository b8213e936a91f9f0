//! The two servers that note what reaches them: the upstream behind the gateway, and a relay between the gateway and
//! Claviger, which notes what was asked and what was answered.

use super::TEST_ID;
use super::http::{Head, skip_body, skip_chunks};
use crate::run::{Failure, Result};
use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Says in the answer to the client that the upstream gave it.
pub(super) const REACHED: &str = "X-Reached";

/// A question of the gateway with Claviger's answer.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) question: Head,
    pub(super) answer: Head,
}

/// What was noted and not looked at yet.
#[derive(Debug)]
pub(super) struct Notes<T>(Mutex<HashMap<Option<u64>, Vec<T>>>);

impl<T> Default for Notes<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Notes<T> {
    /// Notes something under the number of the request, or under none where that is not told exactly once.
    fn note(&self, head: &Head, what: T) {
        let mut ids = head.values(TEST_ID).map(|id| id.parse().ok());
        let id = ids.next().flatten().filter(|_| ids.next().is_none());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().push(what);
    }

    /// Takes out what was noted under a number.
    pub(super) fn take(&self, id: u64) -> Vec<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&Some(id)).unwrap_or_default()
    }

    /// What is left that nobody took out.
    pub(super) fn left(&self) -> Vec<T> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *notes).into_values().flatten().collect()
    }
}

/// Starts the upstream: it notes every request and answers 200. It runs until the process ends.
///
/// # Errors
/// There is no free port.
pub(super) fn upstream(notes: Arc<Notes<Head>>) -> Result<SocketAddr> {
    serve(move |stream| {
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        while let Some(head) = Head::read(&mut reader)? {
            notes.note(&head, head.clone());
            if head.values("transfer-encoding").next().is_some() {
                skip_chunks(&mut reader)?;
            } else {
                skip_body(&mut reader, head.content_length().unwrap_or(0))?;
            }
            write!(writer, "HTTP/1.1 200 OK\r\n{REACHED}: yes\r\nContent-Length: 0\r\n\r\n")?;
        }
        Ok(())
    })
}

/// Starts the relay before Claviger.
///
/// # Errors
/// There is no free port.
pub(super) fn relay(claviger: SocketAddr, notes: Arc<Notes<Asked>>) -> Result<SocketAddr> {
    serve(move |stream| {
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        let onward = TcpStream::connect(claviger)?;
        onward.set_nodelay(true)?;
        let mut onward_writer = onward.try_clone()?;
        let mut onward_reader = BufReader::new(onward);
        while let Some(question) = Head::read(&mut reader)? {
            skip_body(&mut reader, question.content_length().unwrap_or(0))?;
            onward_writer.write_all(&question.raw)?;
            let Some(answer) = Head::read(&mut onward_reader)? else { return Ok(()) };
            skip_body(&mut onward_reader, answer.content_length().unwrap_or(0))?;
            notes.note(&question, Asked { question: question.clone(), answer: answer.clone() });
            writer.write_all(&answer.raw)?;
        }
        Ok(())
    })
}

/// Serves each connection on a thread of its own until the process ends.
///
/// # Errors
/// There is no free port.
pub(super) fn serve(
    connection: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> Result<SocketAddr> {
    let failed = |error: io::Error| Failure::new(format!("a server of the stand: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let connection = Arc::new(connection);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = Arc::clone(&connection);
            // A connection that breaks is the gateway's to notice: it answers 5xx, which is counted.
            thread::spawn(move || stream.set_nodelay(true).and_then(|()| connection(stream)));
        }
    });
    Ok(address)
}
