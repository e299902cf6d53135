#![cfg(target_os = "linux")]

use super::*;

/// The files of [`SYSTEM_FILES`] below a directory of their own.
struct Root(tempfile::TempDir);

impl Root {
    fn new(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(root)
    }

    fn servers(&self, listening: &[&str], own: &[&str]) -> Result<SystemServers, SystemError> {
        let files: Vec<PathBuf> =
            system_files().iter().map(|p| self.0.path().join(p.strip_prefix("/").unwrap())).collect();
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        system_servers(here(&sockets(listening), &addresses(own)), &files)
    }
}

fn sockets(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn here<'a>(listening: &'a [SocketAddr], own: &'a [IpAddr]) -> Here<'a> {
    Here { listening, own, in_container: false }
}

const ETC: &str = "/etc/resolv.conf";
const NM: &str = "/run/NetworkManager/no-stub-resolv.conf";
const SAVED: &str = "/etc/resolv.conf.stubborn-saved";
/// What, the files, listening, own addresses; the servers, where they were found, what was skipped.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
    &'static str,
    &'static str,
);

const LOCAL: &[&str] = &["127.0.0.1:53", "[::1]:53"];
const ALL: &[&str] = &["0.0.0.0:53", "[::]:53"];

#[test]
fn the_first_file_with_a_server_that_is_not_this_daemon_is_taken() {
    #[rustfmt::skip]
    let rows: &[Row] = &[
        ("plain", &[(ETC, "nameserver 9.9.9.9\nnameserver 2620:fe::9\n")], LOCAL, &[], "9.9.9.9 2620:fe::9", ETC, ""),
        ("comments, tabs, CRLF, no last newline", &[(ETC, "# x\n;y\nnameserver\t9.9.9.9 # quad9\r\nnameserver 1.1.1.1")],
            LOCAL, &[], "9.9.9.9 1.1.1.1", ETC, ""),
        ("each once", &[(ETC, "nameserver 9.9.9.9\nnameserver 9.9.9.9\n")], LOCAL, &[], "9.9.9.9", ETC, ""),
        ("not ourselves", &[(ETC, "nameserver 127.0.0.1\nnameserver 9.9.9.9\n")], LOCAL, &[], "9.9.9.9", ETC, "127.0.0.1"),
        ("another port is another server", &[(ETC, "nameserver 127.0.0.1\n")], &["127.0.0.1:5353"], &[], "127.0.0.1", ETC, ""),
        ("another loopback address is another server", &[(ETC, "nameserver 127.0.0.11\n")], LOCAL, &[], "127.0.0.11", ETC, ""),
        ("unspecified is loopback", &[(ETC, "nameserver 0.0.0.0\nnameserver ::\n"), (NM, "nameserver 9.9.9.9")], LOCAL, &[],
            "9.9.9.9", NM, "0.0.0.0 ::"),
        ("mapped is IPv4", &[(ETC, "nameserver ::ffff:127.0.0.1\nnameserver 9.9.9.9")], LOCAL, &[], "9.9.9.9", ETC,
            "::ffff:127.0.0.1"),
        ("a wildcard is every loopback address", &[(ETC, "nameserver 127.1.2.3\nnameserver ::1\nnameserver 9.9.9.9")], ALL, &[],
            "9.9.9.9", ETC, "127.1.2.3 ::1"),
        ("a wildcard is every own address", &[(ETC, "nameserver 192.168.1.5\nnameserver 192.168.1.1")], ALL, &["192.168.1.5"],
            "192.168.1.1", ETC, "192.168.1.5"),
        ("a wildcard of IPv4 is not IPv6", &[(ETC, "nameserver ::1")], &["0.0.0.0:53"], &[], "::1", ETC, ""),
        ("a wildcard of IPv6 is IPv4 too", &[(ETC, "nameserver 127.0.0.1"), (NM, "nameserver 9.9.9.9")], &["[::]:53"], &[],
            "9.9.9.9", NM, "127.0.0.1"),
        ("an own address without a socket", &[(ETC, "nameserver 192.168.1.5")], LOCAL, &["192.168.1.5"], "192.168.1.5", ETC, ""),
        ("resolved's stub", &[(ETC, "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n"), (RESOLVED, "nameserver 192.168.1.1")],
            LOCAL, &[], "127.0.0.53", ETC, ""),
        ("resolved's stub that asks us", &[(ETC, "nameserver 127.0.0.53"), (RESOLVED, "nameserver 127.0.0.1\nnameserver 192.168.1.1")],
            LOCAL, &[], "192.168.1.1", RESOLVED, "127.0.0.53 127.0.0.1"),
        ("resolved's stub that asks only us", &[(ETC, "nameserver 127.0.0.53"), (RESOLVED, "nameserver 127.0.0.1"),
            (SAVED, "nameserver 10.0.0.1")], LOCAL, &[], "10.0.0.1", SAVED, "127.0.0.53 127.0.0.1"),
        ("taken over, the saved file", &[(ETC, "nameserver 127.0.0.1"), (SAVED, "nameserver 10.0.0.1")], LOCAL, &[],
            "10.0.0.1", SAVED, "127.0.0.1"),
        ("no server at all in the first", &[(ETC, "search lan\n"), (NM, "nameserver 10.0.0.1")], LOCAL, &[], "10.0.0.1", NM, ""),
        ("a bad line costs itself only", &[(ETC, "nameserver 9.9.9\nnameserver 1.1.1.1\nnonsense\nsearch -- ..\n")], LOCAL, &[],
            "1.1.1.1", ETC, ""),
        ("scoped, by name and number", &[(ETC, "nameserver fe80::1%lo\nnameserver fe80::1%7\nnameserver fe80::2%7")], LOCAL, &[],
            "[fe80::1%1]:53 [fe80::1%7]:53 [fe80::2%7]:53", ETC, ""),
        ("an interface that is none", &[(ETC, "nameserver fe80::1%no-such.0\nnameserver fe80::1\nnameserver 1.1.1.1")],
            LOCAL, &[], "1.1.1.1", ETC, "fe80::1 fe80::1"),
        ("a scoped address of ours", &[(ETC, "nameserver fe80::1%2\nnameserver fe80::1%3")], &["[fe80::1%2]:53"], &[],
            "[fe80::1%3]:53", ETC, "[fe80::1%2]:53"),
    ];
    for (what, files, listening, own, servers, found_in, skipped) in rows {
        let root = Root::new(files);
        let found = root.servers(listening, own).unwrap_or_else(|error| panic!("{what}: {error}"));
        // IP addresses alone stand for port 53.
        let endpoints = |texts: &str| -> Vec<Endpoint> {
            let endpoint =
                |text: &str| text.parse().unwrap_or_else(|_| SocketAddr::new(text.parse().unwrap(), 53));
            texts.split_whitespace().map(|text| Endpoint::Do53(endpoint(text))).collect()
        };
        assert_eq!(found.endpoints, endpoints(servers), "{what}");
        assert_eq!(found.found_in, root.0.path().join(found_in.trim_start_matches('/')), "{what}");
        let not_taken: Vec<Endpoint> = found.skipped.iter().map(|(server, _)| *server).collect();
        assert_eq!(not_taken, endpoints(skipped), "{what}");
    }
}

