//! The head of a request, read as strictly as RFC 9112 allows: what is odd is refused, never guessed at.

use std::net::IpAddr;

use super::settings::{Host, MetricsSettings};

/// Where the metrics are.
pub(super) const PATH: &str = "/metrics";

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The metrics; without the body for HEAD.
    Metrics {
        /// For HEAD.
        head_only: bool,
    },
    /// This status, and why.
    Refused(Status, &'static str),
}

/// A status with its phrase.
pub(super) type Status = (u16, &'static str);

pub(super) const BAD_REQUEST: Status = (400, "Bad Request");
pub(super) const FORBIDDEN: Status = (403, "Forbidden");
pub(super) const NOT_FOUND: Status = (404, "Not Found");
pub(super) const METHOD_NOT_ALLOWED: Status = (405, "Method Not Allowed");
pub(super) const TIMEOUT: Status = (408, "Request Timeout");
pub(super) const MISDIRECTED: Status = (421, "Misdirected Request");
pub(super) const HEAD_TOO_LARGE: Status = (431, "Request Header Fields Too Large");
pub(super) const VERSION_NOT_SUPPORTED: Status = (505, "HTTP Version Not Supported");

const FOREIGN: (Status, &str) = (FORBIDDEN, "another site's page asks");

/// Reads a head, without the empty line at its end, that came to the address `local`.
pub(super) fn judge(head: &[u8], settings: &MetricsSettings, local: IpAddr) -> Verdict {
    try_judge(head, settings, local).unwrap_or_else(|(status, why)| Verdict::Refused(status, why))
}

fn try_judge(
    head: &[u8],
    settings: &MetricsSettings,
    local: IpAddr,
) -> Result<Verdict, (Status, &'static str)> {
    let head = std::str::from_utf8(head).map_err(|_| (BAD_REQUEST, "this is not text"))?;
    if head.bytes().any(|octet| octet.is_ascii_control() && !matches!(octet, b'\r' | b'\n' | b'\t')) {
        return Err((BAD_REQUEST, "there are control characters in it"));
    }
    let mut lines = head.split("\r\n");
    let (method, target) = request_line(lines.next().unwrap_or_default())?;
    let fields = lines.map(field).collect::<Option<Vec<_>>>();
    let fields = fields.ok_or((BAD_REQUEST, "there is an odd header field"))?;
    let fields = Fields::checked(fields)?;
    // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks
    // a Host header field and to any request message that contains more than one Host header field line or a Host header
    // field with an invalid field value." HTTP/1.0 does not require one, but is treated the same.
    let named = fields.get("host").ok_or((BAD_REQUEST, "the Host header is missing"))?;
    let host = Host::parse(named).ok_or((BAD_REQUEST, "this is not a Host"))?;
    if !settings.is_for_us(&host, local) {
        return Err((MISDIRECTED, "this host is not listed: [metrics] hosts = [\"…\"]"));
    }
    // Sent by browsers, and not to be forged by pages: what another site's page asks for is for nobody to read.
    if fields.get("sec-fetch-site").is_some_and(|site| !matches!(site, "none" | "same-origin")) {
        return Err(FOREIGN);
    }
    if !matches!(method, "GET" | "HEAD") {
        return Err((METHOD_NOT_ALLOWED, "there is only GET and HEAD"));
    }
    let is_own = |origin: &str| {
        origin.strip_prefix("http://").is_some_and(|origin| origin.eq_ignore_ascii_case(named))
    };
    if fields.get("origin").is_some_and(|origin| !is_own(origin)) {
        return Err(FOREIGN);
    }
    match target.split('?').next() {
        Some(PATH) => Ok(Verdict::Metrics { head_only: method == "HEAD" }),
        _ => Err((NOT_FOUND, "there is only /metrics")),
    }
}

/// Header fields. Each field that decides something occurs at most once.
struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn checked(fields: Vec<(&'a str, &'a str)>) -> Result<Self, (Status, &'static str)> {
        for (index, (name, _)) in fields.iter().enumerate().filter(|(_, (name, _))| decides(name)) {
            if fields.iter().skip(index + 1).any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err((BAD_REQUEST, "a header field that may occur once occurs twice"));
            }
        }
        Ok(Self(fields))
    }

    fn get(&self, wanted: &str) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
    }
}

/// Whether the field decides something: Host, Origin, and Sec-Fetch-Site and similar.
fn decides(name: &str) -> bool {
    let begins =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case("origin") || begins("sec-fetch-")
}

/// `GET /metrics HTTP/1.1`: the method and the target, which is a path. Absolute targets are for proxies, and would name
/// another host than Host does: they are refused, though RFC 9112 §3.2.2 has servers take them.
fn request_line(line: &str) -> Result<(&str, &str), (Status, &'static str)> {
    let wrong = (BAD_REQUEST, "this is not a request line");
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(wrong);
    };
    if !is_token(method) || !target.starts_with('/') || !target.bytes().all(|octet| octet.is_ascii_graphic())
    {
        return Err(wrong);
    }
    match version {
        "HTTP/1.1" | "HTTP/1.0" => Ok((method, target)),
        other if other.starts_with("HTTP/") => Err((VERSION_NOT_SUPPORTED, "this is HTTP/1.1")),
        _ => Err(wrong),
    }
}

/// A name and its value. A line that goes on from the one before begins with a blank, and so has no name.
fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let value = value.trim_matches([' ', '\t']);
    (is_token(name) && !value.contains(['\r', '\n'])).then_some((name, value))
}

