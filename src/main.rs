//! The `stubborn` program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    stubborn::cli::main()
}
