//! What issuing a token to an entity takes, in as few and short statements as can be: the entity with its secrets, how its type wants
//! tokens to be made, and what it is granted on the entities that it names. What clients have in common is remembered.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use claviger_domain::{ClientId, EntityId, EntityTypeId, Instant, KeyId, Sealed, TenantId};
use diesel::prelude::*;

use crate::dialect::load_prepared;
use crate::dialect::token_clients::{OwnColumns, SharedRow, shared_rows};
use crate::schema::{entity, entity_grant, entity_grant_permission, entity_type, entity_type_permission};
use crate::search::ROWS_AT_ONCE;
use crate::transaction::corrupt;
use crate::{DatabaseUrl, Entity, PreviousClientSecret, ReadTransaction, StorageError, Store};

/// The most permissions of a grant that is read at once: microseconds for all of them.
const MOST_AT_ONCE: usize = 64;
/// The most types and permissions that are known at a time. Beyond that, all make room.
const MOST_KNOWN: usize = 4096;

/// An entity as the client of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenClient {
    /// The entity.
    pub entity_id: EntityId,
    /// The tenant that it belongs to.
    pub tenant_id: TenantId,
    /// The sealed secret.
    pub client_secret: Sealed,
    /// The secret before, which counts until its end.
    pub previous_client_secret: Option<PreviousClientSecret>,
    /// Key and lifetime of its tokens by its type; `None` where those of the tenant count.
    pub jwt: Option<TokenConfiguration>,
    /// What it is granted on the entity that was asked for; `None` when there is no such grant, or no such entity.
    pub grant: Option<TokenGrant>,
}

/// How the type of an entity wants its tokens to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenConfiguration {
    /// Signs access tokens.
    pub access_token_key_id: Option<KeyId>,
    /// Lifetime of access tokens in seconds.
    pub time_to_live_in_seconds: Option<i64>,
}

/// What an entity is granted on another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenGrant {
    /// The type of the entity on which the grant is.
    pub entity_type_id: EntityTypeId,
    /// Names of permissions, sorted by their bytes in UTF-8; a grant can be without. Clients share what is remembered of them.
    pub permissions: Vec<Arc<str>>,
}

/// One row for each permission, or one row without: the entity, what its type says of tokens, the type of the entity on which the
/// grant is, id and name of the permission.
type Row =
    (OwnColumns, (bool, Option<String>, Option<i64>), (Option<String>, Option<String>, Option<String>));

/// The same without what [`TokenTypes`] knows: the revision tells whether there is a grant.
type ShortRow = (OwnColumns, (Option<i64>, Option<String>));

const OWN_COLUMNS: (
    entity::id,
    entity::tenant_id,
    entity::entity_type_id,
    entity::sealed_client_secret,
    entity::sealed_previous_client_secret,
    entity::previous_client_secret_valid_until,
) = (
    entity::id,
    entity::tenant_id,
    entity::entity_type_id,
    entity::sealed_client_secret,
    entity::sealed_previous_client_secret,
    entity::previous_client_secret_valid_until,
);

/// A grant by its entity, and one of its permissions.
type GrantRow = (String, String, Option<String>);

diesel::alias!(entity as target: Target);

