//! Secrets, what was found of the program's traces, and the search for the ones in the others.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use openssl::base64::encode_block;

use crate::common::Reply;

/// A leak of so many bytes in a row is noticed, wherever in a secret they stand.
const WINDOW: usize = 24;
/// Shorter secrets would be found by accident.
const SHORTEST: usize = 16;
/// What needles are looked up by.
const HEAD: usize = 8;

/// Bytes that must not be found, and what they are.
struct Secret {
    name: String,
    bytes: Vec<u8>,
}

/// A trace of the program: an answer, a log, a file.
struct Trace {
    place: String,
    bytes: Vec<u8>,
    /// The secrets that are shown here on purpose.
    shows: BTreeSet<String>,
    /// Whether what is shown may be missing.
    perhaps: bool,
}

/// Everything that a test collects.
#[derive(Default)]
pub(crate) struct Evidence {
    secrets: Vec<Secret>,
    traces: Vec<Trace>,
}

impl Evidence {
    /// Notes a secret; the same name again must be the same secret.
    #[track_caller]
    pub(crate) fn secret(&mut self, name: &str, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        assert!(bytes.len() >= SHORTEST, "{name} is too short to be searched for");
        match self.secrets.iter().find(|secret| secret.name == name) {
            Some(known) => assert!(known.bytes == bytes, "two secrets are called {name}"),
            None => self.secrets.push(Secret { name: name.to_owned(), bytes: bytes.to_vec() }),
        }
    }

    /// Notes a trace in which no secret may stand.
    pub(crate) fn trace(&mut self, place: &str, bytes: impl Into<Vec<u8>>) {
        self.add(place, None, false, bytes.into());
    }

    /// Notes a trace in which this one secret stands.
    pub(crate) fn trace_showing(&mut self, place: &str, secret: &str, bytes: impl Into<Vec<u8>>) {
        self.add(place, Some(secret), false, bytes.into());
    }

    /// Notes a trace in which this one secret may stand.
    pub(crate) fn trace_perhaps_showing(&mut self, place: &str, secret: &str, bytes: impl Into<Vec<u8>>) {
        self.add(place, Some(secret), true, bytes.into());
    }

    fn add(&mut self, place: &str, shown: Option<&str>, perhaps: bool, bytes: Vec<u8>) {
        let shows = shown.into_iter().map(str::to_owned).collect();
        self.traces.push(Trace { place: place.to_owned(), bytes, shows, perhaps });
    }

    /// Notes a whole answer.
    pub(crate) fn reply(&mut self, place: &str, reply: &Reply) {
        self.trace(place, whole(reply));
    }

    /// Notes a whole answer that shows a secret.
    pub(crate) fn reply_showing(&mut self, place: &str, secret: &str, reply: &Reply) {
        self.trace_showing(place, secret, whole(reply));
    }

    /// Searches every trace for every secret: found must be what is shown on purpose, and nothing else.
    pub(crate) fn judge(&self) {
        let needles = Needles::new(&self.secrets);
        let mut wrong = String::new();
        for trace in &self.traces {
            let found = needles.search(&trace.bytes);
            for leaked in found.difference(&trace.shows) {
                writeln!(wrong, "{leaked} stands in {}", trace.place).unwrap();
            }
            for missing in trace.shows.difference(&found).filter(|_| !trace.perhaps) {
                writeln!(wrong, "{missing} is not found in {}, which shows it", trace.place).unwrap();
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
        println!(
            "{} secrets searched for in {} traces of {} bytes",
            self.secrets.len(),
            self.traces.len(),
            self.traces.iter().map(|trace| trace.bytes.len()).sum::<usize>()
        );
    }
}

fn whole(reply: &Reply) -> Vec<u8> {
    [reply.head.as_bytes(), &reply.body].concat()
}

/// Every window of every secret in every encoding.
struct Needles<'a> {
    needles: Vec<(Vec<u8>, &'a str)>,
    by_head: HashMap<[u8; HEAD], Vec<usize>>,
}

impl<'a> Needles<'a> {
    fn new(secrets: &'a [Secret]) -> Self {
        let mut needles = Vec::new();
        for secret in secrets {
            for window in secret.bytes.windows(WINDOW.min(secret.bytes.len())) {
                needles.extend(encodings(window).into_iter().map(|needle| (needle, secret.name.as_str())));
            }
        }
        let mut by_head: HashMap<_, Vec<_>> = HashMap::new();
        for (index, (needle, _)) in needles.iter().enumerate() {
            by_head.entry(needle[..HEAD].try_into().unwrap()).or_default().push(index);
        }
        Self { needles, by_head }
    }

    fn search(&self, bytes: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, head) in bytes.windows(HEAD).enumerate() {
            let Some(candidates) = self.by_head.get(head) else { continue };
            for index in candidates {
                let (needle, name) = &self.needles[*index];
                if bytes[at..].starts_with(needle) {
                    found.insert((*name).to_owned());
                }
            }
        }
        found
    }
}

/// The ways in which programs write bytes. Windows start at every byte of a secret, so that one of them stands at the start
/// of a group of base64, whatever precedes it there.
fn encodings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex = |upper: bool| -> String {
        bytes.iter().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
    };
    let numbers = |separator: &str| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(separator);
    let base64 = encode_block(&bytes[..bytes.len() / 3 * 3]);
    let url = base64.replace('+', "-").replace('/', "_");
    let escaped = bytes.escape_ascii().to_string();
    let texts = [hex(false), hex(true), numbers(", "), numbers(","), base64, url, escaped];
    let mut encodings: Vec<_> = texts.into_iter().map(String::into_bytes).collect();
    encodings.push(bytes.to_vec());
    encodings.sort();
    encodings.dedup();
    encodings
}

#[test]
fn the_search_finds_every_encoding_and_parts() {
    let secret: Vec<u8> = (0..40_u8).map(|number| number.wrapping_mul(89).wrapping_add(200)).collect();
    let mut evidence = Evidence::default();
    evidence.secret("it", &secret);
    let needles = Needles::new(&evidence.secrets);
    let finds = |bytes: &[u8]| !needles.search(bytes).is_empty();
    let part = &secret[9..9 + WINDOW + 2];
    let mut writings = vec![part.to_vec(), format!("{part:?}").into_bytes()];
    writings.push(part.escape_ascii().to_string().into_bytes());
    writings.push(serde_json::to_vec(part).unwrap());
    writings.push(part.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes());
    writings.push(part.iter().map(|byte| format!("{byte:02X}")).collect::<String>().into_bytes());
    for before in 0..3 {
        let padded = [vec![7; before], part.to_vec(), vec![7; 3]].concat();
        let base64 = encode_block(&padded);
        writings.push(base64.replace('+', "-").replace('/', "_").into_bytes());
        writings.push(base64.into_bytes());
    }
    for writing in writings {
        assert!(finds(&[b"before ", writing.as_slice(), b" after"].concat()), "{}", writing.escape_ascii());
    }
    assert!(!finds(&secret[..WINDOW - 1]) && !finds(b"nothing of the kind"));
}

#[test]
#[should_panic(expected = "it stands in here")]
fn a_leak_is_a_failure() {
    let mut evidence = Evidence::default();
    evidence.secret("it", "a secret of some length and more");
    evidence.trace("here", "says: a secret of some length and more");
    evidence.judge();
}

#[test]
#[should_panic(expected = "it is not found in here")]
fn what_should_be_shown_and_is_not_is_a_failure() {
    let mut evidence = Evidence::default();
    evidence.secret("it", "a secret of some length and more");
    evidence.trace_showing("here", "it", "says nothing");
    evidence.judge();
}
