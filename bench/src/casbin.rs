//! Casbin: one policy for each endpoint, with a model that compares for equality only. It is given the endpoint, resolved.

use std::error::Error;

use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};

use crate::{Key, Question};

const MODEL: &str = "
[request_definition]
r = sub, obj, act

[policy_definition]
p = sub, obj, act

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
";

/// The enforcer with the policies of one key.
pub struct Casbin(Enforcer);

impl Casbin {
    /// The engine for one key.
    ///
    /// # Errors
    /// Casbin does not take the model or the policies.
    pub fn new(key: &Key) -> Result<Self, Box<dyn Error>> {
        // Its interface is asynchronous, though nothing here waits.
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let enforcer = runtime.block_on(async {
            let model = DefaultModel::from_str(MODEL).await?;
            let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await?;
            for endpoint in &key.endpoints {
                let rule = ["k", endpoint, "GET"].map(str::to_owned).to_vec();
                enforcer.add_policy(rule).await?;
            }
            Ok::<_, casbin::Error>(enforcer)
        })?;
        Ok(Self(enforcer))
    }

    /// Decides; an error is a no.
    #[must_use]
    pub fn allows(&self, question: &Question) -> bool {
        self.0.enforce(("k", question.resolved, question.method)).unwrap_or(false)
    }
}
