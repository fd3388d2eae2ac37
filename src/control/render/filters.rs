//! The filters and tests that templates may use: minijinja's that make sense on strings, numbers and lists, and those on
//! dates.

use std::sync::LazyLock;

use super::dates;
use crate::control::moment::Moment;

/// The engine's own filters.
const FILTERS: &[&str] = &[
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

/// The engine's own tests.
const TESTS: &[&str] = &[
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

/// Every filter.
pub(super) fn filters() -> &'static [String] {
    static ALL: LazyLock<Vec<String>> = LazyLock::new(|| sorted(FILTERS, dates::filters()));
    &ALL
}

/// Every test, the word after `is`.
pub(super) fn tests() -> &'static [String] {
    static ALL: LazyLock<Vec<String>> =
        LazyLock::new(|| sorted(TESTS, Moment::QUESTIONS.iter().map(|question| (*question).to_owned()).collect()));
    &ALL
}

fn sorted(engine: &[&str], own: Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = engine.iter().map(|name| (*name).to_owned()).chain(own).collect();
    all.sort();
    all
}
