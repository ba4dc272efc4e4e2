//! The issuer's keys: fetched when needed, kept, and never asked for in a storm.

mod fetch;
mod rhythm;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use keystile_protocol::Issuer;
use keystile_protocol::jose::KeySet;
use tokio::sync::watch;

use fetch::Fetcher;
use rhythm::{Need, Times};

/// Keys of one issuer, shared by all requests.
#[derive(Debug)]
pub(crate) struct KeyCache {
    fetcher: Fetcher,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: Option<Arc<KeySet>>,
    times: Times,
    /// Open while a fetch is under way: whoever waits sees it close.
    under_way: Option<watch::Receiver<()>>,
}

impl KeyCache {
    pub(crate) fn new(issuer: Issuer) -> Result<Self, reqwest::Error> {
        Ok(Self { fetcher: Fetcher::new(issuer)?, state: Mutex::default() })
    }

    /// The keys; fetched now if there are none, in the background if they are old. `None` where
    /// none can be had.
    pub(crate) async fn current(self: &Arc<Self>) -> Option<Arc<KeySet>> {
        let (need, keys) = {
            let state = self.lock();
            (state.times.on_request(Instant::now(), state.under_way.is_some()), state.keys.clone())
        };
        match need {
            Need::Nothing => keys,
            Need::Refresh => {
                self.fetch();
                keys
            }
            Need::Fetch => {
                finished(self.fetch()).await;
                self.lock().keys.clone()
            }
        }
    }

    /// The keys to try after `kid` was not among `tried`: newer ones if there are, otherwise
    /// fetched if that has not just been done.
    pub(crate) async fn after_unknown(
        self: &Arc<Self>,
        kid: &str,
        tried: &Arc<KeySet>,
    ) -> Arc<KeySet> {
        let fetching = {
            let mut state = self.lock();
            match state.keys.clone() {
                Some(newer) if newer.has(kid) => return newer,
                _ if state.times.on_unknown_key(Instant::now()) => Some(self.fetch_in(&mut state)),
                // Another request has just begun to look for what may be the same key.
                _ => state.under_way.clone(),
            }
        };
        if let Some(fetching) = fetching {
            finished(fetching).await;
        }
        self.lock().keys.clone().unwrap_or_else(|| Arc::clone(tried))
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
            let fetched = cache.fetcher.fetch().await;
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
    /// Keys that are there stay when none could be fetched; not so when the issuer says that it
    /// has none.
    fn finish(&mut self, fetched: Result<KeySet, fetch::FetchError>, now: Instant) {
        self.under_way = None;
        match fetched {
            Ok(keys) if keys.is_empty() => {
                tracing::warn!("the issuer has no key that can be used");
                (self.keys, self.times.fetched) = (None, None);
            }
            Ok(keys) => {
                self.keys = Some(Arc::new(keys));
                self.times.fetched = Some(now);
            }
            Err(error) => {
                let kept = self.keys.is_some();
                tracing::warn!(kept, "the issuer's keys could not be fetched: {error}");
            }
        }
    }
}

async fn finished(mut fetching: watch::Receiver<()>) {
    // An error is the sender's end, which is what is waited for.
    while fetching.changed().await.is_ok() {}
}
