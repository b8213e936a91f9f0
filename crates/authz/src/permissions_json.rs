//! Permissions as FusionAuth and Fusion write them in JSON, read into the types of the domain (feature `serde`).
//!
//! The readers take objects only, and refuse members that they do not know and members that stand twice: a misspelt or hidden
//! `endpoints` must not make a key that may do everything. Derived readers would also take an array for an object.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use claviger_domain::{
    EndpointPath, EndpointPermissions, Method, MethodSet, Permissions, RequestMethod, RequestMethodSet,
    RolePermission,
};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The most endpoints that [`PermissionsJson`] reads.
pub const MAXIMUM_ENDPOINTS: usize = 1024;

/// The member `permissions` of an API key (FusionAuth: API Keys): `{"endpoints": {"/api/user": ["GET"]}}`.
///
/// `null`, `{}` and `{"endpoints": null}` are no restriction. A list that is given is one, also when it is empty: of
/// `{"endpoints": {}}`, and of an endpoint whose methods are `[]` or `null`, comes nothing. For a member that may be absent:
/// `#[serde(default = "PermissionsJson::absent")]`.
///
/// Refused are more than [`MAXIMUM_ENDPOINTS`] endpoints, and whatever the domain refuses: see
/// [`InvalidPermission`](claviger_domain::InvalidPermission).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionsJson(pub Permissions);

impl PermissionsJson {
    /// What a key without the member may do: everything.
    #[must_use]
    pub const fn absent() -> Self {
        Self(Permissions::All)
    }
}

impl<'de> Deserialize<'de> for PermissionsJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(PermissionsVisitor)
    }
}

struct PermissionsVisitor;

impl<'de> Visitor<'de> for PermissionsVisitor {
    type Value = PermissionsJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the member endpoints, or null")
    }

    fn visit_none<E: Error>(self) -> Result<PermissionsJson, E> {
        Ok(PermissionsJson::absent())
    }

    fn visit_unit<E: Error>(self) -> Result<PermissionsJson, E> {
        Ok(PermissionsJson::absent())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<PermissionsJson, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<PermissionsJson, A::Error> {
        let mut endpoints: Option<Option<Map<Methods>>> = None;
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "endpoints" => set(&mut endpoints, "endpoints", members.next_value()?)?,
                _ => return Err(Error::unknown_field(&name, &["endpoints"])),
            }
        }
        let Some(endpoints) = endpoints.flatten() else { return Ok(PermissionsJson::absent()) };
        let mut list = EndpointPermissions::default();
        for (path, methods) in endpoints.0 {
            let path = EndpointPath::try_from(path.as_str()).map_err(Error::custom)?;
            list.add(path, methods.0);
        }
        Ok(PermissionsJson(Permissions::Only(list)))
    }
}

/// One of the `permissions` of a role (Fusion: Roles): `{"methods": ["GET"], "path": "/x/{id}", "params": {"id": ["a"]}}`.
/// Absent or `null`, `params` is empty.
///
/// Refused is whatever the domain refuses: see [`InvalidRolePermission`](claviger_domain::InvalidRolePermission).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePermissionJson(pub RolePermission);

impl<'de> Deserialize<'de> for RolePermissionJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RolePermissionVisitor)
    }
}

struct RolePermissionVisitor;

impl<'de> Visitor<'de> for RolePermissionVisitor {
    type Value = RolePermissionJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the members methods, path and params")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<RolePermissionJson, A::Error> {
        let mut methods: Option<Vec<String>> = None;
        let mut path: Option<String> = None;
        let mut params: Option<Option<Map<Vec<String>>>> = None;
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "methods" => set(&mut methods, "methods", members.next_value()?)?,
                "path" => set(&mut path, "path", members.next_value()?)?,
                "params" => set(&mut params, "params", members.next_value()?)?,
                _ => return Err(Error::unknown_field(&name, &["methods", "path", "params"])),
            }
        }
        let methods = methods.ok_or_else(|| Error::missing_field("methods"))?;
        let path = path.ok_or_else(|| Error::missing_field("path"))?;
        let methods = methods
            .iter()
            .map(|method| method.parse::<RequestMethod>())
            .collect::<Result<RequestMethodSet, _>>()
            .map_err(Error::custom)?;
        let values = params.flatten().map(|params| params.0).unwrap_or_default();
        RolePermission::new(methods, &path, values).map(RolePermissionJson).map_err(Error::custom)
    }
}

