//! Tokens for upstreams, kept until shortly before they end.
//!
//! A token is found under everything that it says and the key that signs it, as types: whatever of that changes, the next
//! token is a new one, so that nothing here ever has to be taken back. Nobody gets a token from here who was not let
//! through by the keyring just before.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use claviger_authz::Matched;
use claviger_domain::{ApiKeyId, Instant, KeyId, SecretText, TenantScope};

/// Tokens that are kept. A usual one takes a kilobyte with what it is found under, the longest some fifteen.
const MOST_TOKENS: usize = 10_000;
/// Tokens of one generation. A full one takes the place of the one before, which is dropped.
const MOST_OF_A_GENERATION: usize = MOST_TOKENS / 2;
/// How long before its end a token is made anew at the latest, in milliseconds; less for tokens of less than 40 seconds.
const LONGEST_MARGIN: i64 = 10_000;

const MILLIS: i64 = 1_000;

/// What a token says but its times, and who says it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Statement {
    /// The subject.
    pub(crate) api_key_id: ApiKeyId,
    /// From when on the value that was presented is refused: the key's end, or the sooner one of an earlier value.
    pub(crate) end: Option<Instant>,
    /// The tenants to which the request is confined.
    pub(crate) scope: TenantScope,
    /// What matched the request.
    pub(crate) permissions: Vec<Matched>,
    /// The issuer of the tenant that signs.
    pub(crate) issuer: String,
    /// The key of the tenant that signs.
    pub(crate) key_id: KeyId,
}

/// Under what a token is kept.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey {
    pub(crate) statement: Statement,
    /// The digest of the material of the signing key.
    pub(crate) key_digest: [u8; 32],
}

/// A token for an upstream. It is a secret while it lasts, and cannot be printed.
pub(crate) struct UpstreamToken {
    /// The compact form of the JWS.
    pub(crate) text: SecretText,
    /// Its times.
    pub(crate) times: Times,
}

/// When a token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// The claim `iat`, in seconds since the epoch.
    pub(crate) issued: i64,
    /// The claim `exp`, in seconds since the epoch.
    pub(crate) expires: i64,
    /// Until then it is given out again, in milliseconds since the epoch.
    reusable_until: i64,
}

impl Times {
    /// The times of a token that is made now, with this lifetime in seconds, for a value that is refused from `end` on; `None`
    /// where it would end as soon as it begins. A token is given out until shortly before it ends; one that ends with
    /// the value until it does, since there is no longer one.
    pub(crate) fn new(now: Instant, lifetime: i64, end: Option<Instant>) -> Option<Self> {
        let issued = now.epoch_seconds();
        let usual = issued.saturating_add(lifetime);
        let margin = LONGEST_MARGIN.min(lifetime.saturating_mul(MILLIS) / 4);
        let (expires, margin) = match end.map(Instant::epoch_seconds) {
            Some(end) if end <= usual => (end, 0),
            _ => (usual, margin),
        };
        let reusable_until = expires.saturating_mul(MILLIS).saturating_sub(margin);
        (expires > issued).then_some(Self { issued, expires, reusable_until })
    }

    /// Whether the token is given out again now. A clock that was set back gets a new one.
    fn are_reusable(&self, now: Instant) -> bool {
        (self.issued.saturating_mul(MILLIS)..self.reusable_until).contains(&now.epoch_millis())
    }
}

/// The tokens, and how they are made.
pub(crate) struct UpstreamTokens {
    /// The claim `aud`; without it no token is made.
    pub(crate) audience: Option<String>,
    /// How long a token lasts, in seconds.
    pub(crate) lifetime: i64,
    kept: RwLock<Generations>,
}

/// Tokens in two generations: a full one, or one that has begun a lifetime ago, becomes the old one, and the old one is
/// dropped. So the bound costs no search for what to drop, and a token stays until 5000 others were made or it has ended.
#[derive(Default)]
struct Generations {
    young: Tokens,
    old: Tokens,
    /// When the first token of the young generation was made.
    since: Option<Instant>,
}

