//! The trigger engine, and what it stands on, by themselves.
#![allow(missing_docs, dead_code)]

pub mod control;

pub mod source;
