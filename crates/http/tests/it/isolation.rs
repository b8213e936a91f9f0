//! Two tenants on one server: nothing that a caller in tenant A is answered depends on what tenant B holds or does.
//!
//! Each case plays one sequence of A's random requests on two servers that are alike, but for B: on the one B is empty, on
//! the other it holds random objects, under ids and values that A guesses, and goes on making random requests of its own
//! between those of A, at A's objects too. The answers must be the same: status, headers and body, byte for byte, with ids,
//! values, secrets, tokens and numbers of audit log entries that the server made replaced by the order of their first
//! appearance. The clocks are set to the same instants, which are compared as they are.
//!
//! Some things are unique over the whole instance, so that whoever asks for one that is taken learns that: the id of an API
//! key or entity, the `clientId` of an entity, the name and the value of an API key, the id of Fusion's dialect, the id and the
//! name of a tenant. Here everybody makes objects under ids and names of their own; `visible` says what a caller
//! sees who does not. Left out as well are
//! - counts of uses, which are written behind the answers (`/api/api-key/{id}/usage` is asked, its numbers are masked),
//! - `Date`, `X-Request-Id`, and `Content-Length`, which changes with the digits of an entry's number,
//! - the end of a tenant at its own hands, after which there is nothing more to compare,
//! - tokens of global keys, which name no tenant and are valid for each that names the key which signed them: A presents
//!   such tokens of B as have a `tid`,
//! - tokens of B's entities at `/oauth2/introspect`: FusionAuth tells a client which shows a good token of somebody else that
//!   it is not meant.

mod picks;
mod play;
mod requests;
mod seen;
mod visible;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Instant;

use claviger_authz::EndpointScope;
use claviger_http::{GATEWAY_ROUTES, ROUTES};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::support::{Server, Settings};
use play::{Case, Mode, Party};
use requests::REQUESTS;

on_each_database! {
    own: answers_do_not_depend_on_other_tenants, the_comparison_notices_what_a_global_key_sees;
}

/// Sequences for each database, unless `CLAVIGER_ISOLATION_CASES` names another number: they are the same in every run.
const CASES: u32 = 12;

/// Requests in a sequence, at most; and those of each party that come before it, to make something.
const LENGTH: usize = 120;
const BEFORE: usize = 12;

/// One request; numbers pick among what there is.
#[derive(Debug, Clone)]
struct Step {
    party: Party,
    request: usize,
    caller: usize,
    picks: [usize; 10],
}

fn step(
    party: impl Strategy<Value = Party>,
    request: impl Strategy<Value = usize>,
) -> impl Strategy<Value = Step> {
    (party, request, 0_usize..60, prop::array::uniform10(0_usize..840))
        .prop_map(|(party, request, caller, picks)| Step { party, request, caller, picks })
}

fn sequence() -> impl Strategy<Value = Vec<Step>> {
    let makes = prop::sample::select(requests::that_make());
    let either = prop_oneof![1 => Just(Party::A), 2 => Just(Party::B)];
    let before = prop::collection::vec(step(either, makes), BEFORE..=2 * BEFORE);
    let party = prop_oneof![3 => Just(Party::A), 1 => Just(Party::B)];
    let request = prop::sample::select(requests::weighted());
    let after = prop::collection::vec(step(party, request), LENGTH / 2..=LENGTH);
    (before, after).prop_map(|(before, after)| [before, after].concat())
}

/// Where a case stops: the request, and the two answers.
fn difference(case: &mut Case<'_>, steps: &[Step]) -> Option<String> {
    steps.iter().find_map(|step| {
        let (request, [alone, together]) = case.play(step);
        (alone != together).then(|| {
            format!("{request}\n\n-- while B is empty:\n{alone}\n\n-- while B holds something:\n{together}\n")
        })
    })
}

/// Two servers that differ in nothing but their data.
fn servers(server: &Server) -> [Server; 2] {
    [(); 2].map(|()| server.sibling(Settings { trusted_proxies: "127.0.0.1", ..Settings::default() }))
}

