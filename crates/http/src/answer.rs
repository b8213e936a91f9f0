//! An answer before it becomes an HTTP response: handlers make these, the server sends them.

use std::sync::Arc;

/// The content of an answer. It may hold the value of an API key, and therefore cannot be printed.
pub(crate) enum Body {
    /// No content, and no Content-Type.
    Empty,
    /// A JSON document made for this answer.
    Json(String),
    /// A JSON document that many answers share.
    SharedJson(Arc<str>),
}

/// Status, body, and how long others may keep it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Body,
    /// Seconds for which caches may keep the answer; 0 forbids it.
    pub(crate) cache_seconds: u32,
}

impl Answer {
    /// An answer without content.
    pub(crate) const fn empty(status: u16) -> Self {
        Self { status, body: Body::Empty, cache_seconds: 0 }
    }

    /// An answer with a JSON document.
    pub(crate) const fn json(status: u16, document: String) -> Self {
        Self { status, body: Body::Json(document), cache_seconds: 0 }
    }
}
