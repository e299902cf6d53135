use super::*;

const NOW: i64 = 1_795_219_200;

fn request(domain: &str) -> Request {
    Request { domain: domain.into(), ..Request::default() }
}

fn added(text: &str) -> String {
    let mut document = Document::parse(text).unwrap();
    document.add(&request("new.example"));
    document.text()
}

fn removed(text: &str, index: usize, domain: &str) -> String {
    let mut document = Document::parse(text).unwrap();
    document.remove(index, &Name::from_text(domain).unwrap());
    document.text()
}

/// Texts, and the same with an exception more.
const ADDED: &[(&str, &str)] = &[
    ("", "[[exception]]\ndomain = \"new.example\"\n"),
    ("# only\n# comments\n", "# only\n# comments\n\n[[exception]]\ndomain = \"new.example\"\n"),
    (
        "[log]\nlevel = \"info\" # as it is\n# end\n",
        "[log]\nlevel = \"info\" # as it is\n# end\n\n[[exception]]\ndomain = \"new.example\"\n",
    ),
    (
        "[[exception]]\ndomain = \"a.example\" # a\n\n# the log\n[log]\nlevel = \"info\"\n# end\n",
        "[[exception]]\ndomain = \"a.example\" # a\n\n[[exception]]\ndomain = \"new.example\"\n\n# the log\n[log]\nlevel = \"info\"\n# end\n",
    ),
    (
        "[log]\nlevel = \"info\"\n\n[[exception]]\ndomain = \"a.example\"\n# end\n",
        "[log]\nlevel = \"info\"\n\n[[exception]]\ndomain = \"a.example\"\n# end\n\n[[exception]]\ndomain = \"new.example\"\n",
    ),
    (
        "[log]\r\nlevel = \"info\"\r\n",
        "[log]\r\nlevel = \"info\"\r\n\r\n[[exception]]\r\ndomain = \"new.example\"\r\n",
    ),
    ("\u{feff}[log]\n", "\u{feff}[log]\n\n[[exception]]\ndomain = \"new.example\"\n"),
];

#[test]
fn an_exception_comes_after_the_others_and_goes_without_a_trace() {
    for (old, new) in ADDED {
        assert_eq!(added(old), *new, "{old:?}");
        let index = Document::parse(new).unwrap().entries(NOW).len() - 1;
        assert_eq!(removed(new, index, "new.example"), *old, "{new:?}");
    }
}

#[test]
fn exceptions_in_one_list_stay_in_it() {
    for (old, new) in [
        (
            "exception = [{ domain = \"a.example\" }]\n[log]\n",
            "exception = [{ domain = \"a.example\" }, { domain = \"new.example\" }]\n[log]\n",
        ),
        (
            "exception = [\n  { domain = \"a.example\" }, # a\n]\n",
            "exception = [\n  { domain = \"a.example\" }, # a\n  { domain = \"new.example\" },\n]\n",
        ),
        ("exception = []\n", "exception = [{ domain = \"new.example\" }]\n"),
    ] {
        let text = added(old);
        let read: Vec<_> = Document::parse(&text).unwrap().entries(NOW);
        let expected = Document::parse(new).unwrap().entries(NOW).len();
        assert_eq!(read.len(), expected, "{text}");
        assert!(read.iter().all(|entry| entry.exceptions.len() == 1), "{text}");
    }
}

#[test]
fn a_comment_right_above_goes_and_one_further_up_stays() {
    for (old, new) in [
        (
            "# about the file\n\n# the NAS\n[[exception]]\ndomain = \"a.example\" # x\n\n# the log\n[log]\n",
            "# about the file\n\n# the log\n[log]\n",
        ),
        (
            "[log]\n# end of the log\n\n# the NAS\n[[exception]]\ndomain = \"a.example\"\n# after\n",
            "[log]\n# end of the log\n\n# after\n",
        ),
        (
            "[[exception]]\ndomain = \"a.example\"\n[[exception]]\n# inside\ndomain = \"b.example\"\n",
            "[[exception]]\n# inside\ndomain = \"b.example\"\n",
        ),
        (
            "[a]\n\n# examples:\n#[[exception]]\n\n[[exception]]\ndomain = \"a.example\"\n[b]\n",
            "[a]\n\n# examples:\n#[[exception]]\n\n[b]\n",
        ),
    ] {
        assert_eq!(removed(old, 0, "a.example"), new, "{old:?}");
    }
}

#[test]
fn one_domain_of_several_goes_alone() {
    let text =
        "[[exception]]\npreset = \"dnsbl\"\ndomain = [\n  \"a.example\", # a\n  \"b.example\", # b\n]\n";
    let mut document = Document::parse(text).unwrap();
    assert_eq!(document.entries(NOW)[0].exceptions.len(), 2);
    assert_eq!(document.remove(0, &Name::from_text("A.Example").unwrap()), Removal::OneOfMany);
    assert_eq!(document.entries(NOW)[0].exceptions.len(), 1);
    assert_eq!(document.remove(0, &Name::from_text("b.example").unwrap()), Removal::Whole);
    assert_eq!(document.text(), "");
}

#[test]
fn a_change_in_place_keeps_what_stands_around_it() {
    let text = "[[exception]]\n# who\ndomain = \"a.example\" # the NAS\nexact = true # only it\nnetworks = [\"10.0.0.1\"] # one\nmode = \"monitor\"\n";
    let mut document = Document::parse(text).unwrap();
    document.set(0, &Request { networks: vec!["10.0.0.0/24".into()], ..request("a.example") });
    assert_eq!(
        document.text(),
        "[[exception]]\n# who\ndomain = \"a.example\" # the NAS\nnetworks = [\"10.0.0.0/24\"] # one\n"
    );
    document.set_reason(0, "why");
    assert!(document.text().ends_with("# one\nreason = \"why\"\n"));
}

#[test]
fn networks_are_added_as_the_others_are_written() {
    let more: Vec<IpNet> = vec!["10.0.0.2/32".parse().unwrap()];
    for (old, new) in [
        ("networks = [\"10.0.0.1\"] # x", "networks = [\"10.0.0.1\", \"10.0.0.2/32\"] # x"),
        (
            "networks = [\n    \"10.0.0.0\",\n    # one\n    \"10.0.0.1\",\n]",
            "networks = [\n    \"10.0.0.0\",\n    # one\n    \"10.0.0.1\",\n    \"10.0.0.2/32\",\n]",
        ),
        ("exact = false", "exact = false\nnetworks = [\"192.168.0.0/16\", \"10.0.0.2/32\"]"),
    ] {
        let mut document =
            Document::parse(&format!("[[exception]]\ndomain = \"a.example\"\n{old}\n")).unwrap();
        document.add_networks(0, &["192.168.0.0/16".parse().unwrap()], &more);
        assert_eq!(document.text(), format!("[[exception]]\ndomain = \"a.example\"\n{new}\n"));
    }
}
