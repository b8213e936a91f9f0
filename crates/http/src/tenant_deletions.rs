//! Deletions of tenants: those that are asked for, and those that a former run left in the middle.
//!
//! A tenant that is `PendingDelete` may do nothing any more, whatever is left of it. What is left goes in small steps, each a
//! transaction of its own. While there are requests to decide about, rests between the steps leave processor and disk to those.
//! One task does all of it, so that several deletions take no more than one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::web;
use claviger_domain::{Actor, ChangeContext, TenantId};
use claviger_storage::StorageError;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::error::ApiError;
use crate::ops::tenant::{Step, delete_step};
use crate::state::AppState;

/// The rest after a step. A step keeps a processor busy for some milliseconds; if that is less than a hundredth of the time, the
/// slowest hundredth of the requests is hardly slower than without.
const REST: Duration = Duration::from_millis(500);

/// How long a tenant waits after a step that failed; each failure in a row doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The tenants that are left to delete.
#[derive(Default)]
pub(crate) struct TenantDeletions {
    queue: Mutex<VecDeque<TenantDeletion>>,
    added: Notify,
}

struct TenantDeletion {
    id: TenantId,
    /// Whom its changes are put down to.
    context: ChangeContext,
    /// Tells whoever waits; `None` once that is done.
    end: Option<oneshot::Sender<Result<(), ApiError>>>,
    /// Not before this instant is its next step.
    due: Instant,
    /// How long it waits if that one fails.
    pause: Duration,
}

/// The end of a deletion, or its first failure.
pub(crate) struct End(oneshot::Receiver<Result<(), ApiError>>);

impl End {
    /// Waits, on a blocking thread.
    ///
    /// # Errors
    /// Those of the first step that failed, and [`ApiError::Unavailable`] when the server stops: in both cases the deletion
    /// goes on later.
    pub(crate) fn wait(self) -> Result<(), ApiError> {
        self.0.blocking_recv().unwrap_or(Err(ApiError::Unavailable(None)))
    }
}

impl TenantDeletions {
    /// Adds a tenant that is `PendingDelete`.
    pub(crate) fn add(&self, id: TenantId, context: ChangeContext) -> End {
        let (end, ended) = oneshot::channel();
        let due = Instant::now();
        self.queue().push_back(TenantDeletion { id, context, end: Some(end), due, pause: FIRST_PAUSE });
        self.added.notify_one();
        End(ended)
    }

    /// Whether this server deletes the tenant, now or in its turn.
    fn has(&self, id: TenantId) -> bool {
        self.queue().iter().any(|deletion| deletion.id == id)
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<TenantDeletion>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the first that is due; else the instant at which one will be, if there is any.
    fn next(&self) -> Result<TenantDeletion, Option<Instant>> {
        let mut queue = self.queue();
        let now = Instant::now();
        let due = queue.iter().position(|deletion| deletion.due <= now);
        due.and_then(|place| queue.remove(place))
            .ok_or_else(|| queue.iter().map(|deletion| deletion.due).min())
    }

    /// Forgets the deletions that have not come to their end, and with that tells whoever waits for them.
    pub(crate) fn stop(&self) {
        self.queue().clear();
    }
}

fn tell(deletion: &mut TenantDeletion, outcome: Result<(), ApiError>) {
    if let Some(end) = deletion.end.take() {
        // Nobody need be interested.
        drop(end.send(outcome));
    }
}

/// How often a node looks for deletions that another one has left in the middle.
const LOOK_FOR_ORPHANS_EVERY: Duration = Duration::from_secs(60);

/// Takes up what other nodes have left in the middle: tenants that were to be deleted at the last look already. Whether the other node is
/// gone or only slow makes no difference: two that delete one tenant do not disturb each other.
pub(crate) async fn take_up_orphans(state: Arc<AppState>) {
    let mut seen = Vec::new();
    loop {
        tokio::time::sleep(LOOK_FOR_ORPHANS_EVERY).await;
        let asked = Arc::clone(&state);
        let read = move || asked.store.read::<_, StorageError>(|tx| Ok(tx.tenants_pending_delete()?));
        // While the database is away there is nothing to do.
        let Ok(Ok(pending)) = web::block(read).await else { continue };
        for id in pending.iter().filter(|id| seen.contains(*id) && !state.tenant_deletions.has(**id)) {
            let context = ChangeContext { actor: Actor::System, instant: state.now(), address: None };
            state.tenant_deletions.add(*id, context);
        }
        seen = pending;
    }
}

/// Deletes what is in the queue for as long as the server runs: a step of each tenant in turn.
pub(crate) async fn work(state: Arc<AppState>) {
    let mut decisions = 0;
    loop {
        let deletions = &state.tenant_deletions;
        let mut deletion = match deletions.next() {
            Ok(deletion) => deletion,
            Err(None) => {
                deletions.added.notified().await;
                continue;
            }
            Err(Some(due)) => {
                let _either = tokio::time::timeout_at(due, deletions.added.notified()).await;
                continue;
            }
        };
        let (id, context, asked) = (deletion.id, deletion.context.clone(), Arc::clone(&state));
        match web::block(move || delete_step(&asked, &context, id)).await {
            Ok(Ok(Step::Last)) => {
                tracing::info!(tenant.id = %id, "finished the deletion of a tenant");
                tell(&mut deletion, Ok(()));
            }
            Ok(Ok(Step::More)) => {
                deletion.pause = FIRST_PAUSE;
                deletions.queue().push_back(deletion);
                let now = state.metrics.decisions();
                if std::mem::replace(&mut decisions, now) != now {
                    tokio::time::sleep(REST).await;
                }
            }
            failed => {
                let error = match failed {
                    Ok(Err(error)) => error,
                    _ => ApiError::Internal("the deletion of a tenant panicked".to_owned()),
                };
                tracing::warn!(tenant.id = %id, reason = %error, "the deletion of a tenant waits");
                tell(&mut deletion, Err(error));
                deletion.due = Instant::now() + deletion.pause;
                deletion.pause = LONGEST_PAUSE.min(deletion.pause * 2);
                deletions.queue().push_back(deletion);
            }
        }
    }
}
