//! The zone that every honest upstream serves.

#![allow(unreachable_pub)]

use std::fmt::Write;

/// Everything but what only one of the peers reads.
pub const PLAIN: &str = r#"$ORIGIN peers.example.
$TTL 300
@         IN SOA   ns hostmaster 2026112101 3600 600 86400 120
@         IN NS    ns
ns        IN A     9.9.9.9
www       IN A     1.1.1.1
www       IN A     8.8.8.8
www       IN AAAA  2606:4700:4700::1111
mixed     IN A     1.1.1.1
mixed     IN A     192.168.1.20
inside    IN A     192.168.1.20
inside    IN AAAA  fd00::1
alias     IN CNAME alias2
alias2    IN CNAME alias3
alias3    IN CNAME www
tohome    IN CNAME inside
mail      IN MX    10 mx
mail      IN MX    20 mx2
mx        IN A     1.1.1.1
text      IN TXT   "one" "two \"three\"" "\000\255"
srv       IN SRV   1 2 443 www
caa       IN CAA   128 issue "ca.example; account=1"
caa       IN CAA   0 iodef "mailto:security@example"
opaque    IN TYPE65280 \# 12 c0a80114000102030405c00c
sshfp     IN SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
tlsa      IN TLSA  3 1 1 0102030405060708090a0b0c0d0e0f100102030405060708090a0b0c0d0e0f10
naptr     IN NAPTR 10 20 "u" "E2U+sip" "!^.*$!sip:a@example!" .
service   IN HTTPS 1 . mandatory=alpn,port alpn="h2,h3" no-default-alpn port=8443 ipv4hint=1.1.1.1,8.8.8.8 ech="AEX+DQBB" ipv6hint=2606:4700:4700::1111,2606:4700:4700::1001 key65333="opaque"
service   IN HTTPS 2 www alpn="h2"
hints     IN HTTPS 1 . alpn="h2" ipv4hint=1.1.1.1,192.168.1.20
_dns      IN SVCB  1 www alpn="dot" port=853
_alias    IN SVCB  0 www
*.wild    IN A     1.0.0.1
under\.score.dot IN A 1.1.1.1
UpperCase IN A     1.1.1.1
"#;

/// Asked of each upstream and of the daemon in front of it: the answers have to be the same.
pub const QUESTIONS: &[(&str, &str)] = &[
    ("www", "A"),
    ("www", "AAAA"),
    ("alias", "A"),
    ("alias", "AAAA"),
    ("alias", "CNAME"),
    ("mail", "MX"),
    ("text", "TXT"),
    ("big", "TXT"),
    ("srv", "SRV"),
    ("caa", "CAA"),
    ("opaque", "TYPE65280"),
    ("sshfp", "SSHFP"),
    ("tlsa", "TLSA"),
    ("naptr", "NAPTR"),
    ("service", "HTTPS"),
    ("_dns", "SVCB"),
    ("_alias", "SVCB"),
    ("anything.at.all.wild", "A"),
    ("uppercase", "A"),
    ("WWW", "A"),
    ("www", "TXT"),
    ("alias", "TXT"),
    ("nothing", "A"),
    ("nothing", "HTTPS"),
    ("wild", "A"),
    ("", "SOA"),
    ("", "NS"),
];

/// The name and type of a question, in full.
pub fn question(name: &str, rtype: &str) -> (String, u16) {
    let name = if name.is_empty() { "peers.example".to_owned() } else { format!("{name}.peers.example") };
    let number = match rtype {
        "A" => 1,
        "NS" => 2,
        "CNAME" => 5,
        "SOA" => 6,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        "SRV" => 33,
        "NAPTR" => 35,
        "SSHFP" => 44,
        "TLSA" => 52,
        "SVCB" => 64,
        "HTTPS" => 65,
        "CAA" => 257,
        "TYPE65280" => 65280,
        other => panic!("{other}"),
    };
    (name, number)
}

/// The zone, with a text that needs TCP, and signatures nobody could check over some of it.
pub fn signed() -> String {
    let mut zone = PLAIN.to_owned();
    zone.push_str("big       IN TXT  ");
    for number in 0..16 {
        write!(zone, " \"{}\"", format!("{number:02} ").repeat(80)).unwrap();
    }
    zone.push('\n');
    let signature =
        "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWg==";
    writeln!(zone, "@ IN DNSKEY 257 3 13 {signature}").unwrap();
    writeln!(zone, "@ IN NSEC ns SOA NS RRSIG NSEC DNSKEY").unwrap();
    for (owner, covered, labels) in [
        ("@", "SOA", 2),
        ("@", "NS", 2),
        ("@", "DNSKEY", 2),
        ("@", "NSEC", 2),
        ("www", "A", 3),
        ("alias", "CNAME", 3),
        ("service", "HTTPS", 3),
    ] {
        writeln!(
            zone,
            "{owner} IN RRSIG {covered} 13 {labels} 300 20350101000000 20250101000000 12345 peers.example. {signature}"
        )
        .unwrap();
    }
    zone
}
