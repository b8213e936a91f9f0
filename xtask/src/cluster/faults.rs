//! What goes wrong, when and where: chosen by a seed, done by one thread, one fault at a time.

use super::history::{Fault, FaultKind, Moment, Span};
use super::load::Shared;
use super::proxy::Mode;
use super::stand::{Node, Stand};
use crate::gateway::Random;
use crate::postgres::Server;
use crate::run::{Failure, Result};
use std::thread;
use std::time::Duration;

/// What a node's lease lasts when nobody sets another length, in milliseconds.
pub(super) const LEASE: u64 = 2000;

/// How much goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Every kind of fault in an order by chance, with time in between, in which the cluster is healthy.
    Long,
    /// A few of them, one after the other.
    Short,
    /// Only such as show soon whether a server waits for the others.
    Sabotage,
}

/// The next fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// How long nothing happens before it.
    pub(super) rest: Duration,
    pub(super) kind: FaultKind,
    pub(super) node: u8,
    /// How long it lasts.
    pub(super) length: Duration,
}

const ALL: [FaultKind; 7] = [
    FaultKind::Freeze,
    FaultKind::Kill,
    FaultKind::Stall,
    FaultKind::Database,
    FaultKind::FreezeBriefly,
    FaultKind::Cut,
    FaultKind::StallBriefly,
];
const FEW: [FaultKind; 5] =
    [FaultKind::Freeze, FaultKind::Kill, FaultKind::Stall, FaultKind::Database, FaultKind::Cut];
const SLOW: [FaultKind; 2] = [FaultKind::StallBriefly, FaultKind::FreezeBriefly];

/// The faults of a run, without end.
pub(super) struct Schedule {
    random: Random,
    pace: Pace,
    nodes: usize,
    left: Vec<FaultKind>,
}

impl Schedule {
    /// For so many nodes.
    pub(super) fn new(pace: Pace, seed: u64, nodes: usize) -> Self {
        Self { random: Random::new(seed ^ 0xfa_017, 0), pace, nodes, left: Vec::new() }
    }

    /// How many faults are a whole round, in which every kind comes once.
    pub(super) fn round(&self) -> usize {
        self.kinds().len()
    }

    fn kinds(&self) -> &'static [FaultKind] {
        match self.pace {
            Pace::Long => &ALL,
            Pace::Short => &FEW,
            Pace::Sabotage => &SLOW,
        }
    }

    /// A time between these two, in milliseconds.
    fn between(&mut self, from: u64, to: u64) -> Duration {
        let more = self.random.below(usize::try_from(to.saturating_sub(from)).unwrap_or(0));
        Duration::from_millis(from + u64::try_from(more).unwrap_or(0))
    }
}

impl Iterator for Schedule {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let first = self.left.is_empty();
        if first {
            self.left = self.kinds().to_vec();
        }
        let kind = self.left.remove(self.random.below(self.left.len()));
        let node = u8::try_from(self.random.below(self.nodes)).unwrap_or(0);
        let rest = match (self.pace, first) {
            // Longer than a new key may take to be known, so that a refusal has no excuse.
            (Pace::Long, true) => self.between(8000, 9000),
            (Pace::Short, true) => self.between(6500, 6600),
            (Pace::Long, false) => self.between(1500, 3500),
            (Pace::Short | Pace::Sabotage, _) => self.between(300, 500),
        };
        let longest = if self.pace == Pace::Long { 2 * LEASE } else { LEASE + 600 };
        let length = match kind {
            FaultKind::FreezeBriefly | FaultKind::StallBriefly => self.between(LEASE / 5, LEASE * 3 / 4),
            FaultKind::Freeze | FaultKind::Stall => self.between(LEASE + 500, longest),
            FaultKind::Kill | FaultKind::Cut | FaultKind::Database => self.between(0, LEASE),
        };
        Some(Step { rest, kind, node, length })
    }
}

/// Does it, and undoes it: the fault is over when all nodes call themselves healthy.
///
/// # Errors
/// A node or the database ended on its own, does not start, or does not recover.
pub(super) fn perform(step: Step, stand: &mut Stand, server: &mut Server, shared: &Shared) -> Result<()> {
    let node = (step.kind != FaultKind::Database).then_some(step.node);
    let start = shared.recorder.now();
    let place = {
        let mut history = shared.recorder.history();
        let span = Span { start, end: Moment::MAX };
        history.faults.push(Fault { span, kind: step.kind, node });
        history.faults.len() - 1
    };
    inflict(step, stand, server)?;
    stand.recovered()?;
    let end = shared.recorder.now();
    if let Some(fault) = shared.recorder.history().faults.get_mut(place) {
        fault.span.end = end;
    }
    let whose = node.map(|node| format!(" {node}")).unwrap_or_default();
    let seconds = |moment: u64| Duration::from_nanos(moment).as_secs_f64();
    println!("{:7.1} s to {:.1} s: {}{whose}", seconds(start), seconds(end), step.kind);
    Ok(())
}

fn inflict(step: Step, stand: &mut Stand, server: &mut Server) -> Result<()> {
    let all = |nodes: &[Node], mode| nodes.iter().for_each(|node| node.proxy.set(mode));
    if step.kind == FaultKind::Database {
        server.stop()?;
        all(&stand.nodes, Mode::Cut);
        thread::sleep(step.length);
        server.start_again()?;
        all(&stand.nodes, Mode::Forward);
        return Ok(());
    }
    let Some(node) = stand.nodes.get_mut(usize::from(step.node)) else {
        return Err(Failure::new(format!("there is no node {}", step.node)));
    };
    match step.kind {
        FaultKind::Freeze | FaultKind::FreezeBriefly => {
            node.freeze()?;
            thread::sleep(step.length);
            node.thaw()
        }
        FaultKind::Kill => {
            node.kill();
            thread::sleep(step.length);
            node.launch()
        }
        FaultKind::Cut | FaultKind::Stall | FaultKind::StallBriefly => {
            node.proxy.set(if step.kind == FaultKind::Cut { Mode::Cut } else { Mode::Stall });
            thread::sleep(step.length);
            node.proxy.set(Mode::Forward);
            Ok(())
        }
        FaultKind::Database => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_round_has_every_kind_and_the_same_seed_the_same_faults() {
        for pace in [Pace::Long, Pace::Short, Pace::Sabotage] {
            let steps = |seed| {
                let schedule = Schedule::new(pace, seed, 3);
                let round = schedule.round();
                (round, schedule.take(10 * round).collect::<Vec<_>>())
            };
            let (round, first) = steps(1);
            assert_eq!((round, first.clone()), steps(1));
            assert_ne!(first, steps(2).1);
            for steps in first.chunks(round) {
                let kinds: BTreeSet<_> = steps.iter().map(|step| step.kind).collect();
                assert_eq!(kinds.len(), round);
            }
            let nodes: BTreeSet<_> = first.iter().map(|step| step.node).collect();
            assert_eq!(nodes, BTreeSet::from([0, 1, 2]));
        }
    }

    #[test]
    fn some_faults_are_shorter_than_a_lease_and_some_longer() {
        let lease = Duration::from_millis(LEASE);
        for step in Schedule::new(Pace::Long, 3, 3).take(200) {
            match step.kind {
                FaultKind::FreezeBriefly | FaultKind::StallBriefly => assert!(step.length < lease),
                FaultKind::Freeze | FaultKind::Stall => assert!(step.length > lease),
                _ => assert!(step.length <= 2 * lease),
            }
        }
    }
}
