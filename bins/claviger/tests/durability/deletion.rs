//! The server is killed while it deletes a tenant with thousands of API keys, which takes several transactions, be it that
//! the caller waits for the end or not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use claviger_crypto::{ApiKeyDigester, SealedItem};
use claviger_domain::{
    Actor, ApiKey, ApiKeyId, ChangeContext, Instant as Moment, KeptDocument, Name, Permissions, Revision,
    Tenant, TenantId, TenantJwtConfiguration, TenantScope, TenantState,
};
use claviger_storage::StoredApiKey;

use crate::audit::audit;
use crate::common::{Connection, Installation, Numbers, Server};
use crate::load::PATIENCE;
use crate::support::{Place, on_both};

const API_KEYS: u64 = 3000;
/// The keys that are tried as credentials.
const SAMPLE: usize = 20;
const FEWEST_KILLS: usize = 3;
/// Chance may let the first kills come too late.
const MOST_KILLS: usize = 12;

on_both!(a_tenant_goes_whole_or_not_at_all, a_tenant_goes_behind_the_answer);

/// How far a deletion had come when the server was killed.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Untouched,
    Halfway(u64),
    Gone,
}

fn a_tenant_goes_whole_or_not_at_all(place: &Place) {
    kill_until_halfway(place, "");
}

fn a_tenant_goes_behind_the_answer(place: &Place) {
    kill_until_halfway(place, "?async=true");
}

/// Kills the server during deletions that are asked for with this query, until one was stopped in the middle.
fn kill_until_halfway(place: &Place, query: &str) {
    let installation = Installation::new(place);
    let mut numbers = Numbers::fresh();
    drop(Server::start(&installation).stop());
    let mut kills = Vec::new();
    let mut longest = Duration::from_millis(400);
    while kills.len() < FEWEST_KILLS || !kills.iter().any(|found| matches!(found, Found::Halfway(_))) {
        assert!(kills.len() < MOST_KILLS, "no kill came in the middle: {kills:?}");
        let (tenant, values) = make_tenant(&installation, &mut numbers);
        let server = Server::start(&installation);
        let wait_for_mark = !kills.is_empty();
        let delay = longest.mul_f64(numbers.below(1000) as f64 / 1000.0);
        kill_during_deletion(server, &installation, (tenant, query), &values[0], wait_for_mark, delay);
        let found = look(&installation, tenant);
        if found == Found::Gone {
            longest /= 2;
        }

        let server = Server::start(&installation);
        let is_there = check_over_http(&server, &installation, tenant, &values);
        assert_eq!(is_there, found == Found::Untouched, "{found:?}");
        drop(server.stop());
        let finished = look(&installation, tenant);
        assert_eq!(finished, if is_there { Found::Untouched } else { Found::Gone });
        kills.push(found);
    }
    audit(&installation);
    println!("kills during deletions of {API_KEYS} API keys: {kills:?}");
}

