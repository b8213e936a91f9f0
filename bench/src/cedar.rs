//! Cedar: one policy for each endpoint, which it compares by name. It resolves no paths: it is given the endpoint.

use std::error::Error;
use std::fmt::Write;

use cedar_policy::{Authorizer, Context, Decision, Entities, PolicySet, Request};

use crate::{Key, Question};

/// The parsed policies of one key.
#[derive(Debug)]
pub struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
}

impl Cedar {
    /// The engine for one key.
    ///
    /// # Errors
    /// Cedar does not understand the policies.
    pub fn new(key: &Key) -> Result<Self, Box<dyn Error>> {
        let mut text = String::new();
        for endpoint in &key.endpoints {
            writeln!(
                text,
                r#"permit(principal == Key::"k", action == Action::"GET", resource == Endpoint::"{endpoint}");"#
            )?;
        }
        Ok(Self { authorizer: Authorizer::new(), policies: text.parse()?, entities: Entities::empty() })
    }

    /// The question in Cedar's form.
    ///
    /// # Errors
    /// A name is none of Cedar's.
    pub fn request(question: &Question) -> Result<Request, Box<dyn Error>> {
        let principal = r#"Key::"k""#.parse()?;
        let action = format!(r#"Action::"{}""#, question.method).parse()?;
        let resource = format!(r#"Endpoint::"{}""#, question.resolved).parse()?;
        Ok(Request::new(principal, action, resource, Context::empty(), None)?)
    }

    /// Decides.
    #[must_use]
    pub fn allows(&self, request: &Request) -> bool {
        self.authorizer.is_authorized(request, &self.policies, &self.entities).decision() == Decision::Allow
    }
}
