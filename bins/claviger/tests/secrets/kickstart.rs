//! Secrets of a Kickstart file, in its keys, variables, environment and requests: neither a run that succeeds nor one that
//! fails repeats them.

use serde_json::{Value, json};

use crate::common::{Installation, Numbers, Process, Server};
use crate::database::{CONTROL, note_files, note_rows};
use crate::evidence::Evidence;
use crate::support::{Place, on_both};

on_both!(a_kickstart_leaves_no_secret_behind);

/// The file's own bootstrap key would contradict it.
const NO_BOOTSTRAP: (&str, &str) = ("CLAVIGER_BOOTSTRAP_API_KEY", "");

fn a_kickstart_leaves_no_secret_behind(place: &Place) {
    let installation = Installation::new(place);
    let mut evidence = Evidence::default();
    let mut numbers = Numbers::fresh();
    let control = numbers.uuid();
    evidence.secret(CONTROL, &control);
    let mut secret = |name: &str| {
        let text = format!("chosen-{}", numbers.text());
        evidence.secret(name, &text);
        text
    };
    let (first, second) = (secret("the first key"), secret("the second key"));
    let (variable, outer) = (secret("a variable"), secret("a variable of the environment"));
    let (hmac, client, wrong) =
        (secret("an HMAC secret"), secret("a client secret"), secret("a wrong value"));
    let import = |name: &str, value: &str| {
        json!({"method": "POST", "url": "/api/key/import",
            "body": {"key": {"name": name, "algorithm": "HS256", "secret": value}}})
    };
    let good = json!({
        "variables": {"first": first, "variable": variable, "outer": "#{ENV.OUTER}"},
        "apiKeys": [{"key": "#{first}", "keyManager": true}, {"key": second}],
        "requests": [
            {"method": "POST", "url": format!("/api/tenant/{control}"), "body": {"tenant": {"name": "control"}}},
            import("of the file", &hmac),
            import("of a variable", "#{variable}"),
            import("of the environment", "#{outer}"),
            {"method": "POST", "url": "/api/entity/type", "body": {"entityType": {"name": "machines"}}}]});
    let mut bad = Vec::new();
    let mut failing = |request: Value| {
        let mut document = good.clone();
        document["requests"].as_array_mut().unwrap().push(request);
        bad.push((document.to_string(), "is answered with"));
    };
    for value in ["#{variable}", "#{outer}", &wrong] {
        failing(
            json!({"method": "POST", "url": "/api/tenant/#{outer}", "body": {"tenant": {"name": value}}}),
        );
        failing(json!({"method": "PUT", "url": "/api/tenant/#{variable}#{outer}", "body": {value: value}}));
        failing(json!({"method": "POST", "url": "/api/#{variable}", "body": {}}));
        failing(json!({"method": "POST", "url": "/api/tenant", "tenantId": value, "body": {}}));
        failing(
            json!({"method": "PATCH", "url": format!("/api/tenant/{control}"), "contentType": value, "body": {}}),
        );
        failing(
            json!({"method": "POST", "url": "/api/key/import", "body": {"key": {"name": value, "algorithm": value,
            "secret": value, "publicKey": value, "kid": value}}}),
        );
        failing(
            json!({"method": "POST", "url": "/api/api-key", "body": {"apiKey": {"key": value, "permissions": value}}}),
        );
        failing(
            json!({"method": "POST", "url": "/api/entity", "body": {"entity": {"clientSecret": client, "name": value,
            "type": {"id": value}}}}),
        );
    }
    for (text, expected) in [
        (good.to_string().replace("\"POST\"", &format!("\"{wrong}\"")), "must be POST, PUT or PATCH"),
        (good.to_string().replace("/api/key/import", &wrong), "must be a path of this server"),
        (good.to_string().replace("#{outer}", &format!("#{{ {wrong} }}")), "there is no variable"),
        (good.to_string().replace("#{outer}", &format!("{wrong}#{{")), "is not closed"),
        (
            good.to_string().replace("\"variables\":", &format!("\"{wrong}\": 1, \"variables\":")),
            "there is no member",
        ),
        (good.to_string().replace("\"keyManager\"", &format!("\"{wrong}\"")), "is not known here"),
        (format!("{{\"{wrong}\": {wrong}"), "is not valid JSON"),
        (format!("{{\"{wrong}\": 1, \"{wrong}\": 1}}"), "stands twice"),
    ] {
        bad.push((text, expected));
    }
    let file = place.path().join("kickstart.json");
    let variables = [
        NO_BOOTSTRAP,
        ("CLAVIGER_LOG", "trace"),
        ("CLAVIGER_KICKSTART_FILE", file.to_str().unwrap()),
        ("OUTER", &outer),
    ];
    for (text, expected) in bad {
        std::fs::write(&file, &text).unwrap();
        for arguments in [&["check-config"][..], &[]] {
            let mut command = installation.command(arguments);
            let remains = Process::spawn(command.envs(variables)).wait();
            let said = String::from_utf8_lossy(&remains.log).into_owned();
            let is_told = said.contains(expected) && !remains.status.success();
            // Only a start finds out what the API answers.
            assert!(is_told || !arguments.is_empty() && expected == "is answered with", "{expected}: {said}");
            // The id stands in the file, and so in the report.
            evidence.trace_perhaps_showing(
                &format!("the errors of {arguments:?}, {expected}"),
                CONTROL,
                remains.log,
            );
            evidence.trace(&format!("the output of {arguments:?}, {expected}"), remains.output);
        }
        note_files(&installation, "after a Kickstart that failed", &mut evidence);
    }

    std::fs::write(&file, good.to_string()).unwrap();
    let server = Server::start_with(&installation, &variables);
    server.connect(&first).call("GET", "/api/tenant", None).ok();
    server.connect(&second).call("GET", "/api/tenant", None).ok();
    note_files(&installation, "while the server runs", &mut evidence);
    let remains = server.stop();
    evidence.trace_showing("the log", CONTROL, remains.log);
    evidence.trace("the output", remains.output);
    note_files(&installation, "when the server was stopped", &mut evidence);
    note_rows(&installation, &mut evidence);
    evidence.judge();
}
