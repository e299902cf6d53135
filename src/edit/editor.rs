//! What has to be changed, and where. The new text of a file is read by the reader of every start and reload before anybody
//! gets to see it: what that refuses is an error here, pointed at in the same words.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::change::Hunk;
use super::cover::{any_network_covers, covered_by, covers};
use super::document::{Document, Entry};
use super::not_public::{Network, changes_nothing};
use super::request::{Request, list};
use super::{EditError, FileChange, NotThere, Plan, hints};
use crate::config::{self, ConfigError, Files, Loaded};
use crate::dns::Name;
use crate::policy::{Exception, ExceptionMode, Shape};

/// Makes plans for one configuration.
pub struct Editor<'a> {
    main: &'a Path,
    files: &'a dyn Files,
    now: i64,
    network: Network,
}

/// What to do with an exception of the file.
enum Change {
    /// Make it say what is asked for, which is more in every respect.
    Widen,
    /// Add these networks; all else is the same.
    Join(Vec<ipnet::IpNet>),
    /// Say why it is there.
    Reason,
}

impl<'a> Editor<'a> {
    /// For the configuration whose main file is `main`, there or not, read from `files`; `now` in Unix seconds.
    pub fn new(main: &'a Path, files: &'a dyn Files, now: i64) -> Self {
        Self { main, files, now, network: Network::default() }
    }

    /// The same for a machine in this network.
    pub fn in_network(&self, network: Network) -> Self {
        Self { main: self.main, files: self.files, now: self.now, network }
    }

