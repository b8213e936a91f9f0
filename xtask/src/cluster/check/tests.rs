//! Histories that are right, and histories that must be found wrong.

use super::super::history::{Fault, FaultKind};
use super::*;

const SECOND: u64 = 1_000_000_000;

fn write(kind: Kind, start: u64, end: u64, outcome: Outcome, effects: &[Effect]) -> Operation {
    Operation { span: Span { start, end }, kind, key: 1, node: 0, outcome, effects: effects.to_vec() }
}

fn create() -> Operation {
    write(Kind::Create, 10, 20, Outcome::Acknowledged, &[Effect::Grants(1)])
}

fn disable(start: u64, end: u64, outcome: Outcome) -> Operation {
    write(Kind::Take(Means::Disable), start, end, outcome, &[Effect::Revokes(1)])
}

fn enable(start: u64, end: u64, outcome: Outcome) -> Operation {
    write(Kind::Give(Means::Disable), start, end, outcome, &[Effect::Grants(1)])
}

fn delete(start: u64, end: u64, outcome: Outcome) -> Operation {
    write(Kind::Take(Means::Delete), start, end, outcome, &[Effect::RevokesForGood(1)])
}

fn asked(start: u64, end: u64, status: u16) -> Decision {
    Decision { span: Span { start, end }, credential: 1, status, node: 2 }
}

/// The rules that these operations and this decision break.
fn rules(operations: &[Operation], decision: Decision, faults: &[Fault]) -> Vec<Rule> {
    let history = History {
        decisions: vec![decision],
        operations: operations.to_vec(),
        faults: faults.to_vec(),
        calm_until: 0,
    };
    violations(&history).into_iter().map(|violation| violation.rule).collect()
}

#[test]
fn acceptance_after_an_acknowledged_revocation_is_found() {
    use Outcome::Acknowledged;
    for revocation in [disable(30, 40, Acknowledged), delete(30, 40, Acknowledged)] {
        let history = [create(), revocation];
        assert_eq!(rules(&history, asked(41, 45, 200), &[]), [Rule::DeadAtOnce]);
        // Begun before the acknowledgement: either answer is right.
        assert_eq!(rules(&history, asked(40, 90, 200), &[]), []);
        assert_eq!(rules(&history, asked(41, 45, 401), &[]), []);
        assert_eq!(rules(&history, asked(41, 45, 0), &[]), []);
    }
    // Whatever the order in which it was written down.
    assert_eq!(rules(&[delete(30, 40, Acknowledged), create()], asked(50, 60, 200), &[]), [Rule::DeadAtOnce]);
}

#[test]
fn power_that_was_given_back_counts_from_the_start_of_the_write() {
    use Outcome::{Acknowledged, Refused, Unknown};
    let with = |outcome| [create(), disable(30, 40, Acknowledged), enable(60, 70, outcome)];
    for outcome in [Acknowledged, Unknown(0), Unknown(503)] {
        assert_eq!(rules(&with(outcome), asked(41, 59, 200), &[]), [Rule::DeadAtOnce]);
        assert_eq!(rules(&with(outcome), asked(41, 60, 200), &[]), []);
        assert_eq!(rules(&with(outcome), asked(80, 90, 200), &[]), []);
    }
    // What was refused changes nothing.
    assert_eq!(rules(&with(Refused(409)), asked(80, 90, 200), &[]), [Rule::DeadAtOnce]);
}

#[test]
fn writes_of_unknown_outcome_leave_a_doubt_that_only_deletion_ends() {
    use Outcome::{Acknowledged, Unknown};
    let mut history = vec![
        create(),
        disable(30, 40, Acknowledged),
        enable(50, 60, Unknown(0)),
        disable(70, 80, Acknowledged),
    ];
    // The write that nobody heard of may take effect as late as this.
    assert_eq!(rules(&history, asked(90, 95, 200), &[]), []);
    history.push(delete(100, 110, Unknown(503)));
    assert_eq!(rules(&history, asked(120, 125, 200), &[]), []);
    history.push(delete(130, 140, Acknowledged));
    assert_eq!(rules(&history, asked(150, 155, 200), &[]), [Rule::DeadAtOnce]);
    // A second attempt that is acknowledged counts, whatever became of the first.
    let again = [create(), disable(30, 40, Unknown(0)), disable(50, 60, Acknowledged)];
    assert_eq!(rules(&again, asked(45, 48, 200), &[]), []);
    assert_eq!(rules(&again, asked(65, 68, 200), &[]), [Rule::DeadAtOnce]);
}

#[test]
fn a_rotation_ends_the_value_before_for_good() {
    use Outcome::Acknowledged;
    let effects = [Effect::RevokesForGood(1), Effect::Grants(2)];
    let rotation = write(Kind::Take(Means::Rotate), 30, 40, Acknowledged, &effects);
    let history = [create(), rotation, enable(50, 60, Acknowledged)];
    assert_eq!(rules(&history, asked(70, 80, 200), &[]), [Rule::DeadAtOnce]);
    let new = Decision { credential: 2, ..asked(70, 80, 200) };
    assert_eq!(rules(&history, new, &[]), []);
}

