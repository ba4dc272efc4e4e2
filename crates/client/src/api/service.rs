//! The same calls as a [`Service`] of HTTP requests, for whoever has such requests or layers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::Request;
use tower::Service;

use super::{ApiClient, ApiError, Outgoing, Repeatable};

/// Any status of the API is an answer; a 401 is one after the token was refreshed and the request
/// repeated. Bodies stream both ways: a request whose body is long is repeated if little of it was
/// sent ([`ApiError::SendAgain`] otherwise). How long an answer may take is for a layer to say.
impl<B> Service<Request<B>> for ApiClient
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, ApiError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let session = self.session.clone();
        let url = self.locate(&request.uri().to_string());
        let (parts, body) = request.into_parts();
        Box::pin(async move {
            let request = Outgoing {
                method: parts.method,
                url: url?,
                headers: parts.headers,
                body: Repeatable::streamed(Body::new(body)),
                time_in_all: None,
            };
            let answer: http::Response<reqwest::Body> = session.send(&request).await?.into();
            Ok(answer.map(Body::new))
        })
    }
}
