//! What lies in the data directory with SQLite, and the other things that one database is enough for.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::http::get;
use crate::support::{MASTER_KEY, Place};

const VERSION: &str = "/api/system/version";

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_are_for_their_owner_only() {
    let place = Place::plain();
    let server = place.start();
    assert_eq!(mode(&place.data()), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(place.data()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort_unstable();
    for name in ["claviger.db", "claviger.db-wal", "claviger.db.lock", "master.key"] {
        assert!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
    }
    let (first, _) = server.stop_first();
    let key = std::fs::read_to_string(place.data().join("master.key")).unwrap();
    assert_eq!(key.trim().len(), 44);
    assert!(!first.stderr.contains(key.trim()) && !first.stdout.contains(key.trim()));
}

#[test]
fn a_database_without_its_master_key_is_refused() {
    let place = Place::plain();
    let (_, key) = place.start().stop_first();
    let file = place.data().join("master.key");
    let content = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let refused = place.run(&[]).expect(1);
    let error = refused.logged("the server cannot go on")["error"].as_str().unwrap().to_owned();
    assert!(error.contains("its master key") && error.contains("is missing"), "{error}");
    assert!(!file.exists());
    let create = ["api-key", "create", "--name", "n", "--all-endpoints"];
    place.run(&create).expect(1).says("is missing");

    std::fs::write(&file, content).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let server = place.start();
    assert_eq!(get(&server.address, VERSION, Some(&key)), 200);
    let warned = server.stop().expect(0);
    assert!(warned.log().iter().any(|line| line["level"] == "WARN" && line["mode"] == "644"));
}

#[test]
fn a_given_master_key_makes_no_file() {
    let place = Place::plain();
    let given = [("CLAVIGER_MASTER_KEY", MASTER_KEY)];
    place.start_with(&given).stop_first();
    assert!(!place.data().join("master.key").exists());
    place.start_with(&given).stop().expect(0);
}

#[test]
fn unix_sockets_work() {
    let place = Place::plain();
    let address = format!("unix:{}", place.path().join("claviger.sock").display());
    let variables = [("CLAVIGER_HTTP_ADDR", address.as_str())];
    place.run_with(&["healthcheck"], &variables).expect(1);
    let server = place.start_with(&variables);
    assert_eq!(server.address, address);
    assert_eq!(get(&address, "/api/health", None), 200);
    place.run_with(&["healthcheck"], &variables).expect(0);
    server.signal("-KILL");
    server.wait();
    let server = place.start_with(&variables);
    assert_eq!(get(&address, "/api/health", None), 200);
    server.stop().expect(0);
    place.run_with(&["healthcheck"], &variables).expect(1);
}

#[test]
fn a_socket_path_never_removes_an_ordinary_file() {
    let place = Place::plain();
    let path = place.path().join("precious");
    std::fs::write(&path, "content").unwrap();
    let address = format!("unix:{}", path.display());
    place
        .run_with(&["serve"], &[("CLAVIGER_HTTP_ADDR", address.as_str())])
        .expect(1)
        .says("cannot listen on");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "content");
}

#[test]
fn the_text_log_is_for_people() {
    let place = Place::plain();
    let refused = place.run_with(
        &["serve", "--log-format=text", "--log", "warn"],
        &[("CLAVIGER_BOOTSTRAP_API_KEY", "short")],
    );
    let refused = refused.expect(1).says("ERROR claviger::commands::serve: the server cannot go on error=");
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    assert!(!refused.stderr.contains('\u{1b}'), "colours without a terminal");
}
