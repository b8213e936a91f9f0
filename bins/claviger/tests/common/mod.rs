//! What the tests share that kill the server or search for secrets: installations to start it on, and a client.

pub(crate) mod client;
pub(crate) mod installation;
pub(crate) mod server;

pub(crate) use client::{Connection, Reply};
pub(crate) use installation::Installation;
pub(crate) use server::{Process, Remains, Server};

/// Pseudo-random numbers (xorshift64*) from a seed that a failing test shows.
pub(crate) struct Numbers(u64);

impl Numbers {
    /// A sequence that is different in each run.
    pub(crate) fn fresh() -> Self {
        let seed = u64::from_be_bytes(
            claviger_crypto::random_array::<8>(&mut claviger_crypto::SystemRandom).unwrap(),
        );
        eprintln!("seed {seed}");
        Self(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Another sequence.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next() | 1)
    }

    /// 40 hexadecimal digits.
    pub(crate) fn text(&mut self) -> String {
        format!("{:016x}{:016x}{:08x}", self.next(), self.next(), self.next() >> 32)
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let bytes = (u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes();
        claviger_domain::KeyId::from_random_bytes(bytes).to_string()
    }
}
