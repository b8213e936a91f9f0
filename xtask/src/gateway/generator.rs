//! Requests that are meant to mislead a gateway, made from a seed: the same number gives the same requests.

use super::TEST_ID;
use std::fmt::Write as _;

/// SplitMix64: small, and good enough to choose from lists.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The generator for the request of this number.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0xA24B_AED4_963E_E407) ^ number);
        random.next();
        random
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    /// A number below the bound, 0 where that is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    /// Whether an event of this probability happens.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these, `None` of none.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> Option<&'a T> {
        from.get(self.below(from.len())).copied()
    }
}

/// A request, ready to send.
#[derive(Debug, Clone, Default)]
pub(super) struct Generated {
    /// What stands in its request line.
    pub(super) target: String,
    /// All of its bytes.
    pub(super) bytes: Vec<u8>,
    /// Whether an answer has no body.
    pub(super) head_only: bool,
    /// Whether the connection is of no use for another request: what follows the first answer belongs to this one.
    pub(super) last: bool,
    /// The place of its one good key among the keys; `None` for requests with none, a bad one, or two.
    pub(super) key: Option<usize>,
}

const METHODS: [&str; 16] = [
    "GET", "GET", "GET", "GET", "GET", "POST", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "get",
    "BREW", "TRACE", "PROPFIND",
];
const PATHS: [&str; 14] = [
    "/v1/orders",
    "/v1/orders/17",
    "/v1/orders/17/lines",
    "/v1/orders/archive/2024",
    "/v1/orders/archive",
    "/v1/customers/3",
    "/v1",
    "/admin/users",
    "/",
    "/v1/files/a%20b",
    "/v1/files/%C3%A9%3A%26",
    "/v1/orders/%3Fx%22",
    "/api/user/17",
    "/claviger-decides",
];
/// What is put into paths, mostly between or behind segments.
const MISCHIEF: [&str; 42] = [
    "/",
    "//",
    "/./",
    "/../",
    "/..",
    "/.",
    "/..;/",
    ";",
    ";a=b",
    "/;/",
    "%2f",
    "%2F",
    "%5c",
    "%5C",
    "\\",
    "%00",
    "%2e",
    "%2e%2e/",
    "/%2e%2e%2f",
    "%252e%252e%252f",
    "%c0%ae",
    "%c0%af",
    "%e0%80%af",
    "%ff",
    "%zz",
    "%",
    "%u002e",
    "%3b",
    "%3f",
    "%23",
    "#",
    "?",
    "?x=/../",
    "#/admin/users",
    "%20",
    "+",
    "%09",
    "%0d%0a",
    "\u{e9}",
    "*",
    OVERLONG[0].0,
    OVERLONG[1].0,
];
/// Characters that stand for a slash and a dot in overlong UTF-8, which no text can hold.
const OVERLONG: [(&str, [u8; 2]); 2] = [("\u{e000}", [0xc0, 0xaf]), ("\u{e001}", [0xc0, 0xae])];
const PREFIXES: [&str; 8] = [
    "http://localhost",
    "http://other:81",
    "HTTP://localhost",
    "//localhost",
    "https://localhost",
    "",
    "/.",
    "/v1/..",
];
/// Names of the headers that say who calls, and spellings that some take for them.
const IDENTITY: [&str; 17] = [
    "X-Claviger-Api-Key-Id",
    "x-claviger-api-key-id",
    "X_Claviger_Api_Key_Id",
    "X-Claviger-Api_Key-Id",
    "X-Claviger-Tenant-Id",
    "X-CLAVIGER-TENANT-ID",
    "X_Claviger_Tenant_Id",
    "X-Claviger-Api-Key-Name",
    "X-Claviger-Entity-Id",
    "X_Claviger_Entity_Id",
    "x-claviger-entity-id",
    "X-Claviger-Upstream-Token",
    "x_claviger_upstream_token",
    "x-claviger-api-key-name",
    "X_Claviger_Api_Key_Name",
    "X.Claviger-Api-Key-Id",
    "X-Claviger.Tenant-Id",
];
const MISLEADING: [(&str, &str); 26] = [
    ("X-Claviger-Api-Key-Id ", "forged"),
    (" X-Claviger-Api-Key-Id", "forged"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("X-HTTP-Method", "DELETE"),
    ("X-Method-Override", "PUT"),
    ("X_HTTP_Method_Override", "DELETE"),
    ("X-HTTP_Method_Override", "DELETE"),
    ("X-HTTP.Method-Override", "DELETE"),
    ("X-Original_URL", "/admin/users"),
    ("X-Forwarded_Prefix", "/admin"),
    ("X-Original-URI", "/v1/orders"),
    ("X-Original-Method", "GET"),
    ("X_Original_URI", "/v1/orders"),
    ("X-Original-URL", "/admin/users"),
    ("X-Rewrite-URL", "/admin/users"),
    ("X-Forwarded-Uri", "/v1/orders"),
    ("X-Forwarded-Method", "GET"),
    ("X_Forwarded_Uri", "/v1/orders"),
    ("X-Forwarded-Prefix", "/admin"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Forwarded-Host", "internal"),
    ("Forwarded", "for=127.0.0.1;host=internal"),
    ("X-FusionAuth-TenantId", "nonsense"),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Cookie", "access_token=x"),
    ("Via", "1.1 other"),
];
const CONNECTIONS: [&str; 8] = [
    "keep-alive, X-Claviger-Api-Key-Id",
    "X-Claviger-Api-Key-Id, X-Claviger-Api-Key-Name, X-Claviger-Entity-Id, X-Claviger-Tenant-Id",
    "x-claviger-api-key-id",
    "X-Original-URI, X-Original-Method",
    "X-Forwarded-Uri, X-Forwarded-Method",
    "Authorization",
    "close, X-Claviger-Api-Key-Id",
    "X-Real-Ip, X-Api-Key",
];

/// A body of no chunks with a request behind it.
const SMUGGLED: &str = "0\r\n\r\nGET /admin/users HTTP/1.1\r\nHost: localhost\r\nX-Smuggled: yes\r\n\r\n";

/// The request of this number. `keys` are the values of good keys.
pub(super) fn request(seed: u64, number: u64, keys: &[String]) -> Generated {
    let mut random = Random::new(seed, number);
    let method = random.pick(&METHODS).unwrap_or("GET");
    let target = target(&mut random);
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    // Writing to a string does not fail.
    let mut header = |name: &str, value: &str| {
        let _ = write!(text, "{name}: {value}\r\n");
    };
    header(TEST_ID, &number.to_string());
    let key = credentials(&mut random, keys, &mut header);
    if random.percent(40) {
        for _ in 0..=random.below(2) {
            header(random.pick(&IDENTITY).unwrap_or_default(), "forged");
        }
    }
    if random.percent(25) {
        let (name, value) = MISLEADING.get(random.below(MISLEADING.len())).copied().unwrap_or_default();
        header(name, value);
        if random.percent(20) {
            header(name, value);
        }
    }
    if random.percent(20) {
        header("Connection", random.pick(&CONNECTIONS).unwrap_or_default());
    }
    let body = match random.below(10) {
        _ if method == "GET" => "",
        0..=2 => {
            header("Content-Length", "4");
            "a=b\n"
        }
        3 => {
            header("Transfer-Encoding", "chunked");
            "4\r\na=b\n\r\n0\r\n\r\n"
        }
        // Two lengths: whoever believes the other one takes what is in the body for a request.
        4 => {
            header("Content-Length", "4");
            header(random.pick(&["Transfer-Encoding", "Transfer_Encoding"]).unwrap_or_default(), "chunked");
            SMUGGLED
        }
        _ => "",
    };
    text.push_str("\r\n");
    text.push_str(body);
    Generated { target, bytes: on_the_wire(&text), head_only: method == "HEAD", last: body == SMUGGLED, key }
}

fn on_the_wire(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for character in text.chars() {
        let own: &[u8] = character.encode_utf8(&mut buffer).as_bytes();
        let overlong = OVERLONG.iter().find(|(stands, _)| stands.as_bytes() == own);
        bytes.extend_from_slice(overlong.map_or(own, |(_, bytes)| bytes));
    }
    bytes
}

fn credentials(random: &mut Random, keys: &[String], header: &mut impl FnMut(&str, &str)) -> Option<usize> {
    let place = random.below(keys.len());
    let value = keys.get(place)?;
    match random.below(20) {
        0 => None,
        1 => {
            header("Authorization", "no key has this value");
            None
        }
        2 => {
            header("Authorization", value);
            header("X-Api-Key", value);
            None
        }
        3 => {
            header("Authorization", value);
            header("authorization", value);
            None
        }
        4 | 5 => {
            header("x-api-key", value);
            Some(place)
        }
        6 => {
            header("apiKey", value);
            Some(place)
        }
        _ => {
            header("Authorization", value);
            Some(place)
        }
    }
}

fn target(random: &mut Random) -> String {
    let mut target = random.pick(&PATHS).unwrap_or("/").to_owned();
    for _ in 0..[0, 0, 0, 1, 1, 1, 2, 3].get(random.below(8)).copied().unwrap_or(0) {
        let what = random.pick(&MISCHIEF).unwrap_or_default();
        // At a slash, at the end, or anywhere.
        let slashes: Vec<_> = target.match_indices('/').map(|(at, _)| at).collect();
        let at = match random.below(3) {
            0 => slashes.get(random.below(slashes.len())).copied().unwrap_or(0),
            1 => target.len(),
            _ => random.below(target.len() + 1),
        };
        if target.is_char_boundary(at) {
            target.insert_str(at, what);
        }
    }
    if random.percent(10) {
        target =
            target.chars().map(|c| if random.percent(20) { c.to_ascii_uppercase() } else { c }).collect();
    }
    if random.percent(15) {
        target.push_str(
            random.pick(&["?", "?a=b", "?/../admin", "?a=%2e%2e&apiKey=x", "??", "?a b"]).unwrap_or_default(),
        );
    }
    if random.percent(8) {
        target.insert_str(0, random.pick(&PREFIXES).unwrap_or_default());
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn requests_are_many_and_the_same_for_the_same_seed() {
        let keys = ["one".to_owned(), "two".to_owned()];
        let first = |seed| (0..2_000).map(|number| request(seed, number, &keys).bytes).collect::<Vec<_>>();
        assert_eq!(first(1), first(1));
        let line = |bytes: &Vec<u8>| bytes.split(|byte| *byte == b'\r').next().map(<[u8]>::to_vec);
        let lines: HashSet<_> = first(1).iter().map(line).collect();
        assert!(lines.len() > 1_000, "{}", lines.len());
        assert_ne!(first(1), first(2));
        // Every piece of mischief and every name is used.
        let all = first(1).concat();
        for piece in MISCHIEF.iter().chain(&IDENTITY).chain(&CONNECTIONS) {
            let piece = on_the_wire(piece);
            assert!(all.windows(piece.len()).any(|part| part == piece), "{}", piece.escape_ascii());
        }
        assert_eq!(on_the_wire("a\u{e000}\u{e9}\u{e001}"), b"a\xc0\xaf\xc3\xa9\xc0\xae");
    }
}
