//! Pages take turns, so that what apps call is never behind a crowd of them.
//!
//! A thread serves what is ready in the order in which it came: where many people sign in at once, a
//! token request would wait for all their pages. So at most half of the threads work on pages at a time,
//! and whoever does has let everything else that is ready go first.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::task::Poll;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::face::SharedFace;

pub(crate) struct Turns(Semaphore);

impl Turns {
    /// For the runtime that this is called in.
    pub(crate) fn here() -> Self {
        Self(Semaphore::new((Handle::current().metrics().num_workers() / 2).max(1)))
    }

    /// Does the work, each piece of it up to where it has to wait when it has its turn. Who waits for
    /// something has none: a password hash may take seconds.
    pub(crate) async fn take<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            let turn = self.0.acquire().await;
            yield_now().await;
            let piece = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
            drop(turn);
            match piece {
                Poll::Ready(output) => return output,
                Poll::Pending => woken().await,
            }
        }
    }
}

/// Done as soon as something that was waited for is there.
async fn woken() {
    let mut waited = false;
    poll_fn(|_| if mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

/// Answers a request when it has its turn.
pub(crate) async fn in_turn(
    State(face): State<SharedFace>,
    request: Request,
    next: Next,
) -> Response {
    face.turns.take(next.run(request)).await
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::oneshot;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn between_two_pages_everything_else_that_is_ready_is_done() {
        let (turns, done) = (Arc::new(Turns::here()), Arc::new(Mutex::new(Vec::new())));
        let mut all = JoinSet::new();
        for _ in 0..50 {
            let (turns, done) = (Arc::clone(&turns), Arc::clone(&done));
            all.spawn(async move {
                turns.take(async { done.lock().expect("free").push("page") }).await;
            });
        }
        for _ in 0..3 {
            let done = Arc::clone(&done);
            all.spawn(async move {
                for _ in 0..10 {
                    done.lock().expect("free").push("token");
                    yield_now().await;
                }
            });
        }
        while all.join_next().await.is_some() {}
        let done = done.lock().expect("free");
        let last = done.iter().rposition(|what| *what == "token").expect("some");
        let pages = done[..last].iter().filter(|what| **what == "page").count();
        assert_eq!(done.len(), 80);
        assert!(pages <= 10, "{pages} pages before 30 tokens, which need 10 rounds: {done:?}");
    }

    #[tokio::test]
    async fn who_waits_has_no_turn_and_who_is_gone_gives_it_back() {
        let turns = Arc::new(Turns::here());
        let spawn = |work: oneshot::Receiver<()>| {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move { turns.take(work).await.expect("answered") })
        };
        let (answer, asked) = oneshot::channel();
        let waits = spawn(asked);
        let (never, asked) = oneshot::channel();
        let panics = spawn(asked);
        drop(never);
        assert!(panics.await.expect_err("it panics").is_panic());
        let (_kept, asked) = oneshot::channel();
        let given_up = spawn(asked);
        for _ in 0..5 {
            yield_now().await;
        }
        given_up.abort();
        assert_eq!(turns.take(async { 7 }).await, 7);
        assert!(!waits.is_finished());
        answer.send(()).expect("it waits");
        waits.await.expect("it has come to its end");
    }
}