#[test]
fn only_lines_whose_server_cannot_be_asked_get_a_note() {
    let text = "\u{feff}# a comment\r\n\
        nameserver\t9.9.9.9\t; quad9\r\n\
        options edns0 trust-ad timeout:1 attempts:2 rotate ndots:5 no-aaaa what-ever:7\n\
        sortlist 130.155.160.0/255.255.240.0 130.155.0.0\n\
        lookup file bind\n\
        family inet6\n\
        search lan -- corp.example\n\
        nameserver fe80::1\n\
        nameserver\n\
        nameserver 1.1.1.1#53\n\
        nameservers 1.1.1.1\n\
        nameserver fe80::1%no-such.0\n\
        nameserver \u{1b}[31m\n";
    let root = Root::new(&[(ETC, text)]);
    let found = root.servers(LOCAL, &[]).unwrap();
    assert_eq!(found.endpoints, [Endpoint::Do53("9.9.9.9:53".parse().unwrap())]);
    let notes: Vec<_> =
        found.notes.iter().map(|note| note.split_once("/etc/resolv.conf: ").unwrap().1).collect();
    assert_eq!(
        notes,
        [
            "line 8: fe80::1 is link-local: write its interface, such as fe80::1%eth0",
            "line 9: the nameserver has no address",
            "line 10: \"1.1.1.1#53\" is not an address",
            "line 11: \"nameservers\" is not a keyword: write \"nameserver 1.1.1.1\"",
            "line 12: \"fe80::1%no-such.0\" is on an interface that does not exist",
            "line 13: \"\\u{1b}[31m\" is not an address",
        ]
    );
}

