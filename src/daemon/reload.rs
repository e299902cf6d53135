//! Reading everything anew while the daemon runs.

use std::sync::Arc;

use super::build::{BuildError, Environment};
use super::difference::{difference, restart_keys};
use super::reading::{Read, Reading, Wanted};
use super::run::Daemon;
use crate::dns::Name;
use crate::resolve::{Ingredients, Snapshot};

/// What became of a reload.
#[derive(Debug)]
pub(super) struct Reloaded {
    /// What changed; none if nothing did.
    pub(super) changes: Option<String>,
    pub(super) warnings: Vec<String>,
    /// Keys that take a restart.
    pub(super) restart: Vec<&'static str>,
}

impl Daemon {
    /// Begins to read everything anew, outside this loop, and notifies the service manager. [`take`](Self::take) applies the
    /// outcome.
    pub(super) fn reload(&mut self, wanted: Wanted) {
        if self.reloads.is_under_way() {
            // However long the reading takes, the host's own addresses stay blocked.
            self.follow_environment();
            match &mut self.reloads.next {
                Some(next) => next.join(wanted),
                next => *next = Some(wanted),
            }
            return;
        }
        self.notifier.reloading();
        let reading = self.reading();
        self.reloads.begin(wanted, reading);
    }

    fn reading(&mut self) -> Reading {
        Reading {
            source: self.source.clone(),
            environment: self.environment.clone(),
            memory: std::mem::take(&mut self.memory),
            watcher: Arc::clone(&self.watcher),
            watched: self.watched.clone(),
        }
    }

    /// Applies what was read, replies to those who wait, and begins the next requested reload.
    pub(super) fn take(&mut self, wanted: Wanted, read: Option<Read>) {
        match read {
            Some(read) => {
                let outcome = self.take_read(&wanted.cause(), wanted.say_unchanged, read);
                let replies = wanted.replies.into_iter().filter(|reply| !reply.is_closed());
                replies.for_each(|reply| drop(reply.send(self.reply_to_reload(&outcome))));
            }
            // The thread panicked; the log has the reason. The next reading reads and watches all files anew.
            None => tracing::error!(cause = wanted.cause(), "not reloaded: the reading failed"),
        }
        // The daemon answers queries in either case; the log has the outcome of the reload.
        self.notifier.ready();
        self.tell_status();
        if let Some(next) = self.reloads.next.take() {
            self.reload(next);
        }
    }

    /// Reads everything anew within this loop.
    pub(super) fn read_anew(&mut self, cause: &str, say_unchanged: bool) {
        let read = self.reading().read();
        // Its outcome is in the log.
        let _ = self.take_read(cause, say_unchanged, read);
    }

    /// Applies what was read, all of it or nothing: an error changes nothing. Logs the outcome.
    fn take_read(&mut self, cause: &str, say_unchanged: bool, read: Read) -> Result<Reloaded, BuildError> {
        let Read { built, memory, watched } = read;
        (self.memory, self.watched) = (memory, watched);
        let mut built = match built {
            Ok(built) => built,
            Err(error) => {
                let error = self.confinement.explain(error);
                let lines = error.lines();
                log_reload_error(cause, &lines, self.service.resolver.snapshot().generation);
                self.service.telemetry.reload_refused(lines);
                self.follow_environment();
                return Err(error);
            }
        };
        self.service.telemetry.reloaded();
        self.source.hold_default();
        built.warnings.extend(self.confinement.warnings(built.watch.iter().map(|watched| &watched.path)));
        if built.hosts_unread {
            // Names of a hosts file must not go to the upstream because the file cannot be read just now.
            built.ingredients.hosts.clone_from(&self.ingredients.hosts);
        }
        for warning in &built.warnings {
            tracing::warn!("{warning}");
        }
        let restart = restart_keys(&self.config, &built.config);
        self.restart.clone_from(&restart);
        if !restart.is_empty() {
            tracing::warn!(keys = restart.join(", "), "these keys take effect with a restart only");
        }
        let level_changed = built.config.log.level != self.file_level;
        if level_changed {
            self.file_level = built.config.log.level;
            self.level.set_level(self.file_level);
        }
        self.service.telemetry.log_queries(built.config.log.queries);
        self.files = built.files;
        if let Some(system) = built.system {
            self.environment.system = Some(system);
        }
        let changes = difference(&self.ingredients, &built.ingredients);
        if changes.is_none() && !say_unchanged && !level_changed {
            return Ok(Reloaded { changes, warnings: built.warnings, restart });
        }
        // Even where nothing changed that is counted, the origins in explanations may have moved: build anew.
        let generation = self.service.resolver.snapshot().generation + 1;
        let before = std::mem::replace(&mut self.ingredients, built.ingredients);
        self.replace(generation);
        self.forget_home(&before);
        self.look_for_loops_nearby();
        // Taking long lists apart takes its time: first answer by the new ones.
        drop(before);
        match &changes {
            Some(changes) => tracing::info!(name: "reloaded", generation, cause, "reloaded: {changes}"),
            None if level_changed => {
                tracing::info!(name: "reloaded", generation, cause, "reloaded: only the log level changed");
            }
            None => tracing::info!(name: "reloaded", generation, cause, "reloaded: nothing changed"),
        }
        Ok(Reloaded { changes, warnings: built.warnings, restart })
    }

    /// Takes the names of search domains that are gone out of the cache: another network may have the same domain and a server at
    /// the same address, and other names. Where this machine's addresses are others, this may be another network that looks the
    /// same.
    fn forget_home(&self, before: &Ingredients) {
        let may_be_another = before.own != self.ingredients.own;
        let gone =
            before.home.iter().filter(|route| may_be_another || !self.ingredients.home.contains(route));
        let gone: Vec<&Name> = gone.map(|route| &route.trust.domain).collect();
        let reverse = ["in-addr.arpa", "ip6.arpa"].iter().filter(|_| !gone.is_empty());
        let reverse: Vec<Name> = reverse.filter_map(|zone| Name::from_text(zone).ok()).collect();
        for domain in gone.into_iter().chain(&reverse) {
            self.service.resolver.flush(Some(domain.as_ref()));
        }
    }

    fn replace(&self, generation: u64) {
        self.service.resolver.replace(Snapshot::new(generation, &self.ingredients, &self.servers));
        self.service.telemetry.policy_replaced();
    }

    /// Adds the host's present addresses, name and prefixes to the settings in use: a file with errors must not leave the
    /// host's own addresses open.
    fn follow_environment(&mut self) {
        let Environment { own, host_name, nat64, .. } = &self.environment;
        let Ingredients { own: old_own, host_name: old_name, nat64: old_nat64, .. } = &self.ingredients;
        if (old_own, old_name, old_nat64) == (own, host_name, nat64) {
            return;
        }
        let before = self.ingredients.clone();
        self.ingredients.own.clone_from(own);
        self.ingredients.host_name.clone_from(host_name);
        self.ingredients.nat64.clone_from(nat64);
        let generation = self.service.resolver.snapshot().generation + 1;
        self.replace(generation);
        self.forget_home(&before);
        tracing::info!(generation, "the host's addresses and name are followed all the same");
    }
}

fn log_reload_error(cause: &str, lines: &[String], generation: u64) {
    for line in lines {
        tracing::error!(name: "reload-refused", cause, "{line}");
    }
    tracing::error!(name: "reload-refused", cause, generation, "not reloaded: the policy in use stays as it is");
}
