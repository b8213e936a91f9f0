//! The registered claims of a token whose signature is right (RFC 7519, section 4.1): their types, and whether they
//! hold now. A claim of the wrong type is a fault, never an absent claim.

use claviger_domain::Instant;
use serde_json::{Map, Number, Value};

use super::TokenFault;

/// The last time that is accepted, in seconds: 9999-12-31T23:59:59Z. As a float it is exact.
const LAST_SECOND: u64 = 253_402_300_799;

/// # Errors
/// [`TokenFault::MissingExpiration`], [`TokenFault::BadTime`], [`TokenFault::BadClaim`], [`TokenFault::Expired`] or
/// [`TokenFault::NotYetValid`], in this order.
pub(super) fn check(claims: &Map<String, Value>, now: Instant) -> Result<(), TokenFault> {
    let expiration = time(claims, "exp")?.ok_or(TokenFault::MissingExpiration)?;
    let not_before = time(claims, "nbf")?;
    // Nothing follows from `iat`, but what is not a time must not pass for one elsewhere.
    time(claims, "iat")?;
    let are_typed = ["iss", "sub", "jti"].iter().all(|name| claims.get(*name).is_none_or(Value::is_string));
    if !are_typed || !claims.get("aud").is_none_or(is_audience) {
        return Err(TokenFault::BadClaim);
    }
    let now = now.epoch_millis();
    // Fractions of a millisecond, which `now` has none of, count against the token.
    if now >= expiration.floor {
        return Err(TokenFault::Expired);
    }
    if not_before.is_some_and(|time| now < time.ceiling) {
        return Err(TokenFault::NotYetValid);
    }
    Ok(())
}

/// A NumericDate (RFC 7519, section 2) in whole milliseconds since the epoch.
struct Time {
    floor: i64,
    ceiling: i64,
}

fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Time>, TokenFault> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => read_time(number).map(Some).ok_or(TokenFault::BadTime),
        Some(_) => Err(TokenFault::BadTime),
    }
}

/// The time of this number of seconds; `None` for negative ones and those after the year 9999.
fn read_time(number: &Number) -> Option<Time> {
    if let Some(seconds) = number.as_u64() {
        let millis = i64::try_from(seconds.checked_mul(1000)?).ok()?;
        return (seconds <= LAST_SECOND).then_some(Time { floor: millis, ceiling: millis });
    }
    let seconds = number.as_f64()?;
    // Also false for what is not a number. The bound keeps the casts below exact.
    if !(0.0..=LAST_SECOND as f64).contains(&seconds) {
        return None;
    }
    let millis = seconds * 1000.0;
    Some(Time { floor: millis.floor() as i64, ceiling: millis.ceil() as i64 })
}

fn is_audience(audience: &Value) -> bool {
    match audience {
        Value::String(_) => true,
        Value::Array(audiences) => audiences.iter().all(Value::is_string),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Checks claims at 1000.5 seconds after the epoch.
    #[track_caller]
    fn case(claims: Value, expected: Result<(), TokenFault>) {
        let now = Instant::from_epoch_millis(1_000_500);
        assert_eq!(check(claims.as_object().unwrap(), now), expected, "{claims}");
    }

    #[test]
    fn times_hold_to_the_millisecond() {
        case(json!({"exp": 1001}), Ok(()));
        case(json!({"exp": 1000.501}), Ok(()));
        case(json!({"exp": 1000.5009}), Err(TokenFault::Expired));
        case(json!({"exp": 1000.5}), Err(TokenFault::Expired));
        case(json!({"exp": 1000}), Err(TokenFault::Expired));
        case(json!({"exp": 0}), Err(TokenFault::Expired));
        case(json!({"exp": 1001, "nbf": 1000}), Ok(()));
        case(json!({"exp": 1001, "nbf": 1000.5}), Ok(()));
        case(json!({"exp": 1001, "nbf": 1000.5001}), Err(TokenFault::NotYetValid));
        case(json!({"exp": 1001, "nbf": 1001}), Err(TokenFault::NotYetValid));
        case(json!({"exp": 1001, "iat": 5000}), Ok(()));
        case(json!({"exp": 1000, "nbf": 1001}), Err(TokenFault::Expired));
        case(json!({"exp": 253_402_300_799_u64}), Ok(()));
        case(json!({"exp": 253_402_300_799.0}), Ok(()));
        case(json!({}), Err(TokenFault::MissingExpiration));
    }

    #[test]
    fn what_is_no_time_is_refused_in_every_claim() {
        for bad in [
            json!(null),
            json!("1001"),
            json!(true),
            json!([1001]),
            json!({}),
            json!(-1),
            json!(-0.5),
            json!(i64::MIN),
            json!(253_402_300_800_u64),
            json!(253_402_300_799.5),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1e19),
            json!(1e300),
            json!(-1e300),
        ] {
            case(json!({"exp": bad}), Err(TokenFault::BadTime));
            case(json!({"exp": 1001, "nbf": bad}), Err(TokenFault::BadTime));
            case(json!({"exp": 1001, "iat": bad}), Err(TokenFault::BadTime));
        }
    }

    /// Also at both ends of what an instant can hold.
    #[test]
    fn no_instant_overflows() {
        let claims = json!({"exp": 253_402_300_799_u64, "nbf": 0.1});
        for (millis, expected) in
            [(i64::MIN, Err(TokenFault::NotYetValid)), (100, Ok(())), (i64::MAX, Err(TokenFault::Expired))]
        {
            assert_eq!(check(claims.as_object().unwrap(), Instant::from_epoch_millis(millis)), expected);
        }
    }

    #[test]
    fn other_registered_claims_have_their_types() {
        case(json!({"exp": 1001, "iss": "a", "sub": "", "jti": "b", "aud": "c", "x": null}), Ok(()));
        case(json!({"exp": 1001, "aud": []}), Ok(()));
        case(json!({"exp": 1001, "aud": ["a", "b"]}), Ok(()));
        for name in ["iss", "sub", "jti", "aud"] {
            for bad in [json!(null), json!(1), json!(true), json!({}), json!(["a", 1]), json!([["a"]])] {
                case(json!({"exp": 1001, name: bad}), Err(TokenFault::BadClaim));
            }
        }
        for name in ["iss", "sub", "jti"] {
            case(json!({"exp": 1001, name: ["a"]}), Err(TokenFault::BadClaim));
        }
    }
}
