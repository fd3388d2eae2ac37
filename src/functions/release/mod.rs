//! What must not outlive a run: one file a kind.

pub mod emr;
