//! Other programs, run with a time limit.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use super::patience::{Ended, Patience};

/// How long a program may take: systemd gives a service 90 seconds to start.
const PATIENCE: Duration = Duration::from_secs(100);
/// How much of its complaint is shown, in octets.
const LONGEST_COMPLAINT: u64 = 2048;

/// Runs it; the error is what it said, in one line.
pub(super) fn run(words: &[String], patience: &mut Patience<'_>) -> Result<(), String> {
    let shown = format!("`{}`", words.join(" "));
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{shown} cannot be started: {error}"))?;
    let (told, ended) = channel();
    if let Some(complaint) = child.stderr.take() {
        // Its end closes the pipe, which needs no polling. A service that it leaves behind may keep the pipe open.
        thread::spawn(move || {
            let mut said = Vec::new();
            let mut complaint = complaint;
            let _ = complaint.by_ref().take(LONGEST_COMPLAINT).read_to_end(&mut said);
            let _ = std::io::copy(&mut complaint, &mut std::io::sink());
            let _ = told.send(said);
        });
    }
    let said = patience.receive(&shown, &ended, Some(PATIENCE));
    let status = match (&said, child.try_wait()) {
        (Ok(_), _) => child.wait(),
        (Err(_), Ok(Some(status))) => Ok(status),
        (Err(ended), _) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(match ended {
                Ended::Interrupted => format!("{shown} was interrupted"),
                Ended::Late | Ended::Gone => format!("{shown} did not end within {} s", PATIENCE.as_secs()),
            });
        }
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let said = String::from_utf8_lossy(&said.unwrap_or_default()).trim().replace('\n', "; ");
            Err(format!("{shown} failed ({status}): {}", crate::config::printable(&said)))
        }
        Err(error) => Err(format!("{shown}: {error}")),
    }
}
