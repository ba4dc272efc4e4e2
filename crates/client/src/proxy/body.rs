//! Bodies on their way: a request's, bounded in length, and an answer's, for as long as it moves
//! and its session lives.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::watch::{Progress, StreamLimits, ended};
use crate::session::Session;

/// What the browser sends.
pub(super) struct Upload {
    body: Body,
    left: u64,
    pub(super) progress: Progress,
    /// Whether it was longer than it may be.
    pub(super) too_long: Arc<AtomicBool>,
}

impl Upload {
    pub(super) fn new(body: Body, at_most: u64) -> Self {
        Self { body, left: at_most, progress: Progress::new(), too_long: Arc::default() }
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.progress.mark();
        let Some(frame) = polled.transpose()? else { return Poll::Ready(None) };
        let length =
            frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        let Some(left) = self.left.checked_sub(length) else {
            self.too_long.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(io::Error::other("the body is too long").into())));
        };
        self.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the API sends.
pub(super) struct Download {
    body: reqwest::Body,
    progress: Progress,
    stalled: Waiting,
    ended: Waiting,
}

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Download {
    /// `progress` is that of the request, which may still be on its way.
    pub(super) fn new(
        body: reqwest::Body,
        progress: Progress,
        session: Session,
        limits: StreamLimits,
    ) -> Self {
        let (moving, ended) = (progress.clone(), ended(session, limits.checked_every));
        let stalled = async move { moving.stalled(limits.idle_at_most).await };
        Self { body, progress, stalled: Box::pin(stalled), ended: Box::pin(ended) }
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if this.ended.as_mut().poll(cx).is_ready() {
            return cut("its session is over");
        }
        loop {
            match Pin::new(&mut this.body).poll_frame(cx) {
                // Trailers are left out: a header that may not pass would pass in one.
                Poll::Ready(Some(Ok(frame))) if !frame.is_data() => {}
                Poll::Ready(Some(Ok(frame))) => {
                    this.progress.mark();
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(other) => return Poll::Ready(other.map(|it| it.map_err(Into::into))),
                Poll::Pending if this.stalled.as_mut().poll(cx).is_ready() => {
                    return cut("nothing moved for too long");
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn cut(why: &'static str) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
    tracing::info!(%why, "an answer was cut off");
    Poll::Ready(Some(Err(io::Error::other(why).into())))
}
