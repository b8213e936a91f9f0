//! Earlier values of rotated keys: found as the key, each until its own end.

use std::collections::{HashMap, VecDeque};

use claviger_authz::CompiledPermissions;
use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, Change, Instant, MAXIMUM_PREVIOUS_VALUES, Permissions,
    PreviousApiKeyDigest,
};
use claviger_keyring::Keyring;
use proptest::prelude::*;

use crate::support::{api_key, digest, only, written};

fn at(millis: i64) -> Instant {
    Instant::from_epoch_millis(millis)
}

fn until(number: u64, millis: i64) -> PreviousApiKeyDigest {
    PreviousApiKeyDigest { digest: digest(number), valid_until: at(millis) }
}

fn change(
    number: u64,
    api_key: &ApiKey,
    previous: &[PreviousApiKeyDigest],
    ended: &[ApiKeyDigest],
) -> Change {
    Change::ApiKeyWritten {
        digest: digest(number),
        api_key: api_key.clone(),
        previous: previous.to_vec(),
        ended: ended.to_vec(),
    }
}

#[track_caller]
fn ends(keyring: &Keyring, number: u64, expected: Option<Option<i64>>) {
    let found = keyring.find(&digest(number));
    assert_eq!(found.map(|entry| entry.expiration_instant), expected.map(|end| end.map(at)));
}

#[test]
fn an_earlier_value_expires_when_it_or_the_key_does() {
    let keyring = Keyring::new();
    let key = api_key(1, only("GET:/api/user"));
    keyring.apply(&change(1, &key, &[], &[]));
    keyring.apply(&change(2, &key, &[until(1, 500)], &[]));
    ends(&keyring, 1, Some(Some(500)));
    ends(&keyring, 2, Some(None));
    assert_eq!((keyring.len(), keyring.permission_sets()), (1, 1));
    for (own, earlier) in [(400, 400), (500, 500), (600, 500)] {
        let key = ApiKey { expiration_instant: Some(at(own)), ..key.clone() };
        keyring.apply(&change(2, &key, &[until(1, 500)], &[]));
        ends(&keyring, 1, Some(Some(earlier)));
        ends(&keyring, 2, Some(Some(own)));
    }
    keyring.apply(&change(2, &key, &[], &[digest(1)]));
    ends(&keyring, 1, None);
    ends(&keyring, 2, Some(None));
    assert_eq!((keyring.len(), keyring.permission_sets()), (1, 1));
}

#[test]
fn what_a_key_loses_its_earlier_values_lose() {
    let keyring = Keyring::new();
    let key = api_key(1, Permissions::All);
    keyring.apply(&change(2, &key, &[until(1, 500)], &[]));
    let narrow = ApiKey { disabled: true, key_manager: false, ..api_key(1, only("GET:/api/user")) };
    keyring.apply(&change(2, &narrow, &[until(1, 500)], &[]));
    for number in [1, 2] {
        let entry = keyring.find(&digest(number)).unwrap();
        assert_eq!(entry.earlier_value, number == 1);
        assert_eq!(*entry.permissions, CompiledPermissions::from(&narrow.permissions));
        assert!(entry.disabled);
    }
    assert_eq!(keyring.permission_sets(), 1);
    let id = ApiKeyId::from_u128(1);
    keyring.apply(&Change::ApiKeyDeleted { digest: digest(2), id, previous: vec![digest(1)] });
    ends(&keyring, 1, None);
    ends(&keyring, 2, None);
    assert_eq!((keyring.len(), keyring.permission_sets()), (0, 0));
}

#[test]
fn an_ended_value_that_another_key_took_stays_with_that_key() {
    let keyring = Keyring::new();
    let key = api_key(1, Permissions::All);
    keyring.apply(&change(2, &key, &[until(1, 500)], &[]));
    keyring.apply(&written(digest(1), 9, only("GET:/api/user")));
    assert_eq!(keyring.len(), 2);
    let id = ApiKeyId::from_u128(1);
    for late in [
        change(2, &key, &[until(1, 500)], &[]),
        change(2, &key, &[], &[digest(1)]),
        Change::ApiKeyDeleted { digest: digest(2), id, previous: vec![digest(1)] },
    ] {
        keyring.apply(&late);
        assert_eq!(keyring.find(&digest(1)).map(|entry| entry.id), Some(ApiKeyId::from_u128(9)));
        ends(&keyring, 1, Some(None));
    }
    assert_eq!((keyring.len(), keyring.permission_sets()), (1, 1));
}

