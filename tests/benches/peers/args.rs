//! The arguments.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// Measures stubborn and other servers with the same load on this machine
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench peers --")]
pub(crate) struct Arguments {
    /// One short round, to see that it works
    #[arg(long)]
    pub(crate) brief: bool,
    /// How often everything is measured; the median counts [default: 5, or 1 with --brief]
    #[arg(long)]
    rounds: Option<u32>,
    /// How long each load lasts [default: 3, or 1 with --brief]
    #[arg(long)]
    seconds: Option<u32>,
    /// These measurements only, with commas between them
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// These servers beside stubborn and the echo only, with commas between them
    #[arg(long, value_delimiter = ',')]
    pub(crate) peers: Option<Vec<String>>,
    /// Measure this program, not the one just built
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_stubborn"))]
    pub(crate) stubborn: PathBuf,
    /// Write all numbers of all rounds to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Print tables as the README has them
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Be the server that sends everything back
    #[arg(long, value_name = "ADDRESS", hide = true)]
    pub(crate) echo: Option<SocketAddr>,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    /// Whether that measurement is to be taken.
    pub(crate) fn wants(&self, measure: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == measure)
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.brief { 1 } else { 5 })
    }

    pub(crate) fn seconds(&self) -> u32 {
        self.seconds.unwrap_or(if self.brief { 1 } else { 3 })
    }
}
