//! Secrets in the configuration and on the command line, right and wrong: no output repeats them.

use claviger_crypto::{MasterKey, SystemRandom};

use crate::common::{Installation, Numbers, Process, Server};
use crate::evidence::Evidence;
use crate::support::{Place, on_both};

on_both!(no_command_repeats_a_secret_of_its_configuration);

/// Arguments, environment and configuration file of a run, which ends by itself with this code.
#[derive(Debug)]
struct Run {
    code: i32,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
    file: Option<String>,
}

fn run(code: i32, arguments: &[&str], variables: &[(&'static str, &str)]) -> Run {
    Run {
        code,
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        variables: variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        file: None,
    }
}

fn no_command_repeats_a_secret_of_its_configuration(place: &Place) {
    let installation = Installation::new(place);
    let mut evidence = Evidence::default();
    drop(Server::start(&installation).stop());
    let mut numbers = Numbers::fresh();
    let (secret, master_key) = (numbers.text(), MasterKey::generate(&mut SystemRandom).unwrap().to_base64());
    let other = master_key.expose();
    evidence.secret("a secret of the configuration", &secret);
    evidence.secret("another master key", other);
    evidence.secret("the master key's text", installation.master_key().expose());
    evidence.secret("the bootstrap key", &installation.bootstrap_key);

    let with = |text: &str| text.replace("SECRET", &secret);
    let unreachable = with("postgres://user:SECRET@127.0.0.1:1/claviger?connect_timeout=2");
    let broken = [
        with("postgres://user:SECRET@@127.0.0.1/claviger"),
        with("postgres://user:a/SECRET@127.0.0.1/claviger"),
        with("postgres://user:SECRET@127.0.0.1:port/claviger"),
        with("postgres:SECRET"),
        with("postgres://127.0.0.1/claviger?password=SECRET&x"),
        with("mysql://user:SECRET@127.0.0.1/claviger"),
    ];
    let with_password = with("postgres://127.0.0.1:1/claviger?connect_timeout=2&password=SECRET");
    let files = [
        with("master_key = \"SECRET"),
        with("master_key = SECRET"),
        with("master_key = [\"SECRET\"]"),
        with("masterkey = \"SECRET\""),
        with("master_key = \"SECRET\"\nmaster_key = \"SECRET\""),
        with("[master_key]\nSECRET = 1"),
        with("bootstrap_api_key = \"SECRET\" \"SECRET\""),
        with("SECRET"),
    ];
    let (url, key, bootstrap) =
        ("CLAVIGER_DATABASE_URL", "CLAVIGER_MASTER_KEY", "CLAVIGER_BOOTSTRAP_API_KEY");
    let (check, serve) = (["check-config"].as_slice(), ["serve"].as_slice());
    let mut runs = vec![
        run(0, check, &[]),
        run(0, check, &[(key, other), (bootstrap, &secret)]),
        run(0, check, &[(url, &unreachable), (key, other)]),
        run(0, check, &[(url, &with_password), (key, other)]),
        run(0, &["openapi"], &[]),
        // Master keys that are wrong, and texts that are none.
        run(1, serve, &[(key, other)]),
        run(1, &["api-key", "create", "--name", "n", "--all-endpoints"], &[(key, other)]),
        run(2, serve, &[(key, &secret)]),
        run(2, serve, &[(key, other), ("CLAVIGER_MASTER_KEY_FILE", "nowhere")]),
        run(2, serve, &[("CLAVIGER_MASTERKEY", other)]),
        run(2, &["serve", &format!("--master-key={secret}")], &[]),
        run(2, &["serve", "--master-key", &secret], &[]),
        run(1, serve, &[(bootstrap, &format!("{secret} "))]),
        // Databases that cannot be reached, and URLs that are none.
        run(1, serve, &[(url, &unreachable), (key, other)]),
        run(1, serve, &[(url, &with_password), (key, other)]),
    ];
    runs.extend(broken.iter().map(|broken| run(2, serve, &[(url, broken), (key, other)])));
    runs.extend(files.into_iter().map(|file| Run { file: Some(file), ..run(2, serve, &[]) }));
    for run in runs {
        let mut command = installation.command(&[]);
        command.args(&run.arguments).env("CLAVIGER_LOG", "trace");
        command.envs(run.variables.iter().map(|(name, value)| (name, value)));
        if let Some(text) = &run.file {
            let path = place.path().join("claviger.toml");
            std::fs::write(&path, text).unwrap();
            command.env("CLAVIGER_CONFIG", path);
        }
        let remains = Process::spawn(&mut command).wait();
        let said = String::from_utf8_lossy(&remains.log).into_owned();
        assert_eq!(remains.status.code(), Some(run.code), "{run:?}: {said}");
        evidence.trace(&format!("the errors of {run:?}: {said}"), remains.log);
        evidence.trace(&format!("the output of {run:?}"), remains.output);
    }

    // What is printed on purpose is printed once, and nowhere else.
    let arguments = ["api-key", "create", "--name", "by command", "--permission", "GET:/api/key"];
    let made = Process::spawn(installation.command(&arguments).env("CLAVIGER_LOG", "trace")).wait();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.log));
    evidence.secret("a key of the command line", made.output.trim_ascii_end());
    evidence.trace_showing("the output of api-key create", "a key of the command line", made.output);
    evidence.trace("the errors of api-key create", made.log);
    evidence.judge();
}
