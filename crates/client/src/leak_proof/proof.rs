use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use keystile_protocol::encoding::sha256;

use super::layer::LeakLayer;
use super::leak::{Leak, Place};
use super::log::WatchedLog;
use super::search::{Found, Search};
use super::secrets::{RUN, Secrets};
use crate::taint::Taint;

/// Leaks that are kept; one is enough to fail.
const LEAKS_AT_MOST: usize = 100;

/// Watches for secrets that leave. Cheap to clone; all clones are one. See the
/// [module](crate::leak_proof).
#[derive(Clone, Default)]
pub struct LeakProof(Arc<Shared>);

#[derive(Default)]
struct Shared {
    known: RwLock<Known>,
    leaks: Mutex<Vec<Leak>>,
    unread: Mutex<Option<Place>>,
    answers: AtomicU64,
    bytes: AtomicU64,
    log_lines: AtomicU64,
}

/// The secrets, and what each is called.
#[derive(Default)]
struct Known {
    secrets: Secrets,
    names: Vec<(String, Allowed)>,
    digests: HashSet<[u8; 32]>,
}

/// Where a secret may be all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    Nowhere,
    /// It is the browser's own: a `Set-Cookie` header brings it there.
    InCookie,
}

/// How much was watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Secrets that are looked for.
    pub secrets: usize,
    /// Answers of the app.
    pub answers: u64,
    /// Lines of a log.
    pub log_lines: u64,
    /// Bytes of all that.
    pub bytes: u64,
}

impl LeakProof {
    /// One that knows no secret yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Put it around the whole app, outermost: it watches every answer. It takes `Accept-Encoding`
    /// out of requests, so that what it watches is not compressed.
    pub fn layer(&self) -> LeakLayer {
        LeakLayer::new(self.clone())
    }

    /// Watches what is written to a log: for `with_writer` of `tracing_subscriber::fmt`, or for
    /// whatever else writes to an [`io::Write`](std::io::Write).
    ///
    /// ```
    /// # let proof = keystile_client::LeakProof::new();
    /// let subscriber = tracing_subscriber::fmt()
    ///     .with_max_level(tracing::Level::TRACE)
    ///     .with_writer(proof.log(std::io::stderr));
    /// # let _ = subscriber;
    /// ```
    pub fn log<W, M>(&self, make: M) -> impl Fn() -> WatchedLog<W> + Clone + use<W, M>
    where
        M: Fn() -> W + Clone,
    {
        let proof = self.clone();
        move || WatchedLog::new(proof.clone(), make())
    }

    /// A secret of the app's own that must not leave either, and what a failure calls it.
    pub fn taint(&self, name: &str, secret: impl AsRef<[u8]>) {
        self.add(name, secret.as_ref(), Allowed::Nowhere);
    }

    /// A text that may leave: a secret's characters are not looked for where they are also this
    /// text's. Identifiers, scope and addresses of the client are known already.
    pub fn public(&self, text: impl AsRef<[u8]>) {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        known.secrets.add_public(text.as_ref());
    }

    /// Searches bytes that leave in another way than by [`Self::layer`] and [`Self::log`]: a file,
    /// a message of a WebSocket. What is found counts for [`Self::assert_nothing_leaked`] too.
    pub fn search(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.look(bytes.as_ref(), Allowed::Nowhere, |_| Place::Other(name.to_owned()));
    }

    /// What was found so far: of each answer's header or body, and of each line of a log, the
    /// first.
    pub fn leaks(&self) -> Vec<Leak> {
        self.0.leaks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How much was watched so far.
    pub fn seen(&self) -> Seen {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        Seen {
            secrets: known.names.len(),
            answers: self.0.answers.load(Ordering::Relaxed),
            log_lines: self.0.log_lines.load(Ordering::Relaxed),
            bytes: self.0.bytes.load(Ordering::Relaxed),
        }
    }

    /// Panics if a secret left, and says which and where, without a character of it. Panics as
    /// well if no secret was there or nothing was watched: that proves nothing.
    #[track_caller]
    pub fn assert_nothing_leaked(&self) {
        let (leaks, seen) = (self.leaks(), self.seen());
        assert!(
            seen.secrets > 0,
            "no secret was there to leak: give the proof to the client's builder \
             (.leak_proof(&proof)), and use the app"
        );
        assert!(
            seen.bytes > 0,
            "nothing was watched: put proof.layer() around the app, and use it"
        );
        let unread = self.0.unread.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(
            unread.is_none(),
            "{} is compressed and cannot be searched: put proof.layer() below the compression",
            unread.as_ref().map_or_else(String::new, ToString::to_string)
        );
        let told: Vec<_> = leaks.iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "secrets left, of {seen}:\n- {}", told.join("\n- "));
    }