/// Stores a tenant with its API keys; returns its id and the values of some of them.
fn make_tenant(installation: &Installation<'_>, numbers: &mut Numbers) -> (TenantId, Vec<String>) {
    let store = installation.open_store();
    let instance = store.read::<_, ()>(|tx| Ok(tx.find_instance()?)).unwrap().unwrap();
    let digest_key =
        installation.sealer(&store).unseal(SealedItem::ApiKeyDigestKey, &instance.sealed_digest_key);
    let digester = ApiKeyDigester::new(digest_key.unwrap()).unwrap();
    let now = Moment::from_epoch_millis(1_000_000_000_000);
    let id: TenantId = numbers.uuid().parse().unwrap();
    let tenant = Tenant {
        id,
        revision: Revision::FIRST,
        name: Name::try_from(format!("tenant {id}")).unwrap(),
        issuer: "acme.com".to_owned(),
        jwt: TenantJwtConfiguration {
            access_token_key_id: None,
            id_token_key_id: None,
            access_token_verification_key_ids: Vec::new(),
            id_token_verification_key_ids: Vec::new(),
            time_to_live_in_seconds: 3600,
            refresh_token_time_to_live_in_minutes: 43200,
        },
        kept: KeptDocument::from_json("{}".to_owned()),
        state: TenantState::Active,
        insert_instant: now,
        last_update_instant: now,
    };
    let mut values = Vec::new();
    let mut api_keys = Vec::new();
    for _ in 0..API_KEYS {
        let value = format!("bound-{}", numbers.text());
        let api_key_id: ApiKeyId = numbers.uuid().parse().unwrap();
        api_keys.push(StoredApiKey {
            api_key: ApiKey {
                id: api_key_id,
                revision: Revision::FIRST,
                name: Some(Name::try_from(format!("bound {api_key_id}")).unwrap()),
                attributes: BTreeMap::new(),
                permissions: Permissions::Only("GET:/api/tenant".parse().unwrap()),
                key_manager: false,
                tenant_id: Some(id),
                fusion_id: None,
                name_repeats: false,
                ip_access_control_list_id: None,
                disabled: false,
                retrievable: false,
                expiration_instant: None,
                insert_instant: now,
                last_update_instant: now,
            },
            digest: digester.digest(value.as_bytes()),
            sealed_value: None,
        });
        values.push(value);
    }
    let context = ChangeContext { actor: Actor::System, instant: now, address: None };
    store
        .write::<_, (), _>(&context, move |tx| {
            tx.insert_tenant(&tenant)?;
            api_keys.iter().try_for_each(|api_key| Ok(tx.insert_api_key(api_key)?))
        })
        .unwrap();
    values.truncate(SAMPLE);
    (id, values)
}

/// Asks for the deletion and kills the server after a while, counted from when the tenant is marked, or from when the
/// request is sent.
fn kill_during_deletion(
    server: Server,
    installation: &Installation<'_>,
    (tenant, query): (TenantId, &str),
    value: &str,
    wait_for_mark: bool,
    delay: Duration,
) {
    let path = format!("/api/tenant/{tenant}");
    let mut bound = server.connect(value);
    assert_eq!(bound.call("GET", &path, None).status, 200);
    let mut manager = server.connect(&installation.bootstrap_key);
    manager.send("DELETE", &format!("{path}{query}"), None).unwrap();
    if wait_for_mark {
        // Keys of a tenant that is marked are refused.
        while bound.call("GET", &path, None).status == 200 {}
        std::thread::sleep(delay);
    } else {
        std::thread::sleep(delay / 100);
    }
    drop(server.kill());
}

fn look(installation: &Installation<'_>, id: TenantId) -> Found {
    let store = installation.open_store();
    let (tenant, count) = store
        .read::<_, ()>(|tx| Ok((tx.find_tenant(id, TenantScope::All)?, tx.count_api_keys_of_tenant(id)?)))
        .unwrap();
    match tenant.map(|tenant| tenant.state) {
        None => {
            assert_eq!(count, 0);
            Found::Gone
        }
        Some(TenantState::PendingDelete) => Found::Halfway(count),
        Some(TenantState::Active) => {
            assert_eq!(count, API_KEYS);
            Found::Untouched
        }
    }
}

/// Whether the tenant is there; its keys must be as well, or not. One whose deletion was stopped may be there for a while,
/// but nobody is let in for it.
fn check_over_http(
    server: &Server,
    installation: &Installation<'_>,
    tenant: TenantId,
    values: &[String],
) -> bool {
    let path = format!("/api/tenant/{tenant}");
    let mut manager = server.connect(&installation.bootstrap_key);
    let mut is_active = || {
        let reply = manager.call("GET", &path, None);
        (reply.status != 404).then(|| reply.ok()["tenant"]["state"] == "Active")
    };
    let expected = if is_active() == Some(true) { 200 } else { 401 };
    let mut anonymous = Connection::anonymous(server.address).unwrap();
    for value in values {
        anonymous.send_raw("GET", &path, &format!("Authorization: {value}\r\n"), b"").unwrap();
        assert_eq!(anonymous.receive().unwrap().status, expected);
    }
    let deadline = Instant::now() + PATIENCE;
    while is_active() == Some(false) {
        assert!(Instant::now() < deadline, "the deletion is not finished");
    }
    is_active() == Some(true)
}
