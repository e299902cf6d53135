use super::*;
use std::io::PipeReader;
use tracing::{debug, error, info, info_span, trace, warn};

fn clock() -> Timestamp {
    "2026-11-21T10:00:00.123456789Z".parse().unwrap()
}

/// What a program that does `say` writes.
fn written(level: Level, format: Format, colour: bool, say: impl FnOnce(&LogHandle)) -> String {
    let (reader, writer): (PipeReader, _) = io::pipe().unwrap();
    let (subscriber, logging) =
        Logging::start(level, Style { format, colour, native: false }, clock, writer).unwrap();
    let reading = std::thread::spawn(move || io::read_to_string(reader).unwrap());
    tracing::subscriber::with_default(subscriber, || say(&logging.handle()));
    drop(logging);
    reading.join().unwrap()
}

fn say_one_of_each(_: &LogHandle) {
    error!(code = 7, "cannot listen");
    warn!(name = %"rebind.example", address = ?[127, 0, 0, 1], range = "loopback", "blocked");
    info!(ok = true, share = 0.5, none = f64::NAN, delta = -3_i64, "ready");
    warn!(target: "hickory_net::udp", "odd packet");
}

#[test]
fn text_is_for_people() {
    assert_eq!(
        written(Level::Info, Format::Text, false, say_one_of_each),
        "2026-11-21T10:00:00.123Z ERROR cannot listen code=7\n\
         2026-11-21T10:00:00.123Z WARN  blocked name=rebind.example address=\"[127, 0, 0, 1]\" range=loopback\n\
         2026-11-21T10:00:00.123Z INFO  ready ok=true share=0.5 none=NaN delta=-3\n\
         2026-11-21T10:00:00.123Z WARN  hickory_net::udp: odd packet\n"
    );
    let coloured = written(Level::Info, Format::Text, true, |_| error!("x"));
    assert_eq!(coloured, "2026-11-21T10:00:00.123Z \u{1b}[31mERROR\u{1b}[0m x\n");
}

#[test]
fn journald_gets_a_priority_and_no_time() {
    assert_eq!(
        written(Level::Trace, Format::Journald, false, |_| {
            error!("e");
            warn!("w");
            info!(a = 1, "i");
            debug!("d");
            trace!("t");
        }),
        "<3>e\n<4>w\n<6>i a=1\n<7>d\n<7>t\n"
    );
}

#[test]
fn the_journal_gets_fields_and_the_id_of_what_is_known_by_name() {
    let (reader, writer) = io::pipe().unwrap();
    let style = Style { format: Format::Journald, colour: false, native: true };
    let (subscriber, logging) = Logging::start(Level::Info, style, clock, writer).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        warn!(name: "blocked", client = "127.0.0.1", r#type = "A\nPRIORITY=0", more = 2, "blocked: it");
        info!("anything");
    });
    drop(logging);
    let mut octets = Vec::new();
    io::Read::read_to_end(&mut { reader }, &mut octets).unwrap();
    let entries: [&[u8]; 2] = [
        b"MESSAGE=blocked: it client=127.0.0.1 type=\"A\\010PRIORITY=0\" more=2\nPRIORITY=4\nSYSLOG_IDENTIFIER=stubborn\n\
          CODE_MODULE=stubborn::telemetry::logging::tests\nMESSAGE_ID=d54f41f95238431b9baa9f1992f44565\n\
          STUBBORN_EVENT=blocked\nSTUBBORN_CLIENT=127.0.0.1\nSTUBBORN_TYPE=A\\010PRIORITY=0\nSTUBBORN_MORE=2\n",
        b"MESSAGE=anything\nPRIORITY=6\nSYSLOG_IDENTIFIER=stubborn\nCODE_MODULE=stubborn::telemetry::logging::tests\n",
    ];
    let frame = |entry: &&[u8]| [&u32::try_from(entry.len()).unwrap().to_le_bytes()[..], entry].concat();
    let wanted: Vec<u8> = entries.iter().flat_map(frame).collect();
    assert_eq!(String::from_utf8_lossy(&octets), String::from_utf8_lossy(&wanted));
}

