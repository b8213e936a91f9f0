//! What the engine answers, for logs and interfaces (feature `serde`): names as in `as_str`, members in FusionAuth's spelling,
//! instants in milliseconds. Names and members are part of the public interface, as the types are.

use std::fmt;
use std::net::IpAddr;

use claviger_domain::RequestMethod;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::{
    Decision, Endpoint, EndpointScope, Explanation, GrantRefusal, Missing, PathError, Reason, Target,
};

/// Types that are written as their name.
macro_rules! written_as_name {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            /// Writes the name.
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    )*};
}

written_as_name!(Endpoint, EndpointScope, GrantRefusal, PathError, Reason);

/// Reads a text by a look-up; what it does not find is refused.
struct Named<T> {
    find: fn(&str) -> Option<T>,
    what: &'static str,
}

impl<T> Visitor<'_> for Named<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.find)(text).ok_or_else(|| Error::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    /// Reads the exact path of an endpoint of the catalogue.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_str(Named { find: Self::find, what: "the path of an endpoint of the catalogue" })
    }
}

impl<'de> Deserialize<'de> for EndpointScope {
    /// Reads the name.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let find = |text: &str| [Self::Global, Self::Tenant].into_iter().find(|scope| scope.as_str() == text);
        deserializer.deserialize_str(Named { find, what: "global or tenant" })
    }
}

impl<'de> Deserialize<'de> for Reason {
    /// Reads the name.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let find = |text: &str| Self::ALL.into_iter().find(|reason| reason.as_str() == text);
        deserializer.deserialize_str(Named { find, what: "the name of a reason" })
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "decision", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum DecisionForm {
    /// Without a tenant: every tenant.
    Allow {
        tenant_id: Option<String>,
    },
    Deny {
        reason: Reason,
    },
}

impl From<Decision> for DecisionForm {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Allow(scope) => {
                Self::Allow { tenant_id: scope.tenant().map(|tenant| tenant.to_string()) }
            }
            Decision::Deny(reason) => Self::Deny { reason },
        }
    }
}

impl Serialize for Decision {
    /// Writes `{"decision": "allow", "tenantId": …}`, with `null` for every tenant, or `{"decision": "deny", "reason": …}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        DecisionForm::from(*self).serialize(serializer)
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "target", rename_all = "snake_case")]
enum TargetForm {
    Endpoint { endpoint: Endpoint },
    ApiKeys,
    Roles,
    Reserved,
    Other,
    OtherCase,
}

impl Serialize for Target {
    /// Writes `{"target": "endpoint", "endpoint": "/api/user"}`, or `{"target": …}` with the name of another target.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = match *self {
            Self::Endpoint(endpoint) => TargetForm::Endpoint { endpoint },
            Self::ApiKeys => TargetForm::ApiKeys,
            Self::Roles => TargetForm::Roles,
            Self::Reserved => TargetForm::Reserved,
            Self::Other => TargetForm::Other,
            Self::OtherCase => TargetForm::OtherCase,
        };
        form.serialize(serializer)
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "needs", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum MissingForm<'a> {
    LaterExpiration { expiration_instant: i64 },
    EnabledKey,
    Address { address: Option<IpAddr> },
    ExactCase,
    KeyManager,
    EndpointPermission { endpoint: Endpoint, method: Option<&'static str> },
    PathPermission { path: &'a str, method: Option<&'static str>, decided_by: Option<&'a str> },
    RolePermission { path: &'a str, method: &'static str },
    UnrestrictedKey,
    GlobalKey { tenant_id: String },
    NoTenant,
    OwnTenant { own: String, named: String },
}

impl Serialize for Missing {
    /// Writes `{"needs": …}` with the name of what is missing, and its members.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = match self {
            Self::LaterExpiration { expiration_instant } => {
                MissingForm::LaterExpiration { expiration_instant: expiration_instant.epoch_millis() }
            }
            Self::EnabledKey => MissingForm::EnabledKey,
            Self::Address { address } => MissingForm::Address { address: *address },
            Self::ExactCase => MissingForm::ExactCase,
            Self::KeyManager => MissingForm::KeyManager,
            Self::EndpointPermission { endpoint, method } => MissingForm::EndpointPermission {
                endpoint: *endpoint,
                method: method.map(RequestMethod::as_str),
            },
            Self::PathPermission { path, method, decided_by } => MissingForm::PathPermission {
                path,
                method: method.map(RequestMethod::as_str),
                decided_by: decided_by.as_deref(),
            },
            Self::RolePermission { path, method } => {
                MissingForm::RolePermission { path, method: method.as_str() }
            }
            Self::UnrestrictedKey => MissingForm::UnrestrictedKey,
            Self::GlobalKey { tenant_id } => MissingForm::GlobalKey { tenant_id: tenant_id.to_string() },
            Self::NoTenant => MissingForm::NoTenant,
            Self::OwnTenant { own, named } => {
                MissingForm::OwnTenant { own: own.to_string(), named: named.to_string() }
            }
        };
        form.serialize(serializer)
    }
}

#[derive(serde::Serialize)]
struct ExplanationForm<'a> {
    #[serde(flatten)]
    decision: DecisionForm,
    missing: &'a [Missing],
}

impl Serialize for Explanation {
    /// Writes the members of the decision, and `missing`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ExplanationForm { decision: self.decision.into(), missing: &self.missing }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::{Instant, TenantId, TenantScope};
    use serde_json::{from_value, json, to_value};

