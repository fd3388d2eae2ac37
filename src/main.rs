//! The command line, or `bootstrap` inside Lambda.

fn main() {}
