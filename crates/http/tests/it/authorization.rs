//! Who may call what: every route with every kind of caller, against a table written by hand.

mod denial;
pub(crate) mod matrix;
pub(crate) mod table;
