//! From files to a [`Config`]: the main file, the files it includes, and every error of all of them at once.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use toml::Spanned;
use toml::de::DeTable;

use super::error::{ConfigError, ConfigErrors, Severity, Wrong};
use super::memory::{Memory, Said};
use super::page::Page;
use super::parts::{Part, Parts};
use super::routes::Seen;
use super::table::Table;
use super::{Config, exceptions, include, keys, routes, sections};
use crate::files;
use crate::policy::Origin;

/// Where the configuration is looked for when no other file is named.
pub const DEFAULT_PATH: &str = "/etc/stubborn/stubborn.toml";

/// The longest file that is read, in octets.
const LONGEST_FILE: u64 = 16 << 20;

/// How many octets are read at once: a file of 100,000 local names would take hundreds of megabytes as one document.
const PART: usize = 64 << 10;

/// A configuration that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The main file and every included one; also the default file that is not there.
    pub files: Vec<PathBuf>,
    /// The directories in which `include` looks for files.
    pub directories: Vec<PathBuf>,
    /// What is allowed but hardly meant.
    pub warnings: Vec<ConfigError>,
    /// The keys of the main file's tables that are written there, such as `guard.mode`, with their places; all others are
    /// at their defaults.
    pub written: Vec<(String, Origin)>,
}

/// Where included files come from.
pub trait Files {
    /// Reads a whole regular file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The names of the files in a directory.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        files::read(path, LONGEST_FILE)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            // Through symbolic links, as a ConfigMap mounts its files.
            if std::fs::metadata(entry.path()).is_ok_and(|file| file.is_file()) {
                names.push(entry.file_name());
            }
        }
        Ok(names)
    }
}

/// The file system, for a command that reads the configuration once: it may come from a pipe.
#[derive(Debug, Clone, Copy)]
struct Once;

impl Files for Once {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_once(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        Disk.list(directory)
    }
}

/// Reads a file, a pipe or a device to its end. A pipe or a device gives its content only once.
///
/// # Errors
/// The error of the system; the file is too long; or the pipe stays silent.
pub fn read_once(path: &Path) -> io::Result<Vec<u8>> {
    files::read_once(path, LONGEST_FILE)
}

/// Reads the configuration: the file named; else [`DEFAULT_PATH`] where it exists; else the defaults.
pub fn load(path: Option<&Path>) -> Result<Loaded, ConfigErrors> {
    load_from(path, &Once)
}

/// The same, from `files`.
pub fn load_from(path: Option<&Path>, files: &dyn Files) -> Result<Loaded, ConfigErrors> {
    load_again(path, files, &mut Memory::default())
}

/// The same, by one who reads it time and again: what did not change since the last time takes little of it.
pub fn load_again(
    path: Option<&Path>,
    files: &dyn Files,
    memory: &mut Memory,
) -> Result<Loaded, ConfigErrors> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    match path {
        Some(path) => from_file(path, files, now, memory),
        None => from_default(Path::new(DEFAULT_PATH), files, now, memory),
    }
}

fn from_default(
    path: &Path,
    files: &dyn Files,
    now: i64,
    memory: &mut Memory,
) -> Result<Loaded, ConfigErrors> {
    match files.read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Loaded {
            config: Config::default(),
            files: vec![path.to_owned()],
            directories: Vec::new(),
            warnings: Vec::new(),
            written: Vec::new(),
        }),
        _ => from_file(path, files, now, memory),
    }
}

fn from_file(path: &Path, files: &dyn Files, now: i64, memory: &mut Memory) -> Result<Loaded, ConfigErrors> {
    match text_of(path, files) {
        Ok(text) => from_text_again(path, &text, files, now, memory),
        Err(wrong) => Err(ConfigErrors {
            errors: vec![ConfigError::of_file(path, wrong)],
            warnings: Vec::new(),
            files: vec![path.to_owned()],
            directories: Vec::new(),
        }),
    }
}

/// Reads the text of the main file, which is at `path`, and what it includes from `files`; `now` in Unix seconds.
pub fn from_text(path: &Path, text: &str, files: &dyn Files, now: i64) -> Result<Loaded, ConfigErrors> {
    from_text_again(path, text, files, now, &mut Memory::default())
}

fn from_text_again(
    path: &Path,
    text: &str,
    files: &dyn Files,
    now: i64,
    memory: &mut Memory,
) -> Result<Loaded, ConfigErrors> {
    // What is wrong is told of whole files: a mistake in one part may lie in another.
    read(path, text, files, now, PART, memory)
        .or_else(|_| read(path, text, files, now, usize::MAX, &mut Memory::default()))
}

/// The same, of files in parts of about `part` octets.
fn read(
    path: &Path,
    text: &str,
    files: &dyn Files,
    now: i64,
    part: usize,
    memory: &mut Memory,
) -> Result<Loaded, ConfigErrors> {
    let mut draft = Draft::new(now, memory);
    let mut found = include::Found::default();

    let mut parts = Parts::of(text, part);
    let first = parts.next_part().unwrap_or_default();
    let page = Page::new(path, first.text, first.lines_before);
    let document = page.parse();
    refuse_values(&page, &document, &first);
    {
        let top = Table::open(&page, &keys::TOP, 0..0, document.get_ref());
        draft.tables(&top);
        let said = draft.repeated(&top);
        draft.add(said);
        for pattern in sections::include(&top) {
            pattern.text(|text| found.add(path, text, files));
        }
    }
    drop(document);
    let written = page.take_written();
    let mut problems = page.into_problems();
    problems.append(&mut draft.included(path, parts));

    found.files.retain(|file| file != path);
    for file in &found.files {
        match text_of(file, files) {
            Ok(text) => problems.append(&mut draft.included(file, Parts::of(&text, part))),
            Err(wrong) => problems.push(ConfigError::of_file(file, wrong)),
        }
    }
    let mut read = vec![path.to_owned()];
    read.append(&mut found.files);
    let (errors, warnings): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|problem| problem.severity == Severity::Error);
    let directories = found.directories;
    if errors.is_empty() {
        let Draft { config, kept, .. } = draft;
        *memory = kept;
        Ok(Loaded { config, files: read, directories, warnings, written })
    } else {
        Err(ConfigErrors { errors, warnings, files: read, directories })
    }
}

