//! Text with positions: the files of a project, the YAML nodes in them, and the findings that point back at them.
//!
//! In come file names and their bytes; out come a tree of nodes in which every key and value knows its byte span, typed
//! values read from that tree, and findings rendered for people, editors and CI. This floor refuses to know what a
//! pipeline is, and where the bytes came from.

pub mod codes;
pub mod de;
pub mod files;
pub mod finding;
pub mod node;
pub mod problem;
pub mod render;
pub mod schema;
pub mod span;
pub mod spanned;
pub mod suggest;
pub mod text;
pub mod texts;
pub mod tree;
pub mod yaml;

pub use codes::Code;
pub use files::{FileId, Files};
pub use finding::{Finding, Findings, Fix, Label, Severity};
pub use node::{Entry, Key, Kind, Node, Scalar, Value};
pub use problem::Problem;
pub use span::Span;
pub use spanned::{OneOrMany, Spanned, SpannedMap};
pub use texts::Texts;
pub use tree::Tree;
