//! What is not canonical is refused.

use claviger_authz::{Endpoint, Path, PathError, Reason, Target};
use claviger_domain::{RequestMethod, TenantId};

use crate::{all, denied, only, refused, roles};

use RequestMethod::{Get, Head, Options, Post};

/// Oathkeeper matched rules before `..` was taken out of the path. Here dot segments are refused in every spelling.
#[test]
fn cve_2026_33494_dot_segments() {
    refused("/api/user/../key", PathError::DotSegment);
    refused("/api/user/./key", PathError::DotSegment);
    refused("/api/user/..", PathError::DotSegment);
    refused("/api/user/%2e%2e/key", PathError::EncodedUnreserved);
    refused("/api/user/.%2E/key", PathError::EncodedUnreserved);
}

/// APISIX applied rules to the raw path and routed the normalised one, so `//internal` had no rule. Here empty segments are
/// refused wherever they stand.
#[test]
fn cve_2021_43557_empty_segments() {
    for path in ["//api/key", "/api//key", "/api/key//", "//", "/v1//internal"] {
        refused(path, PathError::EmptySegment);
    }
}

/// Istio and Envoy took `//`, `%2f` and `%5c` for one thing in the policy and for another upstream. Here all are refused.
#[test]
fn cve_2021_31920_cve_2021_29492_encoded_slashes() {
    refused("/api//key", PathError::EmptySegment);
    for path in ["/api%2fkey", "/api%2Fkey", "/api/user/x%2F..%2Fkey"] {
        refused(path, PathError::EncodedSlash);
    }
    for path in ["/api%5ckey", "/api/user%5C..%5Ckey"] {
        refused(path, PathError::EncodedBackslash);
    }
    refused("/api\\key", PathError::Backslash);
}

/// Past Shiro's patterns slipped `..;/`, `%3b` and encoded slashes, three times. Here path parameters are refused, raw and
/// encoded, and so is what would come out of a second decoding.
#[test]
fn cve_2020_1957_cve_2020_11989_cve_2020_13933_path_parameters() {
    for path in ["/api/user/..;/key", "/api/key;jsessionid=1", "/;/api/key", "/api/key;"] {
        refused(path, PathError::Semicolon);
    }
    for path in ["/api/%3bkey", "/api/key%3B"] {
        refused(path, PathError::EncodedSemicolon);
    }
    refused("/api/user/%252f/key", PathError::EncodedPercent);
}

/// Traefik's matchers let encoded traversal through, three times in a year. Here neither a dot nor a slash comes in by any
/// encoding, single, double or overlong.
#[test]
fn cve_2025_32431_cve_2025_47952_cve_2025_66490_encoded_traversal() {
    refused("/api/%2e%2e/key", PathError::EncodedUnreserved);
    refused("/api/..%2fkey", PathError::EncodedSlash);
    refused("/api/%252e%252e/key", PathError::EncodedPercent);
    for path in ["/api/%c0%af/key", "/api/%c0%ae%c0%ae/key", "/api/%e0%80%af/key"] {
        refused(path, PathError::InvalidUtf8);
    }
    refused("/api/key%00.html", PathError::EncodedControl);
    refused("/api/key%0d%0a", PathError::EncodedControl);
}

/// In Traefik the decoded and the raw path fell out of step, and rewriting came after the decision. Here a literal has one
/// spelling, and a path that was decided about is passed on as it came.
#[test]
fn cve_2026_40912_cve_2026_48020_cve_2026_65600_cve_2026_67309_one_spelling() {
    for path in ["/api/%6bey", "/%61pi/key", "/api/%6Bey", "/api/k%65y/7"] {
        refused(path, PathError::EncodedUnreserved);
    }
    refused("/api/user/%25%32%66", PathError::EncodedPercent);
    for path in ["/api/user/a%20b", "/v1/a%3Ab", "/v1/a%3ab", "/v1/%C3%A9"] {
        assert_eq!(Path::parse(path.as_bytes()).unwrap().to_string(), path);
    }
}

/// Caddy folded case on one branch only, and let an encoded backslash through. Here case is folded on none: a known word in
/// another case leads nowhere, for whatever key, and a narrower entry is not got past by its case.
#[test]
fn cve_2026_27587_cve_2026_52844_case_is_not_folded() {
    for path in [
        "/api/Key",
        "/API/key",
        "/api/user/Search",
        "/api/KEY/generate",
        "/api/key/Generate",
        "/api/Api-Key",
        "/OAUTH2/token",
    ] {
        for permissions in [all(), only("GET:/"), roles(&["GET:/**"])] {
            assert_eq!(denied(&permissions, Get, path), Some(Reason::AmbiguousPath), "{path}");
        }
    }
    let list = only("GET:/v1\n:/v1/admin");
    for path in ["/v1/Admin", "/v1/ADMIN/x"] {
        assert_eq!(denied(&list, Get, path), Some(Reason::NotGranted), "{path}");
    }
    refused("/api%5Ckey", PathError::EncodedBackslash);
}

