use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_795_219_200;
const MAIN: &str = "/etc/stubborn/stubborn.toml";
const MORE: &str = "/etc/stubborn/conf.d/more.toml";

/// A file system of two files.
#[derive(Default)]
struct Two(BTreeMap<PathBuf, String>);

impl Two {
    fn main(text: &str) -> Self {
        Self::default().with(MAIN, text)
    }

    fn with(mut self, path: &str, text: &str) -> Self {
        self.0.insert(path.into(), text.into());
        self
    }

    fn after(mut self, plan: &Plan) -> Self {
        for file in &plan.files {
            self.0.insert(file.path.clone(), file.new.clone());
        }
        self
    }

    fn allow(&self, request: &Request) -> Result<Plan, EditError> {
        Editor::new(Path::new(MAIN), self, NOW).allow(request)
    }

    fn disallow(&self, domain: &str) -> Result<Plan, EditError> {
        Editor::new(Path::new(MAIN), self, NOW).disallow(&Name::from_text(domain).unwrap())
    }
}

impl Files for Two {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let names =
            self.0.keys().filter(|path| path.parent() == Some(directory)).filter_map(|path| path.file_name());
        Ok(names.map(OsString::from).collect())
    }
}

fn request(domain: &str, arguments: &str) -> Request {
    let mut request = Request { domain: domain.into(), ..Request::default() };
    for word in arguments.split_whitespace() {
        match word.split_once('=') {
            None => request.exact = true,
            Some(("to", network)) => request.networks.push(network.into()),
            Some(("client", network)) => request.clients.push(network.into()),
            Some(("until", moment)) => request.until = Some(moment.into()),
            Some((_, reason)) => request.reason = Some(reason.into()),
        }
    }
    request
}

#[test]
fn allowing_changes_what_has_to_be_and_no_more() {
    let one = "[[exception]]\ndomain = \"a.example\"\nnetworks = [\"10.0.0.1\"]\n";
    for (there, arguments, shown) in [
        // Nothing is there.
        ("", "", "[[exception]]\ndomain = \"a.example\"\n"),
        (
            "",
            "exact to=10.0.0.1",
            "[[exception]]\ndomain = \"a.example\"\nexact = true\nnetworks = [\"10.0.0.1/32\"]\n",
        ),
        (
            "",
            "client=10.0.0.7 until=2030-01-01T00:00:00Z reason=why",
            "[[exception]]\ndomain = \"a.example\"\nclients = [\"10.0.0.7/32\"]\nuntil = 2030-01-01T00:00:00Z\nreason = \"why\"\n",
        ),
        // The same, or less, is there.
        (one, "to=10.0.0.1", ""),
        (one, "to=10.0.0.1/32 exact", ""),
        (one, "to=10.0.0.1 until=2030-01-01T00:00:00Z", ""),
        (one, "to=10.0.0.1 client=10.0.0.7", ""),
        (
            "[[exception]]\ndomain = \"example\\u002eexample\"\n[[exception]]\ndomain = \"a.example\"\n",
            "exact",
            "",
        ),
        ("[[route]]\ndomain = \"example\"\nservers = [\"10.0.0.53\"]\n", "to=10.0.0.1", ""),
        // More in every respect.
        (one, "to=10.0.0.0/24", "-networks = [\"10.0.0.1\"]\n+networks = [\"10.0.0.0/24\"]\n"),
        (one, "", "-networks = [\"10.0.0.1\"]\n"),
        (
            "[[exception]]\ndomain = \"a.example\"\nexact = true\nuntil = 2029-01-01T00:00:00Z\nreason = \"x\"\n",
            "",
            "-exact = true\n-until = 2029-01-01T00:00:00Z\n",
        ),
        ("[[exception]]\ndomain = \"a.example\"\nmode = \"monitor\"\n", "", "-mode = \"monitor\"\n"),
        (
            "[[exception]]\ndomain = \"a.example\"\nuntil = 2020-01-01T00:00:00Z\n",
            "",
            "-until = 2020-01-01T00:00:00Z\n",
        ),
        // Other networks, all else the same.
        (one, "to=10.0.0.2", "-networks = [\"10.0.0.1\"]\n+networks = [\"10.0.0.1\", \"10.0.0.2/32\"]\n"),
        (
            "[[exception]]\ndomain = \"a.example\"\n",
            "to=127.0.0.1",
            "networks = [\"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\", \"fc00::/7\", \"127.0.0.1/32\"]\n",
        ),
        // Neither more nor the same: beside it.
        (
            one,
            "to=10.0.0.2 exact",
            "[[exception]]\ndomain = \"a.example\"\nexact = true\nnetworks = [\"10.0.0.2/32\"]\n",
        ),
        (
            one,
            "to=10.0.0.2 until=2030-01-01T00:00:00Z",
            "[[exception]]\ndomain = \"a.example\"\nnetworks = [\"10.0.0.2/32\"]\nuntil = 2030-01-01T00:00:00Z\n",
        ),
        (
            "[[exception]]\npreset = \"ddev\"\n",
            "to=127.0.0.1",
            "[[exception]]\ndomain = \"a.example\"\nnetworks = [\"127.0.0.1/32\"]\n",
        ),
        // Why it is there.
        (one, "to=10.0.0.1 reason=why", "reason = \"why\"\n"),
    ] {
        let two = Two::main(there);
        let request = request("a.example", arguments);
        let plan = two.allow(&request).unwrap_or_else(|error| panic!("{there}{arguments}: {error}"));
        let said: String = plan.files.iter().flat_map(|file| &file.hunks).map(ToString::to_string).collect();
        assert_eq!(said, shown, "{there}{arguments}");
        assert_eq!(plan.what.starts_with("nothing to do"), shown.is_empty(), "{}", plan.what);
        let again = two.after(&plan).allow(&request).unwrap();
        assert!(
            again.files.is_empty() && again.what.starts_with("nothing to do: a.example may already"),
            "{}",
            again.what
        );
    }
}

