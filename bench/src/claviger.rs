//! claviger-authz, as a service asks it: from the bytes of the path.

use std::error::Error;

use claviger_authz::{Access, CompiledPermissions, Decision, Path, Request, decide};
use claviger_domain::{EndpointPermissions, Instant, Method, MethodSet, Permissions, RequestMethod};

use crate::{Key, Question};

/// The compiled permissions of one key.
#[derive(Debug)]
pub struct Claviger(CompiledPermissions);

impl Claviger {
    /// The engine for one key.
    ///
    /// # Errors
    /// An endpoint is none.
    pub fn new(key: &Key) -> Result<Self, Box<dyn Error>> {
        let mut list = EndpointPermissions::default();
        for endpoint in &key.endpoints {
            list.add((*endpoint).try_into()?, MethodSet::EMPTY.with(Method::Get));
        }
        Ok(Self(CompiledPermissions::from(&Permissions::Only(list))))
    }

    /// What a server knows of the method.
    ///
    /// # Errors
    /// The method is unknown.
    pub fn method(question: &Question) -> Result<RequestMethod, Box<dyn Error>> {
        Ok(question.method.parse()?)
    }

    /// Parses the path and decides.
    #[must_use]
    pub fn allows(&self, method: RequestMethod, path: &str) -> bool {
        let Ok(path) = Path::parse(path.as_bytes()) else { return false };
        let request = Request::new(method, path, Instant::from_epoch_millis(1_000));
        matches!(decide(&Access::new(&self.0), &request), Decision::Allow(_))
    }
}
