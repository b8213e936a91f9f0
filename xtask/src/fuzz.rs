//! `cargo xtask fuzz`: builds the targets of `fuzz/` with a nightly compiler and AddressSanitizer, and lets libFuzzer look
//! for inputs that break what they check. What libFuzzer finds interesting stays in `fuzz/corpus`, for the next run.

use crate::run::{Failure, Result, root, succeed};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What is given to libFuzzer for one target.
struct Target {
    name: &'static str,
    /// The longest input, in bytes.
    longest: usize,
    /// Under `fuzz/dictionaries`, without its ending.
    dictionary: &'static str,
}

const TARGETS: [Target; 5] = [
    Target { name: "certificate", longest: 8 * 1024, dictionary: "pem" },
    Target { name: "import_pem", longest: 16 * 1024, dictionary: "pem" },
    Target { name: "json", longest: 4 * 1024, dictionary: "json" },
    Target { name: "jwks", longest: 8 * 1024, dictionary: "pem" },
    Target { name: "jwt", longest: 8 * 1024, dictionary: "jwt" },
];

/// Seconds for each target unless told otherwise.
const SHORT_RUN: u32 = 60;
/// One input that takes longer than these seconds is a finding. By the clock: on a machine that is busy with other work,
/// inputs of a millisecond have taken ten seconds.
const SLOWEST_INPUT: u32 = 60;
/// A process that needs more than these mebibytes is a finding. AddressSanitizer itself takes some hundreds.
const MOST_MEMORY: u32 = 2048;
/// How much of the log of a finding is shown.
const SHOWN_LINES: usize = 60;

/// Which targets are fuzzed, and how.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Names of targets, each once.
    targets: Vec<&'static str>,
    /// For each target.
    seconds: u32,
    /// All targets at once.
    parallel: bool,
}

/// Reads the arguments after `fuzz`: names of targets (none: all of them), `--seconds N` and `--parallel`, in any order.
pub(crate) fn parse(arguments: &[&str]) -> Option<Request> {
    let mut request = Request { targets: Vec::new(), seconds: SHORT_RUN, parallel: false };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            "--parallel" => request.parallel = true,
            "--seconds" => request.seconds = arguments.next()?.parse().ok().filter(|seconds| *seconds > 0)?,
            name => {
                let target = TARGETS.iter().find(|target| target.name == name)?;
                if !request.targets.contains(&target.name) {
                    request.targets.push(target.name);
                }
            }
        }
    }
    if request.targets.is_empty() {
        request.targets.extend(TARGETS.iter().map(|target| target.name));
    }
    Some(request)
}

/// Fuzzes, prints what came of it, and answers our exit code: 1 where something was found.
///
/// # Errors
/// The tools are not there, the targets cannot be built, or files cannot be written.
pub(crate) fn run(request: &Request) -> Result<u8> {
    require_tools()?;
    succeed(&mut cargo_fuzz(["build"]))?;
    let targets: Vec<&Target> =
        TARGETS.iter().filter(|target| request.targets.contains(&target.name)).collect();
    let at_once = if request.parallel { targets.len() } else { 1 };
    let mut reports = Vec::new();
    for group in targets.chunks(at_once) {
        let runs =
            group.iter().map(|target| Run::start(target, request.seconds)).collect::<Result<Vec<_>>>()?;
        for run in runs {
            reports.push(run.wait()?);
        }
    }
    print!("\n{}", table(&reports));
    Ok(u8::from(reports.iter().any(|report| report.finding.is_some())))
}

/// `cargo fuzz` of the nightly toolchain, in the root. Not the cargo that runs us: that one knows no `+nightly`.
fn cargo_fuzz<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root()).args(["+nightly", "fuzz"]).args(arguments);
    command
}

fn require_tools() -> Result<()> {
    let works = |command: &mut Command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !works(Command::new("cargo").current_dir(root()).args(["+nightly", "--version"])) {
        return Err(Failure::new(
            "fuzzing needs a nightly compiler: rustup toolchain install nightly --profile minimal",
        ));
    }
    if !works(&mut cargo_fuzz(["--version"])) {
        return Err(Failure::new("fuzzing needs cargo-fuzz: cargo install cargo-fuzz --locked"));
    }
    Ok(())
}

/// A target that is being fuzzed.
struct Run {
    name: &'static str,
    log: PathBuf,
    start: Instant,
    child: Child,
}

