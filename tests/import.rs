//! `stubborn import`: other programs' configurations in `tests/import`, and beside each what is made of it. To write that anew
//! after a change run with `UPDATE_GOLDEN=1`, and read the difference.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

#[path = "import/lost.rs"]
mod lost;
#[path = "properties/mod.rs"]
mod properties;
#[path = "import/told.rs"]
mod told;
#[path = "import/trust.rs"]
mod trust;

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use stubborn::config::{self, Config, Disk};
use stubborn::dns::Name;
use stubborn::import::{Format, ImportError, Imported, Source, import};

const FILES: [(&str, Format); 8] = [
    ("dnsmasq.conf", Format::Dnsmasq),
    ("unbound.conf", Format::Unbound),
    ("dhcp", Format::Uci),
    ("AdGuardHome.yaml", Format::AdGuardHome),
    ("pihole.in.toml", Format::PiHole),
    ("blocky.yml", Format::Blocky),
    ("dnscrypt-proxy.in.toml", Format::DnscryptProxy),
    ("smartdns.conf", Format::SmartDns),
];

fn made(format: Format, text: &str) -> Result<Imported, ImportError> {
    import(format, &[Source { name: "a".into(), octets: text.into() }], &properties::import::Nothing)
}

/// What it comes to, and the lines that were left.
fn carried(format: Format, text: &str) -> (Config, Vec<usize>) {
    let imported = made(format, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let loaded = config::from_text(Path::new("a"), &imported.toml, &Disk, 0);
    let config = loaded.unwrap_or_else(|errors| panic!("{}\n{errors}", imported.toml)).config;
    (config, imported.left.iter().map(|left| left.line).collect())
}

fn domains(config: &Config) -> Vec<String> {
    config.guard.exceptions.iter().map(|exception| exception.domain.to_string()).collect()
}

fn routes(config: &Config) -> Vec<String> {
    let route = |route: &stubborn::resolve::Route| {
        let servers: Vec<String> = route.servers.iter().map(ToString::to_string).collect();
        format!("{} {}", route.trust.domain, servers.join(" "))
    };
    config.routes.iter().map(route).collect()
}

fn locals(config: &Config) -> Vec<String> {
    let local = |local: &stubborn::resolve::LocalName| {
        let addresses: Vec<String> = local.addresses.iter().map(ToString::to_string).collect();
        format!("{}{} {}", if local.wildcard { "*." } else { "" }, local.name, addresses.join(" "))
    };
    config.locals.iter().map(local).collect()
}

fn listen(config: &Config) -> Vec<String> {
    config.server.listen.iter().map(ToString::to_string).collect()
}

fn servers(config: &Config) -> Vec<String> {
    let servers = config.upstream.servers.iter();
    servers.map(|server| format!("{server:?}")).filter(|server| server != "System").collect()
}

#[test]
fn real_files_become_what_they_became() {
    for (name, format) in FILES {
        let path = Path::new("tests/import").join(name);
        let octets = std::fs::read(&path).unwrap();
        let source = Source { name: name.into(), octets };
        let imported = import(format, &[source], &properties::import::Nothing).unwrap();
        let loaded = config::from_text(Path::new("a"), &imported.toml, &Disk, 0);
        loaded.unwrap_or_else(|errors| panic!("{errors}"));
        let golden = path.with_file_name(format!("{}.toml", format.name()));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &imported.toml).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert!(expected == imported.toml, "{name}: to write it anew: UPDATE_GOLDEN=1\n{}", imported.toml);
    }
}

#[test]
fn dnsmasq_line_by_line() {
    let nothing: &[&str] = &[];
    type Part = fn(&Config) -> Vec<String>;
    let rows: &[(&str, Part, &[&str])] = &[
        ("rebind-domain-ok=/a.example/b.example/", domains, &["a.example", "b.example"]),
        ("rebind-domain-ok=a.example", domains, &["a.example"]),
        ("--rebind-domain-ok=a.example # why", domains, &["a.example"]),
        ("rebind-domain-ok=//", domains, nothing),
        ("rebind-domain-ok=/nip.io/", domains, &["nip.io"]),
        ("rebind-domain-ok=/duckdns.org/", domains, nothing),
        ("server=/a.example/10.0.0.53#5353", routes, &["a.example 10.0.0.53:5353"]),
        ("server=/a.example/b.example/fd00::53", routes, &["a.example fd00::53", "b.example fd00::53"]),
        ("server=/a.example/10.0.0.53@eth0", routes, &["a.example 10.0.0.53"]),
        ("local=/lan/192.168.1.1", routes, &["lan 192.168.1.1"]),
        ("server=/a.example/", routes, &["a.example "]),
        ("server=/*.a.example/10.0.0.53", routes, &["a.example 10.0.0.53"]),
        ("rev-server=10.1.0.0/16,10.0.0.53", routes, &["1.10.in-addr.arpa 10.0.0.53"]),
        ("address=/a.example/10.0.0.1", locals, &["a.example 10.0.0.1", "*.a.example 10.0.0.1"]),
        (
            "address=/a.example/10.0.0.1\naddress=/A.Example./fd00::1",
            locals,
            &["a.example 10.0.0.1 fd00::1", "*.a.example 10.0.0.1 fd00::1"],
        ),
        ("address=/a.example/0.0.0.0", locals, nothing),
        ("address=/#/10.0.0.1", locals, nothing),
        (
            "host-record=a,b.lan,10.0.0.1,fd00::1,60",
            locals,
            &["a 10.0.0.1 fd00::1", "b.lan 10.0.0.1 fd00::1"],
        ),
        ("host-record=localhost,10.0.0.1", locals, nothing),
        ("listen-address=127.0.0.1,::1\nport=5353", listen, &["127.0.0.1:5353", "[::1]:5353"]),
        ("interface=br-lan", listen, &["0.0.0.0:53", "[::]:53"]),
        ("interface=lo", listen, &["127.0.0.1:53", "[::1]:53"]),
        ("port=0", listen, &["127.0.0.1:53", "[::1]:53"]),
    ];
    for (text, part, expected) in rows {
        let (config, left) = carried(Format::Dnsmasq, text);
        let found = part(&config);
        assert_eq!(found, *expected, "{text}");
        // What is not carried over either is left or needs nothing: neither of it is lost.
        let (imported, lines) = (made(Format::Dnsmasq, text).unwrap(), text.lines().count());
        assert!(imported.carried + imported.needless + left.len() >= lines, "{text}\n{}", imported.toml);
    }
}

