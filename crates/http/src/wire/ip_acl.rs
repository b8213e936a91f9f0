//! IP access control lists on the wire (FusionAuth: IP Access Control Lists).
//!
//! Addresses are answered in one spelling each, whichever was sent: IPv6 as RFC 5952 wants it, and IPv4 addresses in the
//! notation of IPv6 as IPv4.

use std::net::IpAddr;

use claviger_domain::{
    AddressRange, IpAccessControlEntry, IpAccessControlList, IpAction, MAXIMUM_IP_ENTRIES,
    MAXIMUM_NAME_LENGTH, Violation, Violations, codes,
};
use serde_json::{Map, Value, json};

use super::json::{Members, sorted};
use super::patch::Patch;
use super::{NameCodes, name};
use crate::ops::ip_acl::IpAccessControlListFields;

const NAME_CODES: NameCodes = NameCodes {
    blank: &codes::IP_ACL_NAME_BLANK,
    too_long: &codes::IP_ACL_NAME_TOO_LONG,
    invalid: &codes::IP_ACL_NAME_INVALID,
};

/// What stands for the first address in the entry about all addresses that no other entry speaks of.
const ANY_OTHER: &str = "*";

/// The longest `data`, in bytes of its text. One request cannot send more, but patches add up.
const MAXIMUM_DATA: usize = 1024 * 1024;

/// The document of a list, members in alphabetical order.
pub(crate) fn document(list: &IpAccessControlList) -> Value {
    let mut document = json!({
        "entries": list.entries.iter().map(entry_document).collect::<Vec<_>>(),
        "id": list.id.to_string(),
        "insertInstant": list.insert_instant.epoch_millis(),
        "lastUpdateInstant": list.last_update_instant.epoch_millis(),
        "name": list.name.as_str(),
    });
    if let Some(Ok(data)) = list.data.as_deref().map(serde_json::from_str::<Value>)
        && let Some(members) = document.as_object_mut()
    {
        members.insert("data".to_owned(), data);
    }
    sorted(document)
}

fn entry_document(entry: &IpAccessControlEntry) -> Value {
    match entry.range {
        None => json!({"action": entry.action.as_str(), "startIPAddress": ANY_OTHER}),
        Some(range) => json!({
            "action": entry.action.as_str(),
            "endIPAddress": range.last().to_string(),
            "startIPAddress": range.first().to_string(),
        }),
    }
}

/// The body of an answer: `{"ipAccessControlList": …}`.
pub(crate) fn response(list: &IpAccessControlList) -> Value {
    json!({"ipAccessControlList": document(list)})
}

/// Reads the body of a create or replace request.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn fields(document: Map<String, Value>) -> Result<IpAccessControlListFields, Violations> {
    let mut violations = Violations::none();
    let mut root = Members::of_document(document);
    let members = root.object("ipAccessControlList", &mut violations);
    root.finish(&mut violations);
    let Some(mut members) = members else {
        // Whatever stands beside where it should be, unless it is there and wrong itself.
        if violations.iter().all(|violation| violation.field().is_none()) {
            violations.add(&codes::IP_ACL_MISSING);
        }
        return Err(violations);
    };
    members.ignore(&["id", "insertInstant", "lastUpdateInstant"]);
    let name = required_name(&mut members, &mut violations);
    let entries = entries(&mut members, &mut violations);
    let data = data(&mut members, &mut violations);
    members.finish(&mut violations);
    match (name, entries) {
        (Some(name), Some(entries)) => {
            violations.into_result(IpAccessControlListFields { name, entries, data })
        }
        _ => Err(violations),
    }
}

/// The fields that a patch makes of a stored list.
///
/// # Errors
/// Everything that is wrong with the patch, or with the members of the document that it makes.
pub(crate) fn patched(
    stored: &IpAccessControlList,
    patch: &Patch,
) -> Result<IpAccessControlListFields, Violations> {
    fields(patch.apply(response(stored))?)
}

fn required_name(members: &mut Members, violations: &mut Violations) -> Option<claviger_domain::Name> {
    let before = violations.iter().count();
    let text = members.text("name", violations);
    if text.is_none() && violations.iter().count() == before {
        violations.add(&codes::IP_ACL_NAME_BLANK);
    }
    name(text?, &NAME_CODES, violations)
}

