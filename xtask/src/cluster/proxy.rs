//! A TCP proxy between one node and the database, so that the test can cut their connections or let nothing pass.

use crate::run::{Failure, Result};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What the proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Passes everything on.
    Forward,
    /// Closes what is open, and what is opened.
    Cut,
    /// Keeps everything open and passes nothing on until another mode is set.
    Stall,
    /// Is over.
    End,
}

#[derive(Debug)]
struct Inside {
    mode: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    /// Both ends of every connection that may be open.
    open: Vec<TcpStream>,
}

/// A proxy that ends with this value.
#[derive(Debug)]
pub(super) struct Proxy {
    inside: Arc<Inside>,
    address: SocketAddr,
}

impl Proxy {
    /// Starts a proxy to this port of 127.0.0.1.
    ///
    /// # Errors
    /// There is no free port.
    pub(super) fn start(to: u16) -> Result<Self> {
        let failed = |error: io::Error| Failure::new(format!("the proxy before the database: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let state = State { mode: Mode::Forward, open: Vec::new() };
        let inside = Arc::new(Inside { mode: Mutex::new(state), changed: Condvar::new() });
        let shared = Arc::clone(&inside);
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.state().mode == Mode::End {
                    return;
                }
                // A connection that does not come about is closed: the node sees that.
                if let Ok(client) = client {
                    let _ = shared.connect(client, to);
                }
            }
        });
        Ok(Self { inside, address })
    }

    /// The port to connect to.
    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Another mode from now on.
    pub(super) fn set(&self, mode: Mode) {
        let mut state = self.inside.state();
        state.mode = mode;
        if matches!(mode, Mode::Cut | Mode::End) {
            for stream in state.open.drain(..) {
                // It may be closed already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        drop(state);
        self.inside.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::End);
        // Wakes the listener, which then sees the mode.
        drop(TcpStream::connect(self.address));
    }
}

impl Inside {
    fn state(&self) -> MutexGuard<'_, State> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(self: &Arc<Self>, client: TcpStream, to: u16) -> io::Result<()> {
        if self.state().mode == Mode::Cut {
            return Ok(());
        }
        let database = TcpStream::connect((Ipv4Addr::LOCALHOST, to))?;
        client.set_nodelay(true)?;
        database.set_nodelay(true)?;
        let mut state = self.state();
        // The mode may have changed in the meantime.
        if matches!(state.mode, Mode::Cut | Mode::End) {
            return Ok(());
        }
        state.open.retain(|stream| stream.peer_addr().is_ok());
        state.open.extend([client.try_clone()?, database.try_clone()?]);
        drop(state);
        for (from, to) in [(client.try_clone()?, database.try_clone()?), (database, client)] {
            let inside = Arc::clone(self);
            thread::spawn(move || inside.pump(from, to));
        }
        Ok(())
    }

    /// Passes on what comes, as long as both ends are open.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut part = [0; 16 * 1024];
        loop {
            let length = from.read(&mut part).unwrap_or(0);
            let mut state = self.state();
            while state.mode == Mode::Stall {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            drop(state);
            let passed = part.get(..length).map(|bytes| to.write_all(bytes));
            if length == 0 || !matches!(passed, Some(Ok(()))) {
                break;
            }
        }
        // PostgreSQL closes no half of a connection.
        for stream in [from, to] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A server that answers every byte with the same byte.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || io::copy(&mut stream.try_clone().unwrap(), &mut &stream));
            }
        });
        port
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Whether a byte comes back.
    fn answers(stream: &mut TcpStream) -> bool {
        let mut byte = [7];
        stream.write_all(&byte).and_then(|()| stream.read_exact(&mut byte)).is_ok()
    }

    #[test]
    fn connections_are_cut_and_refused_until_they_may_pass_again() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut first = connect(&proxy);
        assert!(answers(&mut first));
        proxy.set(Mode::Cut);
        assert!(!answers(&mut first));
        assert!(!answers(&mut connect(&proxy)));
        proxy.set(Mode::Forward);
        assert!(answers(&mut connect(&proxy)));
        let (address, mut last) = (proxy.address, connect(&proxy));
        drop(proxy);
        assert!(!answers(&mut last));
        // The listener ends with the value; until then it closes what it accepts.
        assert!(TcpStream::connect(address).map_or(true, |mut stream| !answers(&mut stream)));
    }

    #[test]
    fn what_is_stalled_arrives_later() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = connect(&proxy);
        assert!(answers(&mut stream));
        proxy.set(Mode::Stall);
        stream.write_all(b"x").unwrap();
        let mut byte = [0];
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(stream.read(&mut byte).is_err());
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        proxy.set(Mode::Forward);
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }
}
