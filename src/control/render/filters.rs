//! The filters and tests that templates may use: minijinja's that make sense on strings, numbers and lists, and our own.

use minijinja::Environment;

/// Every filter. A filter of our own stands here and in [`add`].
pub(super) const FILTERS: &[&str] = &[
    "abs",
    "bool",
    "capitalize",
    "default",
    "d",
    "first",
    "float",
    "format",
    "indent",
    "int",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "max",
    "min",
    "replace",
    "reverse",
    "round",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];

/// Every test, the word after `is`.
pub(super) const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "even",
    "false",
    "float",
    "ge",
    "gt",
    "in",
    "integer",
    "le",
    "lower",
    "lt",
    "ne",
    "none",
    "number",
    "odd",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// Adds our own.
pub(super) fn add(_engine: &mut Environment<'static>) {}
