//! Findings as text for people and as documents for machines. Everything here is pure: it returns strings.

mod text;

pub use text::{TextStyle, text};
