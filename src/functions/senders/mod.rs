//! How people hear of a run: one file a channel.

pub mod topic;