/// The object that is kept, as text.
fn data(members: &mut Members, violations: &mut Violations) -> Option<String> {
    let text = Value::Object(members.object("data", violations)?.into_rest()).to_string();
    if text.len() > MAXIMUM_DATA {
        violations.add(&codes::IP_ACL_DATA_TOO_LONG);
    }
    Some(text)
}

/// The entries; `None` when they cannot be stored as they are, and something is reported.
fn entries(members: &mut Members, violations: &mut Violations) -> Option<Vec<IpAccessControlEntry>> {
    let path = members.path_of("entries");
    let before = violations.iter().count();
    let Some(items) = members.list("entries", violations) else {
        if violations.iter().count() == before {
            violations.add(&codes::IP_ACL_ENTRIES_MISSING);
        }
        return None;
    };
    if items.len() > MAXIMUM_IP_ENTRIES {
        violations.add(&codes::IP_ACL_ENTRIES_TOO_MANY);
        return None;
    }
    let is_default = |item: &&Value| item.get("startIPAddress").and_then(Value::as_str) == Some(ANY_OTHER);
    match items.iter().filter(is_default).count() {
        0 => violations.add(&codes::IP_ACL_ENTRIES_MISSING_DEFAULT),
        1 => {}
        _ => violations.add(&codes::IP_ACL_ENTRIES_MULTIPLE_DEFAULTS),
    }
    let entries: Vec<_> = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| {
            entry(Members::of_item(format!("{path}[{index}]"), item, violations)?, violations)
        })
        .collect();
    // All of them are read, so that what is wrong with any is reported.
    entries.into_iter().collect()
}

fn entry(mut members: Members, violations: &mut Violations) -> Option<IpAccessControlEntry> {
    let action = required(&mut members, "action", violations).and_then(|text| {
        let action = IpAction::ALL.into_iter().find(|action| action.as_str() == text);
        if action.is_none() {
            let path = members.path_of("action");
            let message = format!("{path} must be Allow or Block.");
            violations.push(Violation::at(&codes::INVALID_JSON, path).with_message(message));
        }
        action
    });
    let range = match required(&mut members, "startIPAddress", violations) {
        Some(text) if text == ANY_OTHER => {
            members.ignore(&["endIPAddress"]);
            Some(None)
        }
        first => {
            let first = first.and_then(|text| address(&members, "startIPAddress", &text, violations));
            let last = required(&mut members, "endIPAddress", violations)
                .and_then(|text| address(&members, "endIPAddress", &text, violations));
            range(&members, first, last, violations).map(Some)
        }
    };
    members.finish(violations);
    Some(IpAccessControlEntry { action: action?, range: range? })
}

/// A text that must be there, and not be empty.
fn required(members: &mut Members, name: &str, violations: &mut Violations) -> Option<String> {
    let before = violations.iter().count();
    let text = members.text(name, violations).filter(|text| !text.is_empty());
    if text.is_none() && violations.iter().count() == before {
        let path = members.path_of(name);
        let message = format!("{path} is required.");
        violations.push(Violation::at(&codes::IP_ACL_ENTRY_MEMBER_MISSING, path).with_message(message));
    }
    text
}

/// One address. The standard library's reader takes neither leading zeros, which some read as octal numbers, nor zones.
fn address(members: &Members, name: &str, text: &str, violations: &mut Violations) -> Option<IpAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        violations.push(Violation::at(&codes::IP_ACL_ADDRESS_INVALID, members.path_of(name)));
    }
    address
}

fn range(
    members: &Members,
    first: Option<IpAddr>,
    last: Option<IpAddr>,
    violations: &mut Violations,
) -> Option<AddressRange> {
    let range = AddressRange::new(first?, last?);
    if range.is_none() {
        violations.push(Violation::at(&codes::IP_ACL_ADDRESS_INVALID, members.path_of("endIPAddress")));
    }
    range
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let instant = || json!({"type": "integer", "format": "int64", "readOnly": true});
    json!({
        "IPAccessControlEntry": {"type": "object", "required": ["action", "startIPAddress"], "properties": {
            "action": {"type": "string", "enum": IpAction::ALL.map(IpAction::as_str)},
            "endIPAddress": {"type": "string", "description": "Ignored where startIPAddress is *, else required"},
            "startIPAddress": {"type": "string", "description": "An IPv4 or IPv6 address, or * for all that no other entry speaks of"},
        }},
        "IPAccessControlList": {"type": "object", "required": ["entries", "name"], "properties": {
            "data": {"type": "object"},
            "entries": {"type": "array", "minItems": 1, "maxItems": MAXIMUM_IP_ENTRIES,
                "items": {"$ref": "#/components/schemas/IPAccessControlEntry"}},
            "id": {"type": "string", "format": "uuid", "readOnly": true},
            "insertInstant": instant(),
            "lastUpdateInstant": instant(),
            "name": {"type": "string", "maxLength": MAXIMUM_NAME_LENGTH},
        }},
        "IPAccessControlListRequest": {"type": "object", "required": ["ipAccessControlList"], "properties": {
            "ipAccessControlList": {"$ref": "#/components/schemas/IPAccessControlList"}}},
        "IPAccessControlListResponse": {"type": "object", "properties": {
            "ipAccessControlList": {"$ref": "#/components/schemas/IPAccessControlList"}}},
    })
}