type Tokens = HashMap<TokenKey, Arc<UpstreamToken>>;

impl UpstreamTokens {
    /// No token yet.
    pub(crate) fn new(audience: Option<String>, lifetime: Duration) -> Self {
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        Self { audience, lifetime, kept: RwLock::default() }
    }

    /// The token that was made for this, if it can be given out now.
    pub(crate) fn find(&self, key: &TokenKey, now: Instant) -> Option<Arc<UpstreamToken>> {
        // What the lock protects is valid after each statement: a panic elsewhere leaves it whole.
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        [&kept.young, &kept.old]
            .into_iter()
            .find_map(|tokens| tokens.get(key).filter(|token| token.times.are_reusable(now)))
            .cloned()
    }

    /// Keeps a token that was made now.
    pub(crate) fn keep(&self, key: TokenKey, token: Arc<UpstreamToken>, now: Instant) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let age = kept.since.map(|since| now.epoch_millis().saturating_sub(since.epoch_millis()));
        let lifetime = self.lifetime.saturating_mul(MILLIS);
        let is_over = age.is_none_or(|age| !(0..lifetime).contains(&age));
        let mut dropped = Tokens::new();
        if is_over || kept.young.len() >= MOST_OF_A_GENERATION {
            let ripe = mem::take(&mut kept.young);
            dropped = mem::replace(&mut kept.old, ripe);
            kept.since = Some(now);
        }
        kept.young.insert(key, token);
        drop(kept);
        // Wiping thousands of tokens takes a while: nobody waits for it.
        drop(dropped);
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::TenantId;

    use super::*;

    const NOW: Instant = Instant::from_epoch_millis(1_000_000_500);

    fn after(millis: i64) -> Instant {
        Instant::from_epoch_millis(NOW.epoch_millis() + millis)
    }

    fn key(number: u128) -> TokenKey {
        TokenKey {
            statement: Statement {
                api_key_id: ApiKeyId::from_u128(number),
                end: None,
                scope: TenantScope::All,
                permissions: Vec::new(),
                issuer: "acme.com".to_owned(),
                key_id: KeyId::from_u128(1),
            },
            key_digest: [0; 32],
        }
    }

    fn tokens() -> UpstreamTokens {
        UpstreamTokens::new(Some("upstream".to_owned()), Duration::from_secs(60))
    }

    fn keep(tokens: &UpstreamTokens, key: TokenKey, now: Instant) -> Arc<UpstreamToken> {
        let times = Times::new(now, 60, key.statement.end).unwrap();
        let token = Arc::new(UpstreamToken { text: SecretText::from(String::from("a.b.c")), times });
        tokens.keep(key, Arc::clone(&token), now);
        token
    }

    fn len(tokens: &UpstreamTokens) -> usize {
        let kept = tokens.kept.read().unwrap();
        kept.young.len() + kept.old.len()
    }

    #[test]
    fn times_are_whole_seconds_and_end_with_the_value() {
        let times = |lifetime, end: Option<i64>| {
            Times::new(NOW, lifetime, end.map(after))
                .map(|times| (times.expires - times.issued, times.reusable_until - NOW.epoch_millis()))
        };
        // The clock shows half a second past the second at which the token is issued.
        assert_eq!(times(60, None), Some((60, 49_500)));
        assert_eq!(times(40, None), Some((40, 29_500)));
        assert_eq!(times(20, None), Some((20, 14_500)));
        assert_eq!(times(5, None), Some((5, 3_250)));
        assert_eq!(times(3_600, Some(10_000_000)), Some((3_600, 3_589_500)));
        // Rounded down, and given out until then.
        assert_eq!(times(60, Some(30_000)), Some((30, 29_500)));
        assert_eq!(times(60, Some(30_499)), Some((30, 29_500)));
        assert_eq!(times(60, Some(59_999)), Some((60, 59_500)));
        assert_eq!(times(60, Some(60_500)), Some((60, 49_500)));
        assert_eq!(times(60, Some(500)), Some((1, 500)));
        for ended in [499, 1, 0, -1, -10_000] {
            assert_eq!(times(60, Some(ended)), None, "{ended}");
        }
        assert!(Times::new(Instant::from_epoch_millis(i64::MAX), i64::MAX, None).is_some());
    }

