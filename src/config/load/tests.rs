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
