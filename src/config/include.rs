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
    /// Adds what is new.
    pub(super) fn add(&mut self, more: Self) {
        for (have, new) in [(&mut self.files, more.files), (&mut self.directories, more.directories)] {
            for path in new {
                if !have.contains(&path) {
                    have.push(path);
                }
            }
        }
    }
}

/// The files of one pattern, sorted; relative to the directory of the main file.
pub(super) fn expand(main: &Path, pattern: &str, files: &dyn Files) -> Result<Found, Wrong> {
    let no_pattern = |why: &str| Wrong::new(format!("{} is no file pattern: {why}", quoted(pattern)));
    let example = "write a path with * or ? in its last part, such as \"conf.d/*.toml\"";
    let (directory, last) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    if last.is_empty() {
        return Err(no_pattern("it names no file").help(example));
    }
    if directory.contains(['*', '?']) {
        return Err(no_pattern("a wildcard stands before its last part").help(example));
    }
    if last.contains("**") || pattern.contains(['[', ']', '{', '}', '\0']) {
        return Err(no_pattern("it uses more than * and ?").help(example));
    }
    let own = main.parent().unwrap_or(Path::new(""));
    let root = if pattern.starts_with('/') { "/" } else { "" };
    let mut at = own.join(root).join(directory);
    if at.as_os_str().is_empty() {
        at.push(".");
    }
    if !last.contains(['*', '?']) {
        return Ok(Found { files: vec![at.join(last)], directories: vec![at] });
    }
    let mut names = match files.list(&at) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(unlisted(&at, &error)),
    };
    // Names that start with a dot are editors' and ConfigMaps' own.
    names.retain(|name| {
        let name = name.to_string_lossy();
        (last.starts_with('.') || !name.starts_with('.')) && matches(last, &name)
    });
    names.sort();
    Ok(Found { files: names.into_iter().map(|name| at.join(name)).collect(), directories: vec![at] })
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
        assert_eq!(expand(main, "/x.toml", &directory).unwrap().files, [PathBuf::from("/x.toml")]);
        assert_eq!(expand(main, "none/*.toml", &directory).unwrap().files, [PathBuf::new(); 0]);
        assert_eq!(expand(Path::new("a.toml"), "*.x", &directory).unwrap().directories, [PathBuf::from(".")]);
    }
}