#[derive(Debug, Clone)]
enum Step {
    Write { key: usize, permissions: usize },
    Rotate { key: usize, until: Option<i64> },
    End { key: usize },
    Delete { key: usize },
    Clear,
}

const SETS: [&str; 2] = ["GET:/api/user", "POST:/api/user"];

fn steps() -> impl Strategy<Value = Step> {
    let key = || 0_usize..3;
    prop_oneof![
        3 => (key(), 0..SETS.len()).prop_map(|(key, permissions)| Step::Write { key, permissions }),
        8 => (key(), prop::option::of(1_i64..1_000)).prop_map(|(key, until)| Step::Rotate { key, until }),
        2 => key().prop_map(|key| Step::End { key }),
        2 => key().prop_map(|key| Step::Delete { key }),
        1 => Just(Step::Clear),
    ]
}

struct Known {
    number: u64,
    permissions: usize,
    previous: VecDeque<PreviousApiKeyDigest>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_value_that_counts_is_found_and_no_other(steps in prop::collection::vec(steps(), 0..60)) {
        let keyring = Keyring::new();
        let mut keys: [Option<Known>; 3] = [const { None }; 3];
        let mut numbers = 1..;
        for step in steps {
            match step {
                Step::Clear => {
                    keyring.clear();
                    keys = [const { None }; 3];
                }
                Step::Delete { key } => {
                    if let Some(known) = keys[key].take() {
                        keyring.apply(&Change::ApiKeyDeleted {
                            digest: digest(known.number),
                            id: ApiKeyId::from_u128(key as u128),
                            previous: known.previous.iter().map(|value| value.digest).collect(),
                        });
                    }
                }
                Step::Write { .. } | Step::Rotate { .. } | Step::End { .. } => {
                    let (Step::Write { key, .. } | Step::Rotate { key, .. } | Step::End { key }) = step else {
                        unreachable!()
                    };
                    let known = keys[key].get_or_insert_with(|| Known {
                        number: numbers.next().unwrap(),
                        permissions: 0,
                        previous: VecDeque::new(),
                    });
                    let mut ended = Vec::new();
                    match step {
                        Step::Write { permissions, .. } => known.permissions = permissions,
                        Step::Rotate { until: end, .. } => {
                            match end {
                                Some(end) => known.previous.push_back(until(known.number, end)),
                                None => ended.push(digest(known.number)),
                            }
                            if known.previous.len() > MAXIMUM_PREVIOUS_VALUES {
                                ended.extend(known.previous.pop_front().map(|value| value.digest));
                            }
                            known.number = numbers.next().unwrap();
                        }
                        _ => ended.extend(known.previous.pop_front().map(|value| value.digest)),
                    }
                    let stored = api_key(key as u128, only(SETS[known.permissions]));
                    let previous: Vec<_> = known.previous.iter().copied().collect();
                    keyring.apply(&change(known.number, &stored, &previous, &ended));
                }
            }
            let mut expected = HashMap::new();
            for (id, known) in keys.iter().enumerate().filter_map(|(id, known)| Some((id, known.as_ref()?))) {
                expected.insert(digest(known.number), (id, known.permissions, None));
                for value in &known.previous {
                    expected.insert(value.digest, (id, known.permissions, Some(value.valid_until)));
                }
            }
            for number in 1..numbers.start {
                let found = keyring.find(&digest(number));
                let shown = keyring.with(&digest(number), |found| found.map(|found| found.earlier_value));
                prop_assert_eq!(shown, found.as_ref().map(|entry| entry.earlier_value));
                match (found, expected.get(&digest(number))) {
                    (None, None) => {}
                    (Some(entry), Some((id, permissions, end))) => {
                        prop_assert_eq!(entry.id, ApiKeyId::from_u128(*id as u128));
                        prop_assert_eq!(entry.expiration_instant, *end);
                        prop_assert_eq!(entry.earlier_value, end.is_some());
                        prop_assert_eq!(
                            &*entry.permissions,
                            &CompiledPermissions::from(&only(SETS[*permissions]))
                        );
                    }
                    (found, expected) => prop_assert!(false, "{number}: {found:?} {expected:?}"),
                }
            }
            prop_assert_eq!(keyring.len(), keys.iter().flatten().count());
        }
    }
}
