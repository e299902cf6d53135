//! What the commands print. All of it goes through this file, so that a failed write is known when the program ends, and so that
//! with `--json` every error comes out as one object.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::TROUBLE;
use super::check::{json_errors, lines};
use super::show::{visible_json, visible_lines};
use crate::config::ConfigErrors;
use crate::daemon::is_stdout_closed;

/// How long a command may be silent.
const SILENCE: Duration = Duration::from_secs(2);

/// Standard output is the process's, and so is what became of it.
static OUTPUT: Mutex<Output> = Mutex::new(Output { json: false, errors: Vec::new(), lost: None });

struct Output {
    /// The output is for a program.
    json: bool,
    /// Errors that standard output has to say as JSON.
    errors: Vec<String>,
    /// Why standard output takes no more.
    lost: Option<io::Error>,
}

fn output() -> MutexGuard<'static, Output> {
    OUTPUT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Output {
    /// Writes unless an earlier write failed: what follows a gap would only mislead.
    fn write(&mut self, text: &str) {
        if self.lost.is_some() {
            return;
        }
        let mut out = io::stdout().lock();
        // The standard library has put /dev/null in the place of a closed standard output.
        let written = match is_stdout_closed() {
            true => Err(io::Error::from_raw_os_error(libc::EBADF)),
            false => writeln!(out, "{text}").and_then(|()| out.flush()),
        };
        self.lost = written.err();
    }
}

/// To be called once, before the arguments are read: a usage error is JSON too.
pub(super) fn begin(json: bool) {
    output().json = json;
}

/// The output is for a program.
pub(super) fn is_json() -> bool {
    output().json
}

/// Ends the output. A write that failed is an error, unless the reader has simply gone away, as `head` does.
pub(super) fn finish(code: u8) -> u8 {
    let errors = std::mem::take(&mut output().errors);
    if !errors.is_empty() {
        say_json(&json!({ "error": errors.join("\n") }));
    }
    let lost = output().lost.take();
    let Some(lost) = lost.filter(|error| error.kind() != ErrorKind::BrokenPipe) else { return code };
    for error in errors {
        to_stderr(&format!("error: {error}"));
    }
    to_stderr(&match is_stdout_closed() {
        true => "error: standard output is closed".to_owned(),
        false => format!("error: standard output cannot be written: {lost}"),
    });
    TROUBLE
}

/// Nobody reads any more, or nothing more can be written.
pub(super) fn is_lost() -> bool {
    output().lost.is_some()
}

/// Writes lines to standard output. Nothing in the lines can control the terminal.
pub(super) fn say(text: &str) {
    say_as_is(&visible_lines(text));
}

/// Writes text in which everything from outside is already escaped: coloured text, and files.
pub(super) fn say_as_is(text: &str) {
    output().write(text);
}

/// Writes JSON on one line.
pub(super) fn say_json(value: &impl Serialize) {
    say_as_is(&visible_json(&serde_json::to_string(value).unwrap_or_default()));
}

/// Writes JSON on several lines.
pub(super) fn say_pretty_json(value: &impl Serialize) {
    say_as_is(&visible_json(&serde_json::to_string_pretty(value).unwrap_or_default()));
}

/// Writes to standard error what goes on.
pub(super) fn progress(text: &str) {
    to_stderr(text);
}

/// Writes an error or a warning to standard error. With `--json` an error becomes the object on standard output instead.
pub(super) fn complain(text: &str) {
    let is_marked = text.starts_with("error") || text.starts_with("warning");
    let is_warning = text.starts_with("warning");
    let mut output = output();
    if output.json && !is_warning {
        let text = visible_lines(text.trim_end());
        output.errors.push(text.strip_prefix("error: ").map_or(text.clone(), str::to_owned));
        return;
    }
    drop(output);
    to_stderr(&if is_marked { text.to_owned() } else { format!("error: {text}") });
}

/// The same with more for programs to read than the text.
pub(super) fn complain_with(text: &str, details: Map<String, Value>) {
    if !is_json() {
        return complain(text);
    }
    let mut report = Map::from_iter([("error".to_owned(), visible_lines(text).into())]);
    report.extend(details);
    say_json(&report);
}

/// Says that a configuration cannot be used; with more for programs to read.
pub(super) fn complain_of(errors: &ConfigErrors, mut details: Map<String, Value>) {
    if !is_json() {
        return complain(&errors.to_string());
    }
    details.insert("errors".to_owned(), json_errors(&errors.errors).into());
    complain_with(&summary(&lines(&errors.errors)), details);
}

/// All errors of a configuration in one line.
pub(super) fn summary(errors: &[impl AsRef<str>]) -> String {
    match errors {
        [] => "the configuration is not valid".to_owned(),
        [only] => only.as_ref().to_owned(),
        [first, rest @ ..] => format!("{} (and {} more)", first.as_ref(), rest.len()),
    }
}

/// Says what a command waits for, if that takes longer than a person is patient. Ends when dropped.
#[must_use]
pub(super) struct Waiting {
    _ended: Sender<()>,
}

/// `what` follows "waiting for".
pub(super) fn waiting_for(what: &str) -> Waiting {
    let (sender, ended) = channel::<()>();
    // A program that reads JSON has no use for it, unless somebody watches.
    if !output().json || io::stderr().is_terminal() {
        let text = format!("waiting for {what} …");
        let wait = move || {
            if ended.recv_timeout(SILENCE) == Err(RecvTimeoutError::Timeout) {
                to_stderr(&text);
            }
        };
        // Without a thread the command is only silent.
        let _ = std::thread::Builder::new().spawn(wait);
    }
    Waiting { _ended: sender }
}

fn to_stderr(text: &str) {
    // There is nowhere to say that this failed.
    let _ = writeln!(io::stderr().lock(), "{}", visible_lines(text));
}
