//! What an import says of encrypted servers, of files of other formats, and of thousands of similar lines.

use super::told::Told::{Has, Kept, Left, Lost, Needless, Not};
use super::told::tell;
use super::*;
use stubborn::import::Loss;

/// Settings that asked servers over an encrypted connection, and the lines of these servers.
const ENCRYPTED: &[(Format, &str, &[usize])] = &[
    (Format::Dnsmasq, "server=tls://9.9.9.9\n", &[1]),
    (Format::Dnsmasq, "server=https://dns.example/dns-query\n", &[1]),
    (Format::Dnsmasq, "server=/corp.example/tls://10.0.0.1\n", &[1]),
    (Format::Dnsmasq, "server=/a.example/b.example/https://10.0.0.1/dns-query\n", &[1]),
    (
        Format::Unbound,
        "forward-zone:\n name: \".\"\n forward-addr: 9.9.9.9@853#dns.quad9.net\n forward-tls-upstream: yes\n",
        &[3],
    ),
    (Format::Unbound, "forward-zone:\n name: .\n forward-ssl-upstream: yes\n forward-addr: 9.9.9.9\n", &[4]),
    (Format::Unbound, "forward-zone:\n name: .\n forward-addr: 9.9.9.9@853\n", &[3]),
    (
        Format::Unbound,
        "forward-zone:\n name: .\n forward-tls-upstream: yes\n forward-host: dns.quad9.net\n",
        &[4],
    ),
    (
        Format::Unbound,
        "stub-zone:\n name: x.example\n stub-tls-upstream: yes\n stub-addr: 10.0.0.1\nforward-zone:\n name: .\n forward-addr: 10.0.0.1",
        &[4],
    ),
    (
        Format::Unbound,
        "server:\n tls-upstream: yes\nforward-zone:\n name: x.example\n forward-addr: 10.0.0.1\n",
        &[1, 5],
    ),
    (
        Format::AdGuardHome,
        "dns:\n upstream_dns:\n - tls://9.9.9.9\n - quic://9.9.9.9\n - h3://9.9.9.9/q\n - HTTPS://9.9.9.9/q\n - sdns://AQ\n",
        &[3, 4, 5, 6, 7],
    ),
    (Format::AdGuardHome, "dns:\n upstream_dns:\n - 9.9.9.9\n - '[/x.example/]tls://9.9.9.9'\n", &[4]),
    (Format::AdGuardHome, "dns:\n upstream_dns:\n - 9.9.9.9\n fallback_dns:\n - tls://9.9.9.9\n", &[5]),
    (Format::PiHole, "[dns]\nupstreams = [\"tls://9.9.9.9\"]\n", &[2]),
    (
        Format::Blocky,
        "upstreams:\n groups:\n  default:\n  - tcp-tls:9.9.9.9:853\n  - quic:9.9.9.9\n",
        &[4, 5],
    ),
    (Format::Blocky, "conditional:\n mapping:\n  x.example: tcp-tls:9.9.9.9\n", &[3]),
    (Format::DnscryptProxy, "server_names = ['quad9']\n", &[1]),
    (Format::DnscryptProxy, "server_names = ['own']\n[static.own]\nstamp = 'sdns://AQ'\n", &[1]),
    (Format::DnscryptProxy, "listen_addresses = []\n[sources.x]\nurls = []\n", &[2]),
    (
        Format::SmartDns,
        "server-tls 9.9.9.9\nserver-https https://9.9.9.9/q\nserver-h3 9.9.9.9\nserver-http3 https://9.9.9.9/q3\nserver-quic 9.9.9.9\n",
        &[1, 2, 3, 4, 5],
    ),
    (Format::SmartDns, "server tls://9.9.9.9\nserver 9.9.9.9 -proxy tor\n", &[1, 2]),
    (
        Format::SmartDns,
        "server 10.0.0.1\nserver-tls 9.9.9.9 -group g -exclude-default-group\nnameserver /x.example/g\n",
        &[3],
    ),
    (Format::SmartDns, "server 10.0.0.1\nserver 9.9.9.9 -g g -e -proxy tor\nnameserver /x.example/g\n", &[2]),
    (
        Format::Uci,
        "config dnsmasq\n\tlist server 'tls://9.9.9.9'\n\tlist server '/x.example/tls://9.9.9.9'\n",
        &[2, 3],
    ),
];