/// Runs cases until one shows a difference.
fn run(
    cases: u32,
    shrinking: u32,
    mode: Mode,
    servers: &[Server; 2],
    succeeded: &RefCell<BTreeSet<usize>>,
) -> Result<(), TestError<Vec<Step>>> {
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: shrinking, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (answers, done_by_b, start) = (Cell::new(0), Cell::new(0), Instant::now());
    let result = runner.run(&sequence(), |steps| {
        let mut case = Case::new(servers, mode);
        let found = difference(&mut case, &steps);
        answers.set(answers.get() + case.compared());
        done_by_b.set(done_by_b.get() + case.done_by_b());
        succeeded.borrow_mut().extend(case.succeeded());
        match found {
            Some(difference) => Err(TestCaseError::fail(difference)),
            None => Ok(()),
        }
    });
    let (compared, done_by_b) = (answers.get(), done_by_b.get());
    println!("{compared} answers compared, {done_by_b} requests of B done, in {:?}", start.elapsed());
    if result.is_ok() && mode == Mode::Confined {
        assert!(done_by_b > compared / 20, "B did next to nothing");
    }
    result
}

fn cases() -> u32 {
    let chosen = std::env::var("CLAVIGER_ISOLATION_CASES").ok();
    chosen.map_or(CASES, |number| number.parse().unwrap())
}

fn answers_do_not_depend_on_other_tenants(server: &Server) {
    let succeeded = RefCell::default();
    match run(cases(), 100, Mode::Confined, &servers(server), &succeeded) {
        Ok(()) => {}
        Err(TestError::Fail(reason, steps)) => {
            let steps: Vec<_> = steps.iter().map(|step| format!("{step:?}")).collect();
            panic!("{reason}\nshrunk to\n{}", steps.join("\n"));
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    // What is always refused says nothing about isolation. Which few are not met depends on every detail of the choices.
    let succeeded = succeeded.into_inner();
    let never: Vec<_> = (0..REQUESTS.len())
        .filter(|index| REQUESTS[*index].can_succeed && !succeeded.contains(index))
        .map(|index| format!("{} {}", REQUESTS[index].method, REQUESTS[index].template))
        .collect();
    assert!(cases() < CASES || never.len() <= 3, "never succeeded: {never:#?}");
}

/// The test can fail: a caller who is not confined to A does see what B holds, and sees no difference as long as B holds
/// nothing.
fn the_comparison_notices_what_a_global_key_sees(server: &Server) {
    let servers = servers(server);
    let nothing_there = run(3, 0, Mode::GlobalWithoutB, &servers, &RefCell::default());
    assert!(nothing_there.is_ok(), "{nothing_there:?}");
    let result = run(CASES, 0, Mode::Global, &servers, &RefCell::default());
    let Err(TestError::Fail(reason, _)) = result else {
        panic!("no difference was noticed");
    };
    println!("{reason}");
}

/// Routes of tenants that are not played, and why.
const NOT_PLAYED: [(&str, &str); 0] = [];

#[test]
fn every_route_of_tenants_is_played() {
    let of_tenants = ROUTES.iter().filter(|route| route.scope() == Some(EndpointScope::Tenant));
    let wanted: BTreeSet<_> = of_tenants
        .chain(GATEWAY_ROUTES)
        .map(|route| {
            (route.template, route.method.to_string(), route.dialect.map(|dialect| format!("{dialect:?}")))
        })
        .collect();
    let played: BTreeSet<_> = REQUESTS
        .iter()
        .map(|request| {
            let dialect = request.dialect.map(|dialect| format!("{dialect:?}"));
            (request.template, request.method.to_owned(), dialect)
        })
        .collect();
    let left_out: Vec<_> = wanted
        .difference(&played)
        .filter(|(template, method, _)| !NOT_PLAYED.contains(&(method.as_str(), template)))
        .collect();
    assert!(left_out.is_empty(), "{left_out:#?}");
}
