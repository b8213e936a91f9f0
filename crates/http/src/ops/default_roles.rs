//! The roles that an instance starts with (Lucidworks Fusion: Roles, "default roles").
//!
//! Fusion's lists are public in part only. These follow what is, and keep its rule that no role but `admin` reaches API
//! keys, roles or users. They leave out `/system/**`, which `developer` has in Fusion: on this server that path leads to
//! the audit log and the records of logins.

use claviger_crypto::{CryptoError, RandomSource};
use claviger_domain::{
    Actor, ChangeContext, Instant, InvalidRoleName, InvalidRolePermission, Revision, Role, RoleId, RoleName,
};
use claviger_storage::{StorageError, Store, TxError};

use super::fusion_api_key::ADMIN;
use super::id_bytes;

const ADMIN_PERMISSIONS: [&str; 1] = ["GET,POST,PUT,DELETE,PATCH,HEAD:/**"];

const DEVELOPER_PERMISSIONS: [&str; 25] = [
    "GET,POST,PUT,DELETE,HEAD:/stopwords/**",
    "GET,POST,PUT,DELETE,HEAD:/blobs/**",
    "GET,POST,PUT,DELETE,HEAD:/scheduler/**",
    "GET,POST,PUT,DELETE,HEAD:/index-pipelines/**",
    "GET,POST,PUT,DELETE,HEAD:/index-profiles/**",
    "GET,POST,PUT,DELETE,HEAD:/index-stages/**",
    "GET,POST,PUT,DELETE,HEAD:/index-stage-plugins/**",
    "GET,POST,PUT,DELETE,HEAD:/query-pipelines/**",
    "GET,POST,PUT,DELETE,HEAD:/messaging/**",
    "GET,POST,PUT,DELETE,HEAD:/parsers/**",
    "GET,POST,PUT,DELETE,HEAD:/history/**",
    "GET,POST,PUT,DELETE,HEAD:/apps/**",
    "GET,POST,PUT,DELETE,HEAD:/solr/**",
    "GET,POST,PUT,DELETE,HEAD:/experiments",
    "GET,POST,PUT,DELETE,HEAD:/catalog",
    "GET,POST,PUT:/usage/**",
    "GET,POST,PUT:/appkit/**",
    "GET,POST,PUT:/recommend/**",
    "GET,POST,PUT:/signals/**",
    "GET,POST,PUT:/searchLogs/**",
    "GET,HEAD:/query/**",
    "GET:/features/**",
    "GET:/introspect/**",
    "GET,POST:/dynamicSchema/**",
    "PATCH:/users/{id}:id=#ID",
];

const READONLY_PERMISSIONS: [&str; 21] = [
    "GET,HEAD:/appkit/**",
    "GET,HEAD:/apps/**",
    "GET,HEAD:/blobs/**",
    "GET,HEAD:/catalog/**",
    "GET,HEAD:/collections/**",
    "GET,HEAD:/experiments/**",
    "GET,HEAD:/features/**",
    "GET,HEAD:/history/**",
    "GET,HEAD:/index-pipelines/**",
    "GET,HEAD:/index-profiles/**",
    "GET,HEAD:/index-stages/**",
    "GET,HEAD:/introspect/**",
    "GET,HEAD:/parsers/**",
    "GET,HEAD:/query/**",
    "GET,HEAD:/query-pipelines/**",
    "GET,HEAD:/scheduler/**",
    "GET,HEAD:/searchLogs/**",
    "GET,HEAD:/signals/**",
    "GET,HEAD:/solr/**",
    "GET,HEAD:/stopwords/**",
    "GET,HEAD:/usage/**",
];

const RULES_PERMISSIONS: [&str; 2] = [
    "GET,POST,PUT,DELETE,PATCH,HEAD:/query-rewrite/**",
    "GET,POST,PUT,DELETE,PATCH,HEAD:/apps/*/query-rewrite/**",
];

const SEARCH_PERMISSIONS: [&str; 4] = [
    "GET,HEAD:/query/**",
    "GET,HEAD:/query-pipelines/*/collections/{collection}/**:collection=default",
    "POST:/signals/{collection}:collection=default",
    "PATCH:/users/{id}:id=#ID",
];

const SEARCH_TEMPLATE_PERMISSIONS: [&str; 1] = ["GET,HEAD:/query/**"];

/// Name, description, permissions.
const ROLES: [(&str, &str, &[&str]); 6] = [
    (ADMIN, "Everything, the management of API keys and roles included.", &ADMIN_PERMISSIONS),
    ("developer", "Reads and writes what building and running applications needs.", &DEVELOPER_PERMISSIONS),
    ("readonly", "Sees what belongs to applications, and changes nothing.", &READONLY_PERMISSIONS),
    ("rules", "The API that rewrites queries, in every application.", &RULES_PERMISSIONS),
    ("search", "Queries, and writes signals of the collection default.", &SEARCH_PERMISSIONS),
    ("search-template", "Queries.", &SEARCH_TEMPLATE_PERMISSIONS),
];

