//! What an issuer publishes, its keys above all: fetched when needed, kept, and never asked for in
//! a storm.

mod fetch;
mod rhythm;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use keystile_protocol::jose::{Algorithm, JoseError, KeySet, SignedToken};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use rhythm::{Need, Times};

use crate::outbound::Outbound;

/// As much of what an issuer publishes as matters here.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) keys: KeySet,
    /// Where it is asked about tokens (RFC 7662), for whoever wants to.
    pub(crate) introspection_endpoint: Option<String>,
}

impl Published {
    fn is_useless(&self) -> bool {
        self.keys.is_empty() && self.introspection_endpoint.is_none()
    }
}

/// What one issuer publishes, shared by all requests.
#[derive(Debug)]
pub(crate) struct PublishedCache {
    outbound: Outbound,
    introspects: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<Arc<Published>>,
    times: Times,
    /// Open while a fetch is under way: whoever waits sees it close.
    under_way: Option<watch::Receiver<()>>,
}

impl PublishedCache {
    pub(crate) fn new(outbound: Outbound, introspects: bool) -> Self {
        Self { outbound, introspects, state: Mutex::default() }
    }

    /// What is known; fetched now if nothing is, in the background if it is old. `None` where
    /// nothing can be had.
    pub(crate) async fn current(self: &Arc<Self>) -> Option<Arc<Published>> {
        let (need, known) = {
            let state = self.lock();
            (state.times.on_request(Instant::now(), state.under_way.is_some()), state.known.clone())
        };
        match need {
            Need::Nothing => known,
            Need::Refresh => {
                self.fetch();
                known
            }
            Need::Fetch => {
                finished(self.fetch()).await;
                self.lock().known.clone()
            }
        }
    }

    /// What to try after `kid` was not among the keys of `tried`: newer ones if there are,
    /// otherwise fetched if that has not just been done.
    async fn after_unknown(self: &Arc<Self>, kid: &str, tried: &Arc<Published>) -> Arc<Published> {
        let fetching = {
            let mut state = self.lock();
            match state.known.clone() {
                Some(newer) if newer.keys.has(kid) => return newer,
                _ if state.times.on_unknown_key(Instant::now()) => Some(self.fetch_in(&mut state)),
                // Another request has just begun to look for what may be the same key.
                _ => state.under_way.clone(),
            }
        };
        if let Some(fetching) = fetching {
            finished(fetching).await;
        }
        self.lock().known.clone().unwrap_or_else(|| Arc::clone(tried))
    }

    /// Verifies a token with the issuer's keys, with newer ones if it names one that is not known,
    /// and reads its claims. `None` where nothing can be had.
    pub(crate) async fn verified<C: DeserializeOwned>(
        self: &Arc<Self>,
        token: &SignedToken<'_>,
        algorithms: &[Algorithm],
    ) -> Option<Result<C, JoseError>> {
        let known = self.current().await?;
        Some(match token.verify(&known.keys, algorithms) {
            Err(JoseError::UnknownKey(kid)) => {
                let newer = self.after_unknown(&kid, &known).await;
                token.verify(&newer.keys, algorithms)
            }
            decided => decided,
        })
    }

    fn fetch(self: &Arc<Self>) -> watch::Receiver<()> {
        self.fetch_in(&mut self.lock())
    }

    /// Joins the fetch that is under way, or begins one. It is a task of its own, so that a
    /// request that is given up does not take it away from the others.
    fn fetch_in(self: &Arc<Self>, state: &mut State) -> watch::Receiver<()> {
        let open = |receiver: &&watch::Receiver<()>| receiver.has_changed().is_ok();
        if let Some(receiver) = state.under_way.as_ref().filter(open) {
            return receiver.clone();
        }
        let (sender, receiver) = watch::channel(());
        state.under_way = Some(receiver.clone());
        state.times.tried = Some(Instant::now());
        let cache = Arc::clone(self);
        tokio::spawn(async move {
            let fetched = fetch::fetch(&cache.outbound, cache.introspects).await;
            cache.lock().finish(fetched, Instant::now());
            drop(sender);
        });
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is known stays when nothing could be fetched; not so when the issuer says that it has
    /// no keys.
    fn finish(&mut self, fetched: Result<Published, fetch::FetchError>, now: Instant) {
        self.under_way = None;
        match fetched {
            Ok(published) if published.is_useless() => {
                tracing::warn!("the issuer has no key that can be used");
                (self.known, self.times.fetched) = (None, None);
            }
            Ok(published) => {
                self.known = Some(Arc::new(published));
                self.times.fetched = Some(now);
            }
            Err(error) => {
                let kept = self.known.is_some();
                tracing::warn!(kept, "the issuer's keys could not be fetched: {error}");
            }
        }
    }
}

async fn finished(mut fetching: watch::Receiver<()>) {
    // An error is the sender's end, which is what is waited for.
    while fetching.changed().await.is_ok() {}
}
