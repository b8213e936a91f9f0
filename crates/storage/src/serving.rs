//! Serving a database: whether this node may decide from what it has in memory, what holds that current, and who else is there.

use std::sync::Arc;
use std::time::Duration;

use crate::alone::Alone;
use crate::conn::{AnyConnection, Role};
use crate::node::Node;
use crate::{DatabaseUrl, StorageError, Store, dialect};

/// The shortest lease of a node on PostgreSQL.
pub const SHORTEST_LEASE: Duration = Duration::from_millis(500);
/// The longest one.
pub const LONGEST_LEASE: Duration = Duration::from_secs(10);
/// How long the lease of a node lasts unless it is told otherwise.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(2);

/// Loads what is kept in memory, and says whether that worked.
pub(crate) type Reload = Box<dyn FnMut() -> bool + Send>;

/// A node that serves a database. Dropping it ends that.
pub struct Serving(Kind);

enum Kind {
    /// On SQLite.
    Alone(Alone),
    /// On PostgreSQL, maybe among others.
    Among(Node),
    /// Inside one transaction, which nobody else can change.
    Enclosed,
}

/// What is known of the nodes on a PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedStatus {
    /// How old memory is at most: the time since this node began to read the changes for the last time that went well.
    pub age: Duration,
    /// How long the lease lasts.
    pub lease: Duration,
    /// The nodes that served at that time, this one included.
    pub nodes: u64,
}

/// Keeps others away: see [`Store::exclusive`] and [`Store::start_turn`].
pub struct Turn {
    _connection: Option<AnyConnection>,
}

impl Store {
    /// Begins to serve: loads memory by `reload`, and holds it current from then on through the listener
    /// ([`Store::set_listener`], which must be set before).
    ///
    /// On SQLite, where the lock on the file keeps other processes out, the listener hears of each commit before it is
    /// answered. On PostgreSQL any number of nodes can serve. Each follows the changes on a connection of its own, which needs
    /// a real session (no pooler that hands out connections per transaction), and may decide from memory until its lease ends:
    /// `lease` after it began to read for the last time. See [`Store::write`] for what that means for changes.
    ///
    /// `reload` is called at once, and again, on a thread of its own, when memory may be wrong: the database is another one
    /// than before, a row makes no sense, or the listener panicked. Until it has returned `true`, [`Serving::holds`] is false.
    /// It should use [`Store::read_between_commits`]. When it returns `false` or panics it is called again.
    ///
    /// # Errors
    /// [`StorageError::Locked`] while somebody has the database for himself ([`Store::exclusive`]),
    /// [`StorageError::Unavailable`] when memory cannot be loaded, and the like.
    pub fn serve(
        &self,
        lease: Duration,
        reload: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Serving, StorageError> {
        let mut reload: Reload = Box::new(reload);
        if self.inner.enclosing.is_some() {
            return if reload() { Ok(Serving(Kind::Enclosed)) } else { Err(StorageError::Unavailable) };
        }
        Ok(Serving(match self.inner.options.url {
            DatabaseUrl::Sqlite(_) => Kind::Alone(Alone::start(self, reload)?),
            DatabaseUrl::Postgres(_) => {
                Kind::Among(Node::start(self, lease.clamp(SHORTEST_LEASE, LONGEST_LEASE), reload)?)
            }
        }))
    }

    /// Has the database for oneself: no node serves it until this is dropped.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when a node serves it, or somebody else has it; [`StorageError::Unavailable`] and the like.
    pub fn exclusive(&self) -> Result<Turn, StorageError> {
        match self.inner.options.url {
            // The lock on the file has done it.
            DatabaseUrl::Sqlite(_) => Ok(Turn { _connection: None }),
            DatabaseUrl::Postgres(_) => {
                let mut connection = dialect::connect(&self.inner.options, Role::Write)?;
                if !dialect::try_serve_lock(&mut connection, dialect::ServeLock::Exclusive)? {
                    return Err(StorageError::Locked);
                }
                Ok(Turn { _connection: Some(connection) })
            }
        }
    }

    /// Waits until no other process makes the first rows of an instance, and keeps all others from it until this is dropped.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub fn start_turn(&self) -> Result<Turn, StorageError> {
        match self.inner.options.url {
            DatabaseUrl::Sqlite(_) => Ok(Turn { _connection: None }),
            DatabaseUrl::Postgres(_) => {
                let mut connection = dialect::connect(&self.inner.options, Role::Write)?;
                dialect::lock_start(&mut connection)?;
                Ok(Turn { _connection: Some(connection) })
            }
        }
    }
}

impl Serving {
    /// Whether memory may be trusted now.
    #[must_use]
    pub fn holds(&self) -> bool {
        match &self.0 {
            Kind::Alone(alone) => alone.holds(),
            Kind::Among(node) => node.holds(),
            Kind::Enclosed => true,
        }
    }

    /// How often memory was loaded again. While it is, what is not found in it may be there all the same.
    #[must_use]
    pub fn generation(&self) -> u64 {
        match &self.0 {
            Kind::Alone(alone) => alone.generation(),
            Kind::Among(node) => node.generation(),
            Kind::Enclosed => 0,
        }
    }

    /// Whether the database answered when it was last asked, and that was not long ago.
    #[must_use]
    pub fn database_up(&self) -> bool {
        match &self.0 {
            Kind::Alone(alone) => alone.database_up(),
            Kind::Among(node) => node.database_up(),
            Kind::Enclosed => true,
        }
    }

    /// Asks the database for the changes, for somebody who finds that memory may not be trusted: [`Self::holds`] says when the
    /// answer is there. `false` when there is no sense in waiting for it.
    #[must_use]
    pub fn ask(&self) -> bool {
        match &self.0 {
            Kind::Among(node) => node.ask(),
            Kind::Alone(_) | Kind::Enclosed => false,
        }
    }

    /// How this node follows the others; `None` where there are no others.
    #[must_use]
    pub fn feed(&self) -> Option<FeedStatus> {
        match &self.0 {
            Kind::Among(node) => Some(node.status()),
            Kind::Alone(_) | Kind::Enclosed => None,
        }
    }
}

/// What a store tells the nodes after a commit; that of a store which does not serve is empty.
pub(crate) type OwnNode = Option<Arc<crate::node::Shared>>;
