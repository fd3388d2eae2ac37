#![doc = include_str!("../docs/architecture.md")]

pub mod alerts;
pub mod cli;
pub mod cloud;
pub mod compile;
pub mod compute;
pub mod control;
pub mod diff;
pub mod documents;
pub mod drawing;
pub mod functions;
pub mod language;
pub mod offline;
pub mod source;
pub mod steps;
pub mod triggers;
