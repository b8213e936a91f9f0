//! The decision engine of Claviger, for its server and for services that embed it.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod access;
mod address;
mod catalogue;
mod decision;
mod endpoint;
mod explain;
mod grant;
mod path;
mod pattern;
mod prefix;
mod target;
mod tree;

pub use access::{Access, CompiledPermissions};
pub use address::AddressRules;
pub use decision::{Decision, Reason, Request, decide};
pub use endpoint::{Endpoint, EndpointScope};
pub use explain::{Explanation, Missing, explain};
pub use grant::{GrantRefusal, may_grant, may_manage};
pub use path::{MAXIMUM_PATH_LENGTH, Path, PathError, decode_segment};
pub use target::Target;
