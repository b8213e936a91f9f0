//! The keyring at scale: how long it takes to fill it from a database with a million keys and what a key takes of memory, what a look-up takes among
//! a thousand and among ten million keys, and whether somebody who tries unknown keys slows down the others.
//!
//! `cargo xtask bench keyring` runs it, on SQLite and, where there is one, on the PostgreSQL of `CLAVIGER_TEST_POSTGRES_URL`. The last line
//! says whether what is promised was reached.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/keys.rs"]
mod keys;
#[path = "keyring/load.rs"]
mod load;
#[path = "keyring/lookup.rs"]
mod lookup;
#[path = "support/master_key.rs"]
mod master_key;
#[path = "support/options.rs"]
mod options;
#[path = "support/server.rs"]
mod server;

use std::process::ExitCode;

use databases::on_each_database;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", url] => {
            server::run_server(url);
            return ExitCode::SUCCESS;
        }
        ["load", url, readers] => {
            load::run(url, readers);
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let mut reached = true;
    println!(
        "| database | API keys | one reader, ms | several, ms | promised | resident bytes per key | promised |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    on_each_database(|database, url| reached &= load::measure(database, url));
    println!();
    reached &= lookup::measure();
    println!("{}", if reached { "what is promised was reached" } else { "what is promised was missed" });
    ExitCode::SUCCESS
}
