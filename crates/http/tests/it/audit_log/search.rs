//! Searching the audit log: what is found, in which order, on which page, by whom; by query string and by body alike, and
//! on each database.

use serde_json::{Value, json};

use super::{SEARCH, all, messages, search_as};
use crate::support::server::START;
use crate::support::{Server, uuid};

on_each_database! {
    shared: what_is_refused, single_entries;
    own: criteria_find_entries, orders_and_pages, tenants_see_their_own_entries;
}

#[track_caller]
fn found(server: &Server, members: Value) -> Vec<String> {
    let (entries, total) = search_as(&server.as_key_manager(), &members);
    assert_eq!(entries.len() as u64, total, "{members}");
    messages(&entries)
}

fn criteria_find_entries(server: &Server) {
    let manager = server.as_key_manager();
    let mut instant = START;
    let mut tick = || {
        instant += 1000;
        server.set_now(instant);
    };
    let (key, tenant) = (uuid(), uuid());
    tick();
    manager.post(&format!("/api/api-key/{key}"), &json!({"apiKey": {"name": "Billing 50%_off"}})).ok();
    tick();
    manager.post(&format!("/api/tenant/{tenant}"), &json!({"tenant": {"name": "\u{c4}mter"}})).ok();
    tick();
    manager.patch(&format!("/api/api-key/{key}"), &json!({"apiKey": {"name": "Invoices"}})).ok();
    tick();
    manager.delete(&format!("/api/api-key/{key}")).done();
    let created = format!("Created the API key {key}");
    let made_tenant = format!("Created the tenant {tenant}");
    let updated = format!("Updated the API key {key}");
    let deleted = format!("Deleted the API key {key}");
    let check = |members: Value, expected: &[&String]| {
        let expected: Vec<_> = expected.iter().map(|message| (*message).clone()).collect();
        assert_eq!(found(server, members.clone()), expected, "{members}");
    };

    // The latest first. Both ends count.
    check(json!({"start": START + 1000}), &[&deleted, &updated, &made_tenant, &created]);
    check(json!({"start": START + 2000, "end": START + 3000}), &[&updated, &made_tenant]);
    check(json!({"start": START + 2001, "end": START + 2999}), &[]);
    check(json!({"start": START + 5000}), &[]);

    check(json!({"message": key}), &[&deleted, &updated, &created]);
    check(json!({"message": format!(" deleted THE api*{key}")}), &[&deleted]);
    check(json!({"message": format!("{key}*")}), &[]);
    check(json!({"message": format!("Created*{tenant}"), "tenantId": tenant}), &[&made_tenant]);

    check(json!({"newValue": "billing 50%_OFF"}), &[&created]);
    check(json!({"oldValue": "\"name\":\"Billing 50%_off\""}), &[&updated]);
    check(json!({"newValue": "Invoices"}), &[&updated]);
    check(json!({"oldValue": "Invoices"}), &[&deleted]);
    check(json!({"newValue": "*50**%*"}), &[]);
    check(json!({"newValue": "50__off"}), &[]);
    check(json!({"newValue": "*billing*off*"}), &[&created]);
    // Letters beyond A to Z are as they are written.
    check(json!({"newValue": "\u{c4}MTER"}), &[&made_tenant]);
    check(json!({"newValue": "\u{e4}mter"}), &[]);

    check(json!({"reason": "*"}), &[]);
    check(json!({"user": "nobody"}), &[]);
    check(json!({"user": "API key *", "start": START + 4000}), &[&deleted]);
    check(json!({"user": "system", "start": START + 1000}), &[]);
    assert!(!found(server, json!({"user": "SYSTEM"})).is_empty());
    check(json!({"tenantId": uuid()}), &[]);
}

fn orders_and_pages(server: &Server) {
    let mut instant = START;
    for _ in 0..6 {
        // Several at one instant.
        instant += 1000;
        server.set_now(instant);
        for _ in 0..5 {
            server.tenant();
        }
    }
    let manager = server.as_key_manager();
    let oldest_first = all(server);
    let total = oldest_first.len() as u64;
    assert!(total > 30);
    let latest_first: Vec<_> = oldest_first.iter().rev().cloned().collect();
    assert_eq!(search_as(&manager, &json!({})), (latest_first[..25].to_vec(), total));
    assert_eq!(search_as(&manager, &json!({"orderBy": "?"})), (latest_first[..25].to_vec(), total));
    assert_eq!(search_as(&manager, &json!({"numberOfResults": 0})), (vec![], total));
    assert_eq!(search_as(&manager, &json!({"startRow": i64::MAX})), (vec![], total));

    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    for (order, descending) in [("", false), (" DESC", true)] {
        for column in ["id", "insertInstant", "insertUser", "message"] {
            let members = json!({"orderBy": format!("{column}{order}"), "numberOfResults": 1000});
            let (entries, _) = search_as(&manager, &members);
            let mut expected = oldest_first.clone();
            match column {
                "insertUser" | "message" => expected.sort_by_key(|entry| text(entry, column)),
                _ => {}
            }
            if descending {
                // Those that are equal follow by id, in the direction of the column.
                expected.reverse();
            }
            assert_eq!(entries, expected, "{members}");
            for size in [1, 7] {
                let mut pages = Vec::new();
                for start in (0..total).step_by(size) {
                    let page =
                        json!({"orderBy": members["orderBy"], "numberOfResults": size, "startRow": start});
                    let (part, of) = search_as(&manager, &page);
                    assert_eq!(of, total);
                    pages.extend(part);
                }
                assert_eq!(pages, expected, "{members} {size}");
            }
        }
    }
}