#[test]
fn a_live_key_that_is_refused_is_found_unless_there_is_an_excuse() {
    use Outcome::{Acknowledged, Unknown};
    let late = asked(20 + LIVELINESS, 30 + LIVELINESS, 401);
    assert_eq!(rules(&[create()], late, &[]), [Rule::Liveliness]);
    // Too early; no answer; no decision at all.
    assert_eq!(rules(&[create()], asked(LIVELINESS, LIVELINESS + 1, 401), &[]), []);
    assert_eq!(rules(&[create()], Decision { status: 503, ..late }, &[]), []);
    // A revocation is on its way, or may have happened without anybody being told.
    let revoked = [create(), disable(25 + LIVELINESS, 60 + LIVELINESS, Acknowledged)];
    assert_eq!(rules(&revoked, late, &[]), []);
    let unsure = [create(), disable(30, 40, Unknown(0)), enable(50, 60, Acknowledged)];
    assert_eq!(rules(&unsure, asked(9 * SECOND, 9 * SECOND + 1, 403), &[]), []);
    // A fault, or the time after one.
    for (end, expected) in [(SECOND, vec![]), (0, vec![Rule::Liveliness])] {
        let fault = Fault { span: Span { start: 0, end }, kind: FaultKind::Database, node: None };
        let later = asked(7 * SECOND, 7 * SECOND + 1, 401);
        assert_eq!(rules(&[create()], later, &[fault]), expected);
    }
}

#[test]
fn answers_that_must_not_be_given_are_found() {
    use Outcome::{Acknowledged, Refused, Unknown};
    for status in [500, 502, 404, 429] {
        assert_eq!(rules(&[create()], asked(30, 40, status), &[]), [Rule::Answers]);
    }
    let quiet = asked(30, 31, 0);
    for (outcome, expected) in [
        (Unknown(500), vec![Rule::Answers]),
        (Refused(404), vec![Rule::Answers]),
        (Refused(401), vec![Rule::Answers]),
        (Refused(409), vec![]),
        (Unknown(503), vec![]),
        (Unknown(0), vec![]),
    ] {
        assert_eq!(rules(&[create(), disable(30, 40, outcome)], quiet, &[]), expected, "{outcome:?}");
    }
    // Deleted by the first attempt, whose answer was lost; and never made at all.
    let twice = [create(), delete(30, 40, Unknown(0)), delete(50, 60, Refused(404))];
    assert_eq!(rules(&twice, quiet, &[]), []);
    let never =
        [write(Kind::Create, 10, 20, Unknown(503), &[Effect::Grants(1)]), delete(30, 40, Refused(404))];
    assert_eq!(rules(&never, quiet, &[]), []);
    assert_eq!(rules(&[create(), delete(30, 40, Acknowledged)], quiet, &[]), []);
    // The deletion of a tenant that is under way, if an attempt of unknown outcome can have begun it.
    let of_tenant = |start, end, outcome| {
        let effects = [Effect::RevokesForGood(1)];
        write(Kind::Take(Means::DeleteTenant), start, end, outcome, &effects)
    };
    let under_way = of_tenant(50, 60, Refused(400));
    let begun = [create(), of_tenant(30, 40, Unknown(503)), under_way.clone()];
    assert_eq!(rules(&begun, quiet, &[]), []);
    assert_eq!(rules(&[create(), under_way], quiet, &[]), [Rule::Answers]);
}

#[test]
fn what_is_missing_at_the_end_is_found() {
    use Outcome::{Acknowledged, Refused, Unknown};
    let check = |operations: &[Operation], key: Option<bool>, credential: Option<bool>| {
        for (found, expected) in [
            (Found::Key(1, true), key.map(|there| !there)),
            (Found::Key(1, false), key),
            (Found::Credential(1, true), credential.map(|there| !there)),
            (Found::Credential(1, false), credential),
        ] {
            let wrong = missing(operations, "node 1", &[found]).len();
            assert_eq!(wrong, usize::from(expected == Some(true)), "{found:?} after {operations:?}");
        }
    };
    check(&[create()], Some(true), Some(true));
    check(&[create(), disable(30, 40, Acknowledged)], Some(true), Some(false));
    check(&[create(), disable(30, 40, Refused(409))], Some(true), Some(true));
    check(&[create(), disable(30, 40, Unknown(0))], Some(true), None);
    check(&[create(), disable(30, 40, Acknowledged), enable(50, 60, Acknowledged)], Some(true), Some(true));
    check(&[create(), disable(30, 40, Acknowledged), enable(50, 60, Unknown(0))], Some(true), None);
    check(&[create(), delete(30, 40, Acknowledged)], Some(false), Some(false));
    check(&[create(), delete(30, 40, Unknown(503))], None, None);
    check(&[write(Kind::Create, 10, 20, Unknown(0), &[Effect::Grants(1)])], None, None);
    check(&[], None, None);
}

#[test]
fn revocations_are_counted_by_their_means() {
    let operations = vec![
        create(),
        disable(30, 40, Outcome::Acknowledged),
        disable(50, 60, Outcome::Unknown(0)),
        delete(70, 80, Outcome::Acknowledged),
    ];
    let history = History { operations, ..History::default() };
    assert_eq!(by_means(&history), BTreeMap::from([(Means::Disable, 1), (Means::Delete, 1)]));
    assert_eq!(history.revocations().count(), 2);
}
