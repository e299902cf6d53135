//! `include`: which files a pattern stands for.

use std::io;
use std::path::{Path, PathBuf};

use super::error::{Wrong, quoted};
use super::load::{Files, unlisted};

/// The files that the patterns of one main file stand for, and the directories they were looked for in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) files: Vec<PathBuf>,
    pub(super) directories: Vec<PathBuf>,
}

impl Found {
    /// Adds the files of one pattern in the order of their names; a relative one starts beside the main file.
    /// The directory is noted even where a file is not there, so that its coming can be watched.
    pub(super) fn add(&mut self, main: &Path, pattern: &str, files: &dyn Files) -> Result<(), Wrong> {
        let (at, last) = split(main, pattern)?;
        let listed = files.list(&at);
        push_new(&mut self.directories, at.clone());
        if !last.contains(['*', '?']) {
            let path = at.join(last);
            let absent = match listed {
                Ok(names) => names.iter().all(|name| name != last),
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            };
            if absent {
                return Err(Wrong::new(format!("there is no file {}", quoted(&path.to_string_lossy()))));
            }
            push_new(&mut self.files, path);
            return Ok(());
        }
        let mut names = match listed {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unlisted(&at, &error)),
        };
        names.sort();
        for name in names {
            let text = name.to_string_lossy();
            // Names that start with a dot are editors' and ConfigMaps' own.
            if matches(last, &text) && (last.starts_with('.') || !text.starts_with('.')) {
                push_new(&mut self.files, at.join(&name));
            }
        }
        Ok(())
    }
}

fn push_new(paths: &mut Vec<PathBuf>, path: PathBuf) {
    if !paths.contains(&path) {
        paths.push(path);
    }
}

/// The directory of a pattern, and the pattern of names in it.
fn split<'a>(main: &Path, pattern: &'a str) -> Result<(PathBuf, &'a str), Wrong> {
    let no_pattern = |why: &str| {
        Err(Wrong::new(format!("{} is not a file pattern: {why}", quoted(pattern)))
            .help("write a path with * or ? in its last part, such as \"conf.d/*.toml\""))
    };
    let (directory, last) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    if last.is_empty() {
        return no_pattern("it names no file");
    }
    if directory.contains(['*', '?']) {
        return no_pattern("a wildcard stands before its last part");
    }
    if last.contains("**") || pattern.contains(['[', ']', '{', '}', '\0']) {
        return no_pattern("it uses more than * and ?");
    }
    let own = main.parent().unwrap_or(Path::new(""));
    let root = if pattern.starts_with('/') { "/" } else { "" };
    let at = own.join(root).join(directory);
    Ok((if at.as_os_str().is_empty() { PathBuf::from(".") } else { at }, last))
}

/// `*` is any run of characters, `?` any one.
fn matches(pattern: &str, name: &str) -> bool {
    let (mut wanted, mut found) = (pattern.chars(), name.chars());
    // What follows the last star, and what it has not taken yet.
    let mut star = None;
    loop {
        let rest = found.clone();
        match (wanted.next(), found.next()) {
            (Some('*'), _) => {
                found = rest.clone();
                star = Some((wanted.clone(), rest));
            }
            (Some('?'), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return true,
            _ => {
                // The last star takes one character more, if there is one.
                let Some((after, left)) = &mut star else { return false };
                if left.next().is_none() {
                    return false;
                }
                (wanted, found) = (after.clone(), left.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    struct Directory(&'static str, &'static [&'static str]);

    impl Files for Directory {
        fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
            Err(io::ErrorKind::NotFound.into())
        }

        fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
            if directory == Path::new(self.0) {
                Ok(self.1.iter().map(OsString::from).collect())
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        }
    }

    #[test]
    fn patterns_match() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", true),
            ("*.toml", "a.toml.bak", false),
            ("*.toml", "a.toml.toml", true),
            ("?.toml", "a.toml", true),
            ("?.toml", "ab.toml", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*", "", true),
            ("?", "", false),
            ("a", "a", true),
            ("ü*", "über", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    fn expand(main: &Path, pattern: &str, files: &dyn Files) -> Result<Found, Wrong> {
        let mut found = Found::default();
        found.add(main, pattern, files).map(|()| found)
    }

    #[test]
    fn files_are_found_beside_the_main_file_and_sorted() {
        let directory = Directory("/etc/stubborn/conf.d", &["b.toml", "a.toml", ".swp.toml", "c.txt"]);
        let main = Path::new("/etc/stubborn/stubborn.toml");
        let found = expand(main, "conf.d/*.toml", &directory).unwrap();
        let paths = ["/etc/stubborn/conf.d/a.toml", "/etc/stubborn/conf.d/b.toml"].map(PathBuf::from);
        assert_eq!(found.files, paths);
        assert_eq!(found.directories, [PathBuf::from("/etc/stubborn/conf.d")]);
        let found = expand(main, "/etc/stubborn/conf.d/b.toml", &directory).unwrap();
        assert_eq!(found.files, [PathBuf::from("/etc/stubborn/conf.d/b.toml")]);
        let root = Directory("/", &["x.toml"]);
        assert_eq!(expand(main, "/x.toml", &root).unwrap().files, [PathBuf::from("/x.toml")]);
        assert!(expand(main, "/y.toml", &root).is_err());
        assert!(expand(main, "none/*.toml", &directory).unwrap().files.is_empty());
        assert_eq!(expand(Path::new("a.toml"), "*.x", &directory).unwrap().directories, [PathBuf::from(".")]);
    }
}
