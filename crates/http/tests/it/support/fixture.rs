//! Objects that tests work with, made through the API.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::client::Client;
use super::server::{BOOTSTRAP, Server};

/// A text that no other test uses.
pub(crate) fn unique(text: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{text} {}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A UUID that no other test uses.
pub(crate) fn uuid() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("7e57ab1e-0000-4000-8000-{:012x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// An API key with its value.
pub(crate) struct TestKey {
    pub(crate) id: String,
    pub(crate) value: String,
}

impl TestKey {
    /// The path of the key.
    pub(crate) fn path(&self) -> String {
        format!("/api/api-key/{}", self.id)
    }

    /// Reads id and value from the answer that made the key.
    pub(crate) fn of(document: &Value) -> Self {
        let text = |name: &str| document["apiKey"][name].as_str().unwrap().to_owned();
        Self { id: text("id"), value: text("key") }
    }
}

/// An API key that was made in Fusion's dialect.
pub(crate) struct FusionKey {
    /// The id of that dialect.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FusionKey {
    /// The path of the key, in either dialect.
    pub(crate) fn path(&self) -> String {
        format!("/api/api-key/{}", self.id)
    }

    /// Reads the answer that made the key.
    #[track_caller]
    pub(crate) fn of(document: &Value) -> Self {
        let text = |name: &str| document[name].as_str().unwrap().to_owned();
        Self { id: text("id"), name: text("name"), value: text("key") }
    }
}

/// A role.
pub(crate) struct TestRole {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl TestRole {
    /// The path of the role.
    pub(crate) fn path(&self) -> String {
        format!("/api/roles/{}", self.id)
    }
}

impl Server {
    /// Makes an API key with these members.
    #[track_caller]
    pub(crate) fn api_key(&self, members: Value) -> TestKey {
        TestKey::of(&self.as_key_manager().post("/api/api-key", &json!({"apiKey": members})).ok())
    }

    /// A global key without restriction, which is no key manager.
    #[track_caller]
    pub(crate) fn unrestricted(&self) -> TestKey {
        self.api_key(json!({}))
    }

    /// Makes an API key with these endpoints.
    #[track_caller]
    pub(crate) fn restricted(&self, endpoints: Value) -> TestKey {
        self.api_key(json!({"permissions": {"endpoints": endpoints}}))
    }

    /// A client that sends this key as clients of Fusion do.
    pub(crate) fn with_fusion_key(&self, value: &str) -> Client {
        self.anonymous().with_header("x-api-key", value)
    }

    /// The unrestricted, global key manager, speaking Fusion's dialect.
    pub(crate) fn as_fusion_admin(&self) -> Client {
        self.with_fusion_key(BOOTSTRAP)
    }

    /// Makes a role of these permissions under a new name.
    #[track_caller]
    pub(crate) fn role(&self, permissions: &[&str]) -> TestRole {
        let body = json!({"name": unique("role"), "permissions": permissions});
        let reply = self.as_fusion_admin().post("/api/roles", &body);
        assert_eq!(reply.status, 201, "{}", reply.text());
        let document = reply.json();
        let text = |name: &str| document[name].as_str().unwrap().to_owned();
        TestRole { id: text("id"), name: text("name") }
    }

    /// Makes a key in Fusion's dialect with these roles, in this tenant or none.
    #[track_caller]
    pub(crate) fn fusion_key(&self, roles: &[&str], tenant: Option<&str>) -> FusionKey {
        let admin = self.as_fusion_admin();
        let client = tenant.map_or_else(|| admin.clone(), |tenant| admin.in_tenant(tenant));
        FusionKey::of(
            &client.post("/api/api-key", &json!({"name": unique("fusion key"), "roles": roles})).ok(),
        )
    }

    /// Makes a tenant and returns its id.
    #[track_caller]
    pub(crate) fn tenant(&self) -> String {
        let document =
            self.as_key_manager().post("/api/tenant", &json!({"tenant": {"name": unique("tenant")}})).ok();
        document["tenant"]["id"].as_str().unwrap().to_owned()
    }

    /// Generates a key of the quickest kind and returns its id.
    #[track_caller]
    pub(crate) fn signing_key(&self) -> String {
        let body = json!({"key": {"name": unique("key"), "algorithm": "Ed25519"}});
        let document = self.as_key_manager().post("/api/key/generate", &body).ok();
        document["key"]["id"].as_str().unwrap().to_owned()
    }

    /// Makes an IP access control list with these entries and returns its id.
    #[track_caller]
    pub(crate) fn ip_access_control_list(&self, entries: Value) -> String {
        let body = json!({"ipAccessControlList": {"name": unique("list"), "entries": entries}});
        let document = self.as_key_manager().post("/api/ip-acl", &body).ok();
        document["ipAccessControlList"]["id"].as_str().unwrap().to_owned()
    }

    /// The id of the default tenant.
    #[track_caller]
    pub(crate) fn default_tenant(&self) -> String {
        let document = self.as_key_manager().get("/api/tenant").ok();
        let tenants = document["tenants"].as_array().unwrap();
        let default = tenants.iter().find(|tenant| tenant["name"] == "Default").unwrap();
        default["id"].as_str().unwrap().to_owned()
    }
}

/// The names of an object's members, as they stand.
#[track_caller]
pub(crate) fn names(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}