/// RFC 9110 §5.6.2
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_odd_is_refused() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let settings = MetricsSettings::default();
        for (head, status) in [
            ("GET /metrics HTTP/1.1\r\nHost: localhost:9353", 200),
            ("GET /metrics HTTP/1.0\r\nHost: 127.0.0.1", 200),
            ("HEAD /metrics HTTP/1.1\r\nhost:[::1]", 200),
            ("GET /metrics?name[]=up HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nX: \t é ", 200),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: none", 200),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin", 200),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site", 403),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nsec-fetch-site: same-site", 403),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: none, cross-site", 403),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site:", 403),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: none", 400),
            (
                "GET /metrics HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: none\r\nsec-fetch-site: cross-site",
                400,
            ),
            (
                "GET /metrics HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Mode: cors\r\nSEC-FETCH-MODE: navigate",
                400,
            ),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: a\r\nAccept: b", 200),
            ("GET /metrics HTTP/1.1\r\nHost: localhost:9353\r\nOrigin: http://localhost:9353", 200),
            ("GET /metrics HTTP/1.1\r\nHost: localhost:9353\r\nOrigin: http://localhost:8080", 403),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost", 403),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example", 403),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: null", 403),
            (
                "GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nOrigin: http://localhost",
                400,
            ),
            ("GET /metrics HTTP/1.1\r\nHost: localhost:999999", 400),
            ("GET /metrics HTTP/1.1\r\nHost: localhost:0", 400),
            ("GET /metrics HTTP/1.1\r\nHost: [127.0.0.1]", 400),
            ("GET /metrics HTTP/1.1\r\nHost: [localhost]", 400),
            ("GET /metrics HTTP/1.1\r\nHost: ::1", 400),
            ("GET /metrics HTTP/1.1\r\nHost: user@localhost", 400),
            ("GET /metrics HTTP/1.1\r\nHost: localhost evil.example", 400),
            ("GET /metrics HTTP/1.1\r\nHost:", 400),
            ("GET /metrics HTTP/1.1\r\nHost: local\rhost", 400),
            ("GET /metrics HTTP/1.1\r\nX: y\r\n\tfolded\r\nHost: localhost", 400),
            ("\r\nGET /metrics HTTP/1.1\r\nHost: localhost", 400),
            ("GET / HTTP/1.1\r\nHost: localhost", 404),
            ("GET /metrics/ HTTP/1.1\r\nHost: localhost", 404),
            ("GET /metricsx HTTP/1.1\r\nHost: localhost", 404),
            ("GET /../metrics HTTP/1.1\r\nHost: localhost", 404),
            ("POST /metrics HTTP/1.1\r\nHost: localhost", 405),
            ("OPTIONS /metrics HTTP/1.1\r\nHost: localhost", 405),
            ("get /metrics HTTP/1.1\r\nHost: localhost", 405),
            ("GET /metrics HTTP/1.1\r\nHost: evil.example", 421),
            ("POST /other HTTP/1.1\r\nHost: evil.example", 421),
            ("GET /metrics HTTP/1.1", 400),
            ("GET /metrics HTTP/1.0", 400),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost", 400),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nHOST: evil.example", 400),
            ("GET /metrics HTTP/1.1\r\nHost : localhost", 400),
            ("GET /metrics HTTP/1.1\r\n Host: localhost", 400),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\n folded", 400),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nnothing", 400),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\n: x", 400),
            ("GET /metrics HTTP/1.1\nHost: localhost", 400),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\nX: y", 400),
            ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: \0", 400),
            ("GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost", 400),
            ("GET http://localhost/metrics HTTP/1.1\r\nHost: localhost", 400),
            ("CONNECT localhost:443 HTTP/1.1\r\nHost: localhost", 400),
            ("OPTIONS * HTTP/1.1\r\nHost: localhost", 400),
            ("GET  /metrics HTTP/1.1\r\nHost: localhost", 400),
            ("GET /metrics\r\nHost: localhost", 400),
            ("GET /metrics HTTQ/1.1\r\nHost: localhost", 400),
            ("GET /metrics HTTP/2.0\r\nHost: localhost", 505),
            ("PRI * HTTP/2.0", 400),
            ("", 400),
            ("\r\n", 400),
        ] {
            let answered = match judge(head.as_bytes(), &settings, local) {
                Verdict::Metrics { head_only } => {
                    assert_eq!(head_only, head.starts_with("HEAD"));
                    200
                }
                Verdict::Refused((status, _), _) => status,
            };
            assert_eq!(answered, status, "{head:?}");
        }
        assert_eq!(judge(b"\xff", &settings, local), Verdict::Refused(BAD_REQUEST, "this is not text"));
    }

    proptest! {
        /// Whatever else is in a request: without a host that is ours it gets nothing.
        #[test]
        fn nothing_is_given_to_another_name(before in "[ -~\\r\\n]{0,60}", host in "[a-z0-9.:@\\[\\]/-]{0,30}", after in "\\PC{0,40}") {
            let head = format!("GET /metrics HTTP/1.1\r\n{before}\r\nHost: {host}\r\nX: {after}");
            let (settings, local) = (MetricsSettings::default(), IpAddr::from([127, 0, 0, 1]));
            if matches!(judge(head.as_bytes(), &settings, local), Verdict::Metrics { .. }) {
                let bare = host.trim_start_matches('[').split([':', ']']).next().unwrap_or_default();
                prop_assert!(bare.starts_with("localhost") || bare.starts_with("127.") || host.starts_with("[:"), "{}", head);
            }
        }

        #[test]
        fn no_octets_make_it_panic(head in proptest::collection::vec(any::<u8>(), 0..200)) {
            judge(&head, &MetricsSettings::default(), IpAddr::from([127, 0, 0, 1]));
        }
    }
}
