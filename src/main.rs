//! The command line; inside Lambda, the account function.

use std::process::ExitCode;

fn main() -> ExitCode {
    if dpc::functions::is_lambda() { dpc::functions::run() } else { dpc::cli::main() }
}