#[cfg(test)]
mod tests {
    use claviger_domain::{Instant, IpAccessControlListId, Revision};

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn read(list: Value) -> Result<IpAccessControlListFields, Violations> {
        fields(object(json!({"ipAccessControlList": list})))
    }

    #[track_caller]
    fn check_refused(list: &Value, expected: &[&str]) {
        let violations = read(list.clone()).unwrap_err();
        let found: Vec<_> = violations
            .iter()
            .map(|violation| {
                let place = violation.field().unwrap_or("-").replace("ipAccessControlList.", "");
                format!("{} {place}", violation.entry().reason)
            })
            .collect();
        assert_eq!(found, expected, "{list}");
    }

    /// The fields become a list, and its document is what is expected.
    #[track_caller]
    fn check_kept(entry: Value, expected: Value) {
        let default = json!({"action": "Block", "startIPAddress": "*"});
        let fields = read(json!({"name": "n", "entries": [entry.clone(), default]})).unwrap();
        assert_eq!(document(&stored(fields))["entries"][0], expected, "{entry}");
    }

    fn stored(fields: IpAccessControlListFields) -> IpAccessControlList {
        IpAccessControlList {
            id: IpAccessControlListId::from_u128(1),
            revision: Revision::FIRST,
            name: fields.name,
            entries: fields.entries,
            data: fields.data,
            insert_instant: Instant::from_epoch_millis(1),
            last_update_instant: Instant::from_epoch_millis(2),
        }
    }

    #[test]
    fn addresses_have_one_spelling() {
        let entry = |first: &str, last: &str| json!({"action": "Allow", "endIPAddress": last, "startIPAddress": first});
        for (first, last, kept_first, kept_last) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("0.0.0.0", "255.255.255.255", "0.0.0.0", "255.255.255.255"),
            ("2001:DB8:0:0:0:0:0:1", "2001:0db8::ffff", "2001:db8::1", "2001:db8::ffff"),
            ("::", "::1", "::", "::1"),
            ("::ffff:192.0.2.1", "::FFFF:c000:2ff", "192.0.2.1", "192.0.2.255"),
            ("192.0.2.1", "::ffff:192.0.2.9", "192.0.2.1", "192.0.2.9"),
        ] {
            check_kept(entry(first, last), entry(kept_first, kept_last));
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let start = "invalid entries[0].startIPAddress";
        let end = "invalid entries[0].endIPAddress";
        for (first, last, expected) in [
            ("192.0.2.01", "192.0.2.1", &[start][..]),
            ("192.0.2", "192.0.2.1", &[start]),
            ("0x7f.0.0.1", "127.0.0.1", &[start]),
            ("2130706433", "127.0.0.1", &[start]),
            ("10.0.0.0/8", "10.255.255.255", &[start]),
            ("10.0.0.256", "10.0.0.1 ", &[start, end]),
            ("fe80::1%eth0", "fe80::2", &[start]),
            ("[::1]", "::1:2:3:4:5:6:7:8", &[start, end]),
            ("localhost", "**", &[start, end]),
            ("10.0.0.2", "10.0.0.1", &[end]),
            ("10.0.0.2", "*", &[end]),
            ("::2", "::1", &[end]),
            ("10.0.0.1", "2001:db8::1", &[end]),
            ("2001:db8::1", "10.0.0.1", &[end]),
            ("10.0.0.1", "", &["missing entries[0].endIPAddress"]),
            ("", "10.0.0.1", &["missing entries[0].startIPAddress"]),
        ] {
            let entries = json!([{"action": "Allow", "startIPAddress": first, "endIPAddress": last},
                {"action": "Block", "startIPAddress": "*"}]);
            check_refused(&json!({"name": "n", "entries": entries}), expected);
        }
    }

