//! A panic is a bug. It costs what it happens in, and is reported; the worker and all else it serves go on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Runs `future`; `None` if it panics.
pub(super) async fn contained<F: Future>(what: &str, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        // After a panic the future is not polled again.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => {
                tracing::error!("{what} broke off: this is a bug in stubborn; a report needs this line, those before it and the output of `stubborn --version`");
                Poll::Ready(None)
            }
        }
    })
    .await
}

/// Runs what `begin` makes, and anew after a panic.
pub(super) async fn restarted<F: Future>(what: &str, mut begin: impl FnMut() -> F) -> F::Output {
    loop {
        if let Some(output) = contained(what, begin()).await {
            return output;
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::yield_now;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_panic_at_any_point_of_a_future_is_an_end_without_output() {
        for panics_at in 0..3 {
            let output = run(contained("a test", async {
                for step in 0..3 {
                    assert_ne!(step, panics_at);
                    yield_now().await;
                }
            }));
            assert_eq!(output, None, "{panics_at}");
        }
        assert_eq!(run(contained("a test", async { 7 })), Some(7));
    }

    #[test]
    fn what_is_restarted_goes_on_until_it_ends_by_itself() {
        let mut begun = 0;
        let output = run(restarted("a test", || {
            begun += 1;
            let turn = begun;
            async move {
                assert!(turn > 2);
                turn
            }
        }));
        assert_eq!(output, 3);
    }
}
