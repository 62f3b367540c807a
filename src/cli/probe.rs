//! `cloudfarm probe`: what the probe's pods run.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Failure, asked_to_stop, connect, exit};
use crate::operator::clock::Clock;
use crate::probe::call::Caller;
use crate::probe::listen::listen;

#[derive(Debug, Args)]
pub struct Probe {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer on these ports
    Listen(Listen),
    /// Try every flow, round after round, and report to ConfigMap cloudfarm-evidence/cloudfarm-probe
    Call(Call),
}

#[derive(Debug, Args)]
struct Listen {
    /// TCP ports, separated by commas
    #[arg(long, value_delimiter = ',')]
    tcp: Vec<u16>,
    /// UDP ports, separated by commas
    #[arg(long, value_delimiter = ',')]
    udp: Vec<u16>,
}

#[derive(Debug, Args)]
struct Call {
    /// Seconds between two rounds
    #[arg(long, env = "CLOUDFARM_PROBE_INTERVAL", default_value_t = 60, value_parser = clap::value_parser!(u16).range(5..=600))]
    interval: u16,
    /// Name of the node this runs on, for the report
    #[arg(long, env = "CLOUDFARM_NODE", default_value = "unknown")]
    node: String,
}

impl Probe {
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Listen(Listen { tcp, udp }) => tokio::select! {
                ended = listen(&tcp, &udp) => ended.map_err(|error| Failure::new(exit::INPUT, format!("ports: {error}"))),
                () = asked_to_stop() => Ok(()),
            },
            Command::Call(Call { interval, node }) => {
                let caller =
                    Caller::new(connect().await?, Clock::default(), node, Duration::from_secs(interval.into()));
                tokio::select! {
                    () = caller.run() => Ok(()),
                    () = asked_to_stop() => Ok(()),
                }
            }
        }
    }
}