#[test]
fn a_file_of_unusable_lines_only_says_why() {
    let root = Root::new(&[
        (ETC, "nameserver fe80::1\n"),
        (NM, "nameserver router\n"),
        (SAVED, "nameserver 1.1.1.1"),
    ]);
    let found = root.servers(LOCAL, &[]).unwrap();
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    let root = Root::new(&[(ETC, "nameserver router\n")]);
    let error = root.servers(LOCAL, &[]).unwrap_err().to_string();
    assert!(error.contains("names no server (line 1: \"router\" is not an address)"), "{error}");
}

#[test]
fn octets_that_are_no_text_cost_their_line_only() {
    let root = Root::new(&[(ETC, "")]);
    std::fs::write(
        root.0.path().join("etc/resolv.conf"),
        b"# caf\xe9\nnameserver 1.1.\xff\nnameserver 9.9.9.9\n",
    )
    .unwrap();
    assert_eq!(root.servers(LOCAL, &[]).unwrap().endpoints, [Endpoint::Do53("9.9.9.9:53".parse().unwrap())]);
}

#[test]
fn the_search_domains_are_those_of_the_same_file() {
    for (text, search, line) in [
        ("nameserver 1.1.1.1\nsearch Corp.example lan Speedport_000\n", "corp.example lan speedport_000", 2),
        ("domain home\nnameserver 1.1.1.1\n", "home", 1),
        ("domain home\n\nsearch lan # and more\nnameserver 1.1.1.1\n", "lan", 3),
        ("search lan\nsearch\nnameserver 1.1.1.1\n", "", 2),
        ("nameserver 1.1.1.1\n", "", 0),
    ] {
        let root = Root::new(&[(ETC, text), (NM, "nameserver 9.9.9.9\nsearch other\n")]);
        let found = root.servers(LOCAL, &[]).unwrap();
        let names: Vec<String> = found.search.iter().map(Name::to_string).collect();
        assert_eq!((names.join(" ").as_str(), found.search_line), (search, line), "{text}");
    }
    let taken_over =
        [(ETC, "nameserver 127.0.0.1\nsearch now\n"), (SAVED, "nameserver 10.0.0.1\nsearch home\n")];
    let found = Root::new(&taken_over).servers(LOCAL, &[]).unwrap();
    assert_eq!(found.search, [Name::from_text("home").unwrap()]);
}

#[test]
fn without_a_server_the_error_says_where_it_looked_and_what_to_do() {
    let root = Root::new(&[
        (ETC, "nameserver 127.0.0.53\n"),
        (RESOLVED, "nameserver 127.0.0.1\nnameserver fe80::1\n"),
        (NM, "# nothing\n"),
        (SAVED, &"#".repeat(70_000)),
    ]);
    let error = root.servers(LOCAL, &[]).unwrap_err().to_string();
    let error = error.replace(&root.0.path().display().to_string(), "");
    assert_eq!(
        error,
        "no upstream server: \
         /etc/resolv.conf: 127.0.0.53 is the stub of systemd-resolved, which asks this daemon: a loop, \
         /run/systemd/resolve/resolv.conf: 127.0.0.1 is this daemon itself: a loop, \
         fe80::1 is link-local and names no interface, \
         /run/NetworkManager/no-stub-resolv.conf: names no server, \
         /run/resolvconf/resolv.conf: does not exist, \
         /etc/resolv.conf.stubborn-saved: is larger than 64 KiB; \
         name one with `--upstream ADDRESS` or with `servers` in `[upstream]`"
    );
}

#[test]
fn a_configured_server_that_is_ourselves_is_found() {
    for (server, listening, own, ours) in [
        ("127.0.0.1:53", LOCAL, &[][..], true),
        ("127.0.0.1:5300", LOCAL, &[], false),
        ("0.0.0.0:53", LOCAL, &[], true),
        ("9.9.9.9:53", ALL, &["192.0.2.1"], false),
        ("192.0.2.1:53", ALL, &["192.0.2.1"], true),
        ("192.0.2.1:53", ALL, &["::ffff:192.0.2.1"], true),
        ("[::ffff:192.0.2.1]:53", ALL, &["192.0.2.1"], true),
        ("[2001:db8::1]:53", &["0.0.0.0:53"], &["2001:db8::1"], false),
        ("[fe80::1%2]:53", &["[fe80::1]:53"], &[], true),
        ("[fe80::1%2]:53", &["[fe80::1%3]:53"], &[], false),
    ] {
        let server = Endpoint::Do53(server.parse().unwrap());
        let quad9 = Endpoint::Do53("9.9.9.9:53".parse().unwrap());
        let found = loops(&[quad9, server], here(&sockets(listening), &addresses(own)));
        assert_eq!(found, ours.then_some(server), "{server} {listening:?} {own:?}");
    }
}