#[test]
fn what_check_refuses_is_refused_by_the_name_of_the_argument() {
    for (domain, arguments, error) in [
        ("com", "", "DOMAIN: \"com\" is a whole top-level domain"),
        ("*.a.example", "", "DOMAIN: \"*.a.example\" is not a domain"),
        ("duckdns.org", "", "DOMAIN: \"duckdns.org\""),
        ("a.example", "to=10.0.0.1/8", "--to: \"10.0.0.1/8\" has host bits set"),
        ("a.example", "to=private", "--to: \"private\""),
        ("a.example", "client=nobody", "--client: \"nobody\""),
        ("a.example", "until=2030-01-01", "--until: "),
        ("a.example", "reason=a\u{1b}b", "--reason: "),
    ] {
        let two = Two::main("[log]\nlevel = \"info\"\n");
        match two.allow(&request(domain, arguments)) {
            Err(wrong @ EditError::Arguments(_)) => {
                let wrong = wrong.to_string();
                assert!(wrong.starts_with(error), "{domain} {arguments}: {wrong}");
            }
            other => panic!("{domain} {arguments}: {other:?}"),
        }
    }
    let over = Two::main("").allow(&request("a.example", "until=2020-01-01T00:00:00Z"));
    assert!(matches!(over, Err(EditError::Over(_))), "{over:?}");
}

#[test]
fn a_configuration_with_errors_is_not_touched() {
    let two = Two::main("[log]\nlevel = \"loud\"\n");
    assert!(matches!(two.allow(&request("a.example", "")), Err(EditError::Broken(_))));
    assert!(matches!(two.disallow("a.example"), Err(EditError::Broken(_))));
}

#[test]
fn an_exception_is_changed_in_the_file_it_stands_in() {
    let text = "# more\n\n[[exception]]\ndomain = \"a.example\"\nnetworks = [\"10.0.0.1\"]\n";
    let two = Two::main("include = [\"conf.d/*.toml\"]\n").with(MORE, text);
    let plan = two.allow(&request("a.example", "to=10.0.0.2")).unwrap();
    assert_eq!((plan.files.len(), plan.files[0].path.to_str()), (1, Some(MORE)));
    let plan = two.disallow("a.example").unwrap();
    assert_eq!((plan.files[0].path.to_str(), plan.files[0].new.as_str()), (Some(MORE), "# more\n"));
    let plan = two.allow(&request("b.example", "")).unwrap();
    assert_eq!(plan.files[0].path.to_str(), Some(MAIN));
}

#[test]
fn all_exceptions_for_the_domain_itself_go() {
    let text = "[[exception]]\ndomain = \"a.example\"\n\n[[exception]]\ndomain = \"b.a.example\"\n\n[[exception]]\ndomain = \"A.example.\"\nexact = true\n";
    let two = Two::main(text).with(MORE, "");
    let plan = two.disallow("a.example").unwrap();
    assert_eq!(plan.files[0].new, "[[exception]]\ndomain = \"b.a.example\"\n");
    assert_eq!(plan.files[0].hunks.len(), 2);
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
}

