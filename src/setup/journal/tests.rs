use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

fn quiet(tell: &mut dyn FnMut(&str)) -> Patience<'_> {
    Patience::new(tell)
}

/// A machine of three files, and a plan for them: one is changed, one is made, and a link is replaced.
struct Machine {
    directory: tempfile::TempDir,
    steps: Vec<Step>,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("etc")).unwrap();
        fs::write(at("etc/a.conf"), b"caf\xe9\n").unwrap();
        fs::set_permissions(at("etc/a.conf"), Permissions::from_mode(0o640)).unwrap();
        symlink("a.conf", at("etc/link.conf")).unwrap();
        let write =
            |name: &str, text: &str| Step::Write { path: at(name), text: text.into(), why: String::new() };
        let note = at("ran").to_string_lossy().into_owned();
        let steps = vec![
            write("etc/a.conf", "ours\n"),
            write("etc/new.d/sub/b.conf", "new\n"),
            Step::run(&["true"], &["touch", &note], ""),
            write("etc/c.conf", "c\n"),
        ];
        Self { directory, steps }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn place(&self) -> PathBuf {
        self.at("lib/stubborn/setup")
    }

    fn record(&self) -> Journal {
        Journal::record(&self.place(), self.steps.iter()).unwrap()
    }

    /// Every file there is but the journal's: its name, mode and content.
    fn tree(&self) -> Vec<(PathBuf, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut directories = vec![self.at("etc")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                if metadata.is_dir() {
                    directories.push(path.clone());
                }
                let content = match metadata.is_file() {
                    true => fs::read(&path).unwrap(),
                    false => fs::read_link(&path)
                        .map_or(Vec::new(), |target| target.into_os_string().into_encoded_bytes()),
                };
                found.push((path, metadata.mode(), content));
            }
        }
        found.sort();
        found
    }
}

#[test]
fn wherever_a_plan_stops_the_next_one_finds_everything_to_undo_it() {
    for steps in 0..=4 {
        let machine = Machine::new();
        let before = machine.tree();
        let journal = machine.record();
        assert_eq!(machine.tree(), before, "the originals are kept before anything is changed");
        for step in machine.steps.iter().take(steps) {
            journal.apply(step, &mut quiet(&mut |_| {})).unwrap();
        }
        // A rename that did not come to pass.
        fs::write(machine.at("etc/.a.conf.stubborn-new"), "half").unwrap();
        drop(journal);
        let journal = Journal::open(&machine.place()).unwrap().unwrap();
        assert!(!journal.is_done());
        let undone = journal.undo(false, &mut quiet(&mut |_| {})).unwrap();
        assert_eq!((undone.left.len(), undone.trouble.len(), undone.back.len()), (0, 0, 3));
        assert!(machine.at("ran").exists());
        let _ = fs::remove_file(machine.at("etc/.a.conf.stubborn-new"));
        assert_eq!(machine.tree(), before, "after {steps} steps");
        assert!(!machine.at("lib/stubborn").exists());
        assert!(Journal::open(&machine.place()).unwrap().is_none());
    }
}

#[test]
fn an_undoing_that_was_interrupted_is_gone_on_with() {
    for file in ["etc/a.conf", "etc/new.d/sub/b.conf", "etc/c.conf"] {
        let machine = Machine::new();
        let before = machine.tree();
        let mut journal = machine.record();
        machine.steps.iter().for_each(|step| journal.apply(step, &mut quiet(&mut |_| {})).unwrap());
        journal.finish().unwrap();
        assert!(journal.changed().is_empty());
        // As far as it got.
        let original = before.iter().find(|(path, ..)| *path == machine.at(file));
        match original {
            Some((path, _, content)) => fs::write(path, content).unwrap(),
            None => fs::remove_file(machine.at(file)).unwrap(),
        }
        assert_eq!(journal.changed(), [machine.at(file)]);
        drop(journal);
        Journal::open(&machine.place()).unwrap().unwrap().undo(false, &mut quiet(&mut |_| {})).unwrap();
        assert_eq!(machine.tree(), before, "{file}");
    }
}

#[test]
fn what_somebody_else_has_changed_is_left_until_it_is_forced() {
    let machine = Machine::new();
    let before = machine.tree();
    let mut journal = machine.record();
    machine.steps.iter().for_each(|step| journal.apply(step, &mut quiet(&mut |_| {})).unwrap());
    journal.finish().unwrap();
    fs::write(machine.at("etc/a.conf"), "theirs\n").unwrap();
    let undone = journal.undo(false, &mut quiet(&mut |_| {})).unwrap();
    let [(path, Some(copy))] = undone.left.as_slice() else { panic!("{undone:?}") };
    assert_eq!(*path, machine.at("etc/a.conf"));
    assert_eq!(fs::read(copy).unwrap(), b"caf\xe9\n");
    assert_eq!(fs::read(path).unwrap(), b"theirs\n");
    assert!(!machine.at("etc/c.conf").exists() && !machine.at("etc/new.d").exists());

    let again = Journal::open(&machine.place()).unwrap().unwrap();
    assert_eq!(again.undo(false, &mut quiet(&mut |_| {})).unwrap().left.len(), 1);
    let forced = Journal::open(&machine.place()).unwrap().unwrap();
    assert_eq!(forced.undo(true, &mut quiet(&mut |_| {})).unwrap().back, [machine.at("etc/a.conf")]);
    assert_eq!(machine.tree(), before);
    assert!(!machine.at("lib/stubborn").exists());
}

