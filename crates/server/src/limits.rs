//! Bounds on what is under way, and what happens to a panic.

use std::any::Any;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use keystile_authority::endpoints::Fault;
use tokio::sync::Semaphore;
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};

use crate::face::SharedFace;
use crate::handlers::authorize;
use crate::respond;

/// Places for requests that are under way.
#[derive(Clone)]
pub(crate) struct Bounded {
    face: SharedFace,
    places: Arc<Semaphore>,
}

impl Bounded {
    pub(crate) fn new(face: SharedFace, places: usize) -> Self {
        Self { face, places: Arc::new(Semaphore::new(places)) }
    }
}

/// Answers 503 at once when all places are taken; an authorization request is answered at the app
/// (row 3.9).
pub(crate) async fn bound(
    State(bounded): State<Bounded>,
    request: Request,
    next: Next,
) -> Response {
    if let Ok(_place) = bounded.places.try_acquire() {
        return next.run(request).await;
    }
    let fault = Fault::Unavailable("too many requests are under way".to_owned());
    if request.uri().path().ends_with("/authorize") {
        authorize::refuse(&bounded.face, request, fault).await
    } else {
        respond::fault(&bounded.face, request.headers(), &fault)
    }
}

/// Turns a panic into an answer, so that one request's fault is no other's.
pub(crate) fn catch_panic(face: SharedFace) -> CatchPanicLayer<AnswerPanic> {
    CatchPanicLayer::custom(AnswerPanic(face))
}

#[derive(Clone)]
pub(crate) struct AnswerPanic(SharedFace);

impl ResponseForPanic for AnswerPanic {
    type ResponseBody = axum::body::Body;

    fn response_for_panic(&mut self, panic: Box<dyn Any + Send + 'static>) -> Response {
        let words = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no words");
        let fault = Fault::Broken(format!("a handler panicked: {words}"));
        respond::fault(&self.0, &axum::http::HeaderMap::new(), &fault)
    }
}
