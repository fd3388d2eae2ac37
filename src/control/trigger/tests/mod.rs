//! The engine, driven without an account: readable histories, random ones, and a model to compare with.

// Reason: labels of tests are ASCII.
#![allow(clippy::string_slice)]

mod cost;
mod histories;
mod model;
mod notation;
mod random;
mod world;
