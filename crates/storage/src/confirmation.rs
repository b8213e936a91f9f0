//! After a commit on PostgreSQL: it is told to all nodes, and whoever has taken something away waits until none of them decides
//! from what was before.

use std::time::Duration;

use crate::conn::AnyConnection;
use crate::dialect::node::Announced;
use crate::lease::Moment;
use crate::serving::OwnNode;
use crate::transaction::Recorded;
use crate::{StorageError, Store, dialect};

/// How long to wait between two looks at the list of nodes: while all may answer any moment, and later.
const LOOK_EVERY: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(20)];
/// Who is there answers within this time.
const PROMPT: Duration = Duration::from_millis(60);
/// What is waited longer than the lease of a node that does not answer, for what lies between two clocks.
const MARGIN: Duration = Duration::from_millis(50);

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

/// Waits until every other node has read the commit, or until all leases have ended that rest on what was read before it. Nodes that
/// have not read it then are taken off the list, so that the next change does not wait for them.
///
/// How long a node has shown no sign says nothing about its lease: after a crash the database may show its row as it was long before.
fn wait_for_others(store: &Store, own_id: Option<&str>, announced: Announced, committed: Moment) {
    let lease = Duration::from_millis(announced.lease_milliseconds.unsigned_abs());
    let end = committed.after(lease.saturating_add(MARGIN));
    let [often, seldom] = LOOK_EVERY;
    loop {
        let over = Moment::now() >= end;
        let looked = store.on_connection(|connection| {
            let mut left = 0_usize;
            for node in dialect::node::laggards(connection, announced.barrier, own_id)? {
                if over && dialect::node::expel(connection, &node)? {
                    tracing::warn!(
                        node = node.id,
                        "a node did not follow a change within its lease, and is taken off the list"
                    );
                } else if !over {
                    left += 1;
                }
            }
            Ok(left)
        });
        match looked {
            Ok(0) => return,
            // Nobody can be asked, but all leases are over.
            Err(error) if over => {
                tracing::warn!(%error, "nodes did not follow a change within their lease");
                return;
            }
            _ => {}
        }
        std::thread::sleep(if committed.elapsed() < PROMPT { often } else { seldom });
    }
}
