//! AWS documents with types: a CloudFormation template, a state machine, an IAM policy.
//!
//! In come parts that others have decided on; out comes JSON with its keys in a fixed order. This floor refuses to know
//! what a pipeline is.

pub mod frame;
pub mod integration;
pub mod patch;
pub mod policy;
pub mod states;
pub mod template;

use serde_json::Value;

/// A JSON object in the order written, whose absent (`null`) values are left out: CloudFormation refuses nulls.
pub fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    entries.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// How many bytes a value has as JSON without white space. Nothing is kept of it.
pub fn size(value: &impl serde::Serialize) -> usize {
    let mut count = Count::default();
    serde_json::to_writer(&mut count, value).expect("a document is printable");
    count.0
}

/// A writer that only counts.
#[derive(Default)]
struct Count(usize);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
