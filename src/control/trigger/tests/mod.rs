//! The engine, driven without an account: readable histories, random ones, and a model to compare with.

mod histories;
mod model;
mod notation;
mod random;
mod world;
