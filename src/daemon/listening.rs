//! Where the daemon listens: what the settings name, or the sockets that were passed; and which default addresses this
//! machine does not have.

use std::net::{IpAddr, SocketAddr};

use super::build::Built;
use super::run::RunError;
use crate::config::Config;
use crate::listen::{Absent, BindError, Bound, ListenSettings, Passed, bind, not_ours};
use crate::policy::Origin;

/// The most workers `workers = "auto"` takes: a resolver of one household is never short of more.
const AUTO_WORKERS: usize = 4;

/// Binds where the settings say; where they say nothing, to the sockets that were passed.
///
/// # Errors
/// A passed socket is of no use, or an address cannot be had.
pub(super) fn listen(built: &Built, passed: Passed) -> Result<Bound, RunError> {
    let (config, workers) = (&built.config, worker_count(&built.config));
    let addresses = passed.addresses();
    if !addresses.is_empty() && built.listen_by.is_none() {
        return bind(&addresses, Absent::Refuse, workers, passed).map_err(|error| cannot_bind(None, error));
    }
    passed.check(&config.server.listen).map_err(super::ActivationError::from)?;
    let absent = if is_default(built) { Absent::LeaveOut } else { Absent::Refuse };
    let bound = bind(&config.server.listen, absent, workers, passed);
    bound.map_err(|error| cannot_bind(built.listen_by.as_ref(), error))
}

/// The shipped file has the default written down, and nobody chose it.
fn is_default(built: &Built) -> bool {
    let chosen = built.listen_by == Some(Origin::CommandLine);
    !chosen && built.config.server.listen == ListenSettings::default().listen
}

fn cannot_bind(by: Option<&Origin>, error: BindError) -> RunError {
    let place = match by {
        None => String::new(),
        Some(Origin::CommandLine) => "--listen: ".to_owned(),
        Some(origin) => format!("{origin}: server.listen: "),
    };
    RunError::Bind { place, error }
}

fn worker_count(config: &Config) -> usize {
    config.server.workers.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(AUTO_WORKERS)
    })
}

/// A default address that this machine did not have at the start.
#[derive(Debug)]
pub(super) struct AbsentAddress {
    address: SocketAddr,
    /// The machine has it by now.
    came: bool,
}

/// Logs and keeps the addresses that were left out.
pub(super) fn tell_absent(absent: Vec<SocketAddr>, bound: &[SocketAddr]) -> Vec<AbsentAddress> {
    let left: Vec<String> = bound.iter().map(|address| format!("\"{address}\"")).collect();
    for address in &absent {
        tracing::warn!(
            "{}, so nothing listens there; `listen = [{}]` in [server] ends this warning",
            not_ours(*address),
            left.join(", "),
        );
    }
    absent.into_iter().map(|address| AbsentAddress { address, came: false }).collect()
}

/// Follows which of them the machine has; says so once when one comes.
pub(super) fn follow_absent(absent: &mut [AbsentAddress], own: &[IpAddr]) {
    for absent in absent {
        let came = own.contains(&absent.address.ip());
        if came && !absent.came {
            tracing::warn!("{}", absent.text(came));
        }
        absent.came = came;
    }
}

impl AbsentAddress {
    /// Why nothing listens there.
    pub(super) fn reason(&self) -> String {
        self.text(self.came)
    }

    fn text(&self, came: bool) -> String {
        match came {
            true => format!("{} came after the start: restart stubborn to listen there", self.address),
            false => not_ours(self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_comes_after_the_start_is_told_with_what_to_do() {
        let address: SocketAddr = "[::1]:53".parse().unwrap();
        let mut absent = tell_absent(vec![address], &[]);
        assert_eq!(absent[0].reason(), "[::1]:53 is not an address of this machine: IPv6 is off");
        follow_absent(&mut absent, &[address.ip()]);
        assert_eq!(absent[0].reason(), "[::1]:53 came after the start: restart stubborn to listen there");
        follow_absent(&mut absent, &[]);
        assert!(absent[0].reason().ends_with("IPv6 is off"));
    }
}
