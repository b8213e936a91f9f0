//! `/api/tenant`.

mod deletion;
mod document;
mod scope;
mod validation;
