//! What a process of the server holds, and whether that grows.

use crate::run::{Failure, Result};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// By how much the mean of the last third may exceed that of the first.
const GROWTH: f64 = 1.05;
/// So many threads, descriptors or connections more are no growth: they come and go with requests.
const COMING_AND_GOING: f64 = 8.0;
/// What a server that has worked may keep at rest, beyond what it had when it was new: its pool of connections, with up to three files
/// for each on SQLite, and the threads for what blocks.
const KEPT: u64 = 40;

/// What all servers of a stand hold together at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sample {
    seconds: u64,
    /// Resident memory in KiB.
    pub(super) memory: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    /// Connections to PostgreSQL.
    pub(super) connections: Option<u64>,
}

impl Sample {
    /// Reads what the processes with these ids hold. `database` is the port of their PostgreSQL.
    ///
    /// # Errors
    /// One of them is over.
    pub(super) fn of(processes: impl Iterator<Item = u32>, database: Option<u16>) -> Result<Self> {
        let mut sample = Self::default();
        for process in processes {
            let status = Path::new("/proc").join(process.to_string());
            let text = read(&status.join("status"))?;
            sample.memory += figure(&text, "VmRSS:");
            sample.threads += figure(&text, "Threads:");
            let descriptors = status.join("fd");
            let list =
                std::fs::read_dir(&descriptors).map_err(|error| Failure::file(&descriptors, &error))?;
            sample.descriptors += list.count() as u64;
        }
        if let Some(port) = database {
            let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(Path::new);
            let open = tables.iter().filter_map(|table| read(table).ok()).map(|text| to_port(&text, port));
            sample.connections = Some(open.sum());
        }
        Ok(sample)
    }

    /// The same with the time since the load began.
    pub(super) fn at(self, time: Duration) -> Self {
        Self { seconds: time.as_secs(), ..self }
    }

    /// Whether threads, descriptors and connections are what they may be at rest, after `before`.
    pub(super) fn is_as_small(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors + KEPT
    }

    fn row(&self, when: &str) -> String {
        let connections = self.connections.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let mebibytes = self.memory as f64 / 1024.0;
        format!("| {when} | {mebibytes:.1} | {} | {} | {connections} |\n", self.descriptors, self.threads)
    }
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))
}

/// The number behind a word at the beginning of a line; 0 if it is not there.
fn figure(text: &str, word: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(word));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// How many connections of a table of the kernel's lead to this port and stand.
fn to_port(table: &str, port: u16) -> u64 {
    let port = format!(":{port:04X}");
    let stands = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next().is_some_and(|remote| remote.ends_with(&port)) && fields.next() == Some("01")
    };
    table.lines().filter(stands).count() as u64
}

/// Some of the samples, with those before and after the load.
pub(super) fn table(before: &Sample, samples: &[Sample], shown: usize, after: &Sample) -> String {
    let mut table =
        String::from("| second | memory, MiB | descriptors | threads | connections to the database |\n");
    table.push_str("| ---: | ---: | ---: | ---: | ---: |\n");
    table.push_str(&before.row("before"));
    for sample in samples.iter().step_by(samples.len().div_ceil(shown).max(1)) {
        table.push_str(&sample.row(&sample.seconds.to_string()));
    }
    table.push_str(&after.row("after"));
    table
}

/// What was found wrong.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    complaints: Vec<String>,
    figures: String,
}

impl Verdict {
    /// Judges the samples of a server that is warm, and what it holds when the load is over.
    pub(super) fn of(samples: &[Sample], before: &Sample, after: &Sample) -> Self {
        let mut verdict = Self::default();
        verdict.compare(samples, "memory in KiB", 0.0, |sample| Some(sample.memory));
        verdict.compare(samples, "descriptors", COMING_AND_GOING, |sample| Some(sample.descriptors));
        verdict.compare(samples, "threads", COMING_AND_GOING, |sample| Some(sample.threads));
        verdict
            .compare(samples, "connections to the database", COMING_AND_GOING, |sample| sample.connections);
        if !after.is_as_small(before) {
            let (had, has) = (before.descriptors, after.descriptors);
            verdict.complain(format!("{has} descriptors are open after the load, {had} were before it"));
        }
        verdict
    }

    /// Adds a finding.
    pub(super) fn complain(&mut self, complaint: String) {
        self.complaints.push(complaint);
    }

    /// Compares the mean of the first third of the samples with that of the last.
    fn compare(&mut self, samples: &[Sample], what: &str, more: f64, of: impl Fn(&Sample) -> Option<u64>) {
        let values: Vec<f64> = samples.iter().filter_map(of).map(|value| value as f64).collect();
        let third = values.len() / 3;
        let (Some(first), Some(last)) = (values.get(..third), values.get(values.len() - third..)) else {
            return;
        };
        if third == 0 {
            return;
        }
        let [first, last] = [first, last].map(|values| values.iter().sum::<f64>() / third as f64);
        // Writing to a string does not fail.
        let _ = writeln!(
            self.figures,
            "{what}: {first:.0} in the first third, {last:.0} in the last ({:+.1} %)",
            (last / first.max(1.0) - 1.0) * 100.0
        );
        if last > first * GROWTH + more {
            self.complain(format!("{what} grow"));
        }
    }

    /// Shows the means.
    ///
    /// # Errors
    /// Something was found.
    pub(super) fn result(self, name: &str) -> Result<()> {
        print!("\n{}", self.figures);
        if self.complaints.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("{name}: {}", self.complaints.join("; "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(u64) -> u64, descriptors: impl Fn(u64) -> u64) -> Vec<Sample> {
        let sample =
            |turn| Sample { memory: memory(turn), descriptors: descriptors(turn), ..Sample::default() };
        (0..60).map(sample).collect()
    }

    #[track_caller]
    fn judged(samples: &[Sample], after: u64, fine: bool) {
        let (before, after) = (Sample::default(), Sample { descriptors: after, ..Sample::default() });
        let verdict = Verdict::of(samples, &before, &after);
        assert_eq!(verdict.complaints.is_empty(), fine, "{:?}", verdict.complaints);
    }

    #[test]
    fn growth_is_found() {
        let flat = samples(|turn| 20_000 + turn % 7 * 100, |turn| 30 + turn % 5);
        judged(&flat, KEPT, true);
        judged(&flat, KEPT + 1, false);
        judged(&samples(|turn| 20_000 + turn * 40, |_| 30), 0, false);
        judged(&samples(|_| 20_000, |turn| 30 + turn), 0, false);
    }

    #[test]
    fn the_kernels_tables_are_read() {
        assert_eq!(figure("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t7\n", "VmRSS:"), 1234);
        assert_eq!(figure("Threads:\t7\n", "VmRSS:"), 0);
        let table = "  sl  local_address rem_address   st\n   0: 0100007F:1538 0100007F:C001 01 0\n   \
                     1: 0100007F:C001 0100007F:1538 01 0\n   2: 0100007F:C002 0100007F:1538 06 0\n";
        assert_eq!(to_port(table, 0x1538), 1);
    }
}
