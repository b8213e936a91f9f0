//! Who the client of the token endpoint is: the secret is compared with that of the entity (RFC 6749, section 2.3.1).
//!
//! An attacker must not learn which clients there are. An unknown one and a wrong secret get the same answer, and the same is
//! done for both: one look-up (unless the client was kept), two secrets opened, each compared with what was sent. Where there is no client, or no secret
//! before the present one, a decoy stands in, which was sealed like them when the server started. What is left is how long
//! the database takes to find a row or none, microseconds that nobody can take away here; so `dispatch` gives these answers at
//! a fixed time after the request, by when all of this is over. Of a request that succeeds nothing is to be hidden.

use std::sync::Arc;

use claviger_crypto::{CryptoError, SealedItem, is_same_secret};
use claviger_domain::{ClientId, EntityId, Instant, Sealed, SecretBytes, SecretText, TenantState};
use claviger_storage::TokenClient;

use crate::error::ApiError;
use crate::state::AppState;
use crate::token_look_ups::LookedUp;
use crate::wire::oauth::{Attempt, ClientCredentials, OAuthError, OAuthRefusal};

/// The longest client secret in bytes, as entities can have them.
const MAXIMUM_SECRET: usize = 1024;

/// For whom the decoy is sealed. No entity has this id: it is not one of a random or chosen UUID that anybody was given.
pub(crate) const NOBODY: EntityId = EntityId::from_u128(0);

/// A client that proved who it is, and what it is granted on one entity.
pub(crate) struct ProvedClient {
    pub(crate) client: Arc<TokenClient>,
    /// The number of changes that had been seen before it was read.
    changes: u64,
}

impl ProvedClient {
    /// Whether nothing has changed since it was read.
    pub(crate) fn is_current(&self, state: &AppState) -> bool {
        self.changes == state.derived.token_clients.changes()
    }
}

/// Why there is no [`ProvedClient`].
enum Unproved {
    /// The look-up would take a while, and nothing is known so far.
    NotAtOnce,
    /// The client is refused, or something failed.
    Error(ApiError),
}

