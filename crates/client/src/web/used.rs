use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use keystile_protocol::Timestamp;

use crate::flow::LOGIN_LIFETIME;

/// More logins than this are not remembered: the oldest are forgotten first.
const AT_MOST: usize = 20_000;

/// Logins whose code was sent. A browser that loads the callback twice at once sends the same
/// cookie twice; the second must not send the code again, for that would revoke what the first one
/// got (RFC 6749 section 4.1.2).
#[derive(Default)]
pub(crate) struct UsedLogins(Mutex<Used>);

#[derive(Default)]
struct Used {
    ids: HashSet<String>,
    order: VecDeque<(Timestamp, String)>,
}

impl UsedLogins {
    /// Whether this is the first use of that login.
    pub(super) fn first_use(&self, id: &str, now: Timestamp) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while used
            .order
            .front()
            .is_some_and(|(at, _)| now.since(*at) > LOGIN_LIFETIME || used.order.len() >= AT_MOST)
        {
            if let Some((_, id)) = used.order.pop_front() {
                used.ids.remove(&id);
            }
        }
        let first = used.ids.insert(id.to_owned());
        if first {
            used.order.push_back((now, id.to_owned()));
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_login_is_used_once_and_forgotten_when_it_is_over() {
        let used = UsedLogins::default();
        let now = Timestamp::from_seconds(1_800_000_000);
        assert!(used.first_use("a", now));
        assert!(!used.first_use("a", now.plus(LOGIN_LIFETIME)));
        assert!(used.first_use("b", now));
        assert!(used.first_use("a", now.plus(LOGIN_LIFETIME + Duration::from_secs(1))));
    }

    #[test]
    fn there_is_a_bound() {
        let used = UsedLogins::default();
        for id in 0..=AT_MOST {
            used.first_use(&id.to_string(), Timestamp::default());
        }
        assert_eq!(used.0.lock().expect("not poisoned").ids.len(), AT_MOST);
    }
}
