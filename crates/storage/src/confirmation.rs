//! After a commit on PostgreSQL: it is told to all nodes, and whoever has taken something away waits until none of them decides
//! from what was before.

use std::time::Duration;

use crate::conn::AnyConnection;
use crate::dialect::node::Announced;
use crate::lease::Moment;
use crate::serving::OwnNode;
use crate::transaction::Recorded;
use crate::{StorageError, Store, dialect};

/// How long to wait between two looks at the list of nodes: at first, and at most.
const LOOK_EVERY: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(20)];
/// What is waited longer than the lease of a node that does not answer, for what lies between two clocks.
const MARGIN: Duration = Duration::from_millis(100);

/// What must be waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WaitFor {
    /// Nothing: nothing was written that anybody keeps in memory, or nobody else can have it.
    Nobody,
    /// This node.
    ThisNode,
    /// This node and all others.
    All(Announced),
}

/// Tells all nodes what this connection has committed.
///
/// # Errors
/// [`StorageError::Unavailable`] when that does not work and somebody may lose something: nobody can say that the change is in
/// force everywhere. It will be, when all leases that run now have ended.
pub(crate) fn announce(
    connection: &mut AnyConnection,
    own: Option<&OwnNode>,
    recorded: Recorded,
) -> Result<WaitFor, StorageError> {
    if recorded == Recorded::Nothing || !dialect::has_nodes(connection) {
        return Ok(WaitFor::Nobody);
    }
    let own = own.and_then(Option::as_ref);
    let told = match own {
        Some(own) => dialect::node::announce(connection, &own.channel, Some(&own.id)),
        None => dialect::channel(connection)
            .and_then(|channel| dialect::node::announce(connection, &channel, None)),
    };
    match told {
        Ok(announced) if recorded == Recorded::Changes && announced.others > 0 => Ok(WaitFor::All(announced)),
        Ok(_) => Ok(WaitFor::ThisNode),
        // The others read it a little later.
        Err(error) if recorded == Recorded::Creations => {
            tracing::warn!(%error, "the other nodes could not be told of a change");
            Ok(WaitFor::ThisNode)
        }
        Err(error) => {
            tracing::error!(%error, "a change was committed, but the other nodes could not be told of it");
            Err(StorageError::Unavailable)
        }
    }
}

/// Waits until what was committed before `committed` is in force.
pub(crate) fn wait(store: &Store, own: Option<&OwnNode>, wait: WaitFor, committed: Moment) {
    let own = own.and_then(Option::as_ref);
    if let (Some(own), WaitFor::ThisNode | WaitFor::All(_)) = (own, wait) {
        own.wait_until_applied(committed);
    }
    #[cfg(feature = "sabotage")]
    if crate::sabotage::answers_without_confirmation() {
        return;
    }
    if let WaitFor::All(announced) = wait {
        wait_for_others(store, own.map(|own| own.id.as_str()), announced, committed);
    }
}

/// Waits until every other node has read the commit, or the leases of those that have not must have ended. Those are taken off
/// the list, so that the next change does not wait for them.
fn wait_for_others(store: &Store, own_id: Option<&str>, announced: Announced, committed: Moment) {
    let lease = Duration::from_millis(announced.lease_milliseconds.unsigned_abs());
    let end = committed.after(lease.saturating_add(MARGIN));
    let [mut pause, longest] = LOOK_EVERY;
    while Moment::now() < end {
        let left = store
            .on_connection(|connection| dialect::node::unconfirmed(connection, announced.barrier, own_id));
        if left == Ok(0) {
            return;
        }
        std::thread::sleep(pause);
        pause = pause.saturating_mul(2).min(longest);
    }
    match store.on_connection(|connection| dialect::node::expel(connection, announced.barrier, own_id)) {
        Ok(0) => {}
        Ok(nodes) => tracing::warn!(
            nodes,
            "nodes did not follow a change within their lease, and are taken off the list"
        ),
        Err(error) => tracing::warn!(%error, "nodes did not follow a change within their lease"),
    }
}
