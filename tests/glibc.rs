//! The binary is its own Lambda function, and Lambda has an old C library.

#![allow(clippy::disallowed_methods)]

use dpc::cloud::binary::{LAMBDA_GLIBC, inspect};

#[test]
fn the_binary_needs_no_newer_glibc_than_lambda_has() {
    let bytes = std::fs::read(env!("CARGO_BIN_EXE_dpc")).expect("the binary was built");
    let needed = inspect(&bytes).expect("a Linux program").glibc.expect("linked against glibc");
    assert!(needed <= LAMBDA_GLIBC, "it needs glibc {needed}, and Lambda has {LAMBDA_GLIBC}");
    // A reader that finds nothing would pass, too: every program of Rust's standard library needs at least this.
    assert!(needed >= dpc::cloud::binary::Version(2, 17), "only {needed} was found");
}
