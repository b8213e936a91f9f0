//! Entities that got tokens lately, with what they are granted, as the database had them: so that whoever asks again costs no
//! look-up.
//!
//! What is kept counts only until any entity, type, permission or grant changes, of which memory hears before the change is
//! answered. Secrets are kept as they are stored, sealed. Only clients that proved who they are get in: a stranger can
//! neither fill this nor learn what is here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use claviger_domain::{ClientId, EntityId};
use claviger_storage::{TokenClient, TokenTypes};

/// Clients that are kept. Beyond that, all make room: whoever comes again is back with one look-up.
const MOST_KEPT: usize = 4096;
/// The most permissions of a grant that is kept: others take longer to sign than to look up.
const MOST_PERMISSIONS: usize = 64;

/// A client, and the first entity of the scope that it asks for.
type Wanted = (ClientId, Option<EntityId>);

/// The clients, each with the number of changes that had been seen when it was read.
#[derive(Default)]
pub(crate) struct TokenClients {
    changes: AtomicU64,
    kept: RwLock<HashMap<Wanted, (u64, Arc<TokenClient>)>>,
    /// What their types say, with the number of changes likewise.
    types: RwLock<(u64, Arc<TokenTypes>)>,
}

impl TokenClients {
    /// Something changed, or everything is told again: what is kept counts no more.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// The number of changes so far: to be asked for before a client is read that is to be [kept](Self::keep).
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// What is known of types since there were so many changes, for a look-up after [that was asked](Self::changes).
    pub(crate) fn types(&self, changes: u64) -> Arc<TokenTypes> {
        {
            let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
            if types.0 == changes {
                return Arc::clone(&types.1);
            }
        }
        let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
        if types.0 < changes {
            *types = (changes, Arc::default());
        }
        // Whoever is behind learns for nobody else.
        if types.0 == changes { Arc::clone(&types.1) } else { Arc::default() }
    }

    /// The client, if it was kept and nothing has changed since it was read.
    pub(crate) fn at_hand(&self, client_id: &ClientId, on: Option<EntityId>) -> Option<Arc<TokenClient>> {
        let changes = self.changes();
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let (of, client) = kept.get(&(client_id.clone(), on))?;
        (*of == changes).then(|| Arc::clone(client))
    }

    /// Keeps a client that was read when there had been so many changes.
    pub(crate) fn keep(
        &self,
        changes: u64,
        client_id: &ClientId,
        on: Option<EntityId>,
        client: &Arc<TokenClient>,
    ) {
        let large = client.grant.as_ref().is_some_and(|grant| grant.permissions.len() > MOST_PERMISSIONS);
        if large || changes != self.changes() {
            return;
        }
        // Valid after each statement: a panic elsewhere leaves it whole.
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert((client_id.clone(), on), (changes, Arc::clone(client)));
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::{EntityTypeId, Sealed, TenantId};
    use claviger_storage::TokenGrant;

    use super::*;

    fn client(permissions: usize) -> Arc<TokenClient> {
        Arc::new(TokenClient {
            entity_id: EntityId::from_u128(1),
            tenant_id: TenantId::from_u128(2),
            client_secret: Sealed::from(Vec::new()),
            previous_client_secret: None,
            jwt: None,
            grant: Some(TokenGrant {
                entity_type_id: EntityTypeId::from_u128(3),
                permissions: vec![Arc::from("p"); permissions],
            }),
        })
    }

    fn id(number: usize) -> ClientId {
        ClientId::try_from(format!("client {number}")).unwrap()
    }

    #[test]
    fn what_is_kept_counts_until_the_next_change() {
        let clients = TokenClients::default();
        let on = Some(EntityId::from_u128(9));
        assert!(clients.at_hand(&id(1), on).is_none());
        clients.keep(clients.changes(), &id(1), on, &client(1));
        assert!(clients.at_hand(&id(1), on).is_some());
        // Another client, or another scope, is another question.
        assert!(clients.at_hand(&id(1), None).is_none() && clients.at_hand(&id(2), on).is_none());
        clients.changed();
        assert!(clients.at_hand(&id(1), on).is_none());
        // What was read before a change is not kept after it.
        let before = clients.changes();
        clients.changed();
        clients.keep(before, &id(1), on, &client(1));
        assert!(clients.at_hand(&id(1), on).is_none());
    }

    #[test]
    fn what_is_known_of_types_counts_until_the_next_change() {
        let clients = TokenClients::default();
        let before = clients.changes();
        let types = clients.types(before);
        assert!(Arc::ptr_eq(&types, &clients.types(before)));
        clients.changed();
        let after = clients.types(clients.changes());
        assert!(!Arc::ptr_eq(&types, &after));
        // Who read before the change neither uses nor feeds what counts after it.
        let late = clients.types(before);
        assert!(!Arc::ptr_eq(&late, &after) && !Arc::ptr_eq(&late, &types));
        assert!(Arc::ptr_eq(&after, &clients.types(clients.changes())));
    }

    #[test]
    fn size_is_bounded() {
        let clients = TokenClients::default();
        clients.keep(clients.changes(), &id(0), None, &client(MOST_PERMISSIONS + 1));
        assert!(clients.at_hand(&id(0), None).is_none());
        for number in 0..=MOST_KEPT {
            clients.keep(clients.changes(), &id(number), None, &client(MOST_PERMISSIONS));
        }
        let kept = clients.kept.read().unwrap().len();
        assert!(kept <= MOST_KEPT && clients.at_hand(&id(MOST_KEPT), None).is_some());
    }
}
