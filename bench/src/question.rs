//! What is asked, and of whom.

use claviger_authz::Endpoint;

/// A key that may GET some endpoints.
#[derive(Debug, Clone)]
pub struct Key {
    /// The endpoints.
    pub endpoints: Vec<&'static str>,
}

impl Key {
    /// GET at `/api/user` and at the first others of the catalogue, `count` in all. `/api/group`, which is asked for and denied,
    /// is left out.
    #[must_use]
    pub fn with_endpoints(count: usize) -> Self {
        let others =
            Endpoint::all().map(Endpoint::as_str).filter(|path| !["/api/user", "/api/group"].contains(path));
        let endpoints = others.take(count.saturating_sub(1)).chain(["/api/user"]).collect();
        Self { endpoints }
    }
}

/// A question with its answer.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// For people.
    pub name: &'static str,
    /// The method of the request.
    pub method: &'static str,
    /// The path of the request.
    pub path: &'static str,
    /// The same path without identifiers, for engines that know no paths.
    pub resolved: &'static str,
    /// The answer.
    pub allowed: bool,
}

/// All questions.
pub const QUESTIONS: [Question; 4] = [
    Question {
        name: "allowed",
        method: "GET",
        path: "/api/user/780e1d5b-ee3b-43b2-aec8-db99b99adc4e",
        resolved: "/api/user",
        allowed: true,
    },
    Question {
        name: "method denied",
        method: "DELETE",
        path: "/api/user/780e1d5b-ee3b-43b2-aec8-db99b99adc4e",
        resolved: "/api/user",
        allowed: false,
    },
    Question {
        name: "endpoint denied",
        method: "GET",
        path: "/api/group/5ff16bb5-9ee8-4c5a-8b2c-0e0f4f4b8d11",
        resolved: "/api/group",
        allowed: false,
    },
    Question {
        name: "foreign path denied",
        method: "GET",
        path: "/v1/orders/17",
        resolved: "/v1/orders",
        allowed: false,
    },
];
