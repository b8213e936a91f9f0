//! The endpoints that API keys open: FusionAuth 1.69, "API Endpoints Guarded by API Keys", as data.
//!
//! Three entries look odd and are as FusionAuth has them: `/api/entity/type` is global but its `permission` is not,
//! `/api/tenant` is not global but its `search` is, and `/api/report/login` is the only report open to tenant keys.

use claviger_domain::Method::{self, Delete, Get, Patch, Post, Put};
use claviger_domain::MethodSet;

use crate::EndpointScope;

/// The number of endpoints.
pub(crate) const COUNT: usize = 114;

/// One endpoint. Rows compare by their place in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    /// The place in the catalogue.
    pub(crate) index: u8,
    /// The path without identifier segments.
    pub(crate) path: &'static str,
    /// The methods that FusionAuth implements.
    pub(crate) methods: MethodSet,
    /// Which keys reach it.
    pub(crate) scope: EndpointScope,
}

/// Every endpoint, sorted by the segments of its path, so that what shares its first segments stands together.
pub(crate) static CATALOGUE: [Row; COUNT] = numbered([
    tenant("/api/application", &Method::ALL),
    tenant("/api/application/oauth-configuration", &[Get]),
    tenant("/api/application/role", &[Post, Put, Patch, Delete]),
    tenant("/api/application/scope", &Method::ALL),
    tenant("/api/application/search", &[Get, Post]),
    tenant("/api/cleanspeak/notify", &[Post]),
    global("/api/connector", &Method::ALL),
    tenant("/api/consent", &Method::ALL),
    global("/api/consent/search", &[Get, Post]),
    tenant("/api/email/send", &[Post]),
    global("/api/email/template", &Method::ALL),
    global("/api/email/template/preview", &[Post]),
    global("/api/email/template/search", &[Get, Post]),
    tenant("/api/entity", &Method::ALL),
    tenant("/api/entity/grant", &[Get, Post, Put, Delete]),
    tenant("/api/entity/grant/search", &[Get, Post]),
    tenant("/api/entity/search", &[Get, Post, Put]),
    global("/api/entity/type", &Method::ALL),
    tenant("/api/entity/type/permission", &[Post, Put, Patch, Delete]),
    global("/api/entity/type/search", &[Get, Post]),
    global("/api/form", &Method::ALL),
    global("/api/form/field", &Method::ALL),
    tenant("/api/group", &Method::ALL),
    tenant("/api/group/member", &[Post, Put, Delete]),
    tenant("/api/group/member/search", &[Get, Post]),
    tenant("/api/group/search", &[Get, Post]),
    tenant("/api/identity/verify", &[Post]),
    tenant("/api/identity/verify/complete", &[Post]),
    tenant("/api/identity/verify/send", &[Post]),
    tenant("/api/identity/verify/start", &[Post]),
    tenant("/api/identity-provider", &Method::ALL),
    tenant("/api/identity-provider/link", &[Get, Post, Delete]),
    tenant("/api/identity-provider/link/pending", &[Get]),
    tenant("/api/identity-provider/search", &[Get, Post]),
    tenant("/api/identity-provider/test", &[Get, Post]),
    global("/api/integration", &[Get, Put, Patch]),
    global("/api/ip-acl", &Method::ALL),
    global("/api/ip-acl/search", &[Get, Post]),
    tenant("/api/jwt/refresh", &[Get, Post, Delete]),
    tenant("/api/jwt/vend", &[Post]),
    global("/api/key", &[Get, Put, Delete]),
    global("/api/key/generate", &[Post]),
    global("/api/key/import", &[Post]),
    global("/api/key/search", &[Get, Post]),
    global("/api/lambda", &Method::ALL),
    global("/api/lambda/search", &[Get, Post]),
    global("/api/logger", &[Get, Post]),
    tenant("/api/login", &[Post, Put]),
    global("/api/message/template", &Method::ALL),
    global("/api/message/template/preview", &[Post]),
    global("/api/messenger", &Method::ALL),
    tenant("/api/passwordless/start", &[Post]),
    global("/api/prometheus/metrics", &[Get]),
    global("/api/reactor", &[Get, Post, Put, Delete]),
    global("/api/reactor/metrics", &[Get]),
    global("/api/report/daily-active-user", &[Get]),
    tenant("/api/report/login", &[Get]),
    global("/api/report/monthly-active-user", &[Get]),
    global("/api/report/registration", &[Get]),
    global("/api/report/totals", &[Get]),
    global("/api/status", &[Get]),
    tenant("/api/system/audit-log", &[Get, Post]),
    tenant("/api/system/audit-log/export", &[Get, Post]),
    tenant("/api/system/audit-log/search", &[Get, Post]),
    global("/api/system/event-log", &[Get]),
    global("/api/system/event-log/search", &[Get, Post]),
    global("/api/system/log/export", &[Get, Post]),
    global("/api/system/login-record/export", &[Get, Post]),
    global("/api/system/login-record/search", &[Get, Post]),
    global("/api/system/reindex", &[Get, Post]),
    tenant("/api/system/version", &[Get]),
    tenant("/api/system/webhook-attempt-log", &[Get]),
    tenant("/api/system/webhook-event-log", &[Get]),
    tenant("/api/system/webhook-event-log/search", &[Get, Post]),
    global("/api/system-configuration", &[Get, Post, Put, Patch]),
    tenant("/api/tenant", &Method::ALL),
    global("/api/tenant/search", &[Get, Post]),
    global("/api/tenant-manager", &[Get, Post, Put, Patch]),
    global("/api/tenant-manager/identity-provider", &[Post, Put, Patch, Delete]),
    global("/api/theme", &Method::ALL),
    global("/api/theme/search", &[Get, Post]),
    tenant("/api/two-factor/secret", &[Get]),
    tenant("/api/two-factor/send", &[Post]),
    tenant("/api/two-factor/start", &[Post]),
    tenant("/api/two-factor/status", &[Get, Post]),
    tenant("/api/user", &Method::ALL),
    tenant("/api/user/action", &[Get, Post, Put, Delete]),
    tenant("/api/user/bulk", &[Delete]),
    tenant("/api/user/change-password", &[Get, Post]),
    tenant("/api/user/comment", &[Get, Post]),
    tenant("/api/user/comment/search", &[Get, Post]),
    tenant("/api/user/consent", &Method::ALL),
    tenant("/api/user/family", &[Get, Post, Put, Delete]),
    tenant("/api/user/family/pending", &[Get]),
    tenant("/api/user/family/request", &[Post]),
    tenant("/api/user/forgot-password", &[Post]),
    tenant("/api/user/import", &[Post]),
    global("/api/user/recent-login", &[Get]),
    tenant("/api/user/refresh-token/import", &[Post]),
    tenant("/api/user/registration", &Method::ALL),
    tenant("/api/user/search", &[Get, Post, Put]),
    tenant("/api/user/two-factor", &[Post, Delete]),
    tenant("/api/user/two-factor/recovery-code", &[Get, Post]),
    tenant("/api/user/verify-email", &[Post, Put]),
    tenant("/api/user/verify-registration", &[Post, Put]),
    global("/api/user-action", &Method::ALL),
    global("/api/user-action-reason", &Method::ALL),
    tenant("/api/webauthn", &[Get, Delete]),
    tenant("/api/webauthn/import", &[Post]),
    tenant("/api/webauthn/register/start", &[Post]),
    tenant("/api/webauthn/start", &[Post]),
    tenant("/api/webhook", &Method::ALL),
    tenant("/api/webhook/search", &[Get, Post]),
    tenant("/oauth2/device/user-code", &[Post]),
]);