    /// Plans that a domain may answer with networks; nothing where it may already.
    ///
    /// An exception for the same domain is widened where the request holds all of it, and gets more networks where it
    /// differs in nothing else; otherwise the new one is written beside it.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn allow(&self, request: &Request) -> Result<Plan, EditError> {
        let loaded = self.load()?;
        if let Some(preset) = &request.preset {
            return self.allow_preset(&loaded, request, preset);
        }
        let (request, wanted) = request.normal(self.now).map_err(EditError::Arguments)?;
        if let (Some(until), Some(text)) = (wanted.until, &request.until)
            && until <= self.now
        {
            return Err(EditError::Over(text.clone()));
        }
        if let Some(refused) = changes_nothing(&loaded.config, &self.network, &wanted) {
            return Err(EditError::ChangesNothing(refused));
        }
        let covered = covered_by(&loaded.config, &self.network.home, &wanted, self.now);
        for path in &loaded.files {
            let Some(old) = self.text(path)? else { continue };
            let mut document = self.parsed(path, &old)?;
            for entry in document.entries(self.now) {
                let Some(change) = self.change_of(&entry, &wanted, covered.is_some()) else { continue };
                let what = apply(&mut document, &entry, &change, &request);
                let hunks = Hunk::between(&old, &document.text()).into_iter().collect();
                let file = FileChange { path: path.clone(), old: Some(old), new: document.text(), hunks };
                return self.checked(&loaded, vec![file], what);
            }
        }
        match covered {
            Some(by) => {
                let what = format!("nothing to do: {} may already, by {}", wanted.domain, by.join(" and "));
                Ok(Plan { what, ..Plan::default() })
            }
            None => {
                let names = if wanted.exact { "" } else { " and all names below" };
                let what = format!("{}{names} may answer with {}", wanted.domain, networks_of(&request));
                self.add(&loaded, &request, what)
            }
        }
    }

    /// Plans a route: names of `domain` are asked of `servers`, and of nobody else.
    ///
    /// # Errors
    /// See [`EditError`]; one for the same domain is there already, among others.
    pub fn route(&self, domain: &Name, servers: &[String]) -> Result<Plan, EditError> {
        let loaded = self.load()?;
        let old = self.text(self.main)?;
        let before = old.as_deref().unwrap_or_default();
        let apart = match before {
            "" => "",
            text if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        let new = format!("{before}{apart}{}", route_table(domain, servers));
        let hunks = Hunk::between(before, &new).into_iter().collect();
        let what = format!("names of {domain} are asked of {}", servers.join(", "));
        self.checked(&loaded, vec![FileChange { path: self.main.to_owned(), old, new, hunks }], what)
    }

    /// Allows a preset, which may have several domains and has its own conditions: it is written, or already there.
    fn allow_preset(&self, loaded: &Loaded, request: &Request, preset: &str) -> Result<Plan, EditError> {
        let wanted = request.read(self.now).map_err(EditError::Arguments)?;
        if let (Some(Some(until)), Some(text)) = (wanted.first().map(|wanted| wanted.until), &request.until)
            && until <= self.now
        {
            return Err(EditError::Over(text.clone()));
        }
        let by = wanted.iter().map(|wanted| covered_by(&loaded.config, &self.network.home, wanted, self.now));
        match by.collect::<Option<Vec<_>>>() {
            Some(by) if !by.is_empty() => {
                let mut by: Vec<String> = by.into_iter().flatten().collect();
                by.dedup();
                let what =
                    format!("nothing to do: {} may already, by {}", domains_of(&wanted), by.join(" and "));
                Ok(Plan { what, ..Plan::default() })
            }
            _ => {
                let domains = domains_of(&wanted);
                let what = format!("names of {domains} may answer as the preset \"{preset}\" says");
                self.add(loaded, request, what)
            }
        }
    }

    fn add(&self, loaded: &Loaded, request: &Request, what: String) -> Result<Plan, EditError> {
        let old = self.text(self.main)?;
        let mut document = self.parsed(self.main, old.as_deref().unwrap_or_default())?;
        document.add(request);
        let new = document.text();
        let hunks = Hunk::between(old.as_deref().unwrap_or_default(), &new).into_iter().collect();
        self.checked(loaded, vec![FileChange { path: self.main.to_owned(), old, new, hunks }], what)
    }

    /// What to change of an exception that is there, if that is what the request comes to.
    fn change_of(&self, entry: &Entry, wanted: &Exception, is_covered: bool) -> Option<Change> {
        let [there] = entry.exceptions.as_slice() else { return None };
        if there.domain != wanted.domain || there.preset.is_some() {
            return None;
        }
        let new_reason = wanted.reason.is_some() && wanted.reason != there.reason;
        if covers(wanted, there, self.now) {
            return match (covers(there, wanted, self.now), new_reason) {
                (true, true) => Some(Change::Reason),
                (true, false) => None,
                (false, _) => (!is_covered).then_some(Change::Widen),
            };
        }
        let is_alike = there.exact == wanted.exact
            && there.shape == Shape::Any
            && there.mode == ExceptionMode::Allow
            && there.until == wanted.until
            && there.clients.iter().all(|client| wanted.clients.contains(client))
            && wanted.clients.iter().all(|client| there.clients.contains(client));
        if is_covered || !is_alike || new_reason {
            return None;
        }
        let more = wanted.networks.iter().filter(|network| !any_network_covers(&there.networks, network));
        Some(Change::Join(more.copied().collect()))
    }

    /// Plans that every exception written for `domain` itself goes.
    ///
    /// # Errors
    /// See [`EditError`]; [`EditError::NotThere`] also says by whom else the domain is let through.
    pub fn disallow(&self, domain: &Name) -> Result<Plan, EditError> {
        let loaded = self.load()?;
        let mut files = Vec::new();
        for path in &loaded.files {
            files.extend(self.without(path, domain)?);
        }
        if files.is_empty() {
            let hints = hints::not_there(&loaded.config, domain);
            return Err(EditError::NotThere(NotThere { domain: domain.to_string(), hints }));
        }
        let after = self.check(&files)?;
        let what = format!("{domain} may no longer answer with inside addresses");
        let still = hints::let_through(&after.config, domain).into_iter();
        Ok(Plan { files, what, notes: still.map(|hint| format!("but it still may: {hint}")).collect() })
    }

    /// The file without the exceptions for `domain`; `None` where it has none.
    fn without(&self, path: &Path, domain: &Name) -> Result<Option<FileChange>, EditError> {
        let Some(old) = self.text(path)? else { return Ok(None) };
        let mut document = self.parsed(path, &old)?;
        let mut new = document.text();
        let mut hunks = Vec::new();
        // From the last to the first, so that the numbers of those to come stay right.
        for entry in document.entries(self.now).into_iter().rev().filter(|entry| entry.has_domain) {
            if entry.exceptions.iter().any(|exception| exception.domain == *domain) {
                document.remove(entry.index, domain);
                let text = document.text();
                hunks.extend(Hunk::between(&new, &text));
                new = text;
            }
        }
        hunks.reverse();
        let change = FileChange { path: path.to_owned(), old: Some(old), new, hunks };
        Ok((!change.hunks.is_empty()).then_some(change))
    }

    /// The plan, if the configuration is fine with it.
    fn checked(&self, before: &Loaded, files: Vec<FileChange>, what: String) -> Result<Plan, EditError> {
        let after = self.check(&files)?;
        let known: Vec<&str> = before.warnings.iter().map(|warning| warning.message.as_str()).collect();
        let new = after.warnings.iter().filter(|warning| !known.contains(&warning.message.as_str()));
        Ok(Plan { files, what, notes: new.map(ConfigError::one_line).collect() })
    }

    fn check(&self, files: &[FileChange]) -> Result<Loaded, EditError> {
        let texts = files.iter().map(|file| (file.path.as_path(), file.new.as_str())).collect();
        let overlay = Overlay { below: self.files, texts };
        config::load_from(Some(self.main), &overlay).map_err(EditError::Refused)
    }

    /// The configuration as it is; the defaults where its file is not there.
    fn load(&self) -> Result<Loaded, EditError> {
        let text = self.text(self.main)?;
        let empty = Overlay { below: self.files, texts: [(self.main, "")].into() };
        let files: &dyn Files = if text.is_some() { self.files } else { &empty };
        config::load_from(Some(self.main), files).map_err(EditError::Broken)
    }

    fn parsed(&self, path: &Path, text: &str) -> Result<Document, EditError> {
        Document::parse(text).map_err(|why| EditError::Unfit { path: path.to_owned(), why })
    }

    fn text(&self, path: &Path) -> Result<Option<String>, EditError> {
        let failed = |source| EditError::Read { path: path.to_owned(), source };
        match self.files.read(path) {
            Ok(octets) => {
                let text = String::from_utf8(octets);
                text.map(Some).map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidData, "not UTF-8")))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

fn apply(document: &mut Document, entry: &Entry, change: &Change, request: &Request) -> String {
    let domain = &request.domain;
    match change {
        Change::Widen => {
            document.set(entry.index, request);
            let names = if request.exact { "" } else { " and all names below" };
            format!("the exception for {domain} was narrower, and now is for {}{names}", networks_of(request))
        }
        Change::Join(more) => {
            let present = entry.exceptions.first().map(|there| there.networks.as_slice()).unwrap_or_default();
            document.add_networks(entry.index, present, more);
            let more: Vec<String> = more.iter().map(ToString::to_string).collect();
            format!("the exception for {domain} has {} besides", more.join(", "))
        }
        Change::Reason => {
            document.set_reason(entry.index, request.reason.as_deref().unwrap_or_default());
            format!("{domain} may already; the reason is changed")
        }
    }
}

/// A route as a file has it.
pub fn route_table(domain: &Name, servers: &[String]) -> String {
    format!("[[route]]\ndomain = \"{domain}\"\nservers = {}\n", list(servers))
}

fn domains_of(exceptions: &[Exception]) -> String {
    let domains: Vec<String> = exceptions.iter().map(|exception| exception.domain.to_string()).collect();
    domains.join(", ")
}

fn networks_of(request: &Request) -> String {
    match request.networks.as_slice() {
        [] => "private addresses (RFC 1918 and unique-local)".to_owned(),
        networks => networks.join(", "),
    }
}

/// The files with some of them as they are to be.
struct Overlay<'a> {
    below: &'a dyn Files,
    texts: BTreeMap<&'a Path, &'a str>,
}

impl Files for Overlay<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.texts.get(path) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => self.below.read(path),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.below.list(directory)
    }
}

#[cfg(test)]
mod tests;
