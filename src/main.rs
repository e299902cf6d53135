//! The `stubborn` program: arguments in, exit code out.

use std::process::ExitCode;

/// Cache entries live long between the short-lived pieces of queries under way; an allocator that keeps sizes apart needs a
/// third of the memory for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    stubborn::cli::main()
}
