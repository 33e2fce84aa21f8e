//! Parse, run, exit code: 0 fine, 1 failed or not healthy, 64 bad usage or configuration.

use clap::Parser;
use std::process::ExitCode;

// Fewer and smaller arenas than the system's allocator with one thread a core: measured in bench/README.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match vigie::cli::Cli::try_parse() {
        Ok(cli) => vigie::cli::run(cli),
        Err(error) => {
            // Help and version are answers, not mistakes.
            let code = if error.use_stderr() { vigie::cli::USAGE } else { 0 };
            let _ = error.print();
            ExitCode::from(code)
        }
    }
}
