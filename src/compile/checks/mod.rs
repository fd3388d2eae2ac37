//! What is checked about a pipeline that no earlier stage can know: the values of every kind, and what came out.
//!
//! In come the manifest and the compiled documents; out come findings. That the compiler itself has made no mistake is
//! no finding but an invariant, see `machine`.

pub(crate) mod definition;
pub mod durations;
pub mod machine;
pub mod sizes;
pub mod values;

pub use sizes::Size;