    #[test]
    fn everything_wrong_is_reported() {
        check_refused(&json!({}), &["blank name", "missing entries"]);
        check_refused(&json!({"name": 1, "entries": {}}), &["invalidJSON name", "invalidJSON entries"]);
        check_refused(&json!({"name": " ", "entries": []}), &["blank name", "missingDefault entries"]);
        let default = json!({"action": "Allow", "startIPAddress": "*", "endIPAddress": ["ignored"]});
        check_refused(&json!({"name": "n", "entries": [default, default]}), &["multipleDefaults entries"]);
        let entries = json!([default, 1, {"action": "allow", "startIPAddress": "x"}, {},
            {"action": 1, "startIPAddress": "10.0.0.1", "endIPAddress": "10.0.0.1", "end": 1}]);
        check_refused(
            &json!({"name": "a\nb", "entries": entries, "data": [], "nam": ""}),
            &[
                "invalid name",
                "invalidJSON entries[1]",
                "invalidJSON entries[2].action",
                "invalid entries[2].startIPAddress",
                "missing entries[2].endIPAddress",
                "missing entries[3].action",
                "missing entries[3].startIPAddress",
                "missing entries[3].endIPAddress",
                "invalidJSON entries[4].action",
                "invalidJSON -",
                "invalidJSON data",
                "invalidJSON -",
            ],
        );
        let codes = |body| fields(object(body)).unwrap_err().iter().map(Violation::code).collect::<Vec<_>>();
        assert_eq!(codes(json!({})), ["[missing]ipAccessControlList"]);
        assert_eq!(codes(json!({"ipAcl": {}})), ["[invalidJSON]", "[missing]ipAccessControlList"]);
        assert_eq!(codes(json!({"ipAccessControlList": 1})), ["[invalidJSON]"]);
    }

    #[test]
    fn lists_have_an_end() {
        let mut entries = vec![
            json!({"action": "Allow", "startIPAddress": "::1", "endIPAddress": "::1"});
            MAXIMUM_IP_ENTRIES - 1
        ];
        entries.push(json!({"action": "Block", "startIPAddress": "*"}));
        assert_eq!(read(json!({"name": "n", "entries": entries})).unwrap().entries.len(), MAXIMUM_IP_ENTRIES);
        entries.push(json!(0));
        check_refused(&json!({"name": "n", "entries": entries}), &["tooMany entries"]);
    }

    #[test]
    fn patches_append_and_add_up_to_a_limit() {
        let default = json!({"action": "Block", "startIPAddress": "*"});
        let before =
            stored(read(json!({"name": "n", "entries": [default], "data": {"a": [1], "b": 2}})).unwrap());
        let merge = |list: Value| {
            let body = json!({"ipAccessControlList": list}).to_string();
            Patch::read("application/json", body.as_bytes()).unwrap()
        };
        let patch = |list: Value| patched(&before, &merge(list));
        assert_eq!(stored(patch(json!({})).unwrap()), before);
        let entry = json!({"action": "Allow", "startIPAddress": "10.0.0.1", "endIPAddress": "10.0.0.1"});
        let after = stored(patch(json!({"entries": [entry], "data": {"a": [2], "b": null}})).unwrap());
        assert_eq!(document(&after)["entries"], json!([default, entry]));
        assert_eq!(after.data.as_deref(), Some(r#"{"a":[1,2]}"#));
        let codes = |list| patch(list).unwrap_err().iter().map(Violation::code).collect::<Vec<_>>();
        assert_eq!(codes(json!({"entries": [default]})), ["[multipleDefaults]ipAccessControlList.entries"]);
        assert_eq!(codes(json!({"entries": null})), ["[missing]ipAccessControlList.entries"]);
        let text = "x".repeat(MAXIMUM_DATA - 60);
        let large = stored(patch(json!({"data": {"large": text}})).unwrap());
        let more = json!({"data": {"more": "x".repeat(60)}});
        let violations = patched(&large, &merge(more)).unwrap_err();
        assert_eq!(violations, Violations::from(&codes::IP_ACL_DATA_TOO_LONG));
    }
}
