//! AWS: the only floor with SDK clients.
//!
//! In come an environment's profile and region, and requests in dpc's own words; out come answers in dpc's own words, or
//! findings that say what to do. This floor refuses to know YAML, the command line and Lambda events.
#![allow(clippy::disallowed_methods)] // AWS is the outside world: clocks and the environment belong here.

pub mod account;
pub mod artifacts;
pub mod binary;
pub mod bus;
pub mod central;
pub mod clients;
pub mod data;
pub mod failure;
pub mod iam;
pub mod jobs;
pub mod keys;
pub mod logs;
pub mod network;
mod query;
pub mod runs;
pub mod session;
pub mod signed;
pub mod stack;
pub mod timeline;

pub use clients::{Clients, Target};
pub use failure::{Caller, CloudResult, Explained};
pub use session::{Place, Session};
