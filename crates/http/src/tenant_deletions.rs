//! Deletions of tenants that go on behind the answers: those that were asked for so, those that the database interrupted,
//! and those that a former run left in the middle.
//!
//! A tenant that is `PendingDelete` may do nothing any more, whatever is left of it. What is left goes in steps, each a
//! transaction of its own, so that other writers wait for one step at most and a server that stops has one to finish.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::web;
use claviger_domain::{ChangeContext, TenantId};
use tokio::sync::Notify;

use crate::ops::tenant::{Step, delete_step};
use crate::state::AppState;

/// How long is waited after a step that failed; each failure in a row doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The tenants that are left to delete, each with whom its last changes are put down to.
#[derive(Default)]
pub(crate) struct TenantDeletions {
    queue: Mutex<VecDeque<(TenantId, ChangeContext)>>,
    added: Notify,
}

impl TenantDeletions {
    /// Adds a tenant that is `PendingDelete`.
    pub(crate) fn add(&self, id: TenantId, context: ChangeContext) {
        self.queue().push_back((id, context));
        self.added.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<(TenantId, ChangeContext)>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deletes what is in the queue, one tenant after the other, for as long as the server runs.
pub(crate) async fn work(state: Arc<AppState>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let next = state.tenant_deletions.queue().front().cloned();
        let Some((id, context)) = next else {
            state.tenant_deletions.added.notified().await;
            continue;
        };
        let asked = Arc::clone(&state);
        let step = web::block(move || delete_step(&asked, &context, id)).await;
        match step {
            Ok(Ok(Step::More)) => pause = FIRST_PAUSE,
            Ok(Ok(Step::Last)) => {
                pause = FIRST_PAUSE;
                state.tenant_deletions.queue().pop_front();
                tracing::info!(tenant.id = %id, "finished the deletion of a tenant");
            }
            failed => {
                let reason = match failed {
                    Ok(Err(error)) => error.to_string(),
                    _ => "it panicked".to_owned(),
                };
                tracing::warn!(tenant.id = %id, reason, "the deletion of a tenant waits");
                // Whatever stands against this one need not stand against the others.
                state.tenant_deletions.queue().rotate_left(1);
                tokio::time::sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }
}