/// Why the default roles cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DefaultRolesError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error("a default role: {0}")]
    Name(#[from] InvalidRoleName),
    #[error("a default role: {0}")]
    Permission(#[from] InvalidRolePermission),
}

fn roles(random: &mut dyn RandomSource, now: Instant) -> Result<Vec<Role>, DefaultRolesError> {
    let role = |(name, desc, permissions): (&str, &str, &[&str])| {
        Ok(Role {
            id: RoleId::from_random_bytes(id_bytes(random)?),
            revision: Revision::FIRST,
            name: RoleName::try_from(name)?,
            desc: Some(desc.to_owned()),
            permissions: permissions.iter().map(|line| line.parse()).collect::<Result<_, _>>()?,
            ui_permissions: Vec::new(),
            insert_instant: now,
            last_update_instant: now,
        })
    };
    ROLES.into_iter().map(role).collect()
}

/// Makes the default roles in an instance that has none of them yet: a new one, or one from before there were roles. `admin`
/// cannot be deleted, so that it tells; the others stay deleted where somebody deleted them.
pub(crate) fn ensure(
    store: &Store,
    random: &mut dyn RandomSource,
    now: Instant,
) -> Result<(), DefaultRolesError> {
    let admin = [RoleName::try_from(ADMIN)?];
    if !store.read::<_, StorageError>(|tx| Ok(tx.roles_named(&admin)?)).map_err(storage_error)?.is_empty() {
        return Ok(());
    }
    let roles = roles(random, now)?;
    let context = ChangeContext { actor: Actor::System, instant: now, address: None };
    store
        .write::<_, StorageError, _>(&context, move |tx| {
            roles.iter().try_for_each(|role| Ok(tx.insert_role(role)?))
        })
        .map_err(storage_error)
}

fn storage_error(error: TxError<StorageError>) -> DefaultRolesError {
    let (TxError::Storage(error) | TxError::Abort(error)) = error;
    DefaultRolesError::Storage(error)
}

#[cfg(test)]
mod tests {
    use claviger_authz::{Access, CompiledPermissions, Decision, Endpoint, Path, Request, decide};
    use claviger_crypto::SystemRandom;
    use claviger_domain::RequestMethod;

    use super::*;

    fn allows(role: &Role, method: RequestMethod, path: &str) -> bool {
        let permissions = CompiledPermissions::of_roles(&role.permissions);
        let access = Access { key_manager: permissions.are_unrestricted(), ..Access::new(&permissions) };
        let path = Path::parse(path.as_bytes()).unwrap();
        matches!(
            decide(&access, &Request::new(method, path, Instant::from_epoch_millis(0))),
            Decision::Allow(_)
        )
    }

    #[test]
    fn only_admin_reaches_what_is_served_here() {
        for role in roles(&mut SystemRandom, Instant::from_epoch_millis(0)).unwrap() {
            let is_admin = role.name.as_str() == ADMIN;
            for method in RequestMethod::ALL {
                for path in ["/api/api-key", "/api/api-key/x", "/api/roles", "/api/roles/x"] {
                    assert_eq!(allows(&role, method, path), is_admin, "{} {method} {path}", role.name);
                }
                for endpoint in Endpoint::all() {
                    for path in [endpoint.as_str().to_owned(), format!("{endpoint}/x/y")] {
                        assert_eq!(allows(&role, method, &path), is_admin, "{} {method} {path}", role.name);
                    }
                }
            }
        }
    }

    #[test]
    fn roles_do_what_they_are_for() {
        let roles = roles(&mut SystemRandom, Instant::from_epoch_millis(0)).unwrap();
        for (name, method, path, expected) in [
            ("search", RequestMethod::Get, "/api/query/status", true),
            ("search", RequestMethod::Post, "/api/query/status", false),
            ("search", RequestMethod::Post, "/api/signals/default", true),
            ("search", RequestMethod::Post, "/api/signals/other", false),
            ("search", RequestMethod::Patch, "/api/users/7", false),
            ("search-template", RequestMethod::Get, "/api/query/status", true),
            ("rules", RequestMethod::Put, "/api/apps/shop/query-rewrite/instances", true),
            ("rules", RequestMethod::Put, "/api/apps/shop", false),
            ("readonly", RequestMethod::Get, "/api/apps/shop", true),
            ("readonly", RequestMethod::Put, "/api/apps/shop", false),
            ("developer", RequestMethod::Put, "/api/apps/shop", true),
        ] {
            let role = roles.iter().find(|role| role.name.as_str() == name).unwrap();
            assert_eq!(allows(role, method, path), expected, "{name} {method} {path}");
        }
    }
}
