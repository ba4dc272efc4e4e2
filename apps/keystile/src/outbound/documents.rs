//! `authority`'s port [`Documents`] on any [`Outbound`]: what is fetched is kept, each address is
//! fetched by one request at a time, and a slow one holds up nobody but those who wait for it.
//!
//! A fetch is a task of its own: it goes on when who asked for it has gone, and it is what
//! refreshes a document beside a request. No lock is held while anything waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use keystile_authority::ports::{DocumentError, Documents, Fetched, Keeping, Outbound};
use keystile_authority::rules::outbound::OutboundRefusal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, watch};
use url::Url;

use super::shelf::{Found, Key, Shelf};

/// Requests to one host that are under way at once.
const AT_ONCE_TO_HOST: usize = 4;
/// Requests that are under way at once.
const AT_ONCE: usize = 32;
/// Fetches that are under way or wait for their turn.
const FETCHES_AT_MOST: usize = 128;
/// How long a fetch waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(3);
/// Of all requests to this server that may be under way, this part may wait for documents, ...
const WAITING_PART: usize = 2;
/// ... and this part for one of them.
const WAITING_PART_FOR_ONE: usize = 8;

type Answer = Result<Arc<Fetched>, DocumentError>;

/// Documents that were fetched, and those that are being fetched.
#[derive(Clone)]
pub struct KeptDocuments(Arc<Shared>);

struct Shared {
    outbound: Arc<dyn Outbound>,
    state: Mutex<State>,
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    waiting_for_one: usize,
}

#[derive(Default)]
struct State {
    shelf: Shelf,
    fetches: HashMap<Key, Arc<watch::Sender<Option<Answer>>>>,
    hosts: HashMap<String, Arc<Semaphore>>,
}

/// Somebody's place among those who wait for a fetch.
struct Waiting {
    answer: watch::Receiver<Option<Answer>>,
    _place: OwnedSemaphorePermit,
}

impl std::fmt::Debug for KeptDocuments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeptDocuments")
    }
}

impl KeptDocuments {
    /// Nothing is kept yet. `requests` is how many requests to this server may be under way: never
    /// will all of them wait for documents.
    pub fn new(outbound: Arc<dyn Outbound>, requests: usize) -> Self {
        Self(Arc::new(Shared {
            outbound,
            state: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new((requests / WAITING_PART).max(1))),
            waiting_for_one: (requests / WAITING_PART_FOR_ONE).max(1),
        }))
    }

    /// What is kept, or a place among those who wait.
    fn ask(
        &self,
        url: &str,
        keeping: &'static Keeping,
        find: fn(&mut Shelf, &Key, &Keeping, Instant) -> Found,
    ) -> Result<Asked, DocumentError> {
        let key = (keeping.member, url.to_owned());
        let mut state = self.0.state();
        match find(&mut state.shelf, &key, keeping, Instant::now()) {
            Found::Serve(document) => Ok(Asked::Kept(document)),
            Found::Refresh(document) => {
                // Whether there is room for it or not: the document serves.
                let _ = self.fetch(&mut state, key, keeping);
                Ok(Asked::Kept(document))
            }
            Found::Failed(error) => Err(error),
            Found::Missing => {
                let place = Arc::clone(&self.0.waiting).try_acquire_owned().map_err(busy)?;
                let fetch = self.fetch(&mut state, key, keeping)?;
                if fetch.receiver_count() >= self.0.waiting_for_one {
                    return Err(DocumentError::Busy);
                }
                Ok(Asked::Wait(Waiting { answer: fetch.subscribe(), _place: place }))
            }
        }
    }

    /// The fetch that is under way for the address, or a new one.
    fn fetch(
        &self,
        state: &mut State,
        key: Key,
        keeping: &'static Keeping,
    ) -> Result<Arc<watch::Sender<Option<Answer>>>, DocumentError> {
        if let Some(fetch) = state.fetches.get(&key) {
            return Ok(Arc::clone(fetch));
        }
        if state.fetches.len() >= FETCHES_AT_MOST {
            return Err(DocumentError::Busy);
        }
        let host = host_of(&key.1)?;
        let fetch = Arc::new(watch::Sender::new(None));
        state.fetches.insert(key.clone(), Arc::clone(&fetch));
        let turns = state.hosts.entry(host);
        let turns = turns.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE_TO_HOST)));
        let under_way = UnderWay { shared: Arc::clone(&self.0), key, keeping };
        tokio::spawn(under_way.run(Arc::clone(turns), Arc::clone(&fetch)));
        Ok(fetch)
    }
}