/// What was read so far.
struct Draft<'a> {
    config: Config,
    seen: Seen,
    now: i64,
    /// What the last reading left, and what this one leaves.
    before: &'a Memory,
    kept: Memory,
}

impl<'a> Draft<'a> {
    fn new(now: i64, before: &'a Memory) -> Self {
        Self { config: Config::default(), seen: Seen::default(), now, before, kept: Memory::after(before) }
    }

    /// The tables that only the main file has.
    fn tables(&mut self, top: &Table<'_>) {
        let config = &mut self.config;
        if let Some(table) = top.table(&keys::SERVER) {
            config.server = sections::server(&table);
        }
        if let Some(table) = top.table(&keys::UPSTREAM) {
            config.upstream = sections::upstream(&table, &config.server.listen);
        }
        if let Some(table) = top.table(&keys::GUARD) {
            config.guard = sections::guard(&table);
        }
        if let Some(table) = top.table(&keys::NAMES) {
            config.names = sections::names(&table);
        }
        if let Some(table) = top.table(&keys::NETWORK) {
            config.network = sections::network(&table);
        }
        if let Some(table) = top.table(&keys::CACHE) {
            config.cache = sections::cache(&table);
        }
        if let Some(table) = top.table(&keys::LOG) {
            config.log = sections::log(&table);
        }
        if let Some(table) = top.table(&keys::CONTROL) {
            config.control = sections::control(&table);
        }
        if let Some(table) = top.table(&keys::METRICS) {
            config.metrics = sections::metrics(&table);
        }
        self.kept.set_listen(&config.server.listen);
    }

    /// The tables that any file may add.
    fn repeated(&mut self, top: &Table<'_>) -> Said {
        let listen = &self.config.server.listen;
        let mut said = Said::default();
        for table in top.tables(&keys::EXCEPTION) {
            said.exceptions.append(&mut exceptions::read(&table, self.now));
        }
        for table in top.tables(&keys::ROUTE) {
            said.routes.extend(routes::route(&table, listen, &mut self.seen));
        }
        for table in top.tables(&keys::LOCAL) {
            said.locals.extend(routes::local(&table, &mut self.seen));
        }
        said
    }

    fn add(&mut self, mut said: Said) {
        self.config.guard.exceptions.append(&mut said.exceptions);
        self.config.routes.append(&mut said.routes);
        self.config.locals.append(&mut said.locals);
    }

    /// What an included file, or a part after the first, may hold.
    fn included(&mut self, path: &Path, mut parts: Parts<'_>) -> Vec<ConfigError> {
        let mut problems = Vec::new();
        while let Some(part) = parts.next_part() {
            match self.recall(path, &part) {
                Some(said) if self.seen.add(&said) => self.add(said),
                Some(_) => problems.push(ConfigError::of_file(path, Wrong::new("a name is written twice"))),
                None => problems.append(&mut self.read_part(path, &part)),
            }
        }
        problems
    }

    fn recall(&mut self, path: &Path, part: &Part<'_>) -> Option<Said> {
        let key = self.kept.key(path, part)?;
        self.kept.recall(self.before, key, part, self.now)
    }

    fn read_part(&mut self, path: &Path, part: &Part<'_>) -> Vec<ConfigError> {
        let page = Page::new(path, part.text, part.lines_before);
        let document = page.parse();
        refuse_values(&page, &document, part);
        let said = self.repeated(&Table::open(&page, &keys::INCLUDED, 0..0, document.get_ref()));
        drop(document);
        let problems = page.into_problems();
        if problems.is_empty()
            && let Some(key) = self.kept.key(path, part)
        {
            self.kept.keep(key, part, &said);
        }
        self.add(said);
        problems
    }
}

/// What may be an array's tables in a later part must not be a value in the first.
fn refuse_values(page: &Page<'_>, document: &Spanned<DeTable<'_>>, part: &Part<'_>) {
    if !part.more || part.starts_with_table() {
        return;
    }
    for (key, value) in document.get_ref().iter() {
        if keys::INCLUDED.keys.contains(&key.get_ref().as_ref()) {
            page.error(&value.span(), key.get_ref().as_ref(), Wrong::new("both a value and tables"));
        }
    }
}

fn text_of(path: &Path, files: &dyn Files) -> Result<String, Wrong> {
    let octets = files.read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Wrong::new("there is no such file"),
        io::ErrorKind::PermissionDenied => Wrong::new("this user may not read the file"),
        io::ErrorKind::FileTooLarge => too_long(),
        _ => Wrong::new(format!("the file cannot be read: {error}")),
    })?;
    if u64::try_from(octets.len()).is_ok_and(|length| length > LONGEST_FILE) {
        return Err(too_long());
    }
    String::from_utf8(octets).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = before.iter().filter(|&&octet| octet == b'\n').count() + 1;
        Wrong::new(format!("line {line} is not UTF-8")).help("save the file as UTF-8")
    })
}

fn too_long() -> Wrong {
    Wrong::new("the file is longer than 16 MiB")
}

/// What is wrong with a directory that cannot be listed.
pub(super) fn unlisted(directory: &Path, error: &io::Error) -> Wrong {
    Wrong::new(format!("the directory {} cannot be read: {error}", directory.display()))
}
