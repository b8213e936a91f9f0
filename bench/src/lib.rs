//! The same questions for three engines: claviger-authz, Cedar and Casbin. Each is built once, and so is whatever the other two
//! need of a question, so that only their decisions are measured; ours parses the path of the request each time.

mod casbin;
mod cedar;
mod claviger;
mod question;

pub use casbin::Casbin;
pub use cedar::Cedar;
pub use claviger::Claviger;
pub use question::{Key, QUESTIONS, Question};