impl Run {
    fn start(target: &Target, seconds: u32) -> Result<Self> {
        let root = root();
        let name = target.name;
        let corpus = root.join("fuzz").join("corpus").join(name);
        let logs = root.join("fuzz").join("target").join("logs");
        for directory in [&corpus, &logs] {
            std::fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
        }
        let path = logs.join(format!("{name}.log"));
        let log = File::create(&path).map_err(|error| Failure::file(&path, &error))?;
        let same_log = log.try_clone().map_err(|error| Failure::file(&path, &error))?;
        let mut command = cargo_fuzz(["run", name]);
        // libFuzzer writes to the first directory only: the seeds are read where they are.
        command.arg(&corpus).arg(root.join("fuzz").join("corpus-seeds").join(name)).arg("--");
        command.args(fuzzer_arguments(target, seconds, &root));
        println!("fuzzing {name} for {seconds} s, its log is {}", shorten(&path));
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(same_log)
            .spawn()
            .map_err(|error| Failure::new(format!("cargo fuzz run {name}: {error}")))?;
        Ok(Self { name, log: path, start: Instant::now(), child })
    }

    fn wait(mut self) -> Result<Report> {
        let status = self.child.wait().map_err(|error| Failure::new(format!("{}: {error}", self.name)))?;
        // Of targets that run at once, the last to be waited for may have ended long ago.
        let log = std::fs::read(&self.log).map_err(|error| Failure::file(&self.log, &error))?;
        let log = String::from_utf8_lossy(&log);
        let report =
            Report::read(self.name, &log, status.success(), self.start.elapsed(), &shorten(&self.log));
        if report.finding.is_some() {
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
            println!("\n== {}: the end of its log\n{}", self.name, tail.join("\n"));
        }
        Ok(report)
    }
}

fn fuzzer_arguments(target: &Target, seconds: u32, root: &Path) -> Vec<String> {
    let dictionary = root.join("fuzz").join("dictionaries").join(format!("{}.dict", target.dictionary));
    vec![
        format!("-max_total_time={seconds}"),
        format!("-max_len={}", target.longest),
        format!("-timeout={SLOWEST_INPUT}"),
        format!("-rss_limit_mb={MOST_MEMORY}"),
        format!("-dict={}", dictionary.display()),
        "-print_final_stats=1".to_owned(),
    ]
}

fn shorten(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// What came of one target.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    name: &'static str,
    seconds: u64,
    executions: Option<u64>,
    /// Edges of the instrumented code, which is ours and that of the crates: not OpenSSL's.
    coverage: Option<u64>,
    /// Where the input lies, or the log if there is none.
    finding: Option<String>,
}

impl Report {
    /// Reads the log of libFuzzer. A target that ended badly without leaving an input (a build that fails, a leak at the
    /// end) is a finding too.
    fn read(name: &'static str, log: &str, success: bool, elapsed: Duration, path: &str) -> Self {
        let after = |line: &str, mark: &str| {
            let (_, rest) = line.split_once(mark)?;
            rest.split_whitespace().next().map(str::to_owned)
        };
        let last = |mark: &str| log.lines().rev().find_map(|line| after(line, mark));
        let number = |mark: &str| last(mark)?.parse().ok();
        let artifact =
            last("Test unit written to ").map(|path| shorten(Path::new(path.trim_start_matches("./"))));
        let finding = if success { None } else { Some(artifact.unwrap_or_else(|| path.to_owned())) };
        Self {
            name,
            seconds: log
                .lines()
                .rev()
                .filter(|line| line.starts_with("Done "))
                .find_map(|line| after(line, " runs in ")?.parse().ok())
                .unwrap_or(elapsed.as_secs()),
            executions: number("stat::number_of_executed_units:"),
            coverage: number(" cov: "),
            finding,
        }
    }
}