#[test]
fn json_is_one_object_a_line() {
    let text = written(Level::Info, Format::Json, false, |handle| {
        say_one_of_each(handle);
        info!(name: "reloaded", level = "mine", time = 1, "fields that have the names of ours");
    });
    let objects: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect();
    assert_eq!(objects.len(), 5);
    assert_eq!(
        text.lines().nth(1).unwrap(),
        r#"{"time":"2026-11-21T10:00:00.123456Z","level":"warn","target":"stubborn::telemetry::logging::tests","message":"blocked","name":"rebind.example","address":"[127, 0, 0, 1]","range":"loopback"}"#
    );
    assert_eq!(objects[2]["none"], "NaN");
    assert_eq!(objects[2]["delta"], -3);
    assert_eq!(objects[4]["level"], "info");
    assert_eq!((&objects[4]["level_"], &objects[4]["event"]), (&"mine".into(), &"reloaded".into()));
}

#[test]
fn nothing_from_outside_breaks_a_line_or_commands_a_terminal() {
    let evil = "a\nb\r\u{1b}[2J\u{9b}31m\u{202e}\u{7}\" level=info";
    for format in [Format::Text, Format::Json, Format::Journald] {
        let text = written(Level::Info, format, false, |_| {
            let _span = info_span!("query", outer = evil).entered();
            warn!(name = evil, shown = %evil, debugged = ?evil, error = &io::Error::other(evil) as &dyn std::error::Error, "message {evil}");
        });
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(text.ends_with('\n'));
        assert!(!text.trim_end().chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
        if format == Format::Json {
            let object: serde_json::Value = serde_json::from_str(&text).unwrap();
            for key in ["name", "shown", "outer", "error"] {
                assert_eq!(object[key], evil);
            }
        }
    }
}

#[test]
fn the_fields_of_spans_come_first_and_the_inner_wins() {
    let text = written(Level::Info, Format::Journald, false, |_| {
        let outer = info_span!("outer", id = 1, later = tracing::field::Empty).entered();
        let _inner = info_span!("inner", id = 2, kind = "udp").entered();
        outer.record("later", "known now");
        info!(kind = "tcp", own = 3, "said");
    });
    assert_eq!(text, "<6>said id=2 later=\"known now\" kind=tcp own=3\n");
}

#[test]
fn an_error_is_told_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the file")]
    struct Outer(#[source] io::Error);
    let text = written(Level::Info, Format::Journald, false, |_| {
        let error = Outer(io::Error::other("disk on fire"));
        error!(error = &error as &dyn std::error::Error, "no reload");
    });
    assert_eq!(text, "<3>no reload error=\"cannot read the file: disk on fire\"\n");
}

#[test]
fn the_level_changes_at_run_time_and_the_library_stays_quiet() {
    let text = written(Level::Warn, Format::Journald, false, |handle| {
        info!("1: not yet");
        handle.set_level(Level::Debug);
        debug!("2: now");
        info!(target: "hickory_proto::rr", "3: never");
        debug!(target: "hickory_net::udp", "4: never");
        handle.set_level(Level::Error);
        warn!("5: no more");
        warn!(target: "hickory_net::udp", "6: no more");
        error!("7: always");
    });
    assert_eq!(text, "<7>2: now\n<3>7: always\n");
}

#[test]
fn lost_lines_are_announced_in_the_same_form() {
    let (reader, writer) = io::pipe().unwrap();
    let style = Style { format: Format::Json, colour: false, native: false };
    let (subscriber, logging) = Logging::start(Level::Info, style, clock, writer).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        // Nobody reads yet: these fill the pipe and both buffers, and come back nevertheless.
        (0..20_000).for_each(|number| info!(number, "a line of a flood"));
    });
    assert!(!logging.flush(Duration::from_millis(1)));
    let reading = std::thread::spawn(move || io::read_to_string(reader).unwrap());
    drop(logging);
    let text = reading.join().unwrap();
    let notice = text.lines().find(|line| line.contains("lines are missing here")).unwrap();
    let notice: serde_json::Value = serde_json::from_str(notice).unwrap();
    assert_eq!((&notice["level"], &notice["time"]), (&"warn".into(), &"2026-11-21T10:00:00.123456Z".into()));
}

/// What a disabled line costs is one comparison, as long as the subscriber says what it will never take.
#[test]
fn a_line_that_is_not_written_is_not_even_made() {
    let style = Style { format: Format::Text, colour: false, native: false };
    let (subscriber, logging) = Logging::start(Level::Info, style, clock, io::sink()).unwrap();
    assert_eq!(subscriber.max_level_hint(), Some(LevelFilter::INFO));
    tracing::subscriber::with_default(subscriber, || {
        let made = std::cell::Cell::new(false);
        let make = || {
            made.set(true);
            "a name"
        };
        debug!(name = make(), "answered");
        assert!(!made.get());
        logging.handle().set_level(Level::Debug);
        debug!(name = make(), "answered");
        assert!(made.get());
    });
}
