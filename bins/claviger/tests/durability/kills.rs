//! The server is killed in the middle of many concurrent writes, again and again.

use std::time::Duration;

use crate::audit::audit;
use crate::common::{Connection, Installation, Numbers, Server};
use crate::load::{Object, Unfinished, work};
use crate::support::{Place, on_both};

const CLIENTS: usize = 4;
const ROUNDS_ON_SQLITE: usize = 20;
const ROUNDS_ON_POSTGRES: usize = 10;
/// The change table is compared with the objects after every so many kills.
const AUDIT_EVERY: usize = 5;

on_both!(nothing_acknowledged_is_lost_and_nothing_is_half_written);

fn nothing_acknowledged_is_lost_and_nothing_is_half_written(place: &Place) {
    let rounds = if place.is_sqlite() { ROUNDS_ON_SQLITE } else { ROUNDS_ON_POSTGRES };
    let installation = Installation::new(place);
    let mut numbers = Numbers::fresh();
    let mut all: Vec<Object> = Vec::new();
    let (mut acknowledged, mut ends) = (0, Unfinished::default());
    let mut server = Server::start(&installation);
    for round in 0..rounds {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (address, key) = (server.address, installation.bootstrap_key.clone());
                let numbers = numbers.split();
                std::thread::spawn(move || work(address, &key, numbers))
            })
            .collect();
        // How long it writes is the chance in this test; nothing waits for it.
        std::thread::sleep(Duration::from_millis(150 + numbers.below(250)));
        drop(server.kill());
        let mut objects = Vec::new();
        for client in clients {
            let done = client.join().unwrap();
            acknowledged += done.acknowledged;
            objects.extend(done.objects);
        }
        // Not every time: it is the server that has to recover the database.
        if round % AUDIT_EVERY == AUDIT_EVERY - 1 {
            audit(&installation);
        }
        server = Server::start(&installation);
        check(&server, &installation, &mut objects, &mut ends);
        all.extend(objects);
    }
    // What survived one kill survives the next ones.
    check(&server, &installation, &mut all, &mut ends);
    drop(server.stop());

    let audited = audit(&installation);
    for object in &all {
        let name = (object.kind.entity().as_str(), object.id.clone());
        assert_eq!(audited.objects.contains_key(&name), object.exists(), "{object:?}");
    }
    // What the first start makes: four keys, a tenant, an API key, six roles, the instance and a data key.
    let of_load = all.iter().filter(|object| object.exists()).count();
    assert_eq!(audited.objects.len(), of_load + 14, "there are objects that nobody made");
    assert!(acknowledged > rounds * CLIENTS, "too few writes for a test: {acknowledged}");
    println!(
        "{rounds} kills: {acknowledged} acknowledged writes to {} objects, {} change rows; of unfinished writes {} took \
         place and {} did not",
        all.len(),
        audited.rows,
        ends.took_place,
        ends.did_not
    );
}

fn check(server: &Server, installation: &Installation<'_>, objects: &mut [Object], ends: &mut Unfinished) {
    let mut manager = server.connect(&installation.bootstrap_key);
    let mut anonymous = Connection::anonymous(server.address).unwrap();
    for object in objects {
        object.check(&mut manager, &mut anonymous, ends);
    }
}
