//! What an import says about each line: carried over, needless, or left with the reason.

use super::*;

/// What a test expects of the imported file.
pub(super) enum Told {
    /// This is in it.
    Has(&'static str),
    /// This is not in it.
    Not(&'static str),
    /// The line is left, for a reason with these words.
    Left(usize, &'static str),
    /// The line needs nothing.
    Needless(usize),
    /// The line costs a server.
    Lost(usize),
    /// No server is lost.
    Kept,
}
use Told::{Has, Kept, Left, Lost, Needless, Not};

pub(super) fn tell(format: Format, rows: &[(&str, &[Told])]) {
    for (text, told) in rows {
        let imported = made(format, text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let toml = &imported.toml;
        let (body, comments) = toml.split_once("\n# Needs nothing here:").unwrap_or((toml, ""));
        let settings = body.split("\n# Not carried over:").next().unwrap();
        for told in *told {
            let (is_so, what) = match told {
                Has(part) => (settings.contains(part), format!("has {part}")),
                Not(part) => {
                    let mut lines = settings.lines().filter(|line| !line.starts_with('#'));
                    (!lines.any(|line| line.contains(part)), format!("has not {part}"))
                }
                Left(line, why) => {
                    let is_it = |left: &stubborn::import::Left| left.line == *line && left.why.contains(why);
                    (imported.left.iter().any(is_it), format!("leaves line {line}: {why}"))
                }
                Needless(line) => {
                    (comments.contains(&format!("# a:{line}:")), format!("line {line} is needless"))
                }
                Lost(line) => {
                    (imported.losses.iter().any(|loss| loss.line == *line), format!("line {line} is lost"))
                }
                Kept => (imported.losses.is_empty(), "no loss".to_owned()),
            };
            assert!(is_so, "{text}\n--- {what}\n{toml}");
        }
    }
}

#[test]
fn dnsmasq_is_read_in_every_spelling() {
    tell(
        Format::Dnsmasq,
        &[
            ("server=/.lan/10.10.10.254", &[Has("domain = \"lan\"\nservers = [\"10.10.10.254\"]"), Kept]),
            ("server=/LAN./10.10.10.254", &[Has("domain = \"lan\"")]),
            ("server=\"/lan/10.10.10.254\"", &[Has("domain = \"lan\"")]),
            ("rebind-domain-ok=/.nas.example/", &[Has("[[exception]]\ndomain = \"nas.example\"")]),
            ("rebind-domain-ok=NAS.Example.", &[Has("domain = \"nas.example\"")]),
            ("rebind-domain-ok=a.example/b.example", &[Has("\"a.example\""), Has("\"b.example\"")]),
            ("server=9.9.9.9\nrebind-domain-ok=//", &[Left(2, "names without a dot")]),
            ("domain-needed\nserver=9.9.9.9\nrebind-domain-ok=//", &[Needless(3)]),
            ("rebind-domain-ok=/#/", &[Left(1, "every name")]),
            ("server=//10.0.0.7", &[Lost(1), Left(1, "names without a dot")]),
            ("server=/./10.0.6.3", &[Has("[upstream]\nservers = [\"10.0.6.3\"]"), Kept]),
            ("server=/#/10.0.6.3", &[Has("[upstream]\nservers = [\"10.0.6.3\"]")]),
            ("server=/*/10.0.6.3", &[Has("[upstream]\nservers = [\"10.0.6.3\"]")]),
            ("server=/*.a.example/10.0.0.3", &[Has("domain = \"a.example\""), Left(1, "itself")]),
            ("address=/.x.example/10.0.0.1", &[Has("name = \"x.example\""), Has("name = \"*.x.example\"")]),
            ("address=/*.x.example/10.0.0.1", &[Not("name = \"x.example\""), Has("name = \"*.x.example\"")]),
            ("address=/x.example/#", &[Left(1, "blocking"), Not("x.example")]),
            ("address=/x.example/", &[Has("domain = \"x.example\"\nservers = []")]),
            ("local=/x.example/", &[Has("domain = \"x.example\"\nservers = []")]),
            ("server=/home.lab/", &[Has("domain = \"home.lab\"\nservers = []")]),
            ("local=/.lan/", &[Needless(1), Not("[[route]]")]),
            ("local=//", &[Needless(1)]),
            ("rev-server=192.168.1.1/24,10.0.0.53", &[Has("domain = \"1.168.192.in-addr.arpa\"")]),
            ("rev-server=10.0.0.0/8", &[Has("domain = \"10.in-addr.arpa\"\nservers = []")]),
        ],
    );
}

#[test]
fn dnsmasq_loses_nothing_silently() {
    tell(
        Format::Dnsmasq,
        &[
            (
                "server=/corp.example/10.0.0.54@10.0.0.9",
                &[Has("servers = [\"10.0.0.54\"]"), Left(1, "10.0.0.9")],
            ),
            ("server=/corp.example/10.0.0.54#5353@eth0", &[Has("\"10.0.0.54:5353\""), Left(1, "eth0")]),
            ("server=9.9.9.9@wg0", &[Has("\"9.9.9.9\""), Left(1, "wg0")]),
            ("rev-server=10.0.0.0/8,10.0.0.53@wg0", &[Left(1, "wg0")]),
            ("host-record=a.example,10.0.0.1,3600", &[Has("a.example"), Left(1, "TTL 3600")]),
            ("server=9.9.9.9\nserver=dns.example", &[Lost(2), Has("servers = [\"9.9.9.9\"]")]),
            (
                "server=/corp.example/dns.example",
                &[Lost(1), Has("domain = \"corp.example\"\n# Its server"), Has("servers = []")],
            ),
            ("server=192.168.1.1", &[Left(1, "lan, local"), Kept]),
            ("no-resolv\nserver=9.9.9.9", &[Needless(1), Kept]),
            ("no-resolv\nserver=/lan/192.168.1.1", &[Lost(1)]),
            (
                "server=9.9.9.9\nrebind-domain-ok=/lan/",
                &[Has("domain = \"lan\"\nservers = [\"9.9.9.9\"]"), Has("networks = [\"10.0.0.0/8\"")],
            ),
            ("rebind-domain-ok=/lan/", &[Left(1, "nobody is asked"), Not("lan")]),
            ("local=/lan/\nrebind-domain-ok=/lan/\nserver=9.9.9.9", &[Needless(2), Not("lan")]),
            (
                "server=10.0.0.1\nserver=/corp.example/10.0.0.53\nserver=/www.corp.example/#",
                &[Has("domain = \"www.corp.example\"\nservers = [\"10.0.0.1\"]")],
            ),
            ("server=10.0.0.1\nserver=/www.example/#", &[Needless(2), Not("www.example")]),
            ("server=10.0.0.1\nserver=/lan/#", &[Has("domain = \"lan\"\nservers = [\"10.0.0.1\"]")]),
            ("log-queries", &[Has("queries = \"with-names\"")]),
            ("ptr-record=40.1.168.192.in-addr.arpa,tv.lan", &[Left(1, "name = \"tv.lan\"")]),
            ("host-record=tv.lan,192.168.1.40\nptr-record=40.1.168.192.in-addr.arpa,tv.lan", &[Needless(2)]),
            ("txt-record=a.example,\"x\"", &[Left(1, "addresses only")]),
            ("domain=lan\nexpand-hosts", &[Left(2, "/etc/hosts"), Left(1, "domain")]),
            ("domain=lan", &[Left(1, "DHCP")]),
            (
                "cname=www.lan,tv.lan\nhost-record=tv.lan,192.168.1.40",
                &[Has("name = \"www.lan\"\naddresses = [\"192.168.1.40\"]"), Kept],
            ),
            (
                "cname=a.lan,b.lan\ncname=b.lan,tv.lan\nhost-record=tv.lan,192.168.1.40",
                &[Has("name = \"a.lan\"")],
            ),
            ("cname=www.lan,x.tv.lan\naddress=/tv.lan/192.168.1.40", &[Has("name = \"www.lan\"")]),
            ("cname=www.lan,dhcp.lan", &[Left(1, "dhcp.lan is not a local name")]),
            ("domain=a.lan\ndomain=b.lan", &[Needless(1), Left(2, "DHCP")]),
            ("port=5353\nport=5454\nlisten-address=::1", &[Needless(1), Has("[::1]:5454")]),
            ("rebind-localhost-ok", &[Has("dnsbl"), Left(1, "127.0.0.0/8")]),
        ],
    );
}

#[test]
fn unbound_zones_answer_the_same_names() {
    const WHOLE: &str = "addresses = [\"10.0.0.1\"]                         # a:3\ntypes = \"all\"";
    tell(
        Format::Unbound,
        &[
            ("server:\n\n local-data: \"x.example. A 10.0.0.1\"", &[Has("name = \"x.example\""), Has(WHOLE)]),
            (
                "server:\n local-zone: x.example. transparent\n local-data: \"x.example A 10.0.0.1\"",
                &[Has(WHOLE), Not("route")],
            ),
            (
                "server:\n local-zone: X.Example typetransparent\n local-data: \"x.example A 10.0.0.1\"",
                &[Not("types"), Has("x.example")],
            ),
            (
                "server:\n local-zone: \"x.example\" static\n local-data: \"a.x.example A 10.0.0.1\"",
                &[Has(WHOLE), Has("domain = \"x.example\"\nservers = []")],
            ),
            (
                "server:\n local-zone: \"x.example\" refuse\n local-data: \"a.x.example A 10.0.0.1\"",
                &[Has(WHOLE), Has("servers = []"), Left(2, "REFUSED")],
            ),
            ("server:\n local-zone: \"x.example\" deny\n", &[Has("servers = []"), Left(2, "dropped")]),
            (
                "server:\n local-zone: \"x.example\" redirect\n local-data: \"x.example A 10.0.0.1\"",
                &[Has("name = \"*.x.example\""), Has(WHOLE)],
            ),
            ("server:\n local-zone: \"x.example\" redirect\n", &[Has("servers = []")]),
            (
                "server:\n local-zone: \"x.example\" inform\n local-data: \"x.example A 10.0.0.1\"",
                &[Has(WHOLE), Left(2, "log")],
            ),
            (
                "server:\n local-zone: \"x.example\" always_transparent\n local-data: \"x.example A 10.0.0.1\"",
                &[Not("x.example"), Needless(3)],
            ),
            (
                "server:\n local-zone: \"x.example\" always_nxdomain\n local-data: \"x.example A 10.0.0.1\"",
                &[Has("servers = []"), Needless(3)],
            ),
            ("server:\n local-zone: \"x.example\" always_null", &[Not("x.example"), Left(2, "blocking")]),
            ("server:\n local-zone: \"lan\" static", &[Not("lan"), Needless(2)]),
            (
                "server:\n local-zone: \"home.arpa\" nodefault\nforward-zone:\n name: .\n forward-addr: 192.168.1.1",
                &[Has("domain = \"home.arpa\"\nservers = [\"192.168.1.1\"]")],
            ),
            ("server:\n local-data: \"x.example 300 IN A 10.0.0.1\"", &[Left(2, "TTL 300")]),
            ("server:\n local-data: \"x.example MX 10 m.x.example\"", &[Left(2, "addresses only")]),
            (
                "server:\n local-data: \"w.example CNAME x.example\"\n local-data: \"x.example A 10.0.0.1\"",
                &[Has("name = \"w.example\"")],
            ),
            ("server:\n local-data-ptr: \"10.0.0.1 x.example\"", &[Left(2, "name = \"x.example\"")]),
            ("server:\n local-zone: \"x.example\" frobnicate", &[Left(2, "not a known type")]),
            ("server:\n local-zone: \".\" static", &[Left(2, "any name")]),
        ],
    );
}

#[test]
fn unbound_is_read_in_every_spelling() {
    tell(
        Format::Unbound,
        &[
            ("server:\n access-control: 192.168.1.1/24 allow", &[Has("\"192.168.1.0/24\"")]),
            ("server:\n access-control: ::0/0 allow", &[Has("\"::/0\"")]),
            ("server:\n access-control: fd00::1/64 ALLOW", &[Has("\"fd00::/64\"")]),
            (
                "server:\n access-control: 10.0.0.0/30 allow\n access-control: 10.0.0.1/32 refuse\n access-control: 0.0.0.0/0 deny",
                &[Has("\"10.0.0.0/32\""), Has("\"10.0.0.2/31\""), Not("10.0.0.1"), Needless(3), Needless(4)],
            ),
            (
                "server:\n hide-identity: no\n do-daemonize: no\n do-ip6: yes",
                &[Left(2, "off there"), Needless(3), Needless(4)],
            ),
            (
                "forward-zone:\n name: .\n forward-addr: 9.9.9.9#dns.quad9.net",
                &[Has("\"9.9.9.9\""), Left(3, "TLS")],
            ),
            ("server:\n interface: ::0", &[Has("listen = [\"::\"]"), Has("allow-clients = [\"loopback\"]")]),
            ("server:\n interface: 127.0.0.1", &[Not("allow-clients")]),
            ("server:\n private-address: 203.0.114.9/24", &[Has("\"203.0.114.0/24\"")]),
            (
                "server:\n private-domain: \"LOCAL.\"\nforward-zone:\n name: \".\"\n forward-addr: 9.9.9.9",
                &[Has("domain = \"local\"\nservers = [\"9.9.9.9\"]"), Has("networks = [\"10.0.0.0/8\"")],
            ),
            ("server:\n private-domain: \"local\"", &[Left(2, "nobody is asked"), Not("local\"")]),
            (
                "forward-zone:\n name: 'CORP.Example.'\n forward-addr: 10.0.0.53",
                &[Has("domain = \"corp.example\"")],
            ),
            (
                "forward-zone:\n name: .\n forward-tls-upstream: yes\n forward-addr: 9.9.9.9@853#dns.quad9.net",
                &[Lost(4), Has("servers = [\"system\"]"), Has("# LOSS: ")],
            ),
            (
                "server:\n tls-upstream: yes\nforward-zone:\n name: .\n forward-addr: 9.9.9.9@853",
                &[Lost(5), Not("\"9.9.9.9\"")],
            ),
            (
                "forward-zone:\n name: corp.example\n forward-host: ns.corp.example",
                &[Lost(3), Has("servers = []")],
            ),
            (
                "forward-zone:\n name: corp.example\nforward-zone:\n name: .\n forward-addr: 9.9.9.9",
                &[Kept, Needless(1)],
            ),
            ("server:\n access-control:\n 10.0.0.0/8\n allow", &[Has("\"10.0.0.0/8\"")]),
            (
                "server:\n interface: 0.0.0.0\n access-control: 0.0.0.0/0 refuse",
                &[Has("allow-clients = [\"loopback\"]")],
            ),
            (
                "server:\n interface: 0.0.0.0\n access-control: lan allow",
                &[Has("allow-clients = [\"loopback\"]")],
            ),
            ("forward-zone:\n name:\n .\n forward-addr:\n 9.9.9.9", &[Has("\"9.9.9.9\"")]),
            ("forward-zone:\n name: .\n forward-addr: 9.9.9.9\n forward-addr:", &[Left(4, "no value")]),
            ("server:\n interface: 10.0.0.1 10.0.0.2", &[Has("\"10.0.0.1\""), Left(2, "10.0.0.2")]),
            ("server:\n log-queries: yes", &[Has("queries = \"with-names\"")]),
        ],
    );
}

#[test]
fn every_line_of_adguard_home_is_accounted_for() {
    tell(
        Format::AdGuardHome,
        &[
            (
                "dns:\n  upstream_dns:\n    - https://dns.quad9.net/dns-query\n    - tls://dns.quad9.net\n",
                &[Lost(3), Lost(4), Has("# LOSS: 2 settings"), Has("servers = [\"system\"]")],
            ),
            (
                "dns:\n  disallowed_clients:\n    - 192.168.0.0/17\n    - my-phone\n",
                &[
                    Has("\"192.168.128.0/17\""),
                    Has("\"10.0.0.0/8\""),
                    Not("192.168.0.0"),
                    Left(4, "only by address"),
                ],
            ),
            (
                "dns:\n  hostsfile_enabled: false\n  cache_enabled: false\n  cache_optimistic: false\n  refuse_any: false\n",
                &[
                    Has("hosts-files = []"),
                    Has("size = \"0\""),
                    Has("serve-stale = \"0\""),
                    Left(5, "off there"),
                ],
            ),
            ("dns:\n  upstream_dns: []\n", &[Lost(2), Has("servers = [\"system\"]")]),
            (
                "dns:\n  upstream_dns:\n    - tcp://9.9.9.9\n    - udp://1.1.1.1:53\n    - '[2620:fe::fe]:53'\n",
                &[Kept, Has("\"9.9.9.9\""), Has("\"1.1.1.1\""), Has("\"2620:fe::fe\"")],
            ),
            (
                "dns:\n  upstream_dns_file: /nowhere\n  upstream_dns:\n    - 9.9.9.9\n",
                &[Lost(2), Not("9.9.9.9\"")],
            ),
            (
                "dns:\n  upstream_dns:\n    - 9.9.9.9\n    - '[/*.Corp.Example./]10.0.0.53'\n    - '[//]10.0.0.1'\n    - '[/lan/]#'\n",
                &[
                    Has("domain = \"corp.example\""),
                    Left(4, "itself"),
                    Lost(5),
                    Has("domain = \"lan\"\nservers = [\"9.9.9.9\"]"),
                ],
            ),
            (
                "user_rules:\n  - 192.168.1.20 nas.example.org\n  - '||a.example^$dnsrewrite=10.0.0.1'\n  - '||ads.example^'\n",
                &[
                    Has("name = \"nas.example.org\"\naddresses = [\"192.168.1.20\"]"),
                    Has("name = \"*.a.example\""),
                    Left(4, "blocking"),
                ],
            ),
            (
                "filtering:\n  protection_enabled: false\nuser_rules:\n  - 192.168.1.20 nas.example.org\n",
                &[Not("nas.example.org"), Left(4, "off")],
            ),
            (
                "querylog:\n  enabled: true\n  interval: 24h\n",
                &[Has("queries = \"with-names\""), Left(3, "how long")],
            ),
            (
                "dns:\n  upstream_dns:\n    - 9.9.9.9\n  allowed_clients:\n    - my-phone\n",
                &[Has("allow-clients = [\"loopback\"]")],
            ),
            ("querylog:\n  enabled: false\n", &[Needless(2), Not("queries")]),
            (
                "filtering:\n  rewrites:\n    - domain: www.lan\n      answer: nas.lan\n    - domain: nas.lan\n      answer: 192.168.1.10\n",
                &[Has("name = \"www.lan\"\naddresses = [\"192.168.1.10\"]")],
            ),
            (
                "clients:\n  persistent:\n    - name: x\n      upstreams:\n        - tls://1.1.1.1\n",
                &[Lost(5)],
            ),
        ],
    );
}

#[test]
fn every_line_of_openwrt_is_accounted_for() {
    tell(
        Format::Uci,
        &[
            (
                "config cname\n\toption cname 'www.lan'\n\toption target 'nas.lan'\nconfig domain\n\toption name 'nas.lan'\n\tlist ip '10.0.0.1'\n\tlist ip '10.0.0.2'\n",
                &[Has("name = \"www.lan\""), Has("\"10.0.0.2\"")],
            ),
            (
                "config dnsmasq\n\toption domainneeded '0'\n\toption boguspriv '0'\n\toption nohosts '0'\n",
                &[Left(2, "off there"), Left(3, "off there"), Needless(4)],
            ),
            (
                "config dnsmasq\n\toption rebind_domain 'x.example /y.example/'\n",
                &[Has("\"x.example\""), Has("\"y.example\"")],
            ),
            ("config cname\n\toption cname 'www.lan'\n", &[Left(1, "no target")]),
            (
                "config dnsmasq\n\tlist server '/corp.example/10.0.0.53@eth1'\n",
                &[Left(2, "eth1"), Has("rebind_domain")],
            ),
        ],
    );
}

#[test]
fn every_line_of_pi_hole_is_accounted_for() {
    tell(
        Format::PiHole,
        &[
            ("[dns]\nupstreams = [\"9.9.9.9#5353\"]\n", &[Has("\"9.9.9.9:5353\""), Has("\"0.0.0.0\""), Kept]),
            (
                "[dns]\nupstreams = [\"9.9.9.9\"]\nrevServers = [\"true,192.168.1.1/24,192.168.1.1,lan\"]\n",
                &[Has("domain = \"lan\""), Has("domain = \"1.168.192.in-addr.arpa\"")],
            ),
            (
                "[dns]\nhosts = [\"10.0.0.1 nas tv.lan\"]\nexpandHosts = false\ndomain = \"home.lab\"\n",
                &[Has("name = \"nas\""), Not("nas.home.lab")],
            ),
            (
                "[dns]\nhosts = [\"10.0.0.1 nas\"]\nexpandHosts = true\n[dns.domain]\nname = \"home.lab\"\nlocal = true\n",
                &[Has("name = \"nas.home.lab\""), Has("domain = \"home.lab\"\nservers = []")],
            ),
            ("[dns]\n[dns.specialDomains]\nmozillaCanary = false\n", &[Has("firefox-canary = false")]),
            (
                "[misc]\ndnsmasq_lines = [\"stop-dns-rebind\", \"server=/corp.example/10.0.0.53\"]\n",
                &[Has("# No rebind-domain-ok")],
            ),
            ("[dns]\nupstreams = [\"dns.example\"]\n", &[Lost(2), Has("\"system\"")]),
            ("[dns]\nport = 53\n[webserver.api]\npwhash = \"secret\"\n", &[Not("secret")]),
        ],
    );
}

#[test]
fn every_line_of_blocky_is_accounted_for() {
    tell(
        Format::Blocky,
        &[
            (
                "upstreams:\n  groups:\n    default:\n      - https://dns.example/dns-query\n",
                &[Lost(4), Has("\"system\"")],
            ),
            (
                "upstream:\n  default:\n    - udp:9.9.9.9\nupstreamTimeout: 5s\n",
                &[Has("\"9.9.9.9\""), Has("timeout = \"5s\"")],
            ),
            (
                "customDNS:\n  filterUnmappedTypes: false\n  mapping:\n    nas.lan: 10.0.0.1\n",
                &[Has("name = \"*.nas.lan\""), Not("types")],
            ),
            (
                "conditional:\n  mapping:\n    corp.example: 1.2.3.4\n",
                &[Has("networks = []"), Has("Not every server is inside")],
            ),
            (
                "rebindingProtection:\n  enable: true\n  allowedDomains:\n    - nas.example\nconditional:\n  mapping:\n    corp.example: 10.0.0.53\n",
                &[Has("[[exception]]\ndomain = \"nas.example\""), Has("No allowed domain")],
            ),
            (
                "ports:\n  dns: 127.0.0.1:5353,[::1]:5353\n",
                &[Has("\"127.0.0.1:5353\""), Has("\"[::1]:5353\"")],
            ),
            ("queryLog:\n  type: mysql\n  target: user:secret@db\n", &[Not("secret"), Has("with-names")]),
            ("caching:\n  maxTime: -1\n", &[Has("size = \"0\"")]),
        ],
    );
}

#[test]
fn every_line_of_dnscrypt_proxy_is_accounted_for() {
    tell(
        Format::DnscryptProxy,
        &[
            (
                "server_names = ['quad9']\nlisten_addresses = [':5353']\n",
                &[Lost(1), Has("servers = [\"system\"]"), Has("\"[::]:5353\"")],
            ),
            (
                "listen_addresses = ['127.0.0.1:53']\n[sources.x]\nurls = []\n",
                &[Lost(2), Has("servers = [\"system\"]")],
            ),
            ("listen_addresses = ['127.0.0.1:53']\nforwarding_rules = 'rules.txt'\n", &[Lost(2)]),
            ("cache = false\ntimeout = 5000\n", &[Has("size = \"0\""), Has("timeout = \"5000ms\"")]),
        ],
    );
}

#[test]
fn rules_beside_the_configuration_are_read() {
    struct Rules;
    impl config::Files for Rules {
        fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
            match path.to_str() {
                Some("etc/forward.txt") => {
                    Ok(b"# x\nlan 192.168.1.1 # y\n*.Corp.Example. 10.0.0.53,10.0.0.54:5353\ncom 10.0.0.1\nx.example $DHCP\n".to_vec())
                }
                Some("etc/cloak.txt") => Ok(b"nas.lan 192.168.1.10\n=one.lan 192.168.1.11\nwww.google.* x.example\nalias.lan nas.lan\nlocalhost 127.0.0.1\n".to_vec()),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            }
        }
        fn list(&self, _: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
            Ok(Vec::new())
        }
    }
    let text = "forwarding_rules = 'forward.txt'\ncloaking_rules = 'cloak.txt'\n";
    let made = |text: &str| {
        let source = Source { name: "etc/dnscrypt-proxy.toml".into(), octets: text.into() };
        import(Format::DnscryptProxy, &[source], &Rules).unwrap()
    };
    let imported = made(text);
    let loaded = config::from_text(Path::new("a"), &imported.toml, &Disk, 0).unwrap();
    assert_eq!(
        routes(&loaded.config),
        ["lan 192.168.1.1", "corp.example 10.0.0.53 10.0.0.54:5353", "com 10.0.0.1"]
    );
    assert_eq!(
        locals(&loaded.config),
        [
            "nas.lan 192.168.1.10",
            "*.nas.lan 192.168.1.10",
            "one.lan 192.168.1.11",
            "alias.lan 192.168.1.10",
            "*.alias.lan 192.168.1.10"
        ]
    );
    let trusted: Vec<bool> =
        loaded.config.routes.iter().map(|route| !route.trust.networks.is_empty()).collect();
    assert_eq!(trusted, [true, true, false]);
    // The file of blocked addresses is its filter.
    let imported = made(&format!("{text}[blocked_ips]\nblocked_ips_file = 'x.txt'\n"));
    assert!(!imported.toml.contains("networks = [\"10"), "{}", imported.toml);
}

#[test]
fn every_line_of_smartdns_is_accounted_for() {
    tell(
        Format::SmartDns,
        &[
            (
                "server 9.9.9.9:5353\nserver-tls 1.1.1.1 -host-name one.one\n",
                &[Has("\"9.9.9.9:5353\""), Lost(2)],
            ),
            ("server https://dns.example/dns-query\n", &[Lost(1), Has("\"system\"")]),
            (
                "server 10.0.0.53 -group x -exclude-default-group\nnameserver /corp.example/x\n",
                &[Has("domain = \"corp.example\""), Has("networks = [\"10.0.0.0/8\""), Not("[upstream]")],
            ),
            (
                "blacklist-ip 10.0.0.0/8\nserver 10.0.0.53 -group x -exclude-default-group\nnameserver /corp.example/x\n",
                &[Has("networks = []"), Needless(1)],
            ),
            (
                "bind :53\nbind [::]:5353@eth0\n",
                &[Has("\"0.0.0.0:53\""), Has("\"[::]:5353\""), Left(2, "listen")],
            ),
            (
                "address /x.example/#\naddress /y.example/10.0.0.1\n",
                &[Left(1, "blocking"), Has("name = \"*.y.example\"")],
            ),
            (
                "domain-rules /y.example/ -address 10.0.0.1 -no-cache\n",
                &[Has("name = \"y.example\""), Left(1, "no-cache")],
            ),
        ],
    );
}

#[test]
fn similar_lines_are_listed_as_one() {
    let text: String = (0..3_000).map(|n| format!("address=/ads{n}.example/#\n")).collect();
    let imported = made(Format::Dnsmasq, &text).unwrap();
    assert_eq!(imported.left.len(), 3_000);
    assert!(imported.toml.lines().count() < 20, "{}", imported.toml);
    assert!(imported.toml.contains("and 2999 more like it: lines 2-3000"), "{}", imported.toml);
}

#[test]
fn files_that_a_configuration_names_are_read() {
    struct Hosts;
    impl config::Files for Hosts {
        fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
            match path.to_str() {
                Some("/etc/resolv.dnsmasq") => Ok(b"# x\nnameserver 9.9.9.9\nsearch lan\n".to_vec()),
                Some("/etc/hosts") => Ok(b"127.0.0.1 localhost\n192.168.1.5 nas nas2.example # x\n".to_vec()),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            }
        }
        fn list(&self, _: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
            Ok(Vec::new())
        }
    }
    for (text, has, left) in [
        ("expand-hosts\ndomain=home.lab\n", true, 0),
        ("expand-hosts\ndomain=home.lab\nno-hosts\n", false, 0),
        ("expand-hosts\ndomain=home.lab\naddn-hosts=/nowhere\n", true, 2),
    ] {
        let source = Source { name: "a".into(), octets: text.into() };
        let imported = import(Format::Dnsmasq, &[source], &Hosts).unwrap();
        let local = "name = \"nas.home.lab\"\naddresses = [\"192.168.1.5\"]";
        assert_eq!(imported.toml.contains(local), has, "{}", imported.toml);
        assert!(!imported.toml.contains("localhost"), "{}", imported.toml);
        assert_eq!(imported.left.len(), left, "{}", imported.toml);
    }
    // The same for servers in a file like resolv.conf.
    for (text, servers, is_lost) in [
        ("resolv-file=/etc/resolv.dnsmasq", "servers = [\"9.9.9.9\"]", false),
        ("resolv-file=/etc/nowhere", "servers = [\"system\"]", true),
        ("server=1.1.1.1\nresolv-file=/etc/nowhere", "servers = [\"1.1.1.1\"]", true),
        ("server=1.1.1.1\nno-resolv\nresolv-file=/etc/nowhere", "servers = [\"1.1.1.1\"]", false),
        ("server=1.1.1.1\nresolv-file=/run/resolv.conf", "servers = [\"1.1.1.1\"]", false),
    ] {
        let source = Source { name: "a".into(), octets: text.into() };
        let imported = import(Format::Dnsmasq, &[source], &Hosts).unwrap();
        assert!(imported.toml.contains(servers), "{}", imported.toml);
        assert_eq!(!imported.losses.is_empty(), is_lost, "{}", imported.toml);
    }
}

#[test]
fn a_file_of_another_format_is_refused_with_a_hint() {
    for (name, format) in FILES {
        let text = std::fs::read_to_string(Path::new("tests/import").join(name)).unwrap();
        for other in Format::ALL.into_iter().filter(|other| *other != format) {
            let error = made(other, &text).map(|imported| imported.toml).unwrap_err().to_string();
            let hint = format!("stubborn import {}", format.name());
            assert!(error.contains(&hint), "{name} as {}: {error}", other.name());
        }
    }
}