#[test]
fn who_else_lets_a_name_through_is_told() {
    let text = "[[exception]]\npreset = \"plex\"\n[[exception]]\ndomain = \"home.example\"\n[[exception]]\ndomain = \"nas.home.example\"\n[[route]]\ndomain = \"corp.example\"\nservers = [\"10.0.0.53\"]\n";
    let two = Two::main(text);
    for (domain, hint) in [
        (
            "plex.direct",
            "the preset \"plex\" (/etc/stubborn/stubborn.toml:1) lets it through: take that [[exception]] out",
        ),
        ("x.plex.direct", "the preset \"plex\""),
        (
            "plex",
            "\"plex\" is a preset: take the [[exception]] out that names it (/etc/stubborn/stubborn.toml:1)",
        ),
        ("synology", "\"synology\" is a preset, which this configuration does not name"),
        (
            "tv.home.example",
            "the exception for home.example (/etc/stubborn/stubborn.toml:3) lets it through: `stubborn disallow home.example` ends that",
        ),
        ("x.corp.example", "the [[route]] for corp.example (/etc/stubborn/stubborn.toml:7) lets it through"),
        ("example", "there is one for home.example"),
        ("nsa.home.exampel", "did you mean nas.home.example?"),
        ("ipv4only.arpa", "it is built in, for 192.0.0.170/31"),
    ] {
        match two.disallow(domain) {
            Err(EditError::NotThere(not_there)) => {
                assert!(
                    not_there.hints.iter().any(|line| line.contains(hint)),
                    "{domain}: {:?}",
                    not_there.hints
                );
            }
            other => panic!("{domain}: {other:?}"),
        }
    }
    let plan = two.disallow("nas.home.example").unwrap();
    assert!(
        plan.notes[0].starts_with("but it still may: the exception for home.example"),
        "{:?}",
        plan.notes
    );
    let nothing = two.disallow("unheard-of.test");
    assert!(matches!(nothing, Err(EditError::NotThere(NotThere { hints, .. })) if hints.is_empty()));
}

#[test]
fn a_configuration_that_is_not_there_is_made() {
    let plan = Two::default().allow(&request("a.example", "")).unwrap();
    assert_eq!((plan.files.len(), &plan.files[0].old), (1, &None));
    assert_eq!(plan.files[0].new, "[[exception]]\ndomain = \"a.example\"\n");
}

/// Pieces of configurations, in any order.
const PIECES: &[&str] = &[
    "# a comment\n",
    "\n",
    "\n\n# two\n# lines\n\n",
    "[log]\nlevel = \"info\" # why\n",
    "[cache]\n# within\nsize = \"1MiB\"\n\n",
    "[[exception]]\ndomain = \"a.example\"\n",
    "\n# about b\n[[exception]]\ndomain = \"b.example\" # b\nnetworks = [\n    \"10.0.0.1\", # one\n]\n",
    "[[exception]]\npreset = \"plex\"\n# after plex\n",
    "[[local]]\nname = \"pc\"\naddresses = [\"10.0.0.1\"]\n",
    "#[[exception]]\n#domain = \"c.example\"\n",
    "[guard]\nblock = [ \"203.0.113.0/24\", ]  \n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_and_taken_away_again_leaves_no_trace(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..9),
        crlf in any::<bool>(),
        mark in any::<bool>(),
    ) {
        let text = pieces.concat();
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let text = if mark { format!("\u{feff}{text}") } else { text };
        let two = Two::main(&text);
        // A table that stands twice is an error.
        let Ok(plan) = two.allow(&request("new.example", "exact to=10.0.0.9")) else { return Ok(()) };
        let written = plan.files[0].new.clone();
        let bare = |text: &str| text.trim_start_matches('\u{feff}').to_owned();
        let (before, after) = (bare(&text), bare(&written));
        let mut left = after.lines();
        for line in before.lines() {
            prop_assert!(left.any(|other| other == line), "{line:?} is gone, or elsewhere:\n{written}");
        }
        prop_assert_eq!(written.matches("\r\n").count() > 0, crlf && text.contains('\n'));
        prop_assert_eq!(plan.files[0].hunks[0].to_string().lines().count(), 4, "{}", plan.files[0].hunks[0]);
        let plan = two.after(&plan).disallow("new.example").unwrap();
        // Empty lines at the very end are nobody's.
        prop_assert_eq!(plan.files[0].new.trim_end(), text.trim_end());
    }
}