impl From<ApiError> for Unproved {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

/// The entity that the credentials are of, and what it is granted on the entity `on`; not for the event loop.
///
/// # Errors
/// [`ApiError::OAuth`], and failures of the database.
pub(crate) fn authenticate(
    state: &AppState,
    credentials: &ClientCredentials,
    on: Option<EntityId>,
) -> Result<ProvedClient, ApiError> {
    let look_up = |client_id: &ClientId| {
        let clients = &state.derived.token_clients;
        // Asked for before the client is read: what changes meanwhile is not kept.
        let changes = clients.changes();
        let client = state.store.find_token_client(client_id, on, &clients.types(changes))?;
        Ok(LookedUp { changes, client })
    };
    authenticate_with(state, credentials, on, look_up)
}

/// As [`authenticate`], if the client was kept or can be looked up at once; `None` if not.
///
/// # Errors
/// Those of [`authenticate`].
pub(crate) fn authenticate_at_once(
    state: &AppState,
    credentials: &ClientCredentials,
    on: Option<EntityId>,
) -> Result<Option<ProvedClient>, ApiError> {
    let look_up = |client_id: &ClientId| {
        let clients = &state.derived.token_clients;
        let changes = clients.changes();
        let found = state.store.find_token_client_at_once(client_id, on, &clients.types(changes));
        let client = found.ok_or(Unproved::NotAtOnce)?.map_err(ApiError::from)?;
        Ok(LookedUp { changes, client })
    };
    if_known(authenticate_with(state, credentials, on, look_up))
}

/// Looks up the clients of these credentials, each together with others that wait, for [`authenticate_looked_up`].
///
/// # Errors
/// Failures of the database.
pub(crate) async fn look_up(
    state: &AppState,
    credentials: &ClientCredentials,
    on: Option<EntityId>,
) -> Result<Vec<(ClientId, LookedUp)>, ApiError> {
    let mut found = Vec::with_capacity(credentials.attempts.len());
    for attempt in &credentials.attempts {
        if let Ok(client_id) = worth_a_look_up(attempt) {
            found.push((client_id.clone(), state.token_look_ups.find(client_id, on).await?));
        }
    }
    Ok(found)
}

/// As [`authenticate`], if the client was kept or is among these; `None` if not.
///
/// # Errors
/// [`ApiError::OAuth`].
pub(crate) fn authenticate_looked_up(
    state: &AppState,
    credentials: &ClientCredentials,
    on: Option<EntityId>,
    mut found: Vec<(ClientId, LookedUp)>,
) -> Result<Option<ProvedClient>, ApiError> {
    let look_up = |client_id: &ClientId| {
        let place = found.iter().position(|(of, _)| of == client_id).ok_or(Unproved::NotAtOnce)?;
        Ok(found.swap_remove(place).1)
    };
    if_known(authenticate_with(state, credentials, on, look_up))
}

fn if_known(outcome: Result<ProvedClient, Unproved>) -> Result<Option<ProvedClient>, ApiError> {
    match outcome {
        Ok(proved) => Ok(Some(proved)),
        Err(Unproved::NotAtOnce) => Ok(None),
        Err(Unproved::Error(error)) => Err(error),
    }
}

fn authenticate_with<E: From<ApiError>>(
    state: &AppState,
    credentials: &ClientCredentials,
    on: Option<EntityId>,
    mut look_up: impl FnMut(&ClientId) -> Result<LookedUp, E>,
) -> Result<ProvedClient, E> {
    let mut error = OAuthError::UnknownClient;
    for attempt in &credentials.attempts {
        match authenticate_as(state, attempt, on, &mut look_up)? {
            Ok(client) => return Ok(client),
            Err(refused) => error = refused,
        }
    }
    Err(ApiError::from(OAuthRefusal { error, by_basic: credentials.by_basic }).into())
}

fn authenticate_as<E: From<ApiError>>(
    state: &AppState,
    attempt: &Attempt,
    on: Option<EntityId>,
    look_up: &mut impl FnMut(&ClientId) -> Result<LookedUp, E>,
) -> Result<Result<ProvedClient, OAuthError>, E> {
    let client_id = match worth_a_look_up(attempt) {
        Ok(client_id) => client_id,
        Err(refused) => return Ok(Err(refused)),
    };
    let clients = &state.derived.token_clients;
    let seen = clients.changes();
    let (client, changes, looked_up) = match clients.at_hand(client_id, on) {
        Some(known) => (Some(known), seen, false),
        None => {
            let LookedUp { client, changes } = look_up(client_id)?;
            (client.map(Arc::new), changes, true)
        }
    };
    let mut unseal = |id, sealed: &Sealed| state.sealer.unseal(SealedItem::ClientSecret(id), sealed);
    let proved =
        is_proved(client.as_deref(), &attempt.secrets, state.now(), &state.decoy_client_secret, &mut unseal)
            .map_err(ApiError::from)?;
    let Some(client) = client else { return Ok(Err(OAuthError::UnknownClient)) };
    if !proved {
        return Ok(Err(OAuthError::WrongSecret));
    }
    // A tenant that is being deleted is gone for everybody.
    let tenant = state.derived.tenants.find(client.tenant_id);
    if tenant.is_none_or(|tenant| tenant.state != TenantState::Active) {
        return Ok(Err(OAuthError::TenantNotActive));
    }
    if looked_up {
        clients.keep(changes, client_id, on, &client);
    }
    Ok(Ok(ProvedClient { client, changes }))
}

/// The client id, unless there is none or no secret can be right. Neither takes a look-up, and whoever sends such things knows it.
fn worth_a_look_up(attempt: &Attempt) -> Result<&ClientId, OAuthError> {
    let client_id = attempt.client_id.as_ref().ok_or(OAuthError::UnknownClient)?;
    if attempt.secrets.iter().all(|secret| secret.expose().len() > MAXIMUM_SECRET) {
        return Err(OAuthError::WrongSecret);
    }
    Ok(client_id)
}

/// Whether one of the secrets that were sent is the client's present one, or the one before, whose end has not come.
fn is_proved(
    client: Option<&TokenClient>,
    sent: &[SecretText],
    now: Instant,
    decoy: &Sealed,
    unseal: &mut dyn FnMut(EntityId, &Sealed) -> Result<SecretBytes, CryptoError>,
) -> Result<bool, CryptoError> {
    let id = client.map(|client| client.entity_id);
    let present = client.map(|client| &client.client_secret);
    let previous = client
        .and_then(|client| client.previous_client_secret.as_ref())
        .filter(|previous| now < previous.valid_until)
        .map(|previous| &previous.sealed);
    for own in [present, previous] {
        let (id, sealed) = id.zip(own).unwrap_or((NOBODY, decoy));
        let plain = unseal(id, sealed)?;
        // All are compared, so that it does not show which one was right, or nearly.
        let same = sent
            .iter()
            .fold(false, |same, secret| same | is_same_secret(secret.expose().as_bytes(), plain.expose()));
        if same && own.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use claviger_domain::TenantId;
    use claviger_storage::PreviousClientSecret;

    use super::*;

    const END: Instant = Instant::from_epoch_millis(1000);

    /// Not sealed at all: what is opened is counted here.
    fn plain(text: &str) -> Sealed {
        Sealed::from(text.as_bytes().to_vec())
    }

    fn client(previous: bool) -> TokenClient {
        TokenClient {
            entity_id: EntityId::from_u128(7),
            tenant_id: TenantId::from_u128(8),
            client_secret: plain("present"),
            previous_client_secret: previous
                .then(|| PreviousClientSecret { sealed: plain("previous"), valid_until: END }),
            jwt: None,
            grant: None,
        }
    }

    /// Whether the secret is taken, and which secrets were opened for whom.
    fn ask(client: Option<&TokenClient>, sent: &[&str], now: i64) -> (bool, Vec<u128>) {
        let sent: Vec<_> = sent.iter().map(|text| SecretText::from((*text).to_owned())).collect();
        let mut opened = Vec::new();
        let mut unseal = |id: EntityId, sealed: &Sealed| {
            opened.push(id.as_u128());
            Ok(SecretBytes::from(sealed.as_bytes().to_vec()))
        };
        let now = Instant::from_epoch_millis(now);
        let proved = is_proved(client, &sent, now, &plain("decoy"), &mut unseal).unwrap();
        (proved, opened)
    }

    #[test]
    fn whoever_is_refused_had_two_secrets_opened() {
        let (before, after) = (client(true), client(false));
        for sent in [&["wrong"][..], &["decoy"], &["wrong", "decoy"], &[""]] {
            assert_eq!(ask(None, sent, 0), (false, vec![0, 0]), "{sent:?}");
            assert_eq!(ask(Some(&after), sent, 0), (false, vec![7, 0]), "{sent:?}");
            assert_eq!(ask(Some(&before), sent, 0), (false, vec![7, 7]), "{sent:?}");
            assert_eq!(ask(Some(&before), sent, 1000), (false, vec![7, 0]), "{sent:?}");
        }
    }

    #[test]
    fn both_secrets_count_until_the_first_one_ends() {
        let client = client(true);
        for now in [0, 999] {
            assert_eq!(ask(Some(&client), &["previous"], now), (true, vec![7, 7]));
        }
        assert_eq!(ask(Some(&client), &["previous"], 1000), (false, vec![7, 0]));
        for now in [0, 999, 1000, 5000] {
            assert_eq!(ask(Some(&client), &["present"], now), (true, vec![7]));
            assert_eq!(ask(Some(&client), &["wrong", "present"], now), (true, vec![7]));
        }
    }
}
