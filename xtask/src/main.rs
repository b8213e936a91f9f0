//! What maintainers run, as `cargo xtask <command>`. Nothing here is needed to build or to run the server.

mod bench;
mod check;
mod cluster;
mod codegen;
mod deps;
mod features;
mod fuzz;
mod gateway;
mod migrate;
mod postgres;
mod run;
mod semver;
mod soak;
mod test;
mod tidy;

use features::OpenSsl;
use run::{Result, cargo, status};
use std::process::ExitCode;

const HELP: &str = "\
What maintainers of Claviger run.

Usage: cargo xtask <command>

  test [arguments]    every test on SQLite and PostgreSQL; the arguments go to `cargo test`
                      (`cargo xtask test -p claviger-storage conflict -- --nocapture`)
  ci                  check, then test
  check               format, tidy, deps, semver, clippy, documentation, codegen --check, each database alone
  tidy                the rules of the tree: headers, white space, twin migrations, file length, layers
  deps [--bless]      who may depend on whom; --bless writes xtask/authz-tree.txt anew
  semver [--bless]    whether the published crates break anyone, compared with xtask/semver-baseline.txt; needs
                      cargo-semver-checks; --bless writes the current commit there
  codegen [--check]   writes the generated parts of docs/, or fails where they are out of date
  migrate new NAME    the four files of a new migration
  migrate status|run  what is applied to the database of the server's settings; applies the rest
                      (further arguments go to the server)
  migrate check       the tests on the schema, on both databases
  bench [arguments]   the benchmarks; the arguments go to `cargo bench`
  bench engines       claviger-authz beside Cedar and Casbin, as a table
  bench timing        whether the time of a refusal tells its reason; and that an added delay would be found
  bench verify [--quick]
                      what a check costs over HTTP beside a handler that does nothing, to docs/PERFORMANCE.md;
                      --quick: only 1000 keys on SQLite, and nothing is written; needs wrk
  bench create        how many API keys can be made in a second, beside bare inserts; to docs/PERFORMANCE.md
  bench keyring       how fast a million API keys are loaded, what they take of memory, and what a look-up takes among up to
                      ten million; to docs/PERFORMANCE.md
  bench start         how soon the server answers after its start, and its memory, also with 1000000 API keys; to
                      docs/PERFORMANCE.md
  bench tokens        how fast tokens are issued, beside the bare signing rate
  bench tenant-delete whether checks go on while a tenant with 100000 API keys is deleted
  fuzz [target…] [--seconds N] [--parallel]
                      fuzzes all targets of fuzz/ or these (certificate, import_pem, json, jwks, jwt), 60 or N seconds
                      each, one after the other or all at once; needs a nightly compiler and cargo-fuzz
  gateway-test [--gateway nginx|caddy|haproxy] [--requests N] [--seed N] [--sabotage headers|path]
                      300000 or N misleading requests, for more than 100000 different targets, through a real gateway with
                      the configuration of docs/gateways; with --sabotage the configuration is spoilt, which must be found
  gateway-test --short  the form that belongs to `test`: every gateway that is installed, with and without sabotage
  cluster-test [--seconds N] [--seed N] [--nodes N] [--sabotage cache|unconfirmed]
                      three or N servers on one PostgreSQL with clients on all of them, while nodes are frozen, killed and cut
                      off and the database is stopped: no key is accepted after its revocation was acknowledged, and nothing
                      acknowledged is lost. Until a million decisions and a thousand revocations of a release build, which writes
                      docs/PERFORMANCE.md, or N seconds; with --sabotage the server is spoilt, which must be found in a minute
  cluster-test --short  the form that belongs to `test`: a few faults, and both kinds of sabotage
  soak [--minutes N]  a busy server's life in 10 or N minutes on each database: memory stays flat, and nothing leaks
  help                this text

Environment:
  CLAVIGER_TEST_POSTGRES_URL   a PostgreSQL for the tests (else one is started from installed server binaries)
  CLAVIGER_REQUIRE_POSTGRES=1  fail instead of skipping the tests on PostgreSQL
  CLAVIGER_SEMVER=0            check leaves semver out, and says so
  CLAVIGER_REQUIRE_NGINX=1, CLAVIGER_REQUIRE_HAPROXY=1
                               fail instead of skipping the test of that gateway
  CLAVIGER_VENDORED=1          compile OpenSSL in even where the system has its headers