impl Store {
    /// The entity with this client id, in whichever tenant: client ids are unique over all of them. Case counts. Beside it
    /// what it is granted on the entity `on`, which lies in the same tenant if there is a grant. One statement, or two where
    /// `types` does not know enough, which learns from it.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn find_token_client(
        &self,
        client_id: &ClientId,
        on: Option<EntityId>,
        types: &TokenTypes,
    ) -> Result<Option<TokenClient>, StorageError> {
        let on = on.map(|id| id.to_string()).unwrap_or_default();
        let rows = self.read_once(|tx| tx.short_token_client_rows(client_id.as_str(), &on, usize::MAX))?;
        if let Some(client) = types.client(rows) {
            return client;
        }
        types.learn(self.read_once(|tx| tx.token_client_rows(client_id.as_str(), &on))?)
    }

    /// As [`Self::find_token_client`], if that takes microseconds and nobody has to be waited for, so that an event loop can do it
    /// by itself; `None` if not.
    ///
    /// That is so on SQLite. It looks into its own file in this process, which takes less than the way to another thread and
    /// back. A reader waits for no writer (the file is in WAL mode), nor for recovery or another process: the file was opened
    /// before, and belongs to this process alone. What may happen is that a page has to be read from the disk, as anything may
    /// that this process touches, or one more connection opened for one more thread. Grants with many permissions are left to the
    /// other way, as is what `types` does not know, and whatever fails.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row makes no sense.
    pub fn find_token_client_at_once(
        &self,
        client_id: &ClientId,
        on: Option<EntityId>,
        types: &TokenTypes,
    ) -> Option<Result<Option<TokenClient>, StorageError>> {
        if !matches!(self.inner.options.url, DatabaseUrl::Sqlite(_)) {
            return None;
        }
        let on = on.map(|id| id.to_string()).unwrap_or_default();
        #[cfg(feature = "sqlite")]
        let rows = self.inner.snapshots.look_up(&self.inner.options, |connection| {
            let mut transaction = ReadTransaction::new(connection);
            transaction.short_token_client_rows(client_id.as_str(), &on, MOST_AT_ONCE + 1)
        });
        #[cfg(not(feature = "sqlite"))]
        let rows: Result<Vec<ShortRow>, StorageError> = Err(StorageError::Unavailable);
        match rows {
            Ok(rows) if rows.len() <= MOST_AT_ONCE => types.client(rows),
            Ok(_) | Err(_) => None,
        }
    }

    /// Whether a look-up takes so much longer than what it finds that those who wait should ask together
    /// ([`Self::find_token_clients`]). That is so on PostgreSQL: a statement goes to another process, and its answer comes back.
    #[must_use]
    pub fn shares_look_ups(&self) -> bool {
        matches!(self.inner.options.url, DatabaseUrl::Postgres(_))
    }

    /// As [`Self::find_token_client`] for each of these, in their order; the same one may come more than once. Where
    /// [look-ups are shared](Self::shares_look_ups), one statement for all of them, which sees one state of the database, and one more
    /// for each whose type or permissions `types` does not know, even from those before.
    ///
    /// # Errors
    /// What concerns all of them, such as [`StorageError::Unavailable`]; within, [`StorageError::Corrupt`] for the one whose
    /// row makes no sense.
    pub fn find_token_clients(
        &self,
        wanted: &[(ClientId, Option<EntityId>)],
        types: &TokenTypes,
    ) -> Result<Vec<Result<Option<TokenClient>, StorageError>>, StorageError> {
        if !self.shares_look_ups() {
            return Ok(wanted.iter().map(|(id, on)| self.find_token_client(id, *on, types)).collect());
        }
        let client_ids: Vec<_> = wanted.iter().map(|(id, _)| id.as_str()).collect();
        let on: Vec<_> =
            wanted.iter().map(|(_, on)| on.map(|id| id.to_string()).unwrap_or_default()).collect();
        let rows = self.read_once(|tx| tx.run(|connection| shared_rows(connection, &client_ids, &on)))?;
        let mut found: Vec<_> = wanted.iter().map(|_| Ok(None)).collect();
        for (place, row) in types.shared_clients(rows, &mut found) {
            // What one of them has taught is known for the next.
            if !types.shared_clients(vec![row], &mut found).is_empty()
                && let (Some(client_id), Some(on), Some(found)) =
                    (client_ids.get(place), on.get(place), found.get_mut(place))
            {
                *found = types.learn(self.read_once(|tx| tx.token_client_rows(client_id, on))?);
            }
        }
        Ok(found)
    }

    /// What an entity is granted on these others, by their ids; where there is no grant, there is no entry.
    ///
    /// # Errors
    /// As [`Self::find_token_client`].
    pub fn token_grants(
        &self,
        recipient: EntityId,
        on: &[EntityId],
    ) -> Result<HashMap<EntityId, TokenGrant>, StorageError> {
        let on: Vec<String> = on.iter().map(ToString::to_string).collect();
        let recipient = recipient.to_string();
        let mut grants: HashMap<EntityId, Option<TokenGrant>> = HashMap::with_capacity(on.len());
        for some in on.chunks(ROWS_AT_ONCE) {
            for (id, entity_type_id, permission) in
                self.read_once(|tx| tx.token_grant_rows(&recipient, some))?
            {
                let entity_id = id.parse().map_err(|_| corrupt(Entity::Entity, &id, "id"))?;
                add(grants.entry(entity_id).or_default(), &id, &entity_type_id, permission.map(Arc::from))?;
            }
        }
        let sorted = grants.into_iter().filter_map(|(id, grant)| {
            let mut grant = grant?;
            grant.permissions.sort_unstable();
            Some((id, grant))
        });
        Ok(sorted.collect())
    }
}

