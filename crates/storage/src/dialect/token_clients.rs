//! Many clients of the token endpoint in one statement, on PostgreSQL: what a statement costs beside its rows, which is the way to another
//! process and back, is paid once for all of them.

use diesel::prelude::*;

use crate::conn::AnyConnection;

/// Of an entity: its id, tenant and type, the secret, the one before, and its end.
pub(crate) type OwnColumns = (String, String, String, Vec<u8>, Option<Vec<u8>>, Option<i64>);

/// What was asked for, by its place from 1 on; the entity; if it has a grant, the type of the entity on which that is; and the ids of the
/// grant's permissions.
pub(crate) type SharedRow = (i64, OwnColumns, Option<String>, Vec<String>);

/// A row for each of these clients that is there, with its grant on the entity behind the client id; empty for none.
#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "SQLite asks for one at a time"))]
pub(crate) fn shared_rows(
    connection: &mut AnyConnection,
    client_ids: &[&str],
    on: &[String],
) -> QueryResult<Vec<SharedRow>> {
    match connection {
        // There a statement is a call in this process, and saves nothing for others.
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => {
            Err(diesel::result::Error::QueryBuilderError("on SQLite clients are looked up one by one".into()))
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => postgres::Shared { client_ids, on }
            .load_iter::<SharedRow, diesel::connection::DefaultLoadingMode>(connection)?
            .collect(),
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use diesel::pg::Pg;
    use diesel::prelude::*;
    use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
    use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};

    /// One row for each client whatever its permissions, so that nothing comes twice. Behind `LIMIT` the planner looks for a grant by both of
    /// its entities, as for one client; joined, it may go through all grants of a client.
    const SELECT: &str = "SELECT wanted.place, client.id, client.tenant_id, client.entity_type_id, \
            client.sealed_client_secret, client.sealed_previous_client_secret, \
            client.previous_client_secret_valid_until, \
            (SELECT entity_type_id FROM entity AS target WHERE target.id = granted.entity_id), \
            ARRAY(SELECT permission_id FROM entity_grant_permission WHERE entity_grant_id = granted.id) \
        FROM unnest(";
    const FROM: &str = ") WITH ORDINALITY AS wanted (client_id, entity_id, place) \
        JOIN entity AS client ON client.client_id = wanted.client_id \
        LEFT JOIN LATERAL (SELECT id, entity_id FROM entity_grant \
            WHERE recipient_entity_id = client.id AND entity_id = wanted.entity_id LIMIT 1) AS granted ON true";

    /// The statement as diesel prepares it, once for each connection.
    pub(super) struct Shared<'a> {
        pub(super) client_ids: &'a [&'a str],
        pub(super) on: &'a [String],
    }

    impl QueryId for Shared<'_> {
        type QueryId = Shared<'static>;
        const HAS_STATIC_QUERY_ID: bool = true;
    }

    impl Query for Shared<'_> {
        type SqlType = (
            BigInt,
            (Text, Text, Text, Binary, Nullable<Binary>, Nullable<BigInt>),
            Nullable<Text>,
            Array<Text>,
        );
    }

    impl<C> RunQueryDsl<C> for Shared<'_> {}

    impl QueryFragment<Pg> for Shared<'_> {
        fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
            out.push_sql(SELECT);
            out.push_bind_param::<Array<Text>, _>(&self.client_ids)?;
            out.push_sql(", ");
            out.push_bind_param::<Array<Text>, _>(&self.on)?;
            out.push_sql(FROM);
            Ok(())
        }
    }
}
