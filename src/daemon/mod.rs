//! The daemon's life: settings to policy, policy to workers, and what keeps both up to date with the machine.

mod activation;
mod addresses;
mod build;
mod clock;
mod confine;
mod difference;
mod found;
mod home;
mod host_name;
mod hosts_files;
mod inside;
mod listening;
mod loops;
mod nat64;
#[cfg(unix)]
mod netlink;
mod notify;
mod operate;
mod pid_file;
mod privileges;
mod reading;
mod reload;
mod run;
mod signals;
mod socket_place;
mod status;
mod system;
mod watch;
mod watchdog;
mod workers;

pub use activation::ActivationError;
pub use addresses::{AddressesError, OwnAddresses, own_addresses};
pub use build::{BuildError, Built, Environment, Source};
pub use found::{argument, shell_word};
pub use host_name::host_name;
pub use inside::Inside;
pub use pid_file::PidFileError;
pub use privileges::PrivilegesError;
pub use run::{Options, RunError, run};
pub use system::{is_stdout_closed, survive_full_files};
pub use watch::{Content, Digest, WatchError, WatchOptions, Watched, Watcher};
