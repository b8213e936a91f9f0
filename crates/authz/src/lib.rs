//! The decision engine of Claviger, for its server and for services that embed it.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod access;
mod catalogue;
mod decision;
mod endpoint;
mod grant;
mod path;
mod tree;

pub use access::{Access, CompiledPermissions};
pub use decision::{Decision, Reason, Request, Target, decide};
pub use endpoint::{Endpoint, EndpointScope};
pub use grant::{GrantRefusal, may_grant, may_manage};
pub use path::{MAXIMUM_PATH_LENGTH, Path, PathError};
