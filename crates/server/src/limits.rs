//! Bounds on what is under way, and what happens to a panic.

use std::any::Any;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use keystile_authority::endpoints::Fault;
use tokio::sync::{Semaphore, SemaphorePermit};
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};

use crate::face::SharedFace;
use crate::handlers::authorize;
use crate::respond;

/// Places for requests that are under way. Browsers leave a quarter of them to clients: sign-ins
/// wait for password hashes, and apps need their tokens while they do.
#[derive(Clone)]
struct Places {
    all: Arc<Semaphore>,
    of_browsers: Option<Arc<Semaphore>>,
}

impl Places {
    /// For what clients call.
    fn new(places: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(places)), of_browsers: None }
    }

    /// For what browsers call, out of the same `places`.
    fn for_browsers(&self, places: usize) -> Self {
        let of_browsers = Arc::new(Semaphore::new(places - places / 4));
        Self { all: Arc::clone(&self.all), of_browsers: Some(of_browsers) }
    }

    /// A place, if there is one.
    fn take(&self) -> Option<(SemaphorePermit<'_>, Option<SemaphorePermit<'_>>)> {
        let of_browsers = self.of_browsers.as_ref().map(|places| places.try_acquire());
        let of_browsers = of_browsers.transpose().ok()?;
        Some((self.all.try_acquire().ok()?, of_browsers))
    }
}

/// What [`bound`] needs.
#[derive(Clone)]
pub(crate) struct Bounded {
    face: SharedFace,
    places: Places,
}

impl Bounded {
    /// For what clients call, and for what browsers do.
    pub(crate) fn of_each(face: SharedFace, places: usize) -> (Self, Self) {
        let of_clients = Places::new(places);
        let of_browsers = of_clients.for_browsers(places);
        let (of_clients, of_browsers) = (
            Self { face: SharedFace::clone(&face), places: of_clients },
            Self { face, places: of_browsers },
        );
        (of_clients, of_browsers)
    }
}

/// Answers 503 at once when all places are taken; an authorization request is answered at the app
/// (row 3.9).
pub(crate) async fn bound(
    State(bounded): State<Bounded>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(_place) = bounded.places.take() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_leave_places_to_clients_and_never_more_are_taken_than_there_are() {
        let clients = Places::new(4);
        let browsers = clients.for_browsers(4);
        let taken: Vec<_> = std::iter::from_fn(|| browsers.take()).collect();
        assert_eq!(taken.len(), 3);
        let of_client = clients.take().expect("left by the browsers");
        assert!(clients.take().is_none() && browsers.take().is_none());
        drop(taken);
        let taken: Vec<_> = std::iter::from_fn(|| clients.take()).collect();
        assert_eq!(taken.len(), 3, "clients may have all of them");
        assert!(browsers.take().is_none());
        drop((of_client, taken));
        assert!(browsers.take().is_some());
        assert!(Places::new(1).for_browsers(1).take().is_some(), "few places are for everybody");
    }
}
