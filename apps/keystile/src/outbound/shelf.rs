//! The documents that are kept: bounded in count and bytes, with time as an argument.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keystile_authority::ports::{DocumentError, Fetched, Keeping};

/// Addresses that something is kept of.
const ENTRIES_AT_MOST: usize = 1000;
/// What all documents may have together, in bytes.
const BYTES_AT_MOST: usize = 4 * 1024 * 1024;
/// A fetch that failed is not repeated for so long.
pub(super) const FAILURE_REMEMBERED: Duration = Duration::from_secs(10);

/// What is kept by: the member that names the document, and its address.
pub(super) type Key = (&'static str, String);

/// The documents, and the failures to fetch one.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    entries: HashMap<Key, Entry>,
    bytes: usize,
    /// Counts uses, so that the least recently used entry can be told.
    uses: u64,
}

#[derive(Debug, Default)]
struct Entry {
    document: Option<(Arc<Fetched>, Instant)>,
    failure: Option<(DocumentError, Instant)>,
    used: u64,
}

/// What the shelf says to a question.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// This will do.
    Serve(Arc<Fetched>),
    /// This will do, and it is time to fetch it anew.
    Refresh(Arc<Fetched>),
    /// It could not be fetched a moment ago.
    Failed(DocumentError),
    /// It has to be fetched.
    Missing,
}

impl Shelf {
    /// A document for a use that a kept one can serve.
    pub(super) fn find(&mut self, key: &Key, keeping: &Keeping, now: Instant) -> Found {
        let Some(entry) = self.used(key) else { return Found::Missing };
        let failed = entry.failed(now);
        if let Some((document, fetched_at)) = &entry.document {
            let age = now.saturating_duration_since(*fetched_at);
            let fresh = fresh_for(document, keeping);
            if age < fresh || (age < fresh + keeping.stale && failed.is_some()) {
                return Found::Serve(Arc::clone(document));
            }
            if age < fresh + keeping.stale {
                return Found::Refresh(Arc::clone(document));
            }
        }
        failed.map_or(Found::Missing, Found::Failed)
    }

    /// A document for a use that the kept one did not serve.
    pub(super) fn find_newer(&mut self, key: &Key, keeping: &Keeping, now: Instant) -> Found {
        let Some(entry) = self.used(key) else { return Found::Missing };
        if let Some((document, fetched_at)) = &entry.document
            && now.saturating_duration_since(*fetched_at) < keeping.again_after
        {
            return Found::Serve(Arc::clone(document));
        }
        entry.failed(now).map_or(Found::Missing, Found::Failed)
    }

    /// Keeps what a fetch brought. A failure takes no document's place.
    pub(super) fn put(
        &mut self,
        key: Key,
        keeping: &Keeping,
        answer: &Result<Arc<Fetched>, DocumentError>,
        now: Instant,
    ) {
        self.uses += 1;
        let entry = self.entries.entry(key).or_default();
        entry.used = self.uses;
        match answer {
            Ok(document) => {
                entry.failure = None;
                let serves = fresh_for(document, keeping) + keeping.stale > Duration::ZERO;
                let kept = serves.then(|| (Arc::clone(document), now));
                self.bytes += kept.as_ref().map_or(0, |(kept, _)| kept.body.len());
                let before = std::mem::replace(&mut entry.document, kept);
                self.bytes -= before.map_or(0, |(before, _)| before.body.len());
            }
            // That we were busy says nothing about the document.
            Err(DocumentError::Busy) => {}
            Err(error) => entry.failure = Some((error.clone(), now)),
        }
        while self.entries.len() > ENTRIES_AT_MOST || self.bytes > BYTES_AT_MOST {
            self.forget_one();
        }
    }

    fn used(&mut self, key: &Key) -> Option<&mut Entry> {
        self.uses += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.uses;
        Some(entry)
    }

    /// Forgets what was not asked for the longest.
    fn forget_one(&mut self) {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
        let Some(key) = oldest.map(|(key, _)| key.clone()) else { return };
        if let Some(Entry { document: Some((document, _)), .. }) = self.entries.remove(&key) {
            self.bytes -= document.body.len();
        }
    }
}

impl Entry {
    fn failed(&self, now: Instant) -> Option<DocumentError> {
        let (error, at) = self.failure.as_ref()?;
        let recent = now.saturating_duration_since(*at) < FAILURE_REMEMBERED;
        recent.then(|| error.clone())
    }
}

/// As its headers say, within the bounds of its kind.
fn fresh_for(document: &Fetched, keeping: &Keeping) -> Duration {
    document.fresh_for.max(keeping.least).min(keeping.greatest)
}

#[cfg(test)]
mod tests {
    use keystile_authority::ports::Fetching;

    use super::*;

    const KEEPING: Keeping = Keeping {
        member: "jwks_uri",
        kind: Fetching::Json,
        least: Duration::from_secs(60),
        greatest: Duration::from_secs(600),
        stale: Duration::from_secs(300),
        again_after: Duration::from_secs(10),
        check: |_| Ok(()),
    };

    fn key(url: &str) -> Key {
        (KEEPING.member, url.to_owned())
    }