#[test]
fn unbound_token_by_token() {
    let (config, left) = carried(
        Format::Unbound,
        "server: interface: 10.0.0.1@5335 private-domain: \"a.example\"\nforward-zone:\n name: .\n forward-tls-upstream: yes\n forward-addr: 9.9.9.9@853#dns.quad9.net\nforward-zone: name: 'b.example' forward-addr: 10.0.0.53\n",
    );
    assert_eq!(listen(&config), ["10.0.0.1:5335"]);
    assert_eq!(domains(&config), ["a.example"]);
    assert_eq!(routes(&config), ["b.example 10.0.0.53"]);
    // Asked as it was, or not at all: never in the clear instead.
    assert!(servers(&config).iter().all(|server| !server.contains("Do53(9.9.9.9")), "{:?}", servers(&config));
    assert!(left.is_empty() || left == [5], "{left:?}");
}

#[test]
fn openwrt_section_by_section() {
    let text = "config dnsmasq\n\toption rebind_protection 0\n\toption domain 'lan'\nconfig domain\n\toption name 'nas tv.example'\n\toption ip 10.0.0.1\nconfig host\n\toption name 'x'\n\toption ip '10.0.0.2'\n";
    let (config, left) = carried(Format::Uci, text);
    assert_eq!(locals(&config), ["nas 10.0.0.1", "nas.lan 10.0.0.1", "tv.example 10.0.0.1"]);
    assert_eq!(listen(&config), ["0.0.0.0:53", "[::]:53"]);
    assert_eq!(left, [3, 7]);
}

#[test]
fn adguard_home_keeps_its_secrets() {
    let text = "users:\n  - name: admin\n    password: secret\ndns:\n  upstream_dns:\n    - '[/a.example/]10.0.0.53'\ntls:\n  private_key: secret\n";
    let imported = made(Format::AdGuardHome, text).unwrap();
    assert!(!imported.toml.contains("secret"), "{}", imported.toml);
    assert_eq!(routes(&carried(Format::AdGuardHome, text).0), ["a.example 10.0.0.53"]);
}

#[test]
fn what_is_not_of_the_format_is_pointed_at() {
    for (format, text, expected) in [
        (Format::Dnsmasq, "dns:\n  port: 53\n", "a:1: not a setting of dnsmasq"),
        (Format::Unbound, "\nport=53\n", "a:2: not a setting of unbound"),
        (Format::Uci, "server=9.9.9.9\n", "a:1: not a setting of uci"),
        (Format::AdGuardHome, "server=9.9.9.9\n", "a:1: not a setting of adguardhome"),
        (Format::AdGuardHome, "dns:\n  - a: [\n", "a:"),
        (Format::AdGuardHome, "dns: &x\n  - *x\n", "a:2:5: an alias"),
    ] {
        let error = made(format, text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let source = Source { name: "b".into(), octets: b"config x\n\xff".to_vec() };
    let error = import(Format::Uci, &[source], &properties::import::Nothing).unwrap_err();
    assert_eq!(error.to_string(), "b:2: not UTF-8");
    for format in Format::ALL {
        for text in ["", "\n \n", "# only a comment\n"] {
            let error = made(format, text).unwrap_err();
            assert!(matches!(error, ImportError::Nothing { .. }), "{} {text:?}: {error}", format.name());
        }
    }
}

#[test]
fn a_long_list_takes_no_long_time() {
    let start = std::time::Instant::now();
    let text: String = (0..6_000)
        .map(|n| format!("address=/a{n}.example/10.0.0.1\nserver=/b{n}/10.0.0.53\nserver=/c..{n}/1.1.1.1\n"))
        .collect();
    let imported = made(Format::Dnsmasq, &text).unwrap();
    assert_eq!(imported.left.len(), 6_000);
    // A few seconds without optimisation; with time that grows by the square it would be minutes.
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[test]
fn names_are_read_as_everywhere_else() {
    let (config, _) = carried(Format::Dnsmasq, "host-record=Bücher.Example,10.0.0.1\n");
    assert_eq!(config.locals[0].name, Name::from_text("bücher.example").unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_file_holds_a_configuration_without_an_error_comes_of_it(choices in vec(any::<u8>(), 1..120)) {
        properties::import::check(&choices);
        let mut changed = choices;
        changed[0] |= 0x80;
        properties::import::check(&changed);
    }

    #[test]
    fn no_text_makes_an_import_panic(format in 0_u8..8, text in "\\PC{0,200}") {
        properties::import::check(&[&[format], text.as_bytes()].concat());
    }

    #[test]
    fn no_run_of_words_makes_an_import_panic(
        format in 0_u8..8,
        words in vec(prop_oneof!["[a-z-]{1,12}[:=]?", "[ \n\t]{1,2}", "[/#*.\"'@,\\[\\]{}&|>-]", "[0-9.:/]{1,12}"], 0..60),
    ) {
        properties::import::check(&[&[format], words.concat().as_bytes()].concat());
    }
}
