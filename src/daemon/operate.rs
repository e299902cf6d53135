//! What an operator asks of the running daemon, carried out in the daemon's own loop.

use super::build::BuildError;
use super::reading::Wanted;
use super::reload::Reloaded;
use super::run::Daemon;
use super::status::status;
use crate::config::{ConfigError, log_level};
use crate::control::{Call, Command, ErrorParts, Probed, ReloadError, Reply};
use crate::dns::Name;
use crate::resolve::may_be_watched;
use crate::telemetry::Probe;

impl Daemon {
    /// Carries out a command, and says what came of it.
    pub(super) fn carry_out(&mut self, call: Call) {
        let reply = match call.command {
            Command::Reload => return self.reload(Wanted::by("stubborn reload", call.reply)),
            Command::Status => Reply::Status(Box::new(status(self))),
            Command::CacheFlush { name } => self.flush(name.as_deref()),
            Command::Witness { name } => self.watch_for(&name),
            Command::LogLevel { level } => self.set_level(&level),
            Command::Probe { names } => self.announce_probes(&names),
            Command::Blocked { .. } => Reply::Refused { message: "not for the daemon to say".to_owned() },
        };
        // Whoever asked may be gone.
        let _ = call.reply.send(reply);
    }

    fn flush(&self, name: Option<&str>) -> Reply {
        let entries = match name.map(Name::from_text) {
            None => self.service.resolver.flush(None),
            Some(Ok(name)) => self.service.resolver.flush(Some(name.as_ref())),
            Some(Err(error)) => return Reply::Refused { message: format!("this is not a name: {error}") },
        };
        tracing::info!(entries, name = name.unwrap_or("every name"), "cache flushed");
        Reply::Flushed { entries: entries as u64 }
    }

    fn watch_for(&self, name: &str) -> Reply {
        match Name::from_text(name) {
            Ok(name) if may_be_watched(name.as_ref()) => {
                Reply::Witnessed { times: self.service.resolver.watch(name.as_ref()) }
            }
            Ok(_) => Reply::Refused {
                message: "the first label of a watched name is `stubborn-` and 16 hexadecimal digits"
                    .to_owned(),
            },
            Err(error) => Reply::Refused { message: format!("this is not a name: {error}") },
        }
    }

    /// Announces the names that `stubborn doctor` asks for, and looks for loops beside them.
    fn announce_probes(&self, names: &[String]) -> Reply {
        let refused = |message: String| Reply::Refused { message };
        let parsed: Result<Vec<Name>, _> = names.iter().map(|name| Name::from_text(name)).collect();
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => return refused(format!("not a name: {error}")),
        };
        let probes = match self.service.telemetry.announce_probes(&parsed) {
            Ok(probes) => probes,
            Err(error) => return refused(error.to_string()),
        };
        // Not when a command asks what became of them.
        if probes.iter().all(|probe| probe.seen == 0) {
            tracing::info!(names = names.len(), "blocks of announced probes are not reported for 30 s");
        }
        self.look_for_loops_nearby();
        let probed =
            |probe: Probe| Probed { name: probe.name.to_string(), seen: probe.seen, blocked: probe.blocked };
        Reply::Probed { probes: probes.into_iter().map(probed).collect() }
    }

    fn set_level(&mut self, text: &str) -> Reply {
        match log_level(text) {
            Ok(level) => {
                self.level.set_level(level);
                tracing::info!(
                    level = text,
                    "the log level is another until the next start, or until the file's changes"
                );
                Reply::LogLevel { level: level.label().to_owned() }
            }
            Err(wrong) => Reply::Refused { message: wrong.to_string() },
        }
    }

    /// The reply to a request for a reload.
    pub(super) fn reply_to_reload(&self, outcome: &Result<Reloaded, BuildError>) -> Reply {
        let generation = self.service.resolver.snapshot().generation;
        match outcome {
            Ok(Reloaded { changes, warnings, restart }) => Reply::Reloaded {
                generation,
                changes: changes.clone(),
                warnings: warnings.clone(),
                restart: restart.iter().map(|key| (*key).to_owned()).collect(),
                config_file: self.source.file().map(|path| path.display().to_string()),
            },
            Err(error) => Reply::NotReloaded { generation, errors: reload_errors(error) },
        }
    }
}

/// Why a configuration is refused.
fn reload_errors(error: &BuildError) -> Vec<ReloadError> {
    match error {
        BuildError::Config(errors) => errors.errors.iter().map(reload_error).collect(),
        other => {
            let (line, text) = (other.to_string(), format!("error: {other}"));
            vec![ReloadError {
                parts: ErrorParts { message: line.clone(), ..ErrorParts::default() },
                line,
                text,
            }]
        }
    }
}

fn reload_error(error: &ConfigError) -> ReloadError {
    ReloadError { line: error.one_line(), text: error.to_string(), parts: error.into() }
}

impl From<&ConfigError> for ErrorParts {
    fn from(error: &ConfigError) -> Self {
        let place = error.place.as_ref();
        Self {
            file: error.path.display().to_string(),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            key: error.key.clone(),
            message: error.message.clone(),
            help: error.help.clone(),
        }
    }
}
