//! `/api/tenant`.

mod asynchronous;
mod copy;
mod deletion;
mod document;
mod scope;
mod search;
mod terraform;
mod validation;
