//! Migrations: embedded, applied by one process at a time.

use diesel::migration::{Migration, MigrationSource};
use diesel_migrations::MigrationHarness;

use crate::api_key_search::{fold_api_key_names, has_unfolded_api_key_names};
use crate::conn::{AnyConnection, MultiBackend, Role};
use crate::key_search::{fold_names, has_unfolded_names};
use crate::news::lock;
use crate::tenant_search::{fold_tenant_names, has_unfolded_tenant_names};
use crate::{StorageError, Store, dialect};

/// One migration of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Orders the migrations: digits only.
    pub version: String,
    /// What it does, in a word or two.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

impl Store {
    /// The migrations of this program in their order.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn migrations(&self) -> Result<Vec<MigrationStatus>, StorageError> {
        self.migrating(|connection| {
            let applied = applied(connection)?;
            Ok(embedded(connection)?.iter().map(|migration| status(migration.as_ref(), &applied)).collect())
        })
    }

    /// Applies all migrations that the database does not have, and returns how many that were. Then fills what SQL
    /// cannot compute, which earlier programs may have left open even where no migration is due. Any number of
    /// processes may call this at once.
    ///
    /// # Errors
    /// Failures of the database; the migrations before the one that failed stay.
    pub fn migrate_up(&self) -> Result<usize, StorageError> {
        self.migrating(|connection| {
            let migrations = dialect::migrations(connection);
            let done = connection.run_pending_migrations(migrations).map_err(failed)?.len();
            if done > 0 {
                tracing::info!(migrations = done, "migrated the database");
            }
            let folded = fold_names(connection)?;
            if folded > 0 {
                tracing::info!(keys = folded, "folded the names of keys");
            }
            let folded = fold_api_key_names(connection)?;
            if folded > 0 {
                tracing::info!(api_keys = folded, "folded the names of API keys");
            }
            let folded = fold_tenant_names(connection)?;
            if folded > 0 {
                tracing::info!(tenants = folded, "folded the names of tenants");
            }
            Ok(done)
        })
    }

    /// Undoes all migrations after the version `to`, the newest first, and returns how many that were. `0`
    /// undoes all of them, and with them deletes all data.
    ///
    /// # Errors
    /// [`StorageError::Backend`] when `to` is no version of this program or the database has migrations that
    /// this program does not know, and failures of the database.
    pub fn migrate_down(&self, to: &str) -> Result<usize, StorageError> {
        let to = to.replace('-', "");
        self.migrating(|connection| {
            let known = embedded(connection)?;
            let find = |version: &str| known.iter().find(|one| one.name().version().to_string() == version);
            if to != "0" && find(&to).is_none() {
                return Err(StorageError::Backend(format!("there is no migration {to}")));
            }
            let mut undone = applied(connection)?;
            undone.retain(|version| version.as_str() > to.as_str());
            undone.sort_unstable_by(|a, b| b.cmp(a));
            let migrations = undone
                .iter()
                .map(|version| {
                    find(version)
                        .ok_or_else(|| StorageError::Backend(format!("the migration {version} is not known")))
                })
                .collect::<Result<Vec<_>, _>>()?;
            for migration in &migrations {
                connection.revert_migration(migration.as_ref()).map_err(failed)?;
            }
            Ok(migrations.len())
        })
    }

    /// Checks that the database has every migration of this program and that what they add is filled. It may have more:
    /// a newer node may have migrated it.
    ///
    /// # Errors
    /// [`StorageError::MigrationsPending`], and failures of the database.
    pub fn check_schema(&self) -> Result<(), StorageError> {
        self.migrating(|connection| {
            let applied = applied(connection)?;
            let complete =
                embedded(connection)?.iter().all(|one| applied.contains(&one.name().version().to_string()));
            if complete
                && !has_unfolded_names(connection)?
                && !has_unfolded_api_key_names(connection)?
                && !has_unfolded_tenant_names(connection)?
            {
                Ok(())
            } else {
                Err(StorageError::MigrationsPending)
            }
        })
    }

    /// On a connection of its own, so that a lock on PostgreSQL goes when the work is done, however it ends.
    fn migrating<T>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let _one = lock(&self.inner.migrating);
        let mut connection = dialect::connect(&self.inner.options, Role::Write)?;
        dialect::lock_migrations(&mut connection)?;
        #[cfg(feature = "sqlite")]
        let _writing = self.inner.snapshots.begin_write();
        work(&mut connection)
    }
}

fn status(migration: &dyn Migration<MultiBackend>, applied: &[String]) -> MigrationStatus {
    let version = migration.name().version().to_string();
    let full_name = migration.name().to_string();
    let name = full_name.split_once('_').map_or(full_name.as_str(), |(_, name)| name).to_owned();
    MigrationStatus { applied: applied.contains(&version), version, name }
}

fn embedded(connection: &AnyConnection) -> Result<Vec<Box<dyn Migration<MultiBackend>>>, StorageError> {
    let mut migrations: Vec<Box<dyn Migration<MultiBackend>>> =
        dialect::migrations(connection).migrations().map_err(failed)?;
    migrations.sort_unstable_by(|a, b| a.name().version().cmp(&b.name().version()));
    Ok(migrations)
}

fn applied(connection: &mut AnyConnection) -> Result<Vec<String>, StorageError> {
    let versions = connection.applied_migrations().map_err(failed)?;
    Ok(versions.iter().map(ToString::to_string).collect())
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> StorageError {
    StorageError::Backend(error.to_string())
}
