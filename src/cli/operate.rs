//! `stubborn cache flush`, `log-level` and `reload`: what a running daemon is told to do.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::{DaemonArguments, Flush, LogLevel, Reload};
use super::check::json_error;
use super::output::{summary, waiting_for};
use super::show::{count, visible, visible_lines};
use super::{FINE, NO, TROUBLE, complain, say, say_json};
use crate::config;
use crate::control::{self, ClientError, Command, Conversation, DEFAULT_SOCKET, Reply};

/// Who is waited for.
pub(super) const DAEMON: &str = "the daemon to answer";

/// Asks the daemon that is meant.
pub(super) fn ask(daemon: &DaemonArguments, command: &Command) -> Result<Conversation, ClientError> {
    ask_at(daemon.socket.as_deref(), command)
}

/// The same, where the socket is given by itself.
pub(super) fn ask_at(path: Option<&Path>, command: &Command) -> Result<Conversation, ClientError> {
    match path {
        Some(path) => control::ask_at(path, command),
        None => control::ask(&socket(), command),
    }
}

/// The one reply of the daemon that is meant.
pub(super) fn reply(daemon: &DaemonArguments, command: &Command) -> Result<Reply, ClientError> {
    let _waiting = waiting_for(DAEMON);
    ask(daemon, command)?.reply()
}

/// The control socket of the configuration at the default path. A configuration with errors is ignored.
pub(super) fn socket() -> PathBuf {
    let configured = config::load(None).ok().and_then(|loaded| loaded.config.control.socket);
    configured.unwrap_or_else(|| Path::new(DEFAULT_SOCKET).to_owned())
}

/// Says why there is no reply; the exit code for it.
pub(super) fn no_reply(error: &ClientError) -> u8 {
    complain(&visible(&error.to_string()));
    TROUBLE
}

/// Says that the reply is not the one that was asked for; the exit code for it.
pub(super) fn other_reply(reply: &Reply) -> u8 {
    match reply {
        Reply::Refused { message } => complain(&visible(message)),
        _ => complain("the daemon gave another reply than was asked for"),
    }
    TROUBLE
}

/// Forgets answers.
pub(super) fn flush(arguments: &Flush) -> u8 {
    let name = arguments.name.as_ref().map(ToString::to_string);
    match reply(&arguments.daemon, &Command::CacheFlush { name: name.clone() }) {
        Ok(Reply::Flushed { entries }) if arguments.json => say_json(&json!({ "entries": entries })),
        Ok(Reply::Flushed { entries }) => match name {
            Some(name) => say(&format!("{} of {name} and below forgotten", count(entries, "answer"))),
            None => say(&format!("{} forgotten", count(entries, "answer"))),
        },
        Ok(other) => return other_reply(&other),
        Err(error) => return no_reply(&error),
    }
    FINE
}

/// Changes the log level.
pub(super) fn log_level(arguments: &LogLevel) -> u8 {
    let level = arguments.level.label().to_owned();
    match reply(&arguments.daemon, &Command::LogLevel { level }) {
        Ok(Reply::LogLevel { level }) if arguments.json => say_json(&json!({ "level": level })),
        Ok(Reply::LogLevel { level }) => say(&format!("the log level is {} now", visible(&level))),
        Ok(other) => return other_reply(&other),
        Err(error) => return no_reply(&error),
    }
    FINE
}

/// Has the configuration read, and says what came of it.
pub(super) fn reload(arguments: &Reload) -> u8 {
    // A reload may take long, but a daemon that hangs is found out soon.
    let asked = reply(&arguments.daemon, &Command::Status);
    let reply = match asked.and_then(|_| reply(&arguments.daemon, &Command::Reload)) {
        Ok(reply) => reply,
        Err(error) => return no_reply(&error),
    };
    let code = match &reply {
        Reply::Reloaded { .. } => FINE,
        Reply::NotReloaded { .. } => NO,
        other => return other_reply(other),
    };
    if arguments.json {
        say_json(&report(&reply));
    } else {
        tell(&reply);
    }
    code
}

/// The reply for programs, its errors as every command has them.
fn report(reply: &Reply) -> Value {
    let Reply::NotReloaded { generation, errors } = reply else {
        let mut report = serde_json::to_value(reply).unwrap_or_default();
        if let Some(report) = report.as_object_mut() {
            report.remove("reply");
            report.insert("ok".to_owned(), true.into());
        }
        return report;
    };
    let lines: Vec<&str> = errors.iter().map(|error| error.line.as_str()).collect();
    let errors: Vec<Value> = errors.iter().map(|error| json_error(&error.parts, &error.text)).collect();
    json!({ "ok": false, "error": summary(&lines), "generation": generation, "errors": errors })
}

fn tell(reply: &Reply) {
    match reply {
        Reply::Reloaded { generation, changes, warnings, restart, config_file } => {
            for warning in warnings {
                complain(&format!("warning: {}", visible(warning)));
            }
            if !restart.is_empty() {
                let keys = visible(&restart.join(", "));
                complain(&format!("warning: these keys take effect with a restart only: {keys}"));
            }
            let changes = changes.as_deref().unwrap_or("nothing changed");
            let file =
                config_file.as_ref().map(|file| format!(", from {}", visible(file))).unwrap_or_default();
            say(&format!("reloaded: {} (generation {generation}{file})", visible(changes)));
        }
        Reply::NotReloaded { generation, errors } => {
            for error in errors {
                complain(&format!("{}\n", visible_lines(&error.text)));
            }
            let errors = count(errors.len() as u64, "error");
            complain(&format!(
                "error: not reloaded: the configuration has {errors}, and generation {generation} stays in use"
            ));
        }
        Reply::Status(_)
        | Reply::Block(_)
        | Reply::End
        | Reply::Flushed { .. }
        | Reply::Witnessed { .. }
        | Reply::LogLevel { .. }
        | Reply::Probed { .. }
        | Reply::Refused { .. } => {}
    }
}