enum Asked {
    Kept(Arc<Fetched>),
    Wait(Waiting),
}

impl Asked {
    async fn answer(self) -> Answer {
        match self {
            Self::Kept(document) => Ok(document),
            Self::Wait(mut waiting) => {
                let answer = waiting.answer.wait_for(Option::is_some).await;
                // A fetch that ends without an answer has panicked.
                answer.ok().and_then(|answer| answer.clone()).unwrap_or(Err(DocumentError::Busy))
            }
        }
    }
}

#[async_trait]
impl Documents for KeptDocuments {
    async fn document(&self, url: &str, keeping: &'static Keeping) -> Answer {
        self.ask(url, keeping, Shelf::find)?.answer().await
    }

    async fn newer(&self, url: &str, keeping: &'static Keeping) -> Answer {
        self.ask(url, keeping, Shelf::find_newer)?.answer().await
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch. When it is over, however it ends, it is no longer under way.
struct UnderWay {
    shared: Arc<Shared>,
    key: Key,
    keeping: &'static Keeping,
}

impl UnderWay {
    async fn run(self, host: Arc<Semaphore>, done: Arc<watch::Sender<Option<Answer>>>) {
        let answer = self.document(&host).await.map(Arc::new);
        if let Err(error) = &answer {
            let (member, url) = (self.keeping.member, shown(&self.key.1));
            tracing::warn!(member, url, %error, "a client's document was not fetched");
        }
        self.shared.state().shelf.put(self.key.clone(), self.keeping, &answer, Instant::now());
        drop(host);
        // Nobody joins any more once the answer is given: it would be one of an earlier time.
        drop(self);
        done.send_replace(Some(answer));
    }

    async fn document(&self, host: &Arc<Semaphore>) -> Result<Fetched, DocumentError> {
        let turn = async {
            // First the host's: who waits for a slow host takes nobody else's turn.
            Ok::<_, tokio::sync::AcquireError>((
                host.acquire().await?,
                self.shared.turns.acquire().await?,
            ))
        };
        let turn = tokio::time::timeout(TURN_WITHIN, turn).await;
        let _turn = turn.ok().and_then(Result::ok).ok_or(DocumentError::Busy)?;
        let fetched = self.shared.outbound.get(&self.key.1, self.keeping.kind).await?;
        if !fetched.is_success() {
            return Err(DocumentError::Status(fetched.status));
        }
        (self.keeping.check)(&fetched).map_err(DocumentError::Unusable)?;
        Ok(fetched)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.fetches.remove(&self.key);
        // One more than this map's own: somebody has a turn there or waits for one.
        state.hosts.retain(|_, turns| Arc::strong_count(turns) > 1);
    }
}

fn busy(_: TryAcquireError) -> DocumentError {
    DocumentError::Busy
}

fn host_of(url: &str) -> Result<String, DocumentError> {
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.ok_or_else(|| DocumentError::Outbound(OutboundRefusal::NotAUrl.into()))
}

/// An address for the log, without what may be nobody's business.
fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use keystile_authority::ports::{Fetching, OutboundError};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    use keystile_protocol::Secret;
    use serde_json::Value;

    use super::*;

    const KEEPING: Keeping = Keeping {
        member: "jwks_uri",
        kind: Fetching::Json,
        least: Duration::from_secs(60),
        greatest: Duration::from_secs(600),
        stale: Duration::from_secs(300),
        again_after: Duration::ZERO,
        check: |fetched| if fetched.body.is_empty() { Err("empty".to_owned()) } else { Ok(()) },
    };

    /// Servers: those whose address says `slow` answer when they are told to.
    #[derive(Default)]
    struct Servers {
        asked: Mutex<Vec<String>>,
        at_once: AtomicUsize,
        most_at_once: AtomicUsize,
        go: Notify,
        status: Mutex<Option<u16>>,
    }

    #[async_trait]
    impl Outbound for Servers {
        async fn get(&self, url: &str, _: Fetching) -> Result<Fetched, OutboundError> {
            self.asked.lock().expect("no panic").push(url.to_owned());
            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
            if url.contains("slow") {
                self.go.notified().await;
            }
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            assert!(!url.contains("panic"), "as asked");
            let status = self.status.lock().expect("no panic").unwrap_or(200);
            let body = if url.contains("empty") { Vec::new() } else { b"document".to_vec() };
            Ok(Fetched { status, content_type: None, body, fresh_for: Duration::ZERO })
        }

        async fn post_form(&self, _: &str, _: &[(&str, &str)]) -> Result<Fetched, OutboundError> {
            Err(OutboundError::NoAnswer("nothing is posted here".into()))
        }

        async fn post_json(
            &self,
            url: &str,
            _: &Secret,
            _: &Value,
        ) -> Result<Fetched, OutboundError> {
            self.post_form(url, &[]).await
        }
    }

    impl Servers {
        fn asked(&self) -> usize {
            self.asked.lock().expect("no panic").len()
        }

        async fn until_asked(&self, times: usize) {
            while self.asked() < times {
                tokio::task::yield_now().await;
            }
        }
    }

    fn bench(requests: usize) -> (Arc<Servers>, KeptDocuments) {
        let servers = Arc::new(Servers::default());
        (servers.clone(), KeptDocuments::new(servers, requests))
    }

    fn ask(documents: &KeptDocuments, url: impl Into<String>) -> JoinHandle<Answer> {
        ask_for(documents, url, &KEEPING)
    }

    fn ask_for(
        documents: &KeptDocuments,
        url: impl Into<String>,
        keeping: &'static Keeping,
    ) -> JoinHandle<Answer> {
        let (documents, url) = (documents.clone(), url.into());
        tokio::spawn(async move { documents.document(&url, keeping).await })
    }

    #[tokio::test]
    async fn two_requests_at_once_make_one_fetch_and_later_ones_none() {
        let (servers, documents) = bench(1000);
        let waiting: Vec<_> = (0..5).map(|_| ask(&documents, "https://slow.example/")).collect();
        servers.until_asked(1).await;
        servers.go.notify_one();
        for waiting in waiting {
            assert_eq!(waiting.await.expect("no panic").expect("fetched").body, b"document");
        }
        assert!(documents.document("https://slow.example/", &KEEPING).await.is_ok());
        assert_eq!(servers.asked(), 1);
        servers.go.notify_one();
        assert!(documents.newer("https://slow.example/", &KEEPING).await.is_ok());
        assert_eq!(servers.asked(), 2);
    }

    #[tokio::test]
    async fn a_fetch_goes_on_when_who_asked_has_gone() {
        let (servers, documents) = bench(1000);
        let gone = ask(&documents, "https://slow.example/");
        servers.until_asked(1).await;
        gone.abort();
        let waits = ask(&documents, "https://slow.example/");
        tokio::task::yield_now().await;
        servers.go.notify_one();
        assert!(waits.await.expect("no panic").is_ok());
        assert_eq!(servers.asked(), 1);
    }

    #[tokio::test]
    async fn what_is_no_such_document_is_refused_and_not_asked_for_again_at_once() {
        let (servers, documents) = bench(1000);
        let empty = documents.document("https://empty.example/", &KEEPING).await;
        assert_eq!(empty, Err(DocumentError::Unusable("empty".into())));
        *servers.status.lock().expect("no panic") = Some(302);
        for _ in 0..3 {
            let elsewhere = documents.document("https://elsewhere.example/", &KEEPING).await;
            assert_eq!(elsewhere, Err(DocumentError::Status(302)));
        }
        assert_eq!(servers.asked(), 2);
        let none = documents.document("no address", &KEEPING).await;
        assert_eq!(none, Err(DocumentError::Outbound(OutboundRefusal::NotAUrl.into())));
    }

    #[tokio::test]
    async fn a_document_is_kept_while_its_origin_is_away() {
        let (servers, documents) = bench(1000);
        let url = "https://client.example/keys";
        assert!(documents.document(url, &KEEPING).await.is_ok());
        *servers.status.lock().expect("no panic") = Some(503);
        assert_eq!(documents.newer(url, &KEEPING).await, Err(DocumentError::Status(503)));
        assert!(documents.document(url, &KEEPING).await.is_ok());
        assert_eq!(servers.asked(), 2);
    }

    #[tokio::test]
    async fn a_stale_document_serves_at_once_and_is_fetched_beside_rfc_5861_3() {
        static STALE: Keeping =
            Keeping { least: Duration::ZERO, greatest: Duration::ZERO, ..KEEPING };
        let (servers, documents) = bench(1000);
        let url = "https://slow.example/keys";
        let first = ask_for(&documents, url, &STALE);
        servers.until_asked(1).await;
        servers.go.notify_one();
        assert!(first.await.expect("no panic").is_ok());
        for _ in 0..3 {
            assert!(documents.document(url, &STALE).await.is_ok(), "nobody lets the server go");
        }
        servers.until_asked(2).await;
        assert_eq!(servers.asked(), 2);
    }

    #[tokio::test]
    async fn a_slow_host_holds_up_no_other_and_is_not_overrun() {
        let (servers, documents) = bench(1000);
        for number in 0..20 {
            ask(&documents, format!("https://slow.example/{number}"));
        }
        servers.until_asked(AT_ONCE_TO_HOST).await;
        let other = documents.document("https://quick.example/", &KEEPING).await;
        assert!(other.is_ok(), "{other:?}");
        assert_eq!(servers.asked(), AT_ONCE_TO_HOST + 1);
        assert_eq!(servers.most_at_once.load(Ordering::SeqCst), AT_ONCE_TO_HOST + 1);
        while servers.asked() < 21 || servers.at_once.load(Ordering::SeqCst) > 0 {
            servers.go.notify_one();
            tokio::task::yield_now().await;
        }
        while !documents.0.state().fetches.is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(documents.0.state().hosts.is_empty());
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded_for_one_address_and_in_all() {
        let (servers, documents) = bench(16);
        let two: Vec<_> = (0..2).map(|_| ask(&documents, "https://slow.example/")).collect();
        servers.until_asked(1).await;
        let third = documents.document("https://slow.example/", &KEEPING).await;
        assert_eq!(third, Err(DocumentError::Busy));
        let others: Vec<_> =
            (0..6).map(|n| ask(&documents, format!("https://slow{n}.example/"))).collect();
        servers.until_asked(7).await;
        let ninth = documents.document("https://quick.example/", &KEEPING).await;
        assert_eq!(ninth, Err(DocumentError::Busy));
        servers.go.notify_waiters();
        for waiting in two.into_iter().chain(others) {
            assert!(waiting.await.expect("no panic").is_ok());
        }
        assert!(documents.document("https://quick.example/", &KEEPING).await.is_ok());
    }

    #[tokio::test]
    async fn a_fetch_waits_for_its_turn_for_a_while() {
        let (servers, documents) = bench(1000);
        for number in 0..AT_ONCE_TO_HOST {
            ask(&documents, format!("https://slow.example/{number}"));
        }
        servers.until_asked(AT_ONCE_TO_HOST).await;
        let late = documents.document("https://slow.example/late", &KEEPING).await;
        assert_eq!(late, Err(DocumentError::Busy));
    }

    #[tokio::test]
    async fn a_fetch_that_panics_is_no_longer_under_way() {
        let (_, documents) = bench(1000);
        let broken = documents.document("https://panic.example/", &KEEPING).await;
        assert_eq!(broken, Err(DocumentError::Busy));
        let state = documents.0.state();
        assert!(state.fetches.is_empty() && state.hosts.is_empty());
    }
}