#[test]
fn an_encrypted_server_is_lost_and_never_becomes_a_plain_one() {
    for (format, text, lines) in ENCRYPTED {
        let imported = made(*format, text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut lost: Vec<usize> = imported.losses.iter().map(|left| left.line).collect();
        lost.dedup();
        assert_eq!(lost, *lines, "{text}\n{}", imported.toml);
        assert!(imported.losses.iter().all(|left| left.loss == Some(Loss::Privacy)), "{:?}", imported.losses);
        let first = imported.toml.lines().next().unwrap_or_default();
        assert!(first.starts_with("# LOSS: ") && first.contains("privacy"), "{text}: {first}");
        assert_eq!(first.strip_prefix("# "), imported.loss.as_deref());
        let (config, _) = carried(*format, text);
        let asked = format!("{:?} {:?}", servers(&config), routes(&config));
        let was_plain = text.lines().any(|line| line.ends_with("- 9.9.9.9"));
        assert!(was_plain || !asked.contains("9.9.9.9"), "{text}: {asked}");
        // A domain whose servers are gone is asked of nobody.
        let domains = ["x.example", "corp.example", "a.example"];
        for domain in domains.into_iter().filter(|domain| text.contains(domain)) {
            assert!(routes(&config).contains(&format!("{domain} ")), "{text}: {:?}", routes(&config));
        }
    }
}

#[test]
fn the_file_says_that_the_servers_of_the_system_stand_in_for_lost_ones() {
    for (format, text) in [
        (Format::AdGuardHome, "dns:\n  upstream_dns:\n    - tls://9.9.9.9\n"),
        (Format::DnscryptProxy, "server_names = ['quad9']\n"),
        (Format::Dnsmasq, "no-resolv\nserver=/lan/10.0.0.1\n"),
        (Format::Unbound, "server:\n  interface: 127.0.0.1\n"),
        (Format::SmartDns, "server 9.9.9.9 -proxy tor\n"),
    ] {
        let imported = made(format, text).unwrap();
        let stands_in = "# In place of servers that could not be carried over: those of /etc/resolv.conf, asked in plain DNS.";
        assert!(imported.toml.contains(stands_in), "{text}\n{}", imported.toml);
        let loss = imported.loss.unwrap_or_default();
        assert!(
            loss.contains("the servers of /etc/resolv.conf are asked for all names, in plain DNS"),
            "{loss}"
        );
    }
}

#[test]
fn a_resolver_that_asked_for_itself_and_encrypted_listeners_are_losses_of_privacy() {
    for (format, text, line, loss) in [
        (Format::Unbound, "server:\n  hide-identity: yes\n", 1, Loss::Privacy),
        (
            Format::Unbound,
            "server:\n interface: 0.0.0.0@853\n tls-service-key: x\nforward-zone:\n name: .\n forward-addr: 9.9.9.9\n",
            2,
            Loss::Service,
        ),
        (
            Format::Unbound,
            "server:\n tls-port: 5353\n interface: 0.0.0.0@5353\nforward-zone:\n name: .\n forward-addr: 9.9.9.9\n",
            3,
            Loss::Service,
        ),
        (Format::AdGuardHome, "dns:\n  upstream_dns: [9.9.9.9]\ntls:\n  enabled: true\n", 3, Loss::Service),
        (Format::Blocky, "ports:\n  dns: 53\n  tls: 853\n", 3, Loss::Service),
        (Format::Blocky, "port: 53\nhttpsPort: 443\n", 2, Loss::Service),
        (Format::SmartDns, "server 9.9.9.9\nbind-tls [::]:853\n", 2, Loss::Service),
        (
            Format::DnscryptProxy,
            "timeout = 1\n[local_doh]\nlisten_addresses = ['[::]:3000']\n",
            3,
            Loss::Service,
        ),
        (Format::DnscryptProxy, "proxy = 'socks5://127.0.0.1:9050'\n", 1, Loss::Privacy),
    ] {
        let imported = made(format, text).unwrap();
        let found: Vec<_> = imported.losses.iter().map(|left| (left.line, left.loss)).collect();
        assert_eq!(found, [(line, Some(loss))], "{text}\n{}", imported.toml);
        assert!(imported.loss.unwrap_or_default().contains("privacy"), "{text}");
        assert!(!imported.toml.contains(":853\""), "{}", imported.toml);
    }
    tell(Format::AdGuardHome, &[("dns:\n  port: 53\ntls:\n  enabled: false\n", &[Kept])]);
}

#[test]
fn rules_of_adguard_home_that_answer_are_local_names() {
    let rules = |rules: &[&str]| {
        rules.iter().fold("user_rules:\n".to_owned(), |all, rule| format!("{all}  - '{rule}'\n"))
    };
    let text = rules(&[
        "192.168.1.20 nas.example.org tv.example.org # both",
        "fd00::20\tnas.example.org",
        "||a.example^$dnsrewrite=192.168.1.5",
        "||a.example^$dnsrewrite=fd00::5",
        "|b.example^$dnsrewrite=NOERROR;A;192.168.1.6",
        "||*.c.example^$important,dnsrewrite=192.168.1.7",
        "|d.example^$dnsrewrite=nas.example.org",
    ]);
    let (config, left) = carried(Format::AdGuardHome, &text);
    assert_eq!(
        locals(&config),
        [
            "nas.example.org 192.168.1.20 fd00::20",
            "tv.example.org 192.168.1.20",
            "a.example 192.168.1.5 fd00::5",
            "*.a.example 192.168.1.5 fd00::5",
            "b.example 192.168.1.6",
            "*.c.example 192.168.1.7",
            "d.example 192.168.1.20 fd00::20",
        ]
    );
    assert!(left.is_empty(), "{left:?}");
    for (rule, why) in [
        ("0.0.0.0 ads.example", "blocking"),
        (":: ads.example", "blocking"),
        ("||ads.example^", "blocking"),
        ("||x.example^$dnsrewrite=NXDOMAIN;;", "blocking"),
        ("||x.example^$dnsrewrite=REFUSED", "blocking"),
        ("||x.example^$dnsrewrite=NOERROR;TXT;192.168.1.1", "addresses only"),
        ("||x.example^$client=192.168.1.2,dnsrewrite=192.168.1.7", "conditions"),
        ("x.example$dnsrewrite=192.168.1.7", "pattern"),
    ] {
        let imported = made(Format::AdGuardHome, &rules(&[rule])).unwrap();
        assert!(
            imported.left.iter().any(|left| left.line == 2 && left.why.contains(why)),
            "{rule}: {:?}",
            imported.left
        );
        assert!(!imported.toml.contains("[[local]]\n"), "{rule}\n{}", imported.toml);
        // Such a rule is no filter against rebinding either.
        assert!(imported.toml.contains("no protection of its own"), "{rule}");
    }
}

#[test]
fn logs_of_queries_are_carried_over_from_every_format() {
    for (format, on, off) in [
        (Format::Dnsmasq, "log-queries=extra\n", "port=53\n"),
        (Format::Unbound, "server:\n log-queries: yes\n", "server:\n log-queries: no\n"),
        (Format::Uci, "config dnsmasq\n option logqueries '1'\n", "config dnsmasq\n option logqueries '0'\n"),
        (Format::AdGuardHome, "querylog:\n  enabled: true\n", "querylog:\n  enabled: false\n"),
        (Format::AdGuardHome, "dns:\n  querylog_enabled: true\n", "dns:\n  querylog_enabled: false\n"),
        (Format::PiHole, "[dns]\nqueryLogging = true\n", "[dns]\nqueryLogging = false\n"),
        (Format::Blocky, "queryLog:\n  type: csv\n", "queryLog:\n  type: none\n"),
        (Format::DnscryptProxy, "[query_log]\nfile = 'q'\n", "[query_log]\nfile = ''\n"),
        (Format::SmartDns, "audit-enable yes\n", "audit-enable no\n"),
    ] {
        assert!(made(format, on).unwrap().toml.contains("[log]\nqueries = \"with-names\""), "{on}");
        assert!(!made(format, off).unwrap().toml.contains("queries = \"with-names\""), "{off}");
    }
}

#[test]
fn thousands_of_similar_lines_are_one_group_in_every_format() {
    let many = |head: &str, line: fn(usize) -> String| {
        (0..3_000).fold(head.to_owned(), |all, n| all + &line(n) + "\n")
    };
    let list =
        |item: fn(usize) -> String, between: &str| (0..3_000).map(item).collect::<Vec<_>>().join(between);
    let rows = [
        (Format::Dnsmasq, many("", |n| format!("address=/ads{n}.example/#"))),
        (Format::Dnsmasq, many("", |n| format!("address=/ads{n}.example/0.0.0.0"))),
        (Format::Dnsmasq, many("", |n| format!("cname=a{n}.example,b{n}.example"))),
        (
            Format::Dnsmasq,
            many("", |n| format!("ptr-record={}.{}.168.192.in-addr.arpa,a{n}.lan", n % 250, n / 250)),
        ),
        (Format::Dnsmasq, many("", |n| format!("srv-host=_x._tcp.a{n}.example,b{n}.example,80"))),
        (Format::Dnsmasq, many("", |n| format!("server=/a{n}.example/ns{n}.example"))),
        (Format::Unbound, many("server:\n", |n| format!(" local-zone: \"ads{n}.example\" always_null"))),
        (Format::Unbound, many("server:\n", |n| format!(" local-data: \"ads{n}.example A 0.0.0.0\""))),
        (Format::Unbound, many("server:\n", |n| format!(" local-data: \"a{n}.example TXT x{n}\""))),
        (Format::AdGuardHome, many("user_rules:\n", |n| format!("- '||ads{n}.example^'"))),
        (Format::AdGuardHome, many("user_rules:\n", |n| format!("- 0.0.0.0 ads{n}.example"))),
        (
            Format::AdGuardHome,
            many("filtering:\n rewrites:\n", |n| format!(" - domain: ads{n}.example\n   answer: 0.0.0.0")),
        ),
        (
            Format::PiHole,
            format!("[dns]\nhosts = [\n{}\n]\n", list(|n| format!("\"0.0.0.0 ads{n}.example\""), ",\n")),
        ),
        (Format::Blocky, many("customDNS:\n mapping:\n", |n| format!("  ads{n}.example: 0.0.0.0"))),
        (Format::SmartDns, many("", |n| format!("address /ads{n}.example/#"))),
        (Format::SmartDns, many("", |n| format!("domain-rules /ads{n}.example/ -address #"))),
        (Format::Uci, many("config dnsmasq\n", |n| format!(" list address '/ads{n}.example/#'"))),
    ];
    for (format, text) in rows {
        let start: String = text.chars().take(60).collect();
        let imported = made(format, &text).unwrap();
        let comments = imported.toml.split_once("\n# Not carried over:").unwrap_or_default().1;
        assert!(
            comments.lines().count() < 20,
            "{start}\n{}",
            comments.lines().take(30).collect::<Vec<_>>().join("\n")
        );
        assert!(comments.contains("and 2999 more like it"), "{start}\n{comments}");
    }
}

#[test]
fn servers_that_were_not_for_all_names_are_not_asked_for_all_of_them() {
    tell(
        Format::SmartDns,
        &[
            (
                "server 8.8.8.8 -bootstrap-dns\nserver-https https://dns.example/dns-query\n",
                &[Not("8.8.8.8"), Needless(1), Lost(2), Has("servers = [\"system\"]")],
            ),
            ("server 8.8.8.8 -b\nserver 9.9.9.9\n", &[Not("8.8.8.8"), Has("servers = [\"9.9.9.9\"]"), Kept]),
            (
                "server 9.9.9.9\ngroup-begin kids\nserver 8.8.8.8\ngroup-end\nserver 1.1.1.1\n",
                &[Not("8.8.8.8"), Has("\"9.9.9.9\""), Has("\"1.1.1.1\""), Lost(3)],
            ),
        ],
    );
}

#[test]
fn what_is_not_a_domain_becomes_no_route_and_no_local_name() {
    const GROUP: &str = "server 9.9.9.9\nserver 10.0.0.53 -group x -exclude-default-group\n";
    for pattern in
        ["/#/x", "/*/x", "/./x", "//x", "/#.lan/x", "/+.a.example/x", "/a b/x", "/*.*.a/x", "/a$/x"]
    {
        let imported = made(Format::SmartDns, &format!("{GROUP}nameserver {pattern}\n")).unwrap();
        assert!(!imported.toml.contains("[[route]]\n"), "{pattern}\n{}", imported.toml);
        assert!(imported.left.iter().any(|left| left.line == 3), "{pattern}\n{}", imported.toml);
    }
    tell(
        Format::SmartDns,
        &[
            (
                "server 10.0.0.53 -group x -exclude-default-group\nnameserver /#/x\n",
                &[Has("[upstream]\nservers = [\"10.0.0.53\"]"), Kept],
            ),
            (
                "server 9.9.9.9\nserver 10.0.0.53 -g x -e\nnameserver /#/x\n",
                &[Lost(3), Left(3, "every name")],
            ),
            ("server 9.9.9.9\nnameserver /#/-\n", &[Needless(2), Kept]),
            ("address /#/10.0.0.1\n", &[Left(1, "every name"), Not("[[local]]")]),
            ("address /#.lan/10.0.0.1\n", &[Left(1, "not a domain"), Not("[[local]]")]),
            ("address #\n", &[Left(1, "blocking")]),
            ("cname /#/x.lan\n", &[Left(1, "every name")]),
        ],
    );
    tell(
        Format::Dnsmasq,
        &[
            ("server=/#.lan/10.0.0.1\n", &[Left(1, "not a domain"), Not("[[route]]")]),
            ("server=/a*b.example/10.0.0.1\n", &[Left(1, "not a domain"), Not("[[route]]")]),
            ("host-record=a$b.lan,10.0.0.1\n", &[Left(1, "not a domain"), Not("[[local]]")]),
        ],
    );
    tell(
        Format::AdGuardHome,
        &[("dns:\n upstream_dns:\n - '[/a#b/]10.0.0.1'\n", &[Left(3, "not a domain")])],
    );
}

#[test]
fn records_that_no_local_name_can_have_are_told_one_by_one() {
    tell(
        Format::Dnsmasq,
        &[
            ("txt-record=a.example,x\n", &[Left(1, "addresses only")]),
            ("srv-host=_x._tcp.a.example,b.example,80\n", &[Left(1, "addresses only")]),
            ("ptr-record=1.1.168.192.in-addr.arpa,a.lan\n", &[Left(1, "name = \"a.lan\"")]),
            ("cname=a.lan,b.example\n", &[Left(1, "b.example")]),
        ],
    );
    tell(
        Format::Blocky,
        &[
            (
                "customDNS:\n mapping:\n  nas.lan: 10.0.0.1\n  www.lan: CNAME(nas.lan)\n",
                &[Has("name = \"www.lan\"\naddresses = [\"10.0.0.1\"]")],
            ),
            ("customDNS:\n mapping:\n  nas.lan: [10.0.0.1, fd00::1]\n", &[Has("\"fd00::1\"")]),
            ("customDNS:\n mapping:\n  nas.lan: CNAME(b.example)\n", &[Left(3, "b.example")]),
            (
                "customDNS:\n zone: |\n  $ORIGIN example.com.\n  www 3600 A 10.0.0.1\n  a CNAME www\n  b CNAME c.example.\n  @ MX 10 m\n",
                &[
                    Has("name = \"www.example.com\"\naddresses = [\"10.0.0.1\"]"),
                    Has("name = \"a.example.com\"\naddresses = [\"10.0.0.1\"]"),
                    Left(2, "c.example is not a local name"),
                    Left(2, "addresses only"),
                ],
            ),
            ("customDNS:\n mapping:\n  nas.lan: TXT(x)\n", &[Left(3, "addresses only")]),
            ("customDNS:\n mapping:\n  nas.lan:\n", &[Left(3, "no address")]),
        ],
    );
    tell(
        Format::Uci,
        &[
            ("config srvhost\n option srv 'x'\n", &[Left(1, "addresses only")]),
            ("config cname\n option cname 'a.lan'\n option target 'b.example'\n", &[Left(2, "b.example")]),
        ],
    );
    tell(Format::SmartDns, &[("srv-record /_x._tcp.a/b,80\n", &[Left(1, "addresses only")])]);
    tell(Format::PiHole, &[("[dns]\ncnameRecords = [\"a.lan,b.example\"]\n", &[Left(2, "b.example")])]);
}

#[test]
fn a_file_of_another_kind_is_refused_by_every_format() {
    for (text, hint) in [
        ("<!DOCTYPE html>\n<html><body>404</body></html>\n", "web page"),
        ("127.0.0.1 localhost\n::1 ip6-localhost\n192.168.1.5 nas.lan nas\n", "hosts file"),
        ("nameserver 9.9.9.9\nnameserver 1.1.1.1\nsearch lan\n", "resolv.conf"),
        ("[upstream]\nservers = [\"9.9.9.9\"]\n[guard]\nmode = \"block\"\n", "configuration of stubborn"),
        ("a\0b\0c\n", "not a text file"),
        ("hello world\nthis is a note\n", ""),
        ("services:\n  pihole:\n    image: x\n", ""),
        ("options {\n  directory \"/var\";\n};\n", ""),
        ("ads.example\nmore.ads.example\n", ""),
    ] {
        for format in Format::ALL {
            let error = made(format, text).map(|imported| imported.toml).unwrap_err().to_string();
            assert!(error.contains(hint), "{} {text:?}: {error}", format.name());
        }
    }
}

#[test]
fn a_file_of_another_format_is_refused_among_files_of_the_right_one() {
    let yaml = "dns:\n  upstream_dns:\n    - 9.9.9.9\n";
    let right = "server=9.9.9.9\nno-resolv\nlisten-address=::1\nport=53\ncache-size=0\n";
    let source = |name: &str, text: &str| Source { name: name.into(), octets: text.into() };
    let sources = [source("a.conf", right), source("b.yaml", yaml)];
    let error = import(Format::Dnsmasq, &sources, &properties::import::Nothing).unwrap_err().to_string();
    assert!(
        error.starts_with("b.yaml:1: ") && error.contains("stubborn import adguardhome b.yaml"),
        "{error}"
    );
    // Files with comments only are fine beside others.
    let sources = [source("a.conf", "# nothing\n"), source("b.conf", right)];
    assert!(import(Format::Dnsmasq, &sources, &properties::import::Nothing).is_ok());
    // So is a part of unbound.conf that another file includes below `server:`.
    let sources = [
        source("a.conf", "forward-zone:\n name: .\n forward-addr: 9.9.9.9\n"),
        source("b.conf", "local-zone: \"x.example\" always_nxdomain\nlocal-data: \"a.example A 10.0.0.1\"\n"),
    ];
    let imported = import(Format::Unbound, &sources, &properties::import::Nothing).unwrap();
    assert!(
        imported.toml.contains("domain = \"x.example\"") && imported.toml.contains("name = \"a.example\"")
    );
}
