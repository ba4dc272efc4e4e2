//! The records of all browsers: a bounded table, the one that was not seen for longest goes first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keystile_client::LeakProof;

use super::record::Record;
use crate::app::random::handle;

const BROWSERS_AT_MOST: usize = 40;

/// The table; the last seen browser is at its end.
#[derive(Default)]
pub(crate) struct Browsers {
    table: Mutex<VecDeque<(String, Arc<Record>)>>,
    leak_proof: Option<LeakProof>,
}

impl Browsers {
    pub(crate) fn new(leak_proof: Option<LeakProof>) -> Self {
        Self { leak_proof, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, Arc<Record>)>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record that a cookie names, or a new one and its name.
    pub(crate) fn of_cookie(&self, cookie: Option<&str>) -> (Arc<Record>, Option<String>) {
        let mut table = self.lock();
        let at = cookie.and_then(|cookie| table.iter().position(|(name, _)| name == cookie));
        if let Some(found) = at.and_then(|at| table.remove(at)) {
            let record = Arc::clone(&found.1);
            table.push_back(found);
            return (record, None);
        }
        let (name, record) = (handle(), Arc::new(Record::new(self.leak_proof.clone())));
        table.push_back((name.clone(), Arc::clone(&record)));
        if table.len() > BROWSERS_AT_MOST {
            table.pop_front();
        }
        (record, Some(name))
    }

    /// The record of the browser that has this session of the client crate.
    pub(crate) fn of_session(&self, session: &str) -> Option<Arc<Record>> {
        let table = self.lock();
        let found = table.iter().rev().find(|(_, record)| record.has_session(session));
        found.map(|(_, record)| Arc::clone(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_known_by_its_cookie_and_the_oldest_goes_first() {
        let browsers = Browsers::default();
        let (first, name) = browsers.of_cookie(None);
        let name = name.expect("a new one");
        let (again, new) = browsers.of_cookie(Some(&name));
        assert!(Arc::ptr_eq(&first, &again) && new.is_none());
        assert!(
            browsers.of_cookie(Some("made up")).1.is_some(),
            "names are not taken from outside"
        );
        for _ in 0..BROWSERS_AT_MOST {
            browsers.of_cookie(None);
        }
        assert!(browsers.of_cookie(Some(&name)).1.is_some());
        assert_eq!(browsers.lock().len(), BROWSERS_AT_MOST);
    }

    #[test]
    fn a_session_leads_to_its_browser() {
        let browsers = Browsers::default();
        let (record, _) = browsers.of_cookie(None);
        record.joins("digest");
        let found = browsers.of_session("digest").expect("known");
        assert!(Arc::ptr_eq(&record, &found));
        assert!(browsers.of_session("other").is_none());
    }
}
