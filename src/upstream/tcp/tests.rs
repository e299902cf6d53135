use super::*;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use tokio::task::{LocalSet, spawn_local, yield_now};

/// What the server sends for a query: it gets the number of the connection and the query.
type Script = fn(usize, &[u8]) -> Vec<u8>;

/// A server that answers by `script`, one query after the other, on any number of connections.
fn server(script: Script) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || -> std::io::Result<()> {
                loop {
                    let mut length = [0; 2];
                    stream.read_exact(&mut length)?;
                    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                    stream.read_exact(&mut query)?;
                    stream.write_all(&script(number, &query))?;
                }
            });
        }
    });
    address
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

/// A query of this number, without an id.
fn query(number: u8) -> Vec<u8> {
    [vec![0; 12], vec![number; 20]].concat()
}

/// Accepts the echo of a query as its reply.
fn read(reply: Vec<u8>, number: u8) -> Result<u8, ExchangeError> {
    let is_whole = reply.get(2..) == query(number).get(2..);
    if is_whole { Ok(number) } else { Err(ResponseError::Malformed.into()) }
}

/// Nothing takes this long in a test that passes.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(20);

async fn ask(
    link: &TcpLink,
    server: SocketAddr,
    number: u8,
    patience: Duration,
) -> Result<u8, ExchangeError> {
    let query = query(number);
    let asking = link.ask(server, &query, patience, |reply| read(reply, number));
    timeout(LONG, asking).await.unwrap_or(Err(ExchangeError::Timeout))
}

/// Polls `asking` once.
async fn go_on(asking: &mut Pin<Box<impl Future<Output = Result<u8, ExchangeError>>>>) {
    let is_pending = std::future::poll_fn(|context| Poll::Ready(asking.as_mut().poll(context).is_pending()));
    assert!(is_pending.await);
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// Each question is asked again on another connection, at once.
#[test]
fn a_connection_that_is_out_of_step_loses_no_question() {
    let table: [(&str, Script); 6] = [
        ("a length two octets short", |number, query| {
            let mut reply = framed(query);
            reply[1] -= if number == 0 { 2 } else { 0 };
            reply
        }),
        ("an empty message", |number, query| match number {
            0 => [vec![0, 0], framed(query)].concat(),
            _ => framed(query),
        }),
        ("less than a header", |number, query| match number {
            0 => [framed(&query[..11]), framed(query)].concat(),
            _ => framed(query),
        }),
        ("a message that nobody asked for", |number, query| match number {
            0 => framed(&[&[query[0] ^ 1], &query[1..]].concat()),
            _ => framed(query),
        }),
        ("the reply to something else", |number, query| match number {
            0 => framed(&[&query[..20], &[99; 12]].concat()),
            _ => framed(query),
        }),
        ("megabytes of nothing", |number, query| match number {
            0 => vec![0; 1_300_000],
            _ => framed(query),
        }),
    ];
    for (what, script) in table {
        let (server, begun) = (server(script), Instant::now());
        run(async {
            let link = Rc::new(TcpLink::default());
            let asking = (0..4).map(|number| {
                let link = Rc::clone(&link);
                spawn_local(async move { ask(&link, server, number, LONG).await })
            });
            for (number, asking) in asking.collect::<Vec<_>>().into_iter().enumerate() {
                assert_eq!(usize::from(asking.await.unwrap().unwrap()), number, "{what}");
            }
            assert_eq!(ask(&link, server, 9, LONG).await.unwrap(), 9, "{what}");
        });
        assert!(begun.elapsed() < LONG / 2, "{what}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_silent_connection_costs_no_question_where_another_answers() {
    let server = server(|number, query| if number == 0 { Vec::new() } else { framed(query) });
    run(async {
        let link = TcpLink::default();
        for number in 0..5 {
            assert_eq!(ask(&link, server, number, SHORT).await.unwrap(), number);
        }
    });
}

/// The connection answers at first, and then no more.
#[test]
fn a_connection_that_falls_silent_costs_no_question() {
    let server = server(|number, query| match (number, query[12]) {
        (0, 1..) => Vec::new(),
        _ => framed(query),
    });
    run(async {
        let link = TcpLink::default();
        for number in 0..5 {
            assert_eq!(ask(&link, server, number, SHORT).await.unwrap(), number);
        }
    });
}

/// A question that is given up retires its connection.
#[test]
fn after_a_question_that_is_given_up_the_next_opens_another_connection() {
    let server = server(|number, query| if number == 0 { Vec::new() } else { framed(query) });
    run(async {
        let link = TcpLink::default();
        let query = query(0);
        let silent = link.ask(server, &query, LONG, |reply| read(reply, 0));
        assert!(timeout(SHORT, silent).await.is_err());
        assert_eq!(ask(&link, server, 1, LONG).await.unwrap(), 1);
    });
}

/// A late or repeated reply does not mean a broken stream: the questions in flight are answered on it.
#[test]
fn a_reply_that_is_late_or_sent_twice_is_ignored() {
    // Nothing for the first query; for the second both replies, each twice.
    static FIRST: std::sync::Mutex<Vec<u8>> = std::sync::Mutex::new(Vec::new());
    let server = server(|number, query| {
        assert_eq!(number, 0, "another connection was made");
        let mut first = FIRST.lock().unwrap();
        if first.is_empty() {
            *first = query.to_vec();
            return Vec::new();
        }
        [&*first, &*first, query, query].iter().flat_map(|message| framed(message)).collect()
    });
    run(async {
        let connection = Connection::open(server).await.unwrap();
        let first = query(1);
        let mut first = Box::pin(connection.ask(&first, |reply| read(reply, 1)));
        while FIRST.lock().unwrap().is_empty() {
            go_on(&mut first).await;
            yield_now().await;
        }
        // Given up after the second has been asked: a retired connection takes none.
        let second = query(2);
        let mut second = Box::pin(connection.ask(&second, |reply| read(reply, 2)));
        go_on(&mut second).await;
        drop(first);
        assert_eq!(second.await.unwrap(), 2);
        assert!(connection.is_finished());
    });
}