    fn add(&self, name: &str, secret: &[u8], allowed: Allowed) {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        if secret.len() >= RUN && known.digests.insert(sha256(secret)) {
            known.secrets.add(secret);
            known.names.push((name.to_owned(), allowed));
        }
    }

    /// Searches something that is there as a whole.
    pub(super) fn look(&self, bytes: &[u8], allowed: Allowed, place: impl FnOnce(u64) -> Place) {
        let mut watch = Watch::new(self.clone(), allowed);
        watch.feed(bytes, place);
    }

    /// Whether a text, which is to be shown, has no secret in it.
    pub(super) fn is_free(&self, text: &str) -> bool {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut free = true;
        Search::default().feed(&known.secrets, text.as_bytes(), |_| free = false);
        free
    }

    /// There is something that no search can read.
    pub(super) fn cannot_read(&self, place: Place) {
        self.0.unread.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(place);
    }

    pub(super) fn count_answer(&self) {
        self.0.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a line that ends, and says which the next one is.
    pub(super) fn lines_written(&self, ended: u64) -> u64 {
        self.0.log_lines.fetch_add(ended, Ordering::Relaxed) + ended + 1
    }
}

/// A stream that is watched, up to the first secret in it.
pub(super) struct Watch {
    proof: LeakProof,
    search: Search,
    allowed: Allowed,
    leaked: bool,
}

impl Watch {
    pub(super) fn new(proof: LeakProof, allowed: Allowed) -> Self {
        Self { proof, search: Search::default(), allowed, leaked: false }
    }

    /// The next piece of it. `place` is told at which byte a secret begins.
    pub(super) fn feed(&mut self, piece: &[u8], place: impl FnOnce(u64) -> Place) {
        let shared = &self.proof.0;
        shared.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        if self.leaked {
            return;
        }
        let known = shared.known.read().unwrap_or_else(PoisonError::into_inner);
        let may_be_here = |found: &Found| {
            let (_, allowed) = known.names[found.secret];
            allowed != Allowed::Nowhere && allowed == self.allowed
        };
        let mut first: Option<Found> = None;
        self.search.feed(&known.secrets, piece, |found| {
            if !may_be_here(&found) && first.is_none_or(|first| found.at < first.at) {
                first = Some(found);
            }
        });
        if let Some(Found { secret, at, form }) = first {
            self.leaked = true;
            let secret = known.names[secret].0.clone();
            let mut leaks = shared.leaks.lock().unwrap_or_else(PoisonError::into_inner);
            if leaks.len() < LEAKS_AT_MOST {
                leaks.push(Leak { secret, place: place(at), at, form });
            }
        }
    }

    /// Begins with the next line of a log.
    pub(super) fn begin_again(&mut self) {
        *self = Self::new(self.proof.clone(), self.allowed);
    }
}

impl Taint for LeakProof {
    fn secret(&self, name: &str, secret: &[u8]) {
        self.taint(name, secret);
    }

    fn cookie(&self, name: &str, secret: &str) {
        self.add(name, secret.as_bytes(), Allowed::InCookie);
    }

    fn public(&self, text: &str) {
        Self::public(self, text);
    }
}

impl fmt::Debug for LeakProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeakProof({}, {} leaks)", self.seen(), self.leaks().len())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secrets, answers, log_lines, bytes } = self;
        write!(
            f,
            "{secrets} that were looked for in {bytes} bytes ({answers} answers, {log_lines} \
             lines of a log)"
        )
    }
}