/// Sets a member that must not stand twice.
fn set<T, E: Error>(member: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    match member.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::duplicate_field(name)),
    }
}

/// An object whose members have free names, none of them twice.
struct Map<T>(BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Map<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MapVisitor(PhantomData))
    }
}

struct MapVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for MapVisitor<T> {
    type Value = Map<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with at most {MAXIMUM_ENDPOINTS} members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Map<T>, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, value)) = members.next_entry()? {
            if map.len() == MAXIMUM_ENDPOINTS {
                return Err(Error::invalid_length(MAXIMUM_ENDPOINTS + 1, &self));
            }
            if map.insert(name, value).is_some() {
                return Err(Error::custom("a member stands twice"));
            }
        }
        Ok(Map(map))
    }
}

/// A list of methods, or `null` for none.
struct Methods(MethodSet);

impl<'de> Deserialize<'de> for Methods {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(MethodsVisitor)
    }
}

struct MethodsVisitor;

impl<'de> Visitor<'de> for MethodsVisitor {
    type Value = Methods;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of methods, or null")
    }

    fn visit_none<E: Error>(self) -> Result<Methods, E> {
        Ok(Methods(MethodSet::EMPTY))
    }

    fn visit_unit<E: Error>(self) -> Result<Methods, E> {
        Ok(Methods(MethodSet::EMPTY))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Methods, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Methods, A::Error> {
        let mut methods = MethodSet::EMPTY;
        while let Some(text) = items.next_element::<String>()? {
            methods = methods.with(text.parse::<Method>().map_err(Error::custom)?);
        }
        Ok(Methods(methods))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(json: &str) -> Result<Permissions, serde_json::Error> {
        serde_json::from_str(json).map(|PermissionsJson(permissions)| permissions)
    }

    #[derive(serde::Deserialize)]
    struct Key {
        #[serde(default = "PermissionsJson::absent")]
        permissions: PermissionsJson,
    }

    #[test]
    fn four_ways_to_say_no_restriction_and_no_more() {
        for json in ["null", "{}", r#"{"endpoints": null}"#] {
            assert_eq!(permissions(json).unwrap(), Permissions::All, "{json}");
        }
        let key: Key = serde_json::from_str("{}").unwrap();
        assert_eq!(key.permissions.0, Permissions::All);
        let key: Key = serde_json::from_str(r#"{"permissions": {"endpoints": {}}}"#).unwrap();
        assert_eq!(key.permissions.0, Permissions::Only(EndpointPermissions::default()));
        for json in
            ["", "[]", "[null]", "true", "0", "\"\"", r#"{"endpoints": []}"#, r#"{"endpoints": false}"#]
        {
            assert!(permissions(json).is_err(), "{json}");
        }
    }

    #[test]
    fn lists_are_read() {
        for (json, expected) in [
            (r#"{"endpoints": {}}"#, ""),
            (r#"{"endpoints": {"/api/user": []}}"#, ":/api/user"),
            (r#"{"endpoints": {"/api/user": null}}"#, ":/api/user"),
            (
                r#"{"endpoints": {"/v1/x": ["PUT"], "/api/user": ["POST", "GET", "GET"]}}"#,
                "GET,POST:/api/user\nPUT:/v1/x",
            ),
        ] {
            assert_eq!(permissions(json).unwrap(), Permissions::Only(expected.parse().unwrap()), "{json}");
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            let from_value: PermissionsJson = serde_json::from_value(value).unwrap();
            assert_eq!(from_value.0, permissions(json).unwrap(), "{json}");
        }
    }

    #[track_caller]
    fn refused<T: fmt::Debug>(result: Result<T, serde_json::Error>, reason: &str) {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn refuses_what_the_domain_refuses_and_what_could_hide_a_list() {
        refused(permissions(r#"{"endpoint": {}}"#), "unknown field `endpoint`");
        refused(permissions(r#"{"endpoints": {}, "endpoints": null}"#), "duplicate field `endpoints`");
        refused(permissions(r#"{"endpoints": {"/a": ["GET"], "/a": []}}"#), "a member stands twice");
        refused(permissions(r#"{"endpoints": {"api/user": ["GET"]}}"#), "an endpoint starts with '/'");
        refused(permissions(r#"{"endpoints": {"/a b": ["GET"]}}"#), "white space");
        refused(permissions(r#"{"endpoints": {"/a": ["get"]}}"#), "a method is one of");
        refused(permissions(r#"{"endpoints": {"/a": ["HEAD"]}}"#), "a method is one of");
        refused(permissions(r#"{"endpoints": {"/a": "GET"}}"#), "an array of methods");
        refused(permissions(r#"{"endpoints": {"/a": [null]}}"#), "null");
    }

    #[test]
    fn the_number_of_endpoints_is_bounded() {
        let list = |count: usize| {
            let endpoints: Vec<String> =
                (0..count).map(|number| format!(r#""/{number}": ["GET"]"#)).collect();
            permissions(&format!(r#"{{"endpoints": {{{}}}}}"#, endpoints.join(",")))
        };
        let Permissions::Only(most) = list(MAXIMUM_ENDPOINTS).unwrap() else { panic!("a list was given") };
        assert_eq!(most.len(), MAXIMUM_ENDPOINTS);
        refused(list(MAXIMUM_ENDPOINTS + 1), "at most 1024 members");
    }

    fn role(json: &str) -> Result<RolePermission, serde_json::Error> {
        serde_json::from_str(json).map(|RolePermissionJson(permission)| permission)
    }

    #[test]
    fn role_permissions_are_read() {
        for (json, expected) in [
            (r#"{"methods":["GET"],"path":"/x/{id}","params":{"id":["a","b"]}}"#, "GET:/x/{id}:id=a,b"),
            (r#"{"path":"/x/**","methods":["HEAD","GET"]}"#, "GET,HEAD:/x/**"),
            (r#"{"methods":["OPTIONS"],"path":"/","params":null}"#, "OPTIONS:/"),
        ] {
            assert_eq!(role(json).unwrap(), expected.parse().unwrap(), "{json}");
        }
    }

    #[test]
    fn role_permissions_that_the_domain_refuses_are_refused() {
        refused(role(r#"{"path":"/x"}"#), "missing field `methods`");
        refused(role(r#"{"methods":["GET"]}"#), "missing field `path`");
        refused(role(r#"{"methods":[],"path":"/x"}"#), "at least one of GET");
        refused(role(r#"{"methods":["TRACE"],"path":"/x"}"#), "a method is one of");
        refused(role(r#"{"methods":["GET"],"path":"x"}"#), "a path starts with '/'");
        refused(role(r#"{"methods":["GET"],"path":"/a*"}"#), "a fragment is");
        refused(role(r#"{"methods":["GET"],"path":"/{id}"}"#), "every variable of the path");
        refused(
            role(r#"{"methods":["GET"],"path":"/x","params":{"id":["a"]}}"#),
            "every variable of the path",
        );
        refused(role(r#"{"methods":["GET"],"path":"/{a}","params":{"a":["b"],"a":["c"]}}"#), "stands twice");
        refused(role(r#"{"methods":["GET"],"path":"/x","path":"/y"}"#), "duplicate field `path`");
        refused(role(r#"{"methods":["GET"],"path":"/x","deny":true}"#), "unknown field `deny`");
        refused(role(r#"[["GET"],"/x",null]"#), "invalid type: sequence");
        refused(role("null"), "invalid type: null");
    }
}
