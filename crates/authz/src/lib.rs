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
mod matched;
mod path;
mod pattern;
#[cfg(feature = "serde")]
mod permissions_json;
mod prefix;
#[cfg(feature = "serde")]
mod serialize;
mod target;
mod tree;

#[cfg(test)]
mod readme;

pub use access::{Access, CompiledPermissions};
pub use address::AddressRules;
pub use decision::{Decision, Reason, Request, decide};
pub use endpoint::{Endpoint, EndpointScope};
pub use explain::{Explanation, Missing, explain};
pub use grant::{GrantRefusal, may_grant, may_manage};
pub use matched::{Matched, matched};
pub use path::{MAXIMUM_PATH_LENGTH, Path, PathError, decode_segment};
#[cfg(feature = "serde")]
pub use permissions_json::{MAXIMUM_ENDPOINTS, PermissionsJson, RolePermissionJson};
pub use target::Target;
