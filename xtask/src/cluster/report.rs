//! What a run has shown, in figures, and as Markdown.

use super::check::{SETTLING, Violation, by_means, lives};
use super::faults::LEASE;
use super::history::{Effect, FaultKind, History, Kind, Operation, Outcome, Span};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Promised for a healthy cluster: revocations take no longer, at the 99th percentile.
const REVOCATION: Duration = Duration::from_millis(50);
/// Promised for a healthy cluster: new keys work everywhere after this time, at the 99th percentile.
const USABLE: Duration = Duration::from_millis(100);
/// Promised while another node is away: it delays a revocation by no more than this.
pub(super) const DELAY: Duration = Duration::from_millis(LEASE + 500);

/// Times in nanoseconds, in ascending order.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<u64>);

impl FromIterator<u64> for Times {
    fn from_iter<I: IntoIterator<Item = u64>>(times: I) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }
}

impl Times {
    /// The time that so many per cent do not exceed, 0 where there are none.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        Duration::from_nanos(self.0.get(rank).copied().unwrap_or(0))
    }

    fn row(&self, promise: Option<Duration>) -> String {
        if self.0.is_empty() {
            return "none measured".to_owned();
        }
        let [half, most, all] = [50, 99, 100].map(|percent| milliseconds(self.percentile(percent)));
        let kept = promise.map(|promise| {
            let word = if self.percentile(99) <= promise { "kept" } else { "**missed**" };
            format!("; promised {} ms: {word}", promise.as_millis())
        });
        format!("{half} / {most} / {all} ms, of {}{}", self.0.len(), kept.unwrap_or_default())
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

/// Times of a cluster without faults.
#[derive(Debug)]
pub(super) struct Healthy {
    /// Of revocations.
    revocations: Times,
    /// Of creations, which wait for the database but for no other node.
    creations: Times,
    /// From the acknowledgement of a new key until the last node had accepted it.
    usable: Times,
}

impl Healthy {
    /// Of what took place within such spans only.
    fn of(history: &History, counts: impl Fn(Span) -> bool) -> Self {
        let calm =
            |operation: &&Operation| history.healthy(operation.span, SETTLING) && counts(operation.span);
        let created = |one: &&Operation| one.kind == Kind::Create && one.outcome == Outcome::Acknowledged;
        Self {
            revocations: history.revocations().filter(calm).map(|one| one.span.length()).collect(),
            creations: history
                .operations
                .iter()
                .filter(created)
                .filter(calm)
                .map(|one| one.span.length())
                .collect(),
            usable: usable(history).filter(|span| counts(*span)).map(Span::length).collect(),
        }
    }

    /// A row for each, with what is promised.
    fn rows(&self, when: &str) -> [(String, String); 3] {
        [
            (
                format!("revocation on a healthy cluster {when}, p50 / p99 / longest"),
                self.revocations.row(Some(REVOCATION)),
            ),
            (
                format!("creation on a healthy cluster {when}, which waits for no node"),
                self.creations.row(None),
            ),
            (
                format!("new key accepted by every node {when}, p50 / p99 / longest"),
                self.usable.row(Some(USABLE)),
            ),
        ]
    }
}

/// The figures of a run.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) decisions: usize,
    pub(super) revocations: usize,
    /// While there was little to do.
    calm: Healthy,
    /// While clients kept the processors busy.
    busy: Healthy,
    /// Of revocations while another node was away.
    away: Times,
}

impl Figures {
    /// Computes them.
    pub(super) fn of(history: &History) -> Self {
        Self {
            decisions: history.decisions.len(),
            revocations: history.revocations().count(),
            calm: Healthy::of(history, |span| span.end < history.calm_until),
            busy: Healthy::of(history, |span| span.start >= history.calm_until),
            away: away(history).map(|one| one.span.length()).collect(),
        }
    }

    /// By how much a node that was away delayed a revocation at most, beyond what is usual.
    pub(super) fn delay(&self) -> Duration {
        self.away.percentile(100).saturating_sub(self.busy.revocations.percentile(50))
    }
}

/// Revocations, whatever became of them, at a node to which nothing happened while another one was away.
fn away(history: &History) -> impl Iterator<Item = &Operation> {
    history.operations.iter().filter(|operation| {
        let mut faults = history.faults.iter().filter(|fault| fault.span.meets(operation.span)).peekable();
        matches!(operation.kind, Kind::Take(_))
            && !matches!(operation.outcome, Outcome::Refused(_))
            && faults.peek().is_some()
            && faults.all(|fault| fault.node.is_some_and(|node| node != operation.node))
    })
}