    fn document(fresh_for: u64, bytes: usize) -> Arc<Fetched> {
        let fresh_for = Duration::from_secs(fresh_for);
        Arc::new(Fetched { status: 200, content_type: None, body: vec![b'a'; bytes], fresh_for })
    }

    struct Bench {
        shelf: Shelf,
        start: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { shelf: Shelf::default(), start: Instant::now() }
        }

        fn put(&mut self, seconds: u64, answer: Result<Arc<Fetched>, DocumentError>) {
            let at = self.start + Duration::from_secs(seconds);
            self.shelf.put(key("a"), &KEEPING, &answer, at);
        }

        fn find(&mut self, seconds: u64) -> Found {
            self.shelf.find(&key("a"), &KEEPING, self.start + Duration::from_secs(seconds))
        }

        fn find_newer(&mut self, seconds: u64) -> Found {
            self.shelf.find_newer(&key("a"), &KEEPING, self.start + Duration::from_secs(seconds))
        }
    }

    #[test]
    fn a_document_is_fresh_as_its_headers_say_within_bounds_and_stale_for_a_while_rfc_9111_4_2() {
        for (said, fresh) in [(0, 60), (59, 60), (100, 100), (600, 600), (86_400, 600)] {
            let mut bench = Bench::new();
            assert_eq!(bench.find(0), Found::Missing);
            let document = document(said, 1);
            bench.put(0, Ok(document.clone()));
            assert_eq!(bench.find(fresh - 1), Found::Serve(document.clone()), "{said}");
            assert_eq!(bench.find(fresh), Found::Refresh(document.clone()), "{said}");
            assert_eq!(bench.find(fresh + 299), Found::Refresh(document), "{said}");
            assert_eq!(bench.find(fresh + 300), Found::Missing, "{said}");
        }
    }

    #[test]
    fn a_failure_is_remembered_and_takes_no_documents_place() {
        let mut bench = Bench::new();
        bench.put(0, Err(DocumentError::Status(404)));
        assert_eq!(bench.find(9), Found::Failed(DocumentError::Status(404)));
        assert_eq!(bench.find_newer(9), Found::Failed(DocumentError::Status(404)));
        assert_eq!(bench.find(10), Found::Missing);
        let document = document(60, 1);
        bench.put(10, Ok(document.clone()));
        assert_eq!(bench.find(11), Found::Serve(document.clone()));
        bench.put(75, Err(DocumentError::Status(503)));
        assert_eq!(bench.find(76), Found::Serve(document.clone()), "no refresh for now");
        assert_eq!(bench.find_newer(76), Found::Failed(DocumentError::Status(503)));
        assert_eq!(bench.find(85), Found::Refresh(document.clone()));
        bench.put(365, Err(DocumentError::Status(503)));
        assert_eq!(bench.find(370), Found::Failed(DocumentError::Status(503)), "too stale");
        bench.put(376, Err(DocumentError::Busy));
        assert_eq!(bench.find(376), Found::Missing, "that we were busy is not remembered");
    }

    #[test]
    fn a_newer_one_is_fetched_once_in_a_while() {
        let mut bench = Bench::new();
        assert_eq!(bench.find_newer(0), Found::Missing);
        let document = document(600, 1);
        bench.put(0, Ok(document.clone()));
        assert_eq!(bench.find_newer(9), Found::Serve(document));
        assert_eq!(bench.find_newer(10), Found::Missing, "however fresh it is");
    }

    #[test]
    fn what_could_never_serve_is_not_kept() {
        let (mut shelf, now) = (Shelf::default(), Instant::now());
        let fleeting = Keeping { least: Duration::ZERO, stale: Duration::ZERO, ..KEEPING };
        shelf.put(key("a"), &fleeting, &Ok(document(60, 10)), now);
        assert_eq!(shelf.bytes, 10);
        shelf.put(key("a"), &fleeting, &Ok(document(0, 10)), now);
        assert_eq!(shelf.find(&key("a"), &fleeting, now), Found::Missing);
        assert_eq!(shelf.bytes, 0);
    }

    #[test]
    fn entries_and_bytes_are_bounded_and_the_least_recently_used_goes() {
        let (mut shelf, now) = (Shelf::default(), Instant::now());
        let big = document(60, 64 * 1024);
        for number in 0..100 {
            shelf.put(key(&number.to_string()), &KEEPING, &Ok(big.clone()), now);
            assert_ne!(shelf.find(&key("0"), &KEEPING, now), Found::Missing, "used each time");
        }
        assert_eq!((shelf.entries.len(), shelf.bytes), (64, BYTES_AT_MOST));
        assert_eq!(shelf.find(&key("1"), &KEEPING, now), Found::Missing);
        for number in 0..3000 {
            let failed = Err(DocumentError::Status(404));
            shelf.put(key(&number.to_string()), &KEEPING, &failed, now);
        }
        assert_eq!(shelf.entries.len(), ENTRIES_AT_MOST);
        shelf.put(key("2999"), &KEEPING, &Ok(document(60, 10)), now);
        shelf.put(key("2999"), &KEEPING, &Ok(document(60, 20)), now);
        let kept = shelf.entries.values().filter_map(|entry| entry.document.as_ref());
        assert_eq!(shelf.bytes, kept.map(|(document, _)| document.body.len()).sum::<usize>());
    }
}
