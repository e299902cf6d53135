//! In which directories something must happen for a path to lead to other content.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many symlinks as the kernel follows before ELOOP.
const MAX_LINKS: usize = 40;

/// Adds the directories to watch for `path`: that of every symlink on the way, that of the file at the end, the
/// directory itself where the path is one, and the nearest that exists where something is missing.
///
/// The directories' own ancestors are not among them: when one of those is renamed, only the poll notices.
pub(super) fn add_places(path: &Path, places: &mut BTreeSet<PathBuf>) {
    let Ok(path) = std::path::absolute(path) else { return };
    // Symlink-free at every step, so that `..` may simply go up.
    let mut here = PathBuf::new();
    let mut rest: VecDeque<OsString> = steps(&path);
    let mut links = 0;
    while let Some(step) = rest.pop_front() {
        match Path::new(&step).components().next() {
            None | Some(Component::CurDir) => continue,
            Some(Component::ParentDir) => {
                here.pop();
                continue;
            }
            Some(Component::Prefix(_) | Component::RootDir) => {
                here.push(step);
                continue;
            }
            Some(Component::Normal(_)) => {}
        }
        let next = here.join(step);
        let Ok(metadata) = next.symlink_metadata() else {
            places.insert(here);
            return;
        };
        if metadata.is_symlink() {
            places.insert(here.clone());
            links += 1;
            let Ok(target) = next.read_link() else { return };
            if links > MAX_LINKS {
                return;
            }
            for step in steps(&target).into_iter().rev() {
                rest.push_front(step);
            }
            continue;
        }
        if !metadata.is_dir() {
            places.insert(here);
            return;
        }
        if rest.is_empty() {
            places.insert(here);
            places.insert(next);
            return;
        }
        here = next;
    }
    // The path ended in `/` or `..`.
    places.insert(here);
}

/// The same for one path by itself.
pub(in crate::daemon) fn places_of(path: &Path) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::new();
    add_places(path, &mut places);
    places
}

fn steps(path: &Path) -> VecDeque<OsString> {
    path.components().map(|component| component.as_os_str().to_owned()).collect()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn places(path: &Path) -> BTreeSet<PathBuf> {
        let mut places = BTreeSet::new();
        add_places(path, &mut places);
        places
    }

    #[test]
    fn every_link_contributes_its_directory() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for dir in ["a/b", "c", "cm/..1", "deep/er"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        for file in ["a/b/plain", "c/end", "cm/..1/key"] {
            fs::write(root.join(file), "x").unwrap();
        }
        for (target, link) in [
            ("..1", "cm/..data"),
            ("..data/key", "cm/key"),
            ("../../c/end", "a/b/relative"),
            ("deep/er", "dirlink"),
            ("nowhere/at/all", "a/dangling"),
            ("loop", "a/loop"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        symlink(root.join("a/b/relative"), root.join("deep/er/absolute")).unwrap();
        for (path, expected) in [
            ("a/b/plain", &["a/b"][..]),
            ("a/b/../b/./plain", &["a/b"]),
            ("a/b/relative", &["a/b", "c"]),
            ("deep/er/absolute", &["deep/er", "a/b", "c"]),
            ("dirlink/absolute", &["", "deep/er", "a/b", "c"]),
            ("cm/key", &["cm", "cm/..1"]),
            ("a/b", &["a", "a/b"]),
            ("dirlink", &["", "deep", "deep/er"]),
            ("a/missing", &["a"]),
            ("a/missing/below/this", &["a"]),
            ("a/b/plain/below", &["a/b"]),
            ("a/dangling", &["a"]),
            ("a/loop", &["a"]),
        ] {
            // join("") would add a slash, which is no other path but reads oddly.
            let expected: BTreeSet<_> = expected
                .iter()
                .map(|dir| if dir.is_empty() { root.clone() } else { root.join(dir) })
                .collect();
            assert_eq!(places(&root.join(path)), expected, "{path}");
        }
        assert_eq!(places(Path::new("/")), BTreeSet::from([PathBuf::from("/")]));
    }
}