#[test]
fn a_preset_is_written_once() {
    let preset = |name: &str, domain: &str| Request {
        preset: Some(name.into()),
        domain: domain.into(),
        ..Request::default()
    };
    for (name, domain, written) in [
        ("dnsbl", "", "[[exception]]\npreset = \"dnsbl\"\n"),
        ("plex", "", "[[exception]]\npreset = \"plex\"\n"),
        (
            "wd-mycloud",
            "nas.remotewd.com",
            "[[exception]]\npreset = \"wd-mycloud\"\ndomain = \"nas.remotewd.com\"\n",
        ),
    ] {
        let files = Two::main("");
        let plan = files.allow(&preset(name, domain)).unwrap();
        assert_eq!(plan.files[0].new, written, "{name}");
        let again = files.after(&plan).allow(&preset(name, domain)).unwrap();
        assert!(again.files.is_empty() && again.what.starts_with("nothing to do"), "{name}: {again:?}");
    }
    let narrower = Two::main("[[exception]]\npreset = \"plex\"\nnetworks = [\"192.168.1.0/24\"]\n");
    assert_eq!(narrower.allow(&preset("plex", "")).unwrap().files.len(), 1);
    for (name, domain, why) in [
        ("plexx", "", "did you mean \"plex\"?"),
        ("wd-mycloud", "", "write your own"),
        ("plex", "nas.example.org", "is not below plex.direct"),
    ] {
        let refused = Two::main("").allow(&preset(name, domain)).unwrap_err().to_string();
        assert!(refused.contains(why), "{name} {domain}: {refused}");
    }
}

#[test]
fn an_exception_for_a_name_that_no_server_is_asked_for_is_refused_with_what_to_write_in_its_place() {
    let request = |domain: &str, to: &[&str]| Request {
        domain: domain.to_owned(),
        networks: to.iter().map(|to| (*to).to_owned()).collect(),
        ..Request::default()
    };
    let network = Network { home: Vec::new(), server: Some("192.168.1.1".into()) };
    let route = "[[route]]\ndomain = \"home\"\nservers = [\"192.168.1.1\"]\n";
    for (domain, to, server, expected) in [
        (
            "nas.home",
            &["192.168.1.20"][..],
            true,
            &["[[local]]\nname = \"nas.home\"\naddresses = [\"192.168.1.20\"]\n", route][..],
        ),
        (
            "nas.home",
            &["192.168.1.20", "fd00::20"],
            false,
            &["[[local]]\nname = \"nas.home\"\naddresses = [\"192.168.1.20\", \"fd00::20\"]\n", route],
        ),
        ("nas.home", &[], true, &[route]),
        ("nas.home", &["192.168.1.0/24"], true, &[route]),
        (
            "api.dev.test",
            &["127.0.0.1"],
            true,
            &[
                "[[local]]\nname = \"api.dev.test\"\naddresses = [\"127.0.0.1\"]\n",
                "[[route]]\ndomain = \"api.dev.test\"\nservers = [\"192.168.1.1\"]\nnetworks = [\"127.0.0.1/32\"]\n",
            ],
        ),
        ("api.localhost", &["127.0.0.1"], true, &[]),
    ] {
        let two = Two::main("# nothing\n");
        let network = if server { network.clone() } else { Network::default() };
        let editor = Editor::new(Path::new(MAIN), &two, NOW).in_network(network);
        let refused = match editor.allow(&request(domain, to)) {
            Err(EditError::ChangesNothing(refused)) => refused,
            other => panic!("{domain}: {other:?}"),
        };
        let instead: Vec<&str> = refused.instead.iter().map(|(_, table)| table.as_str()).collect();
        assert_eq!(instead, expected, "{domain} {to:?}");
        // With each of them, there is a server or an address.
        for table in instead {
            config::from_text(Path::new(MAIN), table, &two, NOW).unwrap();
        }
    }

    // With a route of the file or of the network, an exception is about what its servers answer.
    let routed = Two::main(route);
    assert!(routed.allow(&request("nas.home", &["127.0.0.1"])).unwrap().files.len() == 1);
    let here_only = Two::main("[[route]]\ndomain = \"home\"\nservers = []\n");
    let refused = here_only.allow(&request("nas.home", &["192.168.1.20"]));
    assert!(matches!(refused, Err(EditError::ChangesNothing(_))), "{refused:?}");
    let home = crate::policy::RouteTrust {
        domain: Name::from_text("home").unwrap(),
        networks: vec!["192.168.0.0/16".parse().unwrap()],
        origin: crate::policy::Origin::Search("/etc/resolv.conf:2".into()),
    };
    let two = Two::main("# nothing\n");
    let network = Network { home: vec![home], server: None };
    let editor = Editor::new(Path::new(MAIN), &two, NOW).in_network(network);
    let plan = editor.allow(&request("nas.home", &["192.168.1.20"])).unwrap();
    let what = "nothing to do: nas.home may already, by home, a search domain of /etc/resolv.conf:2";
    assert_eq!((plan.files.len(), plan.what.as_str()), (0, what));
    assert_eq!(editor.allow(&request("nas.home", &["127.0.0.1"])).unwrap().files.len(), 1);
}
