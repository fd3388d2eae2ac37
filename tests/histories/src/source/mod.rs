//! Of the floor `source`, what the engine needs.

#[path = "../../../../src/source/codes.rs"]
mod codes;
#[path = "../../../../src/source/files.rs"]
mod files;
#[path = "../../../../src/source/finding.rs"]
mod finding;
#[path = "../../../../src/source/problem.rs"]
mod problem;
#[path = "../../../../src/source/span.rs"]
mod span;
#[path = "../../../../src/source/suggest.rs"]
pub mod suggest;

pub use codes::Code;
pub use finding::{Finding, Findings};
pub use problem::Problem;
pub use span::Span;
