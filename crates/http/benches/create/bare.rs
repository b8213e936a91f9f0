//! The same rows as the store writes for a new API key, by diesel alone: one connection for each thread, set up as the store sets up its own, and
//! prepared statements.

use claviger_domain::Name;
use claviger_storage::DatabaseUrl;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::{NOW, PERMISSIONS, digest, id, name};

diesel::table! {
    api_key (id) {
        id -> Text,
        revision -> BigInt,
        digest -> Binary,
        name -> Nullable<Text>,
        name_folded -> Nullable<Text>,
        permissions -> Nullable<Text>,
        key_manager -> Bool,
        retrievable -> Bool,
        attributes -> Text,
        insert_instant -> BigInt,
        last_update_instant -> BigInt,
        disabled -> Bool,
    }
}

diesel::table! {
    change (id) {
        id -> BigInt,
        instant -> BigInt,
        actor_kind -> Text,
        entity -> Text,
        entity_id -> Text,
        action -> Text,
        after -> Nullable<Text>,
    }
}

/// What the store records of a new key.
fn record(number: u64) -> String {
    json!({
        "id": id(number).to_string(), "revision": 1, "fusionId": null, "name": name(number), "nameRepeats": false,
        "attributes": {}, "permissions": PERMISSIONS, "roles": null, "keyManager": false, "tenantId": null,
        "ipAccessControlListId": null, "disabled": false, "retrievable": false, "expirationInstant": Value::Null,
        "insertInstant": NOW, "lastUpdateInstant": NOW,
    })
    .to_string()
}

macro_rules! insert {
    ($connection:expr, $number:expr) => {{
        let id = id($number).to_string();
        let name = name($number);
        let folded = Name::try_from(name.clone()).unwrap().folded();
        diesel::insert_into(api_key::table)
            .values((
                api_key::id.eq(&id),
                api_key::revision.eq(1),
                api_key::digest.eq(digest($number).to_vec()),
                api_key::name.eq(&name),
                api_key::name_folded.eq(folded),
                api_key::permissions.eq(PERMISSIONS),
                api_key::key_manager.eq(false),
                api_key::retrievable.eq(false),
                api_key::attributes.eq("{}"),
                api_key::insert_instant.eq(NOW),
                api_key::last_update_instant.eq(NOW),
                api_key::disabled.eq(false),
            ))
            .execute($connection)?;
        diesel::insert_into(change::table)
            .values((
                change::instant.eq(NOW),
                change::actor_kind.eq("System"),
                change::entity.eq("api_key"),
                change::entity_id.eq(&id),
                change::action.eq("create"),
                change::after.eq(record($number)),
            ))
            .execute($connection)
    }};
}

/// Makes the keys of one thread.
pub(crate) fn inserter(url: &DatabaseUrl) -> Box<dyn FnMut(u64)> {
    match url {
        #[cfg(feature = "sqlite")]
        DatabaseUrl::Sqlite(path) => {
            let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            connection
                .batch_execute(
                    "PRAGMA busy_timeout = 60000; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; \
                     PRAGMA cache_size = -4096; PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF",
                )
                .unwrap();
            Box::new(move |number| {
                connection
                    .immediate_transaction::<_, diesel::result::Error, _>(|connection| {
                        insert!(connection, number)
                    })
                    .map(drop)
                    .unwrap();
            })
        }
        #[cfg(feature = "postgres")]
        DatabaseUrl::Postgres(url) => {
            let mut connection = PgConnection::establish(url).unwrap();
            Box::new(move |number| {
                connection
                    .transaction::<_, diesel::result::Error, _>(|connection| insert!(connection, number))
                    .map(drop)
                    .unwrap();
            })
        }
        #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
        _ => panic!("a database that this program was built without"),
    }
}