/// For each key that was made while the cluster was healthy: until every node that was asked had accepted it, after which none
/// refused it.
fn usable(history: &History) -> impl Iterator<Item = Span> {
    let lives = lives(&history.operations);
    let mut made = BTreeMap::new();
    for operation in history.operations.iter().filter(|one| one.kind == Kind::Create) {
        if let (Outcome::Acknowledged, [Effect::Grants(one)]) =
            (operation.outcome, operation.effects.as_slice())
        {
            let life = lives.get(one).and_then(|life| life.alive().first());
            made.extend(life.map(|alive| (*one, (*alive, BTreeMap::<u8, (u64, Option<u64>)>::new()))));
        }
    }
    // For each node: the last refusal, and the first acceptance after it. The decisions of one client are in order.
    for decision in &history.decisions {
        let Some((alive, nodes)) = made.get_mut(&decision.credential) else { continue };
        if decision.span.start <= alive.start || decision.span.end >= alive.end {
            continue;
        }
        let (refused, _) = nodes.entry(decision.node).or_default();
        if decision.refused() {
            *refused = decision.span.start.max(*refused);
        }
    }
    for decision in history.decisions.iter().filter(|decision| decision.accepted()) {
        let Some((alive, nodes)) = made.get_mut(&decision.credential) else { continue };
        if decision.span.start <= alive.start || decision.span.end >= alive.end {
            continue;
        }
        if let Some((refused, accepted)) = nodes.get_mut(&decision.node)
            && decision.span.start > *refused
        {
            *accepted = Some(accepted.map_or(decision.span.end, |first| first.min(decision.span.end)));
        }
    }
    let everywhere = |(alive, nodes): (Span, BTreeMap<u8, (u64, Option<u64>)>)| {
        let last = nodes.values().filter_map(|(_, accepted)| *accepted).max()?;
        let calm = Span { start: alive.start, end: last };
        history.healthy(calm, SETTLING).then_some(calm)
    };
    made.into_values().filter_map(everywhere)
}

/// Revocations that took longer than is promised, at nodes to which nothing happened: each in a line, the longest first.
pub(super) fn slow(history: &History) -> Vec<String> {
    let healthy = history.revocations().filter(|one| history.healthy(one.span, SETTLING));
    let beyond = |limit: Duration| {
        move |one: &&Operation| {
            let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
            one.span.length() > limit
        }
    };
    let mut slow: Vec<_> =
        healthy.filter(beyond(REVOCATION)).chain(away(history).filter(beyond(DELAY))).collect();
    slow.sort_by_key(|one| std::cmp::Reverse(one.span.length()));
    let line = |one: &Operation| {
        let [start, length] = [one.span.start, one.span.length()].map(Duration::from_nanos);
        let (kind, key, node, outcome) = (one.kind, one.key, one.node, one.outcome);
        let start = start.as_secs_f64();
        format!(
            "{start:.3} s, {} ms: {kind:?} of key {key} at node {node}, {outcome:?}",
            milliseconds(length)
        )
    };
    slow.into_iter().map(line).collect()
}

