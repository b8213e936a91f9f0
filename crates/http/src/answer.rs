//! An answer before it becomes an HTTP response: handlers make these, the server sends them.

use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Bytes;

use crate::published::Document;

/// The content of an answer. It may hold the value of an API key, and therefore cannot be printed.
pub(crate) enum Body {
    /// No content, and no Content-Type.
    Empty,
    /// A JSON document made for this answer.
    Json(String),
    /// A JSON document that many answers share.
    SharedJson(Bytes),
    /// Text of another media type.
    Text(&'static str, String),
}

/// Status, body, and how long others may keep it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Body,
    /// Seconds for which caches may keep the answer; 0 forbids it.
    pub(crate) cache_seconds: u32,
    /// The strong entity tag with its quotes, of a document that can be asked for again.
    pub(crate) etag: Option<Arc<str>>,
    /// Further headers.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// An answer without content.
    pub(crate) const fn empty(status: u16) -> Self {
        Self { status, body: Body::Empty, cache_seconds: 0, etag: None, headers: Vec::new() }
    }

    /// An answer with a JSON document.
    pub(crate) const fn json(status: u16, document: String) -> Self {
        Self { status, body: Body::Json(document), cache_seconds: 0, etag: None, headers: Vec::new() }
    }

    /// A document that caches may keep for so many seconds, and ask for again by its tag.
    pub(crate) fn shared(document: &Document, cache_seconds: u32) -> Self {
        let body = Body::SharedJson(document.text.clone());
        Self { status: 200, body, cache_seconds, etag: Some(Arc::clone(&document.etag)), headers: Vec::new() }
    }

    /// The answer to whoever has the document with one of the tags in `if_none_match` already: 304 and no content (RFC
    /// 9110, sections 13.1.2 and 15.4.5). The tags are compared weakly, as that section wants.
    pub(crate) fn unless_known<'a>(self, mut if_none_match: impl Iterator<Item = &'a str>) -> Self {
        let Some(own) = &self.etag else { return self };
        let known = if_none_match.any(|tags| {
            tags.split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == &**own)
        });
        if known { Self { status: 304, body: Body::Empty, ..self } } else { self }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(if_none_match: &[&str], expected: u16) {
        let document = Document::from(json!({}));
        let tag = document.etag.to_string();
        let sent: Vec<_> = if_none_match.iter().map(|tags| tags.replace("OWN", &tag)).collect();
        let answer = Answer::shared(&document, 60).unless_known(sent.iter().map(String::as_str));
        assert_eq!(answer.status, expected, "{if_none_match:?}");
        assert_eq!(matches!(answer.body, Body::Empty), expected == 304);
        assert!(answer.etag.is_some() && answer.cache_seconds == 60);
    }

    #[test]
    fn answers_share_one_document() {
        let document = Document::from(json!({"a": "b"}));
        for _ in 0..2 {
            let answer = Answer::shared(&document, 60);
            assert!(matches!(answer.body, Body::SharedJson(text) if text.as_ptr() == document.text.as_ptr()));
        }
    }

    #[test]
    fn a_known_document_is_not_sent_again() {
        check(&[], 200);
        check(&["OWN"], 304);
        check(&["\"a\", W/OWN"], 304);
        check(&["\"a\"", "OWN"], 304);
        check(&["*"], 304);
        check(&["\"a\"", "W/\"b\"", ""], 200);
        assert_eq!(Answer::empty(200).unless_known(["*"].into_iter()).status, 200);
    }
}
