//! Bad input of every kind: refused in the documented way, and never by hanging, crashing or guessing.

mod body;
mod connection;
mod path;
mod smuggling;