/// A table of all that, of a `spoilt` server without its times.
pub(super) fn markdown(history: &History, nodes: usize, violations: &[Violation], spoilt: bool) -> String {
    let figures = Figures::of(history);
    let statuses =
        |wanted: &dyn Fn(u16) -> bool| history.decisions.iter().filter(|one| wanted(one.status)).count();
    let means: Vec<_> =
        by_means(history).into_iter().map(|(means, count)| format!("{count} {}", means.name())).collect();
    let mut kinds = BTreeMap::<FaultKind, usize>::new();
    for fault in &history.faults {
        *kinds.entry(fault.kind).or_default() += 1;
    }
    let faults: Vec<_> = kinds.into_iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
    let unknown = history.operations.iter().filter(|one| matches!(one.outcome, Outcome::Unknown(_))).count();
    let rows = [
        ("nodes", nodes.to_string()),
        (
            "decisions",
            format!(
                "{}: {} accepted, {} refused, {} with 503, {} without an answer",
                figures.decisions,
                statuses(&|status| status == 200),
                statuses(&|status| matches!(status, 401 | 403)),
                statuses(&|status| status == 503),
                statuses(&|status| status == 0)
            ),
        ),
        (
            "503 or no answer on a healthy cluster",
            history
                .decisions
                .iter()
                .filter(|one| matches!(one.status, 0 | 503) && history.healthy(one.span, SETTLING))
                .count()
                .to_string(),
        ),
        ("writes", format!("{}, {unknown} of them with an unknown outcome", history.operations.len())),
        ("acknowledged revocations", format!("{}: {}", figures.revocations, means.join(", "))),
        ("faults", format!("{}. {}", history.faults.len(), faults.join("; "))),
        ("**violations**", format!("**{}**", violations.len())),
    ];
    let away = [
        ("revocation while another node is away, p50 / p99 / longest".to_owned(), figures.away.row(None)),
        (
            "longest delay by a node that is away".to_owned(),
            format!(
                "{} ms; promised {} ms: {}",
                milliseconds(figures.delay()),
                DELAY.as_millis(),
                if figures.delay() <= DELAY { "kept" } else { "**missed**" }
            ),
        ),
    ];
    let mut table = "| | |\n| --- | --- |\n".to_owned();
    // A spoilt server is fast, and promises nothing.
    let calm = figures.calm.rows("with time to spare").into_iter().filter(|_| history.calm_until > 0);
    let times = calm.chain(figures.busy.rows("with busy processors")).chain(away);
    let rows = rows.map(|(name, value)| (name.to_owned(), value));
    for (name, value) in rows.into_iter().chain(times.filter(|_| !spoilt)) {
        // Writing to a string does not fail.
        let _ = writeln!(table, "| {name} | {value} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::history::{Decision, Fault, Means};
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    fn span(start: u64, end: u64) -> Span {
        Span { start: start * MILLISECOND, end: end * MILLISECOND }
    }

    fn write(kind: Kind, start: u64, end: u64, node: u8) -> Operation {
        let effect = if kind == Kind::Create { Effect::Grants(1) } else { Effect::Revokes(1) };
        let outcome = Outcome::Acknowledged;
        Operation { span: span(start, end), kind, key: 1, node, outcome, effects: vec![effect] }
    }

    fn asked(start: u64, end: u64, node: u8, status: u16) -> Decision {
        Decision { span: span(start, end), credential: 1, status, node }
    }

    fn fault(start: u64, end: u64, node: Option<u8>) -> Fault {
        Fault { span: span(start, end), kind: FaultKind::Freeze, node }
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Times = (1..=200).rev().collect();
        assert_eq!([50, 99, 100].map(|one| times.percentile(one).as_nanos()), [100, 198, 200]);
        assert_eq!(Times::default().percentile(99), Duration::ZERO);
    }

    #[test]
    fn new_keys_are_usable_when_the_last_node_has_accepted_them() {
        let operations = vec![write(Kind::Create, 10, 20, 0), write(Kind::Take(Means::Disable), 500, 510, 0)];
        let decisions = vec![
            asked(15, 17, 0, 200),
            asked(21, 22, 0, 200),
            asked(23, 24, 0, 200),
            asked(21, 25, 1, 401),
            asked(26, 30, 1, 200),
            asked(31, 32, 1, 200),
            asked(21, 300, 2, 0),
            // The revocation may have been done.
            asked(480, 501, 2, 401),
        ];
        let history = History { decisions, operations, ..History::default() };
        assert_eq!(usable(&history).collect::<Vec<_>>(), [span(20, 30)]);
        let calm = |until: u64| {
            let history = History { calm_until: until * MILLISECOND, ..history.clone() };
            let Figures { calm, busy, .. } = Figures::of(&history);
            [calm, busy].map(|times| {
                [times.revocations.0, times.creations.0, times.usable.0].map(|times| times.len())
            })
        };
        assert_eq!(calm(0), [[0; 3], [1; 3]]);
        assert_eq!(calm(1000), [[1; 3], [0; 3]]);
        assert_eq!(calm(100), [[0, 1, 1], [1, 0, 0]]);
        let disturbed = History { faults: vec![fault(25, 26, Some(1))], ..history };
        assert_eq!(usable(&disturbed).count(), 0);
    }

    #[test]
    fn only_revocations_beside_another_node_that_is_away_count_as_delayed() {
        let take = Kind::Take(Means::Disable);
        let healthy = write(take, 5000, 5010, 0);
        let delayed = write(take, 100, 2400, 0);
        for (operation, fault, expected) in [
            (delayed.clone(), fault(90, 3000, Some(1)), vec![2300 * MILLISECOND]),
            (delayed.clone(), fault(90, 3000, Some(0)), vec![]),
            (delayed.clone(), fault(90, 3000, None), vec![]),
            (delayed.clone(), fault(3000, 3100, Some(1)), vec![]),
            (write(Kind::Create, 100, 2400, 0), fault(90, 3000, Some(1)), vec![]),
            (Operation { outcome: Outcome::Refused(409), ..delayed }, fault(90, 3000, Some(1)), vec![]),
        ] {
            let operations = vec![operation, healthy.clone()];
            let history = History { operations, faults: vec![fault], ..History::default() };
            let figures = Figures::of(&history);
            assert_eq!(figures.away.0, expected);
            if !expected.is_empty() {
                assert_eq!(figures.delay(), Duration::from_millis(2290));
                assert!(markdown(&history, 3, &[], false).contains("| 2290.0 ms; promised 2500 ms: kept |"));
            }
        }
    }
}