fn table(reports: &[Report]) -> String {
    let shown = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let mut text =
        format!("{:<12} {:>8} {:>12} {:>9}  findings\n", "target", "seconds", "executions", "coverage");
    for report in reports {
        text.push_str(&format!(
            "{:<12} {:>8} {:>12} {:>9}  {}\n",
            report.name,
            report.seconds,
            shown(report.executions),
            shown(report.coverage),
            report.finding.as_deref().unwrap_or("none"),
        ));
    }
    for report in reports {
        if let Some(finding) = &report.finding {
            let name = report.name;
            text.push_str(&format!("\n{name}: `cargo +nightly fuzz run {name} {finding}` shows it again,\n"));
            text.push_str(&format!("`cargo +nightly fuzz tmin {name} {finding}` makes it smaller\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[track_caller]
    fn check(text: &str, expected: Option<(&[&'static str], u32, bool)>) {
        let arguments: Vec<&str> = text.split_whitespace().collect();
        let expected = expected.map(|(targets, seconds, parallel)| {
            let targets = targets.to_vec();
            Request { targets, seconds, parallel }
        });
        assert_eq!(parse(&arguments), expected, "{text}");
    }

    #[test]
    fn arguments_are_understood() {
        let all = TARGETS.map(|target| target.name);
        check("", Some((&all, 60, false)));
        check("--parallel --seconds 600", Some((&all, 600, true)));
        check("jwt", Some((&["jwt"], 60, false)));
        check("jwt --seconds 5 json jwt", Some((&["jwt", "json"], 5, false)));
        for bad in ["nothing", "--seconds", "--seconds 0", "--seconds -1", "--seconds x", "--jobs 2", "JWT"] {
            check(bad, None);
        }
    }

    #[test]
    fn every_target_has_its_files() {
        let fuzz = root().join("fuzz");
        let names = |directory: &str| -> BTreeSet<String> {
            let entries = std::fs::read_dir(fuzz.join(directory)).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        let expected: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
        let sources = expected.iter().map(|name| format!("{name}.rs")).collect();
        assert_eq!(names("fuzz_targets"), sources);
        assert_eq!(names("corpus-seeds"), expected);
        let dictionaries: BTreeSet<String> =
            TARGETS.iter().map(|target| format!("{}.dict", target.dictionary)).collect();
        assert_eq!(names("dictionaries"), dictionaries);
    }

    #[test]
    fn limits_are_passed_on() {
        let target = Target { name: "a", longest: 7, dictionary: "b" };
        let arguments = fuzzer_arguments(&target, 3, Path::new("c")).join(" ");
        assert_eq!(
            arguments,
            "-max_total_time=3 -max_len=7 -timeout=60 -rss_limit_mb=2048 -dict=c/fuzz/dictionaries/b.dict \
             -print_final_stats=1"
        );
    }

    const GOOD: &str = "INFO: seed corpus: files: 3\n#3\tINITED cov: 10 ft: 11 corp: 3/5b exec/s: 0 rss: 40Mb\n\
        #9\tNEW    cov: 12 ft: 13 corp: 4/9b lim: 4 exec/s: 0 rss: 41Mb L: 4/4 MS: 1 CopyPart-\n\
        Done 1234 runs in 61 second(s)\nstat::number_of_executed_units: 1234\nstat::peak_rss_mb:              50\n";

    #[test]
    fn reports_are_read_from_logs() {
        let elapsed = Duration::from_secs(99);
        let report = Report::read("jwt", GOOD, true, elapsed, "log");
        assert_eq!(
            report,
            Report { name: "jwt", seconds: 61, executions: Some(1234), coverage: Some(12), finding: None }
        );

        let artifact = root().join("fuzz/artifacts/jwt/crash-1");
        let bad = format!("{GOOD}artifact_prefix='x'; Test unit written to {}\n", artifact.display());
        let bad = bad.replace("Done", "==1== ERROR");
        let report = Report::read("jwt", &bad, false, elapsed, "log");
        assert_eq!((report.seconds, report.finding.as_deref()), (99, Some("fuzz/artifacts/jwt/crash-1")));

        let report = Report::read("jwt", "error: could not compile\n", false, elapsed, "log");
        assert_eq!(
            (report.executions, report.coverage, report.finding.as_deref()),
            (None, None, Some("log"))
        );
    }

    #[test]
    fn the_table_names_every_finding() {
        let report = |finding: Option<&str>| Report {
            name: "json",
            seconds: 60,
            executions: Some(12),
            coverage: None,
            finding: finding.map(str::to_owned),
        };
        let text = table(&[report(None), report(Some("fuzz/artifacts/json/crash-1"))]);
        assert!(text.contains("json               60           12         ?  none\n"), "{text}");
        assert!(text.contains("fuzz tmin json fuzz/artifacts/json/crash-1"), "{text}");
    }
}