/// What types and permissions say of tokens, by their ids, as far as look-ups have found it. Clients have these in common, and to look
/// for them each time takes as long as for the client itself.
///
/// It holds for one state of the database: whoever keeps it starts with a new one when a type or permission changes.
#[derive(Default)]
pub struct TokenTypes(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// By the ids of types; `None` where the configuration of the tenant counts.
    types: HashMap<String, Option<TokenConfiguration>>,
    /// By the ids of permissions: the type that each belongs to, and its name.
    permissions: HashMap<String, (EntityTypeId, Arc<str>)>,
}

impl Known {
    /// A grant with permissions of these ids, on an entity of this type, which the first of them says as well; `None` if something
    /// is not known.
    fn grant(
        &self,
        mut entity_type_id: Option<EntityTypeId>,
        ids: impl Iterator<Item = Option<impl AsRef<str>>>,
    ) -> Option<TokenGrant> {
        let mut permissions = Vec::with_capacity(ids.size_hint().0);
        for id in ids {
            let (of, name) = self.permissions.get(id?.as_ref())?;
            entity_type_id = Some(*of);
            permissions.push(Arc::clone(name));
        }
        permissions.sort_unstable();
        Some(TokenGrant { entity_type_id: entity_type_id?, permissions })
    }

    /// What the type of a client says, and its grant; `None` if something is not known.
    fn parts(
        &self,
        (_, own, of, ids): &SharedRow,
    ) -> Option<(Option<TokenConfiguration>, Option<TokenGrant>)> {
        let jwt = *self.types.get(&own.2)?;
        let Some(of) = of else { return Some((jwt, None)) };
        let of = if ids.is_empty() { of.parse().ok() } else { None };
        Some((jwt, Some(self.grant(of, ids.iter().map(Some))?)))
    }
}

impl TokenTypes {
    /// The client of these rows; `None` if something is not known.
    fn client(&self, rows: Vec<ShortRow>) -> Option<Result<Option<TokenClient>, StorageError>> {
        // Valid after each statement: a panic elsewhere leaves it whole.
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut rows = rows.into_iter();
        let Some((own, (revision, first))) = rows.next() else { return Some(Ok(None)) };
        let jwt = *known.types.get(&own.2)?;
        let grant = match revision {
            // A grant without permissions does not say of which type the entity is on which it is.
            Some(_) => Some(known.grant(None, std::iter::once(first).chain(rows.map(|(_, (_, id))| id)))?),
            None => None,
        };
        Some(client(own, jwt).map(|client| Some(TokenClient { grant, ..client })))
    }

    /// Puts the clients of these rows into their places; what comes back are those of which something is not known, with their places.
    fn shared_clients(
        &self,
        rows: Vec<SharedRow>,
        found: &mut [Result<Option<TokenClient>, StorageError>],
    ) -> Vec<(usize, SharedRow)> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut unknown = Vec::new();
        for row in rows {
            // Places are counted from 1 on.
            let Some(place) = usize::try_from(row.0).ok().and_then(|place| place.checked_sub(1)) else {
                continue;
            };
            match (known.parts(&row), found.get_mut(place)) {
                (Some((jwt, grant)), Some(found)) => {
                    *found = client(row.1, jwt).map(|client| Some(TokenClient { grant, ..client }));
                }
                (None, _) => unknown.push((place, row)),
                (Some(_), None) => {}
            }
        }
        unknown
    }

    /// The client of these rows, whose type and permissions are known from now on.
    fn learn(&self, rows: Vec<Row>) -> Result<Option<TokenClient>, StorageError> {
        let Some((own, (is_own, key_id, lifetime), _)) = rows.first() else { return Ok(None) };
        let id = own.0.clone();
        let key_id = key_id.as_deref().map(str::parse).transpose();
        let key_id = key_id.map_err(|_| corrupt(Entity::Entity, &id, "key of the type"))?;
        let jwt = TokenConfiguration { access_token_key_id: key_id, time_to_live_in_seconds: *lifetime };
        let jwt = is_own.then_some(jwt);
        let mut client = client(own.clone(), jwt)?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.types.len() + known.permissions.len() + rows.len() > MOST_KNOWN {
            *known = Known::default();
        }
        known.types.insert(own.2.clone(), jwt);
        for (_, _, (entity_type_id, permission_id, name)) in rows {
            let Some(entity_type_id) = entity_type_id else { break };
            let name = name.map(Arc::from);
            add(&mut client.grant, &id, &entity_type_id, name.clone())?;
            if let (Some(grant), Some(permission_id), Some(name)) = (&client.grant, permission_id, name) {
                known.permissions.insert(permission_id, (grant.entity_type_id, name));
            }
        }
        if let Some(grant) = &mut client.grant {
            grant.permissions.sort_unstable();
        }
        Ok(Some(client))
    }
}

