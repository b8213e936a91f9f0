//! An entity of the stand with an access token: the other kind of credential that gateways ask about.
//!
//! The token is signed here, with a secret that Claviger is given as the tenant's signing key, by the command `openssl`: this
//! package is built without any cryptography of its own.

use super::stand::post;
use super::verdict::Key;
use crate::run::{Failure, Result};
use serde_json::{Value, json};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// The entity that stands for the API behind the gateway.
pub(super) const API: &str = "7e57a0d1-e9ce-4000-8000-000000000001";
/// Signs the token. Letters only, since it stands in a command.
const SECRET: &str = "signingsecretofthestandforgateway";
const KID: &str = "stand";
/// What the token may do, as a list of endpoints and as names of permissions.
const ENTRIES: &str = "GET,POST:/v1/orders\nGET:/v1/orders/archive\nDELETE,GET,PATCH,POST,PUT:/v1/customers";
const NAMES: [&str; 5] =
    ["GET:/v1/orders", "POST:/v1/orders", "GET:/v1/orders/archive", "*:/v1/customers", "read"];

/// Makes a tenant with the two entities, and a token of the one for the other.
///
/// # Errors
/// Claviger refuses something, or `openssl` cannot sign.
pub(super) fn key(address: SocketAddr) -> Result<Key> {
    let made = |path: &str, tenant: Option<&str>, body: Value, member: &str| -> Result<String> {
        let answer = post(address, path, tenant, &body)?;
        let id = answer.pointer(&format!("/{member}/id")).and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| Failure::new(format!("POST {path}: no id in the answer")))
    };
    let key = json!({"name": "stand", "type": "HMAC", "algorithm": "HS256", "secret": SECRET, "kid": KID});
    let key = made("/api/key/import", None, json!({"key": key}), "key")?;
    let jwt = json!({"accessTokenKeyId": key, "timeToLiveInSeconds": 60});
    let tenant = json!({"tenant": {"name": "entities", "jwtConfiguration": jwt}});
    let tenant = made("/api/tenant", None, tenant, "tenant")?;
    let kind = made("/api/entity/type", None, json!({"entityType": {"name": "stand"}}), "entityType")?;
    let entity = json!({"entity": {"name": "stand", "type": {"id": kind}}});
    made(&format!("/api/entity/{API}"), Some(&tenant), entity.clone(), "entity")?;
    let caller = made("/api/entity", Some(&tenant), entity, "entity")?;

    let header = json!({"alg": "HS256", "typ": "JWT", "gty": ["client_credentials"], "kid": KID});
    // From 2020 to 2100.
    let claims = json!({"aud": API, "exp": 4_102_444_800_u64, "iat": 1_577_836_800, "iss": "acme.com", "sub": caller,
        "tid": tenant, "permissions": {API: NAMES}});
    let [header, claims] = [header, claims].map(|part| base64url(part.to_string().as_bytes()));
    let signed = format!("{header}.{claims}");
    let token = format!("{signed}.{}", base64url(&hmac(signed.as_bytes())?));
    Key::of_entity(caller, format!("Bearer {token}"), ENTRIES).map_err(Failure::new)
}

/// HMAC-SHA-256 of these bytes under [`SECRET`].
fn hmac(bytes: &[u8]) -> Result<Vec<u8>> {
    let failed = |what: String| Failure::new(format!("openssl dgst: {what}"));
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", SECRET, "-binary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(bytes).map_err(|error| failed(error.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() && output.stdout.len() == 32 {
        Ok(output.stdout)
    } else {
        Err(failed(format!("{}, {} bytes", output.status, output.stdout.len())))
    }
}

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or_default());
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * place)) & 63;
            let letter = usize::try_from(index).ok().and_then(|index| ALPHABET.get(index));
            text.extend(letter.copied().map(char::from));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, section 10, and what differs from the usual alphabet.
    #[test]
    fn encodes() {
        for (bytes, expected) in [
            (b"".as_slice(), ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg"),
            (b"fooba", "Zm9vYmE"),
            (b"foobar", "Zm9vYmFy"),
            (b"\xfb\xff\xfe", "-__-"),
        ] {
            assert_eq!(base64url(bytes), expected);
        }
    }
}