    use super::*;
    use crate::Path;

    #[test]
    fn names_go_both_ways() {
        for reason in Reason::ALL {
            let written = to_value(reason).unwrap();
            assert_eq!(written, json!(reason.as_str()));
            assert_eq!(from_value::<Reason>(written).unwrap(), reason);
        }
        for endpoint in Endpoint::all() {
            let written = to_value(endpoint).unwrap();
            assert_eq!(written, json!(endpoint.as_str()));
            assert_eq!(from_value::<Endpoint>(written).unwrap(), endpoint);
        }
        for (scope, name) in [(EndpointScope::Global, "global"), (EndpointScope::Tenant, "tenant")] {
            let written = to_value(scope).unwrap();
            assert_eq!(written, json!(name));
            assert_eq!(from_value::<EndpointScope>(written).unwrap(), scope);
        }
    }

    #[test]
    fn unknown_names_are_refused() {
        for unknown in [json!(""), json!("Expired"), json!("/api/user"), json!(null), json!(0), json!({})] {
            assert!(from_value::<Reason>(unknown).is_err());
        }
        for unknown in [json!("/api/user/"), json!("/api/User"), json!("/v1/orders"), json!(3)] {
            assert!(from_value::<Endpoint>(unknown).is_err());
        }
        for unknown in [json!("Global"), json!("all"), json!(true)] {
            assert!(from_value::<EndpointScope>(unknown).is_err());
        }
    }

    #[test]
    fn decisions_say_within_which_tenant() {
        let tenant = TenantId::from_u128(7);
        let one = Decision::Allow(TenantScope::One(tenant));
        assert_eq!(
            to_value(one).unwrap(),
            json!({"decision": "allow", "tenantId": "00000000-0000-0000-0000-000000000007"})
        );
        assert_eq!(
            to_value(Decision::Allow(TenantScope::All)).unwrap(),
            json!({"decision": "allow", "tenantId": null})
        );
        let denied = Decision::Deny(Reason::NotGranted);
        assert_eq!(to_value(denied).unwrap(), json!({"decision": "deny", "reason": "not_granted"}));
    }

    #[test]
    fn targets_and_refusals_are_named() {
        let target = |path: &str| to_value(Target::of(&Path::parse(path.as_bytes()).unwrap())).unwrap();
        assert_eq!(target("/api/user/7"), json!({"target": "endpoint", "endpoint": "/api/user"}));
        assert_eq!(target("/api/api-key"), json!({"target": "api_keys"}));
        assert_eq!(target("/api/roles"), json!({"target": "roles"}));
        assert_eq!(target("/oauth2/token"), json!({"target": "reserved"}));
        assert_eq!(target("/v1"), json!({"target": "other"}));
        assert_eq!(target("/api/User"), json!({"target": "other_case"}));
        assert_eq!(to_value(Path::parse(b"/a/%2f").unwrap_err()).unwrap(), json!("encoded_slash"));
        assert_eq!(to_value(GrantRefusal::KeyManager).unwrap(), json!("key_manager"));
        assert_eq!(to_value(GrantRefusal::Tenant).unwrap(), json!("tenant"));
        assert_eq!(to_value(GrantRefusal::Permissions).unwrap(), json!("permissions"));
    }

    #[test]
    fn explanations_name_everything() {
        let (own, named) = (TenantId::from_u128(1), TenantId::from_u128(2));
        let explanation = Explanation {
            decision: Decision::Deny(Reason::Expired),
            missing: vec![
                Missing::LaterExpiration { expiration_instant: Instant::from_epoch_millis(5) },
                Missing::EnabledKey,
                Missing::Address { address: Some("192.0.2.1".parse().unwrap()) },
                Missing::Address { address: None },
                Missing::ExactCase,
                Missing::KeyManager,
                Missing::EndpointPermission {
                    endpoint: Endpoint::find("/api/user").unwrap(),
                    method: Some(RequestMethod::Get),
                },
                Missing::PathPermission {
                    path: "/v1/a".to_owned(),
                    method: None,
                    decided_by: Some("/v1".to_owned()),
                },
                Missing::RolePermission { path: "/x".to_owned(), method: RequestMethod::Head },
                Missing::UnrestrictedKey,
                Missing::GlobalKey { tenant_id: own },
                Missing::NoTenant,
                Missing::OwnTenant { own, named },
            ],
        };
        let expected = json!({
            "decision": "deny",
            "reason": "expired",
            "missing": [
                {"needs": "later_expiration", "expirationInstant": 5},
                {"needs": "enabled_key"},
                {"needs": "address", "address": "192.0.2.1"},
                {"needs": "address", "address": null},
                {"needs": "exact_case"},
                {"needs": "key_manager"},
                {"needs": "endpoint_permission", "endpoint": "/api/user", "method": "GET"},
                {"needs": "path_permission", "path": "/v1/a", "method": null, "decidedBy": "/v1"},
                {"needs": "role_permission", "path": "/x", "method": "HEAD"},
                {"needs": "unrestricted_key"},
                {"needs": "global_key", "tenantId": own.to_string()},
                {"needs": "no_tenant"},
                {"needs": "own_tenant", "own": own.to_string(), "named": named.to_string()},
            ],
        });
        assert_eq!(to_value(&explanation).unwrap(), expected);
    }
}