fn tenants_see_their_own_entries(server: &Server) {
    let [one, other] = [(); 2].map(|()| server.tenant());
    let endpoints =
        json!({"/api/system/audit-log": ["GET"], "/api/system/audit-log/search": ["GET", "POST"]});
    let reader =
        |tenant: &str| server.api_key(json!({"tenantId": tenant, "permissions": {"endpoints": endpoints}}));
    let (own_key, other_key) = (reader(&one), reader(&other));
    server.api_key(json!({"name": "of no tenant"}));
    server.signing_key();
    server.ip_access_control_list(json!([{"action": "Allow", "startIPAddress": "*"}]));

    let expected = [format!("Created the API key {}", own_key.id), format!("Created the tenant {one}")];
    let own = server.with_key(&own_key.value);
    let global = server.as_key_manager();
    for client in [&own, &own.in_tenant(&one), &global.in_tenant(&one)] {
        let (entries, total) = search_as(client, &json!({}));
        assert_eq!((messages(&entries), total), (expected.to_vec(), 2));
        assert!(entries.iter().all(|entry| entry["tenantId"] == json!(one)));
        // No criterion reaches beyond the tenant.
        assert_eq!(search_as(client, &json!({"tenantId": one})).1, 2);
        assert_eq!(search_as(client, &json!({"tenantId": other})), (vec![], 0));
        assert_eq!(search_as(client, &json!({"message": other_key.id})), (vec![], 0));
        assert_eq!(search_as(client, &json!({"newValue": "of no tenant"})), (vec![], 0));
        for entry in all(server) {
            let reply = client.get(&format!("/api/system/audit-log/{}", entry["id"]));
            match entry["tenantId"] == json!(one) {
                true => assert_eq!(reply.ok(), json!({"auditLog": entry})),
                false => reply.not_found(),
            }
        }
    }
    assert_eq!(search_as(&global, &json!({"tenantId": other})).1, 2);
    // A reader that may search may not read single entries by that alone, and the other way round.
    let only = |endpoint: &str| server.with_key(&server.restricted(json!({endpoint: ["GET"]})).value);
    let id = &all(server)[0]["id"];
    let single = format!("/api/system/audit-log/{id}");
    only("/api/system/audit-log/search").get(&single).denied();
    only("/api/system/audit-log").get(SEARCH).denied();
    only("/api/system/audit-log").get(&single).ok();
}

fn what_is_refused(server: &Server) {
    let manager = server.as_key_manager();
    let query = |query: &str, expected: &[&str]| {
        manager.get(&format!("{SEARCH}?{query}")).refused(expected);
    };
    query("orderBy=reason", &["orderBy [invalid]orderBy"]);
    query("orderBy=id,Message%20DESC", &["orderBy [invalid]orderBy"]);
    query("numberOfResults=1001", &["numberOfResults [invalid]numberOfResults"]);
    query("numberOfResults=-1", &["numberOfResults [invalid]numberOfResults"]);
    query("startRow=x", &["startRow [couldNotConvert]startRow"]);
    query("start=yesterday&end=1.5", &["end [couldNotConvert]end", "start [couldNotConvert]start"]);
    query("start=1&start=1", &["start [invalid]start"]);
    query("tenantId=x", &["tenantId [couldNotConvert]tenantId"]);
    query(&format!("message={}", "m".repeat(513)), &["message [tooLong]message"]);
    query("oldValue=%00&user=a%00", &["oldValue [couldNotConvert]oldValue", "user [couldNotConvert]user"]);
    let body = |members: Value, expected: &[&str]| {
        manager.post(SEARCH, &json!({"search": members})).refused(expected);
    };
    body(json!({"numberOfResults": 1001}), &["search.numberOfResults [invalid]search.numberOfResults"]);
    body(json!({"start": "1"}), &["search.start [invalidJSON]"]);
    body(json!({"tenantId": "x"}), &["search.tenantId [invalidJSON]"]);
    body(json!({"name": "x"}), &["[invalidJSON]"]);
    body(json!({"newValue": "\u{0}"}), &["search.newValue [couldNotConvert]search.newValue"]);
    manager.post(SEARCH, &json!({})).refused(&["search [missing]search"]);
}

fn single_entries(server: &Server) {
    let manager = server.as_key_manager();
    let (entries, _) = search_as(&manager, &json!({"tenantId": server.tenant()}));
    assert_eq!(
        manager.get(&format!("/api/system/audit-log/{}", entries[0]["id"])).ok(),
        json!({"auditLog": entries[0]})
    );
    for id in [0, -1, i64::MAX] {
        manager.get(&format!("/api/system/audit-log/{id}")).not_found();
    }
    for id in ["x", "1.5", "9223372036854775808", "7e57ab1e-0000-4000-8000-000000000001"] {
        manager
            .get(&format!("/api/system/audit-log/{id}"))
            .refused(&["auditLogId [couldNotConvert]auditLogId"]);
    }
    for path in ["/api/system/audit-log", "/api/system/audit-log/export"] {
        manager.get(path).not_found();
        manager.post(path, &json!({})).not_found();
    }
}
