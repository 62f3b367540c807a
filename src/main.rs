//! Parse, start telemetry, dispatch. Everything else is in the library.

use std::process::ExitCode;

use clap::Parser;
use cloudfarm::cli::{Cli, exit};

fn main() -> ExitCode {
    let cli = Cli::parse();
    cloudfarm::cli::telemetry(cli.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cloudfarm: cannot start: {error}");
            return ExitCode::from(exit::CLUSTER);
        }
    };
    match runtime.block_on(cli.dispatch()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cloudfarm: {failure}");
            ExitCode::from(failure.code)
        }
    }
}
