//! A request's body that can be sent again as long as little of it was sent.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// As much as this of a body is kept for a second sending, in bytes.
const KEPT_AT_MOST: usize = 64 * 1024;

/// A body for one request that may have to be sent twice: an API may refuse the token, or ask for a
/// nonce. What streams is passed on at once, and its beginning is kept beside; when more than that
/// is gone there is no second time.
pub(crate) enum Repeatable {
    /// In memory, and sent as often as need be.
    Whole(Bytes),
    /// Comes from somebody who sends it once.
    Streamed(Arc<Mutex<Stream>>),
}

pub(crate) struct Stream {
    rest: Rest,
    /// What has been sent; nothing once that was too much.
    kept: Option<Vec<Bytes>>,
    kept_bytes: usize,
    length: Option<u64>,
    /// Which sending it is that counts, from 1.
    number: u32,
    waker: Option<Waker>,
}

/// What nobody has sent yet.
enum Rest {
    Coming(Body),
    /// A body is not asked again after its end.
    Over,
    Broken,
}

impl Repeatable {
    pub(crate) fn streamed(body: Body) -> Self {
        if body.is_end_stream() {
            return Self::Whole(Bytes::new());
        }
        Self::Streamed(Arc::new(Mutex::new(Stream {
            length: body.size_hint().exact(),
            rest: Rest::Coming(body),
            kept: Some(Vec::new()),
            kept_bytes: 0,
            number: 0,
            waker: None,
        })))
    }

    /// The body for one sending, and an end to the one before; nothing where too much is gone.
    pub(crate) fn send(&self) -> Option<reqwest::Body> {
        let stream = match self {
            Self::Whole(bytes) => return Some(bytes.clone().into()),
            Self::Streamed(stream) => stream,
        };
        let mut locked = stream.lock().unwrap_or_else(PoisonError::into_inner);
        locked.kept.as_ref()?;
        locked.number += 1;
        if let Some(waker) = locked.waker.take() {
            waker.wake();
        }
        let (number, left) = (locked.number, locked.length);
        let stream = Arc::clone(stream);
        Some(reqwest::Body::wrap(Sending { stream, number, next: 0, left }))
    }
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        loop {
            let body = match &mut self.rest {
                Rest::Coming(body) => body,
                Rest::Over => return Poll::Ready(None),
                Rest::Broken => return Poll::Ready(Some(Err(broken("it broke off")))),
            };
            let polled = Pin::new(body).poll_frame(cx);
            if polled.is_pending() {
                self.waker = Some(cx.waker().clone());
            }
            match ready!(polled).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => {
                    self.keep(&data);
                    return Poll::Ready(Some(Ok(data)));
                }
                // Trailers are left out: nobody announced them to the API.
                Some(Ok(Err(_))) => {}
                Some(Err(error)) => {
                    self.rest = Rest::Broken;
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => self.rest = Rest::Over,
            }
        }
    }

    fn keep(&mut self, data: &Bytes) {
        self.kept_bytes += data.len();
        if self.kept_bytes > KEPT_AT_MOST {
            self.kept = None;
        } else if let Some(kept) = &mut self.kept {
            kept.push(data.clone());
        }
    }
}

fn broken(why: &'static str) -> BoxError {
    io::Error::other(why).into()
}

/// One sending of it.
struct Sending {
    stream: Arc<Mutex<Stream>>,
    number: u32,
    /// The next of the kept pieces.
    next: usize,
    left: Option<u64>,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let mut stream = this.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if stream.number != this.number {
            // Two connections must not share what is left of it.
            return Poll::Ready(Some(Err(broken("it is sent again elsewhere"))));
        }
        let before = stream.kept.as_ref().and_then(|kept| kept.get(this.next).cloned());
        let data = match before {
            Some(data) => data,
            None => match ready!(stream.poll(cx)) {
                Some(Ok(data)) => data,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            },
        };
        this.next += 1;
        let sent = u64::try_from(data.len()).unwrap_or(u64::MAX);
        this.left = this.left.map(|left| left.saturating_sub(sent));
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// A body in pieces, whose length nobody knows.
    struct Pieces(Vec<&'static [u8]>, bool);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            if self.0.is_empty() {
                assert!(!std::mem::replace(&mut self.1, true), "asked after its end");
                return Poll::Ready(None);
            }
            Poll::Ready(Some(match self.0.remove(0) {
                b"broken" => Err(broken("here")),
                piece => Ok(Frame::data(Bytes::from_static(piece))),
            }))
        }
    }

    fn body(pieces: &[&'static [u8]]) -> Repeatable {
        Repeatable::streamed(Body::new(Pieces(pieces.to_vec(), false)))
    }

    async fn next(body: &mut reqwest::Body) -> Option<Result<Bytes, reqwest::Error>> {
        body.frame().await.map(|frame| frame.map(|frame| frame.into_data().expect("data")))
    }

    #[tokio::test]
    async fn what_was_sent_is_sent_again_and_the_rest_after_it() {
        let body = body(&[b"a", b"b", b"c"]);
        let mut first = body.send().expect("the first time");
        assert_eq!(next(&mut first).await.expect("a piece").expect("good"), "a");
        assert_eq!(next(&mut first).await.expect("a piece").expect("good"), "b");
        let second = body.send().expect("little was sent");
        // The first one ends with an error, and takes nothing away.
        assert!(next(&mut first).await.expect("an end").is_err());
        assert_eq!(second.collect().await.expect("all of it").to_bytes(), "abc");
        let third = body.send().expect("as often as need be");
        assert_eq!(third.collect().await.expect("all of it").to_bytes(), "abc");
    }

    #[tokio::test]
    async fn what_broke_off_is_broken_for_the_next_sending_too() {
        let body = body(&[b"a", b"broken"]);
        for _ in 0..2 {
            let mut sent = body.send().expect("little was sent");
            assert_eq!(next(&mut sent).await.expect("a piece").expect("good"), "a");
            assert!(next(&mut sent).await.expect("an end").is_err());
        }
    }

    #[tokio::test]
    async fn when_more_is_gone_than_is_kept_there_is_no_second_time() {
        const HALF: &[u8] = &[7; KEPT_AT_MOST / 2];
        let body = body(&[HALF, HALF, b"x", b"y"]);
        let mut sent = body.send().expect("the first time");
        for _ in 0..2 {
            next(&mut sent).await.expect("a piece").expect("good");
        }
        assert!(body.send().is_some(), "at the bound");
        let sent = body.send().expect("again");
        assert_eq!(sent.collect().await.expect("all of it").to_bytes().len(), KEPT_AT_MOST + 2);
        assert!(body.send().is_none());
    }

    #[tokio::test]
    async fn a_length_that_is_known_is_told_and_nothing_stays_nothing() {
        let body = Repeatable::streamed(Body::from("four"));
        assert_eq!(body.send().expect("a body").size_hint().exact(), Some(4));
        let body = Repeatable::streamed(Body::empty());
        assert!(matches!(body, Repeatable::Whole(nothing) if nothing.is_empty()));
    }
}