#[test]
fn a_second_plan_keeps_what_the_first_one_found() {
    let machine = Machine::new();
    let before = machine.tree();
    let path = machine.at("etc/a.conf");
    let done = || {
        let mut journal = machine.record();
        machine.steps.iter().for_each(|step| journal.apply(step, &mut quiet(&mut |_| {})).unwrap());
        journal.finish().unwrap();
    };
    let opened = || Journal::open(&machine.place()).unwrap().unwrap();
    done();
    fs::write(&path, "theirs\n").unwrap();
    let left = opened().undo(false, &mut quiet(&mut |_| {})).unwrap().left;
    let [(_, Some(first))] = left.as_slice() else { panic!("{left:?}") };
    assert!(first.ends_with("1-a.conf"), "{first:?} tells what it is");
    // The next setup begins with what was left, and again with what it put back itself.
    for _ in 0..2 {
        done();
        assert!(opened().changed().is_empty(), "what is older is none of this plan's");
        assert_eq!(fs::read(first).unwrap(), b"caf\xe9\n", "a record overwrites no copy");
        let forecast = opened().forecast(false);
        let undone = opened().undo(false, &mut quiet(&mut |_| {})).unwrap();
        assert_eq!(undone, forecast);
        assert_eq!((undone.left.len(), undone.trouble.len(), undone.back.len()), (0, 0, 3));
        assert_eq!(undone.older, left);
        assert_eq!(fs::read(&path).unwrap(), b"theirs\n");
        assert_eq!(fs::read(first).unwrap(), b"caf\xe9\n");
        assert!(opened().is_put_back());
    }
    // The same where it is the newest that is left.
    done();
    fs::write(&path, "theirs, again\n").unwrap();
    let forecast = opened().forecast(false);
    let undone = opened().undo(false, &mut quiet(&mut |_| {})).unwrap();
    assert_eq!(undone, forecast);
    let [(_, Some(second))] = undone.left.as_slice() else { panic!("{undone:?}") };
    assert_eq!(fs::read(second).unwrap(), b"theirs\n");
    done();
    let undone = opened().undo(false, &mut quiet(&mut |_| {})).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"theirs, again\n");
    let kept: Vec<_> =
        undone.older.iter().map(|(_, copy)| fs::read(copy.as_ref().unwrap()).unwrap()).collect();
    assert_eq!(kept, [&b"theirs\n"[..], b"caf\xe9\n"], "the newest first");

    assert_eq!(opened().forecast(true).back, [&*path]);
    let forced = opened().undo(true, &mut quiet(&mut |_| {})).unwrap();
    assert_eq!((forced.back, forced.older), (vec![path], vec![]));
    assert_eq!(machine.tree(), before);
    assert!(!machine.at("lib/stubborn").exists());
}

#[test]
fn a_plan_that_fails_over_an_older_one_undoes_only_itself() {
    let machine = Machine::new();
    let path = machine.at("etc/a.conf");
    let journal = machine.record();
    machine.steps.iter().for_each(|step| journal.apply(step, &mut quiet(&mut |_| {})).unwrap());
    fs::write(&path, "theirs\n").unwrap();
    journal.undo(false, &mut quiet(&mut |_| {})).unwrap();
    // What it would have written is there already, made by the one before or by hand.
    for (content, put_back) in [("theirs\n", "theirs\n"), ("ours\n", "caf\u{e9}\n")] {
        fs::write(&path, content).unwrap();
        let journal = machine.record();
        assert!(!journal.is_done());
        journal.apply(&machine.steps[0], &mut quiet(&mut |_| {})).unwrap();
        assert_eq!(journal.undo(false, &mut quiet(&mut |_| {})).unwrap().left, []);
        let now = fs::read(&path).unwrap();
        assert_eq!(now.iter().map(|octet| char::from(*octet)).collect::<String>(), put_back);
    }
    assert!(!machine.place().exists(), "everything is as it was before the first");
}

#[test]
fn a_file_behind_a_link_is_changed_in_the_link_s_place() {
    let machine = Machine::new();
    let before = machine.tree();
    let path = machine.at("etc/link.conf");
    let step = Step::Write { path: path.clone(), text: "ours".into(), why: String::new() };
    let journal = Journal::record(&machine.place(), std::iter::once(&step)).unwrap();
    journal.apply(&step, &mut quiet(&mut |_| {})).unwrap();
    assert!(path.symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read(machine.at("etc/a.conf")).unwrap(), b"ours");
    assert_eq!(fs::metadata(machine.at("etc/a.conf")).unwrap().mode() & 0o777, 0o640);
    journal.undo(false, &mut quiet(&mut |_| {})).unwrap();
    assert_eq!(machine.tree(), before);
}

#[test]
fn what_cannot_be_undone_is_said_and_kept() {
    let machine = Machine::new();
    let fails = Step::run(&["true"], &["sh", "-c", "echo no, never >&2; exit 3"], "");
    let journal = Journal::record(&machine.place(), machine.steps.iter().chain([&fails])).unwrap();
    let trouble = journal.undo(false, &mut quiet(&mut |_| {})).unwrap().trouble;
    assert_eq!(trouble.len(), 1);
    assert!(trouble[0].contains("exit status: 3") && trouble[0].contains("no, never"), "{trouble:?}");

    machine.record();
    fs::write(machine.place().join(INDEX), "{\"version\":1").unwrap();
    let error = Journal::open(&machine.place()).unwrap_err().to_string();
    assert!(error.contains("the originals are the files beside it"), "{error}");
}
