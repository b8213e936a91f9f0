//! Compiles the crate again when a migration is added or changed: the macro that embeds them does not say so itself.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