/// To Caddy `/config/array/00` and `/0` were one object, to its access control list two strings. Here segments are compared
/// as they are, so that the one opens nothing for the other; and ids are compared as numbers where they are ids.
#[test]
fn cve_2026_45692_one_object_two_strings() {
    let list = only("GET:/v1/array/0");
    let values = roles(&["GET:/v1/array/{index}:index=0"]);
    for permissions in [list, values] {
        assert_eq!(denied(&permissions, Get, "/v1/array/0"), None);
        for path in ["/v1/array/00", "/v1/array/000", "/v1/array/+0", "/v1/array/-0", "/v1/array/0x0"] {
            assert_eq!(denied(&permissions, Get, path), Some(Reason::NotGranted), "{path}");
        }
    }
    let lower: TenantId = "780e1d5b-ee3b-43b2-aec8-db99b99adc4e".parse().unwrap();
    assert_eq!("780E1D5B-EE3B-43B2-AEC8-DB99B99ADC4E".parse::<TenantId>(), Ok(lower));
}

/// The list of paths that oauth2-proxy lets through was matched with path and query, then with the fragment. Here neither is
/// ever part of a path.
#[test]
fn cve_2025_54576_cve_2026_41059_no_query() {
    for path in ["/api/key?x=/api/user", "/api/key?", "/?/api/user", "/api/key#/api/user", "/api/key#"] {
        refused(path, PathError::QueryOrFragment);
    }
    // Encoded they are characters of an identifier, and open what that opens.
    assert_eq!(denied(&only("GET:/api/user"), Get, "/api/key/%3F/api/user"), Some(Reason::NotGranted));
    assert_eq!(denied(&only("GET:/api/user"), Get, "/api/key/%23/api/user"), Some(Reason::NotGranted));
}

/// Traefik took a fragment in the request target for a part of the path. Here it is refused.
#[test]
fn cve_2023_47106_no_fragment() {
    for path in ["/api/user#/../key", "/#", "/api/user/#"] {
        refused(path, PathError::QueryOrFragment);
    }
}

/// The collation of OpenFGA's database folded case, so that two ids became one. Here no identifier, value or path of another
/// service is folded: what one spelling is granted, another is not.
#[test]
fn cve_2026_55170_ids_are_not_folded() {
    let role = roles(&["GET:/collections/{id}:id=c1", "GET:/query/main"]);
    let list = only("GET:/collections/c1\nGET:/query/main");
    for permissions in [role, list] {
        for (path, other) in [
            ("/collections/c1", "/collections/C1"),
            ("/query/main", "/query/Main"),
            ("/query/main", "/Query/main"),
        ] {
            assert_eq!(denied(&permissions, Get, path), None, "{path}");
            assert_eq!(denied(&permissions, Get, other), Some(Reason::NotGranted), "{other}");
        }
    }
    assert_ne!(only("GET:/collections/c1"), only("GET:/collections/C1"));
}

/// GitHub routed HEAD to the handler for GET, which then took its branch for "not GET". Here HEAD needs what GET needs of a
/// list, no more and no less, and of a role its own right; no other method is stood for by any.
#[test]
fn cwe_650_head_is_what_the_rules_say() {
    let (reads, writes) = (only("GET:/api/user\nGET:/v1"), only("POST:/api/user\nPOST:/v1"));
    for path in ["/api/user", "/v1/orders"] {
        assert_eq!(denied(&reads, Head, path), None, "{path}");
        assert_eq!(denied(&writes, Head, path), Some(Reason::NotGranted), "{path}");
        assert_eq!(denied(&reads, Options, path), Some(Reason::NotGranted), "{path}");
        assert_eq!(denied(&reads, Post, path), Some(Reason::NotGranted), "{path}");
    }
    let (get, head) = (roles(&["GET:/v1/**"]), roles(&["HEAD:/v1/**"]));
    assert_eq!(denied(&get, Head, "/v1/orders"), Some(Reason::NotGranted));
    assert_eq!(denied(&head, Head, "/v1/orders"), None);
    assert_eq!(denied(&head, Get, "/v1/orders"), Some(Reason::NotGranted));
}

/// No CVE of its own, and what many of them have in common: a rule for `/api/user` is no prefix of a string, and no path
/// elsewhere ends in it.
#[test]
fn paths_are_compared_by_whole_segments() {
    let list = only("GET:/api/user\nGET:/v1/orders");
    for path in [
        "/api/users",
        "/internal/api/user",
        "/api/x/user",
        "/api/user-action",
        "/v1/orders-old",
        "/x/v1/orders",
    ] {
        assert_eq!(denied(&list, Get, path), Some(Reason::NotGranted), "{path}");
        let target = Target::of(&Path::parse(path.as_bytes()).unwrap());
        assert_ne!(target, Target::Endpoint(Endpoint::find("/api/user").unwrap()), "{path}");
    }
}