const fn tenant(path: &'static str, methods: &[Method]) -> Row {
    row(path, methods, EndpointScope::Tenant)
}

const fn global(path: &'static str, methods: &[Method]) -> Row {
    row(path, methods, EndpointScope::Global)
}

const fn row(path: &'static str, mut methods: &[Method], scope: EndpointScope) -> Row {
    let mut set = MethodSet::EMPTY;
    while let [first, rest @ ..] = methods {
        set = set.with(*first);
        methods = rest;
    }
    Row { index: 0, path, methods: set, scope }
}

#[expect(
    clippy::indexing_slicing,
    reason = "run by the compiler only: an index out of bounds fails the build"
)]
const fn numbered(mut rows: [Row; COUNT]) -> [Row; COUNT] {
    assert!(COUNT <= u8::MAX as usize, "an index must fit in a byte");
    let mut index = 0;
    while index < COUNT {
        rows[index].index = index as u8;
        index += 1;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_published_numbers() {
        assert_eq!(CATALOGUE.len(), 114);
        assert_eq!(CATALOGUE.iter().map(|row| row.methods.iter().count()).sum::<usize>(), 282);
        let global = CATALOGUE.iter().filter(|row| row.scope == EndpointScope::Global).count();
        assert_eq!((global, CATALOGUE.len() - global), (45, 69));
    }

    #[test]
    fn is_sorted_and_unique() {
        assert!(CATALOGUE.is_sorted_by(|a, b| a.path.split('/').lt(b.path.split('/'))));
        assert!(CATALOGUE.iter().enumerate().all(|(index, row)| usize::from(row.index) == index));
    }

    /// The look-up of a segment that differs in case only relies on it.
    #[test]
    fn paths_are_plain() {
        for row in &CATALOGUE {
            assert!(row.path.starts_with('/'), "{}", row.path);
            assert!(
                row.path.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/-".contains(&b)),
                "{}",
                row.path
            );
        }
    }
}