/// The client with these columns, without its grant.
fn client(own: OwnColumns, jwt: Option<TokenConfiguration>) -> Result<TokenClient, StorageError> {
    let (id, tenant_id, _, sealed, previous, valid_until) = own;
    let bad = |reason: &str| corrupt(Entity::Entity, &id, reason);
    let previous_client_secret = match (previous, valid_until) {
        (Some(sealed), Some(until)) => Some(PreviousClientSecret {
            sealed: Sealed::from(sealed),
            valid_until: Instant::from_epoch_millis(until),
        }),
        (None, None) => None,
        _ => return Err(bad("previous client secret")),
    };
    Ok(TokenClient {
        entity_id: id.parse().map_err(|_| bad("id"))?,
        tenant_id: tenant_id.parse().map_err(|_| bad("tenant id"))?,
        client_secret: Sealed::from(sealed),
        previous_client_secret,
        jwt,
        grant: None,
    })
}

/// Adds what a row says to a grant.
fn add(
    grant: &mut Option<TokenGrant>,
    id: &str,
    entity_type_id: &str,
    permission: Option<Arc<str>>,
) -> Result<(), StorageError> {
    let grant = match grant {
        Some(grant) => grant,
        None => {
            let entity_type_id =
                entity_type_id.parse().map_err(|_| corrupt(Entity::Entity, id, "entity type id"))?;
            grant.insert(TokenGrant { entity_type_id, permissions: Vec::new() })
        }
    };
    grant.permissions.extend(permission);
    Ok(())
}

impl ReadTransaction<'_> {
    fn short_token_client_rows(
        &mut self,
        client_id: &str,
        on: &str,
        most: usize,
    ) -> Result<Vec<ShortRow>, StorageError> {
        let query = entity::table
            .left_join(
                entity_grant::table.on(entity_grant::recipient_entity_id
                    .eq(entity::id)
                    .and(entity_grant::entity_id.eq(on.to_owned()))),
            )
            .left_join(
                entity_grant_permission::table
                    .on(entity_grant_permission::entity_grant_id.eq(entity_grant::id)),
            )
            .filter(entity::client_id.eq(client_id))
            .select((
                OWN_COLUMNS,
                (entity_grant::revision.nullable(), entity_grant_permission::permission_id.nullable()),
            ));
        self.run(|connection| load_prepared!(connection, query, ShortRow, most))
    }

    fn token_client_rows(&mut self, client_id: &str, on: &str) -> Result<Vec<Row>, StorageError> {
        let query = entity::table
            .inner_join(entity_type::table.on(entity_type::id.eq(entity::entity_type_id)))
            .left_join(
                entity_grant::table.on(entity_grant::recipient_entity_id
                    .eq(entity::id)
                    .and(entity_grant::entity_id.eq(on.to_owned()))),
            )
            .left_join(target.on(target.field(entity::id).eq(entity_grant::entity_id)))
            .left_join(
                entity_grant_permission::table
                    .on(entity_grant_permission::entity_grant_id.eq(entity_grant::id)),
            )
            .left_join(
                entity_type_permission::table
                    .on(entity_type_permission::id.eq(entity_grant_permission::permission_id)),
            )
            .filter(entity::client_id.eq(client_id))
            .select((
                OWN_COLUMNS,
                (
                    entity_type::jwt_enabled,
                    entity_type::access_token_key_id,
                    entity_type::time_to_live_in_seconds,
                ),
                (
                    target.field(entity::entity_type_id).nullable(),
                    entity_type_permission::id.nullable(),
                    entity_type_permission::name.nullable(),
                ),
            ));
        self.run(|connection| load_prepared!(connection, query, Row, usize::MAX))
    }

    fn token_grant_rows(&mut self, recipient: &str, on: &[String]) -> Result<Vec<GrantRow>, StorageError> {
        let query = entity_grant::table
            .inner_join(entity::table.on(entity::id.eq(entity_grant::entity_id)))
            .left_join(
                entity_grant_permission::table
                    .on(entity_grant_permission::entity_grant_id.eq(entity_grant::id)),
            )
            .left_join(
                entity_type_permission::table
                    .on(entity_type_permission::id.eq(entity_grant_permission::permission_id)),
            )
            .filter(entity_grant::recipient_entity_id.eq(recipient))
            .filter(entity_grant::entity_id.eq_any(on))
            .select((
                entity_grant::entity_id,
                entity::entity_type_id,
                entity_type_permission::name.nullable(),
            ));
        self.run(|connection| query.load(connection))
    }
}