Exit codes: 0 done, 1 failed (or cargo's own code; of fuzz: a finding), 2 usage.
";

#[derive(Debug, PartialEq, Eq)]
enum Task {
    Help,
    Test(Vec<String>),
    Ci,
    Check,
    Tidy,
    Deps { bless: bool },
    Semver { bless: bool },
    Codegen { check: bool },
    MigrateNew(String),
    MigrateServer(&'static str, Vec<String>),
    MigrateCheck,
    Bench(Vec<String>),
    BenchEngines,
    BenchTenantDelete,
    BenchTokens,
    BenchTiming,
    BenchVerify { quick: bool },
    BenchCreate,
    BenchKeyring,
    BenchStart,
    Fuzz(fuzz::Request),
    GatewayTest(gateway::Plan),
    GatewayTestShort,
    ClusterTest(cluster::Plan),
    ClusterTestShort,
    Soak(soak::Plan),
}

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let Some(task) = parse(&arguments) else {
        eprint!("error: unknown command or arguments: {}\n\n{HELP}", arguments.join(" "));
        return ExitCode::from(2);
    };
    perform(task).map_or_else(
        |error| {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        },
        ExitCode::from,
    )
}

fn parse(arguments: &[String]) -> Option<Task> {
    let mut words = arguments.iter().map(String::as_str);
    let command = words.next()?;
    let rest: Vec<&str> = words.collect();
    // `cargo xtask test -- -p x` and `cargo xtask test -p x` mean the same.
    let extra = |rest: &[&str]| -> Vec<String> {
        rest.strip_prefix(&["--"]).unwrap_or(rest).iter().map(|&argument| argument.to_owned()).collect()
    };
    match (command, rest.as_slice()) {
        ("help" | "--help" | "-h", []) => Some(Task::Help),
        ("test", rest) => Some(Task::Test(extra(rest))),
        ("bench", ["engines"]) => Some(Task::BenchEngines),
        ("bench", ["tenant-delete"]) => Some(Task::BenchTenantDelete),
        ("bench", ["tokens"]) => Some(Task::BenchTokens),
        ("bench", ["timing"]) => Some(Task::BenchTiming),
        ("bench", ["create"]) => Some(Task::BenchCreate),
        ("bench", ["keyring"]) => Some(Task::BenchKeyring),
        ("bench", ["start"]) => Some(Task::BenchStart),
        ("bench", ["verify"]) => Some(Task::BenchVerify { quick: false }),
        ("bench", ["verify", "--quick"]) => Some(Task::BenchVerify { quick: true }),
        ("bench", rest) => Some(Task::Bench(extra(rest))),
        ("gateway-test", ["--short"]) => Some(Task::GatewayTestShort),
        ("gateway-test", rest) => gateway::parse(rest).map(Task::GatewayTest),
        ("cluster-test", ["--short"]) => Some(Task::ClusterTestShort),
        ("cluster-test", rest) => cluster::parse(rest).map(Task::ClusterTest),
        ("soak", rest) => soak::parse(rest).map(Task::Soak),
        ("fuzz", rest) => fuzz::parse(rest).map(Task::Fuzz),
        ("ci", []) => Some(Task::Ci),
        ("check", []) => Some(Task::Check),
        ("tidy", []) => Some(Task::Tidy),
        ("deps", []) => Some(Task::Deps { bless: false }),
        ("deps", ["--bless"]) => Some(Task::Deps { bless: true }),
        ("semver", []) => Some(Task::Semver { bless: false }),
        ("semver", ["--bless"]) => Some(Task::Semver { bless: true }),
        ("codegen", []) => Some(Task::Codegen { check: false }),
        ("codegen", ["--check"]) => Some(Task::Codegen { check: true }),
        ("migrate", ["new", name]) => Some(Task::MigrateNew((*name).to_owned())),
        ("migrate", ["status", rest @ ..]) => Some(Task::MigrateServer("status", extra(rest))),
        ("migrate", ["run", rest @ ..]) => Some(Task::MigrateServer("up", extra(rest))),
        ("migrate", ["check"]) => Some(Task::MigrateCheck),
        _ => None,
    }
}

/// Performs the task and answers our exit code.
fn perform(task: Task) -> Result<u8> {
    let done = |result: Result<()>| result.map(|()| 0);
    match task {
        Task::Help => {
            print!("{HELP}");
            Ok(0)
        }
        Task::Test(extra) => test::run(&extra),
        Task::Ci => {
            let checked = check::run();
            println!("\n== test");
            let tested = test::run(&[])?;
            // The last line stays the tests' own unless there is worse to say.
            if !checked {
                eprintln!("error: the tests above ended with code {tested}, but `cargo xtask check` failed");
            }
            Ok(if checked { tested } else { tested.max(1) })
        }
        Task::Check => Ok(u8::from(!check::run())),
        Task::Tidy => done(tidy::run()),
        Task::Deps { bless } => done(deps::run(bless)),
        Task::Semver { bless } => done(if bless { semver::bless() } else { semver::check() }),
        Task::Codegen { check } => done(codegen::run(OpenSsl::detect(), check)),
        Task::MigrateNew(name) => done(migrate::new(&name)),
        Task::MigrateServer(command, extra) => migrate::server(command, &extra),
        Task::MigrateCheck => migrate::check(),
        Task::Bench(extra) => status(
            cargo([
                "bench",
                "--package=claviger-authz",
                "--package=claviger-crypto",
                "--package=claviger-keyring",
            ])
            .args(extra),
        ),
        Task::BenchEngines => done(bench::engines::run()),
        Task::BenchTenantDelete => done(bench::tenant_delete(OpenSsl::detect())),
        Task::BenchTokens => done(bench::tokens(OpenSsl::detect())),
        Task::BenchTiming => done(bench::timing(OpenSsl::detect())),
        Task::BenchCreate => done(bench::create(OpenSsl::detect())),
        Task::BenchKeyring => done(bench::keyring(OpenSsl::detect())),
        Task::BenchStart => done(bench::start(OpenSsl::detect())),
        Task::BenchVerify { quick } => done(bench::verify(OpenSsl::detect(), quick)),
        Task::Fuzz(request) => fuzz::run(&request),
        Task::GatewayTest(plan) => done(gateway::run(plan)),
        Task::GatewayTestShort => done(test::gateways()),
        Task::ClusterTest(plan) => done(cluster::run(plan)),
        Task::ClusterTestShort => done(test::cluster()),
        Task::Soak(plan) => done(soak::run(plan)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[track_caller]
    fn check(text: &str, expected: Option<Task>) {
        assert_eq!(parse(&strings(text)), expected, "{text}");
    }

    #[test]
    fn commands_are_understood() {
        check("help", Some(Task::Help));
        check("--help", Some(Task::Help));
        check("test", Some(Task::Test(vec![])));
        check("test -- -p a -- --nocapture", Some(Task::Test(strings("-p a -- --nocapture"))));
        check("test -p a -- --nocapture", Some(Task::Test(strings("-p a -- --nocapture"))));
        check("bench -- decide", Some(Task::Bench(strings("decide"))));
        check("bench engines", Some(Task::BenchEngines));
        check("semver", Some(Task::Semver { bless: false }));
        check("semver --bless", Some(Task::Semver { bless: true }));
        check("bench tenant-delete", Some(Task::BenchTenantDelete));
        check("bench tokens", Some(Task::BenchTokens));
        check("bench timing", Some(Task::BenchTiming));
        check("bench create", Some(Task::BenchCreate));
        check("bench keyring", Some(Task::BenchKeyring));
        check("bench start", Some(Task::BenchStart));
        check("bench verify", Some(Task::BenchVerify { quick: false }));
        check("bench verify --quick", Some(Task::BenchVerify { quick: true }));
        check("ci", Some(Task::Ci));
        check("check", Some(Task::Check));
        check("tidy", Some(Task::Tidy));
        check("deps", Some(Task::Deps { bless: false }));
        check("deps --bless", Some(Task::Deps { bless: true }));
        check("codegen", Some(Task::Codegen { check: false }));
        check("codegen --check", Some(Task::Codegen { check: true }));
        check("migrate new a", Some(Task::MigrateNew("a".to_owned())));
        check("migrate status", Some(Task::MigrateServer("status", vec![])));
        check("migrate run --config a", Some(Task::MigrateServer("up", strings("--config a"))));
        check("migrate check", Some(Task::MigrateCheck));
        check("gateway-test --short", Some(Task::GatewayTestShort));
        check("gateway-test --requests 5", gateway::parse(&["--requests", "5"]).map(Task::GatewayTest));
        check("cluster-test --short", Some(Task::ClusterTestShort));
        check("cluster-test --seconds 5", cluster::parse(&["--seconds", "5"]).map(Task::ClusterTest));
        check("soak --minutes 2", soak::parse(&["--minutes", "2"]).map(Task::Soak));
        check("fuzz jwt --seconds 5", fuzz::parse(&["jwt", "--seconds", "5"]).map(Task::Fuzz));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "frobnicate",
            "ci now",
            "check --fix",
            "deps bless",
            "semver bless",
            "migrate",
            "migrate new",
            "migrate new a b",
            "fuzz everything",
            "gateway-test now",
            "cluster-test now",
            "soak now",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn help_names_every_command() {
        for command in [
            "test",
            "ci",
            "check",
            "tidy",
            "deps",
            "semver",
            "codegen",
            "migrate",
            "bench",
            "fuzz",
            "gateway-test",
            "cluster-test",
            "soak",
            "help",
        ] {
            assert!(HELP.contains(&format!("\n  {command}")), "{command}");
        }
    }
}
