//! The guard as a tower layer around a service.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::Request;
use tower::{Layer, Service};

use crate::guard::Admitted;
use crate::{Guard, Refusal, body, rules};

/// A service behind a [`Guard`].
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.clone(), inner }
    }
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The service that was ready is the one to call; a clone of it need not be.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let guard = self.guard.clone();
        Box::pin(async move {
            let came_as = rules::scheme(request.headers());
            match admit(&guard, request).await {
                Ok((request, admitted)) => {
                    let mut response = inner.call(request).await?.into_response();
                    admitted.tell(&mut response);
                    Ok(response)
                }
                Err(refusal) => {
                    tracing::debug!(status = refusal.status().as_u16(), "refused: {refusal}");
                    Ok(guard.told(refusal, came_as))
                }
            }
        })
    }
}

async fn admit(
    guard: &Guard,
    request: Request<Body>,
) -> Result<(Request<Body>, Admitted), Refusal> {
    let (mut head, mut payload) = request.into_parts();
    if body::is_form(&head.headers) {
        let found;
        (found, payload) = body::look_for_token(payload).await;
        if found {
            return Err(Refusal::InvalidRequest(
                "an access token in the form is not taken; send it in the Authorization header \
                 (RFC 6750 section 2.1)",
            ));
        }
    }
    let admitted = guard.admit(&mut head).await?;
    Ok((Request::from_parts(head, payload), admitted))
}
