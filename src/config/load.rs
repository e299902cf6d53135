//! From files to a [`Config`]: the main file, the files it includes, and every error of all of them at once.

use std::ffi::OsString;
use std::io::{self, Read};
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
    /// All of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The names of the files in a directory.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        std::fs::File::open(path)?.take(LONGEST_FILE + 1).read_to_end(&mut octets)?;
        Ok(octets)
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

/// Reads the configuration: the file named; else [`DEFAULT_PATH`] where it exists; else the defaults.
pub fn load(path: Option<&Path>) -> Result<Loaded, ConfigErrors> {
    load_from(path, &Disk)
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
        _ => Wrong::new(format!("the file cannot be read: {error}")),
    })?;
    if u64::try_from(octets.len()).is_ok_and(|length| length > LONGEST_FILE) {
        return Err(Wrong::new("the file is longer than 16 MiB"));
    }
    String::from_utf8(octets).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = before.iter().filter(|&&octet| octet == b'\n').count() + 1;
        Wrong::new(format!("line {line} is not UTF-8")).help("save the file as UTF-8")
    })
}

/// What is wrong with a directory that cannot be listed.
pub(super) fn unlisted(directory: &Path, error: &io::Error) -> Wrong {
    Wrong::new(format!("the directory {} cannot be read: {error}", directory.display()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAGMENTS: &[&str] = &[
        "[guard]\nmode = \"monitor\"\n",
        "[log]\nlevel = \"debug\"\n",
        "include = []\n",
        "local = [{ name = \"v\", addresses = [\"10.0.0.1\"] }]\n",
        "[[local]]\nname = \"a\"\naddresses = [\"10.0.0.1\"]\n",
        "[[local]]\nname = \"b\"\naddresses = [\n\"10.0.0.1\",\n]\n",
        "[[local]]\nname = \"c\"\naddresses = [\n[[1]]\n]\n",
        "[[local]] # c\r\nname = \"d\"\r\naddresses = [\"::1\"]\r\n",
        "[[local.addresses]]\n",
        "[local.sub]\na = 1\n",
        "[[exception]]\ndomain = \"a.example\"\nreason = \"\"\"\n[[local]]\n\"\"\"\n",
        "[[exception]]\ndomain = \"b.example\"\nreason = \'\'\'\n",
        "[[exception]]\npreset = \"nip-io\"\n",
        "[[exception]]\ndomain = \"com\"\n",
        "[[route]]\ndomain = \"r.example\"\nservers = [\"10.0.0.53\"]\n",
        "[exception]\ndomain = \"c.example\"\n",
        "[[ route ]]\ndomain = \"s.example\"\nservers = [\"10.0.0.53\"]\n",
        "exception.x = 1\n",
        "[[exception]]\ndomain = \"d.example\"\nuntil = 1970-01-01T00:01:40Z\n",
        "\'\'\'\n",
        "# [[local]]\n\n[[",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_file_read_in_parts_says_what_it_says_as_a_whole(
            picks in proptest::collection::vec(0..FRAGMENTS.len(), 0..6),
            size in 1_usize..200,
        ) {
            let text: String = picks.iter().map(|&pick| FRAGMENTS[pick]).collect();
            let path = Path::new("a.toml");
            let whole = read(path, &text, &Disk, 0, usize::MAX, &mut Memory::default());
            if let Ok(parts) = read(path, &text, &Disk, 0, size, &mut Memory::default()) {
                prop_assert_eq!(Some(&parts), whole.as_ref().ok(), "{}", text);
            }
            let read = from_text(path, &text, &Disk, 0);
            prop_assert_eq!(format!("{read:?}"), format!("{whole:?}"), "{}", text);
        }

        #[test]
        fn what_is_remembered_changes_nothing_but_how_long_it_takes(
            readings in proptest::collection::vec(
                (proptest::collection::vec(0..FRAGMENTS.len(), 0..6), prop_oneof![Just(0), Just(200)]),
                2..5,
            ),
            size in 1_usize..200,
        ) {
            let path = Path::new("a.toml");
            let mut memory = Memory::default();
            for (picks, now) in readings {
                let text: String = picks.iter().map(|&pick| FRAGMENTS[pick]).collect();
                let fresh = read(path, &text, &Disk, now, size, &mut Memory::default());
                let again = read(path, &text, &Disk, now, size, &mut memory);
                prop_assert_eq!(again.is_err(), fresh.is_err(), "{}", text);
                prop_assert_eq!(again.ok(), fresh.ok(), "{}", text);
            }
        }
    }

    fn tables(names: impl Iterator<Item = usize>) -> String {
        names.map(|n| format!("[[local]]\nname = \"n{n}.example\"\naddresses = [\"10.0.0.1\"]\n")).collect()
    }

    #[test]
    fn a_change_to_one_table_has_the_parts_around_it_read_anew_and_no_others() {
        let (path, mut memory) = (Path::new("a.toml"), Memory::default());
        let mut parts_read = |text: &str| {
            let before = memory.clone();
            let read = read(path, text, &Disk, 0, 4 << 10, &mut memory).unwrap();
            assert_eq!(Ok(read.config), from_text(path, text, &Disk, 0).map(|loaded| loaded.config));
            memory.new_parts(&before)
        };
        let first = parts_read(&tables(0..5_000));
        assert!(first > 40, "{first}");
        assert_eq!(parts_read(&tables(0..5_000)), 0);
        for (what, text) in [
            ("one more", tables(0..5_001)),
            ("one less at the start", tables(1..5_000)),
            ("one out of the middle", tables((1..5_000).filter(|&n| n != 2_500))),
            ("lines before all", format!("# one\n# two\n{}", tables(1..5_000))),
        ] {
            let read = parts_read(&text);
            assert!(read <= 2, "{what}: {read} parts");
        }
    }

    #[test]
    fn a_name_written_twice_is_found_where_neither_place_is_read_anew() {
        let (path, mut memory) = (Path::new("a.toml"), Memory::default());
        let (one, other) = (tables(0..500), tables(500..1_000));
        assert!(read(path, &format!("{one}{other}"), &Disk, 0, 4 << 10, &mut memory).is_ok());
        assert!(read(path, &format!("{one}{other}{one}"), &Disk, 0, 4 << 10, &mut memory).is_err());
    }

    #[test]
    fn where_the_daemon_listens_is_never_remembered() {
        let (path, mut memory) = (Path::new("a.toml"), Memory::default());
        let route = "[[route]]\ndomain = \"a.example\"\nservers = [\"127.0.0.1:5300\"]\n";
        let routes = format!("{route}{}", tables(0..200));
        assert!(read(path, &routes, &Disk, 0, 4 << 10, &mut memory).is_ok());
        let listening = format!("[server]\nlisten = [\"127.0.0.1:5300\"]\n{routes}");
        assert!(read(path, &listening, &Disk, 0, 4 << 10, &mut memory).is_err());
    }

    #[test]
    fn a_long_file_is_read_in_parts() {
        let text: String = FRAGMENTS[4..6].concat();
        let read = |text: &str| read(Path::new("a.toml"), text, &Disk, 0, 10, &mut Memory::default());
        assert_eq!(read(&text).unwrap().config.locals.len(), 2);
        let with_head = format!("{}{text}{}", FRAGMENTS[0], FRAGMENTS[14]);
        let loaded = read(&with_head).unwrap();
        let lines: Vec<_> = loaded.config.locals.iter().map(|local| local.origin.to_string()).collect();
        assert_eq!(lines, ["a.toml:3", "a.toml:6"]);
    }

    #[test]
    fn no_default_file_is_a_valid_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stubborn.toml");
        let from_default = || from_default(&path, &Disk, 0, &mut Memory::default());
        let loaded = from_default().unwrap();
        assert_eq!((loaded.config, loaded.files), (Config::default(), vec![path.clone()]));
        std::fs::write(&path, "[log]\nlevel = \"debug\"").unwrap();
        assert_ne!(from_default().unwrap().config, Config::default());
    }

    #[test]
    fn what_cannot_be_read_is_an_error_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.toml");
        for (octets, message) in
            [(None, "there is no such file"), (Some(&b"a = 1\n# \xff"[..]), "line 2 is not UTF-8")]
        {
            if let Some(octets) = octets {
                std::fs::write(&path, octets).unwrap();
            }
            let errors = from_file(&path, &Disk, 0, &mut Memory::default()).unwrap_err();
            assert_eq!(errors.errors[0].message, message);
            assert_eq!(errors.files, std::slice::from_ref(&path));
        }
    }
}