    #[test]
    fn a_token_is_given_out_until_shortly_before_it_ends() {
        let tokens = tokens();
        let made = keep(&tokens, key(1), NOW);
        for millis in [0, 1, 49_499] {
            let found = tokens.find(&key(1), after(millis)).unwrap();
            assert!(Arc::ptr_eq(&found, &made), "{millis}");
        }
        for millis in [49_500, 60_000, i64::MAX / 2, -501] {
            assert!(tokens.find(&key(1), after(millis)).is_none(), "{millis}");
        }
    }

    #[test]
    fn whatever_differs_is_another_token() {
        let tokens = tokens();
        keep(&tokens, key(1), NOW);
        type Change = fn(&mut TokenKey);
        let entry = |path: &str| Matched::Entry { methods: Default::default(), path: path.to_owned() };
        let changes: [Change; 6] = [
            |key| key.statement.api_key_id = ApiKeyId::from_u128(2),
            |key| key.statement.end = Some(after(30_000)),
            |key| key.statement.scope = TenantScope::One(TenantId::from_u128(1)),
            |key| key.statement.issuer = "acme.org".to_owned(),
            |key| key.statement.key_id = KeyId::from_u128(2),
            |key| key.key_digest = [1; 32],
        ];
        for change in changes {
            let mut other = key(1);
            change(&mut other);
            assert!(tokens.find(&other, NOW).is_none());
        }
        // Lists of permissions that would be alike if they were joined.
        let lists = [
            vec![entry("/a"), entry("/b")],
            vec![entry("/a,:/b")],
            vec![entry("/a\n:/b")],
            vec![entry("/a")],
        ];
        for (index, list) in lists.iter().enumerate() {
            let with = |permissions: &Vec<Matched>| {
                let mut key = key(1);
                key.statement.permissions.clone_from(permissions);
                key
            };
            keep(&tokens, with(list), NOW);
            for (other, permissions) in lists.iter().enumerate() {
                assert_eq!(tokens.find(&with(permissions), NOW).is_some(), other <= index);
            }
        }
    }

    #[test]
    fn the_number_of_tokens_is_bounded() {
        let tokens = tokens();
        let many = MOST_TOKENS as u128 * 3;
        for number in 0..many {
            keep(&tokens, key(number), NOW);
            assert!(len(&tokens) <= MOST_TOKENS);
        }
        // The latest are there, the first are not.
        let kept = |number| tokens.find(&key(number), NOW).is_some();
        assert!((many - MOST_OF_A_GENERATION as u128..many).all(kept));
        assert!(!(0..many - MOST_TOKENS as u128).any(kept));
        assert_eq!(len(&tokens), MOST_TOKENS);
    }

    #[test]
    fn tokens_that_have_ended_are_dropped() {
        let tokens = tokens();
        for number in 0..100 {
            keep(&tokens, key(number), after(i64::try_from(number).unwrap()));
        }
        assert_eq!(len(&tokens), 100);
        keep(&tokens, key(100), after(60_000));
        assert_eq!(len(&tokens), 101);
        keep(&tokens, key(101), after(120_000));
        assert_eq!(len(&tokens), 2);
        // A clock that was set back keeps nothing for long either.
        keep(&tokens, key(102), after(0));
        keep(&tokens, key(103), after(-1_000));
        assert_eq!(len(&tokens), 2);
    }
}
