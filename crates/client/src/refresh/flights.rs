//! One request of this process at a time; the others take what it brings.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::session::{SessionError, SessionKey};

/// One flight per session that somebody waits for.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<SessionKey, Weak<Flight>>>);

#[derive(Default)]
pub(super) struct Flight {
    rounds: AtomicU64,
    failure: tokio::sync::Mutex<Option<SessionError>>,
}

/// The one request that flies.
pub(super) struct Seat<'a> {
    flight: &'a Flight,
    failure: tokio::sync::MutexGuard<'a, Option<SessionError>>,
    /// How the request before failed, if it flew while this one waited.
    pub(super) failed_meanwhile: Option<SessionError>,
}

impl Flights {
    pub(super) fn of(&self, key: &SessionKey) -> Arc<Flight> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key).and_then(Weak::upgrade) {
            return flight;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::new(Flight::default());
        flights.insert(*key, Arc::downgrade(&flight));
        flight
    }
}

impl Flight {
    /// Waits for the one before.
    pub(super) async fn board(&self) -> Seat<'_> {
        let round = self.rounds.load(Ordering::Acquire);
        let failure = self.failure.lock().await;
        let others_flew = self.rounds.load(Ordering::Acquire) != round;
        let failed_meanwhile = failure.clone().filter(|_| others_flew);
        Seat { flight: self, failure, failed_meanwhile }
    }
}

impl Seat<'_> {
    /// Tells those that wait.
    pub(super) fn landed<T>(mut self, result: &Result<T, SessionError>) {
        self.flight.rounds.fetch_add(1, Ordering::Release);
        *self.failure = result.as_ref().err().cloned();
    }
}
