//! The command line; inside Lambda, the account function.

use std::process::ExitCode;

fn main() -> ExitCode {
    dpc::cli::main()
}
