use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use hyper::ext::ReasonPhrase;
use tower::{Layer, Service};

use super::leak::{Part, Place};
use super::proof::{Allowed, LeakProof, Watch};

/// Watches every answer: see [`LeakProof::layer`].
#[derive(Clone, Debug)]
pub struct LeakLayer(LeakProof);

/// The service that [`LeakLayer`] makes.
#[derive(Clone, Debug)]
pub struct LeakService<S> {
    inner: S,
    proof: LeakProof,
}

/// A body that is watched while it is sent.
pub struct WatchedBody<B> {
    inner: Pin<Box<B>>,
    watch: Watch,
    answer: Arc<Answer>,
}

/// An answer, as it is named where a secret is in it.
struct Answer {
    proof: LeakProof,
    request: String,
    status: u16,
}

impl LeakLayer {
    pub(super) fn new(proof: LeakProof) -> Self {
        Self(proof)
    }
}

impl<S> Layer<S> for LeakLayer {
    type Service = LeakService<S>;

    fn layer(&self, inner: S) -> LeakService<S> {
        LeakService { inner, proof: self.0.clone() }
    }
}

impl<S, R, B> Service<Request<R>> for LeakService<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<WatchedBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<R>) -> Self::Future {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
        let (method, path) = (request.method(), request.uri().path());
        let name = if self.proof.is_free(path) { path } else { "a path with a secret in it" };
        let (proof, name) = (self.proof.clone(), format!("{method} {name}"));
        let answering = self.inner.call(request);
        Box::pin(async move { answering.await.map(|response| watched(proof, name, response)) })
    }
}

fn watched<B>(proof: LeakProof, request: String, answer: Response<B>) -> Response<WatchedBody<B>> {
    let (parts, body) = answer.into_parts();
    let answer = Arc::new(Answer { proof, request, status: parts.status.as_u16() });
    answer.proof.count_answer();
    if let Some(reason) = parts.extensions.get::<ReasonPhrase>() {
        answer.look(reason.as_bytes(), Allowed::Nowhere, || Part::Reason);
    }
    answer.look_at(&parts.headers, Part::Header);
    if parts.headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        answer.proof.cannot_read(answer.place(Part::Body));
    }
    let watch = Watch::new(answer.proof.clone(), Allowed::Nowhere);
    Response::from_parts(parts, WatchedBody { inner: Box::pin(body), watch, answer })
}

impl Answer {
    fn place(&self, part: Part) -> Place {
        Place::Answer { request: self.request.clone(), status: self.status, part }
    }

    fn look(&self, bytes: &[u8], allowed: Allowed, part: impl FnOnce() -> Part) {
        self.proof.look(bytes, allowed, |_| self.place(part()));
    }

    fn look_at(&self, headers: &HeaderMap, part: impl Fn(String) -> Part) {
        for (name, value) in headers {
            let is_cookie = name == header::SET_COOKIE;
            let allowed = if is_cookie { Allowed::InCookie } else { Allowed::Nowhere };
            self.look(name.as_str().as_bytes(), Allowed::Nowhere, || Part::HeaderName);
            self.look(value.as_bytes(), allowed, || part(name.to_string()));
        }
    }
}

impl<B> Body for WatchedBody<B>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = match ready!(self.inner.as_mut().poll_frame(context)) {
            Some(Ok(frame)) => frame.map_data(|mut data| data.copy_to_bytes(data.remaining())),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(None),
        };
        let Self { watch, answer, .. } = &mut *self;
        if let Some(data) = frame.data_ref() {
            watch.feed(data, |_| answer.place(Part::Body));
        }
        if let Some(trailers) = frame.trailers_ref() {
            answer.look_at(trailers, Part::Trailer);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
