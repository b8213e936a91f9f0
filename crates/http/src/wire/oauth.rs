//! The shapes of OAuth 2.0: forms in, JSON out, and errors of their own form (RFC 6749, sections 2.3.1, 4.4 and 5; RFC 7662).

mod client;
mod errors;
mod form;
mod scope;

pub(crate) use client::{Attempt, Authorization, ClientCredentials};
pub use errors::{OAUTH_ERRORS, OAuthErrorRow};
pub(crate) use errors::{OAuthError, OAuthErrorBody, OAuthRefusal};
pub(crate) use scope::Scope;

use claviger_domain::{SecretText, TenantId};
use serde_json::{Value, json};

use form::Form;

use super::json_text::push_text;

/// The one grant that is served (RFC 6749, section 4.4), as requests name it and tokens say it.
pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";

/// A request of the token endpoint.
pub(crate) struct TokenRequest {
    pub(crate) client: ClientCredentials,
    /// The tenants that the request names; it is for none other.
    pub(crate) tenants: Vec<TenantId>,
    pub(crate) scope: Option<Scope>,
}

/// A request of the introspection endpoint.
pub(crate) struct IntrospectionRequest {
    pub(crate) client: ClientCredentials,
    pub(crate) tenants: Vec<TenantId>,
    pub(crate) token: SecretText,
    pub(crate) hint: Option<TokenTypeHint>,
}

/// What a client believes a token to be (RFC 7662, section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenTypeHint {
    /// It is right if the token is one of ours.
    AccessToken,
    /// An id token or a refresh token, of which there are none.
    OtherToken,
}

/// What a request brings along: its body, and what its headers say.
pub(crate) struct Received<'a> {
    pub(crate) content_type: Option<&'a str>,
    pub(crate) body: &'a [u8],
    pub(crate) authorization: &'a Authorization,
    /// The tenant of the header; `Err` of one that cannot be read.
    pub(crate) tenant: Result<Option<TenantId>, ()>,
}

/// Reads a request of the token endpoint. Only the form counts, never the query string.
///
/// # Errors
/// The first thing that is wrong: the form, the grant, the credentials, the tenant, the scope.
pub(crate) fn token_request(received: &Received<'_>) -> Result<TokenRequest, OAuthRefusal> {
    let mut form = Form::parse(received.content_type, received.body)?;
    let grant_type = form.take("grant_type").ok_or(OAuthError::MissingGrantType)?;
    if grant_type.expose() != CLIENT_CREDENTIALS {
        return Err(OAuthError::UnsupportedGrantType.into());
    }
    let client = ClientCredentials::read(received.authorization, &mut form)?;
    let tenants = tenants(received, &mut form)?;
    let scope = form.take("scope").map(|text| Scope::parse(text.expose())).transpose()?;
    Ok(TokenRequest { client, tenants, scope })
}

/// Reads a request of the introspection endpoint.
///
/// # Errors
/// The first thing that is wrong: the form, the credentials, the tenant, the token.
pub(crate) fn introspection_request(received: &Received<'_>) -> Result<IntrospectionRequest, OAuthRefusal> {
    let mut form = Form::parse(received.content_type, received.body)?;
    let client = ClientCredentials::read(received.authorization, &mut form)?;
    let tenants = tenants(received, &mut form)?;
    let token = form.take("token").ok_or(OAuthError::MissingToken)?;
    // What is not known is ignored (RFC 7662, section 2.1).
    let hint = form.take("token_type_hint").and_then(|hint| match hint.expose() {
        "access_token" => Some(TokenTypeHint::AccessToken),
        "id_token" | "refresh_token" => Some(TokenTypeHint::OtherToken),
        _ => None,
    });
    Ok(IntrospectionRequest { client, tenants, token, hint })
}

/// The tenants that form and header name.
fn tenants(received: &Received<'_>, form: &mut Form<'_>) -> Result<Vec<TenantId>, OAuthError> {
    let in_header = received.tenant.map_err(|()| OAuthError::InvalidTenantId)?;
    let in_form = form.take("tenantId").map(|text| text.expose().parse::<TenantId>());
    let in_form = in_form.transpose().map_err(|_| OAuthError::InvalidTenantId)?;
    Ok(in_header.into_iter().chain(in_form).collect())
}

/// The answer with a token (RFC 6749, section 5.1).
pub(crate) struct TokenResponse<'a> {
    pub(crate) access_token: &'a str,
    pub(crate) expires_in: i64,
    pub(crate) scope: Option<&'a str>,
}

impl TokenResponse<'_> {
    /// The JSON document, written in one piece: the token in it is long.
    pub(crate) fn render(&self) -> String {
        let scope = self.scope.unwrap_or_default();
        let mut text = String::with_capacity(self.access_token.len() + scope.len() + 100);
        text.push_str("{\"access_token\":");
        push_text(&mut text, self.access_token);
        text.push_str(",\"expires_in\":");
        text.push_str(&self.expires_in.to_string());
        if let Some(scope) = self.scope {
            text.push_str(",\"scope\":");
            push_text(&mut text, scope);
        }
        text.push_str(",\"token_type\":\"Bearer\"}");
        text
    }
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let credentials = json!({
        "client_id": {"type": "string"},
        "client_secret": {"type": "string", "format": "password"},
        "tenantId": {"type": "string", "format": "uuid"},
    });
    let with = |own: Value| {
        let mut members = credentials.clone();
        if let (Some(members), Value::Object(own)) = (members.as_object_mut(), own) {
            members.extend(own);
        }
        members
    };
    json!({
        "TokenRequest": {"type": "object", "required": ["grant_type"], "properties": with(json!({
            "grant_type": {"type": "string", "enum": [CLIENT_CREDENTIALS]},
            "scope": {"type": "string", "maxLength": scope::MAXIMUM_SCOPE, "description":
                "target-entity:<id> or target-entity:<id>:<permission>,<permission>; several are separated by a space"},
        }))},
        "AccessToken": {"type": "object", "properties": {
            "access_token": {"type": "string"},
            "expires_in": {"type": "integer"},
            "scope": {"type": "string"},
            "token_type": {"type": "string", "enum": ["Bearer"]},
        }},
        "IntrospectionRequest": {"type": "object", "required": ["token"], "properties": with(json!({
            "token": {"type": "string"},
            "token_type_hint": {"type": "string", "enum": ["access_token", "id_token", "refresh_token"]},
        }))},
        "IntrospectResponse": {"type": "object", "required": ["active"], "additionalProperties": true,
            "properties": {"active": {"type": "boolean"}}},
        "OAuthError": {"type": "object", "properties": {
            "error": {"type": "string"},
            "error_description": {"type": "string"},
            "error_reason": {"type": "string"},
        }},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_with_a_token_is_json() {
        let read = |scope| {
            let response = TokenResponse { access_token: "e30.e30.AA", expires_in: 3600, scope };
            serde_json::from_str::<Value>(&response.render()).unwrap()
        };
        let without = json!({"access_token": "e30.e30.AA", "expires_in": 3600, "token_type": "Bearer"});
        assert_eq!(read(None), without);
        let mut with = without;
        with["scope"] = json!("a \"b\"");
        assert_eq!(read(Some("a \"b\"")), with);
    }
}
