//! Guessing is slowed before it costs: token buckets in tables of fixed size.
//!
//! Keys are hashed with a random key, so that names that exist and names that do not cost and
//! answer the same, and nobody can aim at another's bucket. Nothing is stored: each node counts
//! for itself, so with N nodes a guesser has N times the bound.

use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keystile_protocol::{ClientId, Timestamp};

use crate::ids::AccountId;
use crate::policy::{Guessing, Rate};

/// Buckets in a table: two accounts share one by chance only, and then both are slowed a little.
const BUCKETS: usize = 1 << 16;

/// Requests of ours to addresses that strangers name.
const FETCHES: Rate = Rate { burst: 30, every: Duration::from_secs(20) };

/// Too many attempts: how long until the next may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// At least a second.
    pub retry_after: Duration,
}

/// Token buckets of one rate. A bucket is the moment at which it will be full again.
struct Table {
    rate: Rate,
    full_at: Box<[AtomicI64]>,
}

impl Table {
    fn new(rate: Rate) -> Self {
        // Zeroed pages cost no memory until they are touched.
        let full_at: Vec<AtomicI64> =
            std::iter::repeat_with(AtomicI64::default).take(BUCKETS).collect();
        Self { rate, full_at: full_at.into_boxed_slice() }
    }

    fn bucket(&self, hash: u64) -> &AtomicI64 {
        &self.full_at[usize::try_from(hash % BUCKETS as u64).unwrap_or(0)]
    }

    fn every(&self) -> i64 {
        i64::try_from(self.rate.every.as_millis()).unwrap_or(i64::MAX)
    }

    fn wait(&self, hash: u64, now: Timestamp) -> Option<Duration> {
        let depth = self.every().saturating_mul(i64::from(self.rate.burst.saturating_sub(1)));
        let full_at = self.bucket(hash).load(Ordering::Relaxed);
        let wait = full_at.saturating_sub(now.millis()).saturating_sub(depth);
        (wait > 0).then(|| Duration::from_millis(wait.unsigned_abs()))
    }

    fn take(&self, hash: u64, now: Timestamp) {
        let later = |full_at: i64| Some(full_at.max(now.millis()).saturating_add(self.every()));
        let _ = self.bucket(hash).fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    }

    fn give_back(&self, hash: u64) {
        let _ = self.bucket(hash).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            Some(full_at.saturating_sub(self.every()))
        });
    }
}

/// The tables.
pub struct Throttle {
    hasher: std::hash::RandomState,
    account: Table,
    account_from_network: Table,
    network: Table,
    client: Table,
    sign_up: Table,
    user_code: Table,
    user_code_from_browser: Table,
    fetch: Table,
    unknown_user: Table,
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Throttle")
    }
}

/// An attempt to sign in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The name, as typed.
    pub username: &'a str,
    /// The network that it comes from.
    pub network: &'a str,
    /// The browser's own name, if it signed in to this account before.
    pub known_browser: Option<[u8; 16]>,
}

/// A try at a user code.
#[derive(Clone, Copy, Debug)]
pub struct CodeTry<'a> {
    /// The network that it comes from.
    pub network: &'a str,
    /// What the browser is called by: it costs nothing to be another one, so that this holds up
    /// honest people's typing errors and the network's bound holds up the rest.
    pub browser: [u8; 16],
}

impl Throttle {
    /// Empty tables.
    pub fn new(rates: &Guessing) -> Self {
        Self {
            hasher: std::hash::RandomState::new(),
            account: Table::new(rates.account),
            account_from_network: Table::new(rates.account_from_network),
            network: Table::new(rates.network),
            client: Table::new(rates.client),
            sign_up: Table::new(rates.sign_up),
            user_code: Table::new(rates.user_code),
            user_code_from_browser: Table::new(rates.user_code_from_browser),
            fetch: Table::new(FETCHES),
            unknown_user: Table::new(rates.unknown_user),
        }
    }

    /// Counts an attempt to sign in, before anything is hashed.
    pub fn attempt(&self, attempt: Attempt<'_>, now: Timestamp) -> Result<(), Throttled> {
        count(&self.buckets(attempt), now)
    }

    /// The attempt was right: it does not count.
    pub fn succeeded(&self, attempt: Attempt<'_>) {
        for (table, hash) in self.buckets(attempt) {
            table.give_back(hash);
        }
    }

    /// A browser that signed in to the account before has a bucket of its own and is not held up
    /// by what others do to the account.
    fn buckets(&self, attempt: Attempt<'_>) -> Vec<(&Table, u64)> {
        let Attempt { username, network, known_browser } = attempt;
        match known_browser {
            Some(browser) => {
                vec![(&self.account_from_network, self.hash(&(username, browser)))]
            }
            None => vec![
                (&self.account, self.hash(&username)),
                (&self.account_from_network, self.hash(&(username, network))),
                (&self.network, self.hash(&network)),
            ],
        }
    }

    /// Whether clients may still try to authenticate from that network.
    pub fn client_attempt(&self, network: &str, now: Timestamp) -> Result<(), Throttled> {
        match self.client.wait(self.hash(&network), now) {
            None => Ok(()),
            Some(wait) => Err(Throttled { retry_after: wait.max(Duration::from_secs(1)) }),
        }
    }

    /// Counts a failed client authentication.
    pub fn client_failed(&self, network: &str, now: Timestamp) {
        self.client.take(self.hash(&network), now);
    }

    /// Counts an account that somebody in that network wants to make.
    pub fn sign_up(&self, network: &str, now: Timestamp) -> Result<(), Throttled> {
        let hash = self.hash(&network);
        if let Some(wait) = self.sign_up.wait(hash, now) {
            return Err(Throttled { retry_after: wait.max(Duration::from_secs(1)) });
        }
        self.sign_up.take(hash, now);
        Ok(())
    }

    /// Counts a try at a user code, before it is looked for.
    pub fn user_code_attempt(&self, by: CodeTry<'_>, now: Timestamp) -> Result<(), Throttled> {
        count(&self.code_buckets(by), now)
    }

    /// There is such a code: the try does not count.
    pub fn user_code_found(&self, by: CodeTry<'_>) {
        for (table, hash) in self.code_buckets(by) {
            table.give_back(hash);
        }
    }

    /// Counts a user that a client asks for, before that one is looked for.
    pub fn user_asked_for(&self, client: &ClientId, now: Timestamp) -> Result<(), Throttled> {
        count(&[(&self.unknown_user, self.hash(client))], now)
    }

    /// There is such a user: it does not count.
    pub fn user_is_known(&self, client: &ClientId) {
        self.unknown_user.give_back(self.hash(client));
    }

    fn code_buckets(&self, by: CodeTry<'_>) -> [(&Table, u64); 2] {
        [
            (&self.user_code, self.hash(&by.network)),
            (&self.user_code_from_browser, self.hash(&by.browser)),
        ]
    }

    /// Counts a request of ours to an address that somebody from that network named.
    pub fn fetch(&self, network: &str, now: Timestamp) -> Result<(), Throttled> {
        let hash = self.hash(&network);
        if let Some(wait) = self.fetch.wait(hash, now) {
            return Err(Throttled { retry_after: wait.max(Duration::from_secs(1)) });
        }
        self.fetch.take(hash, now);
        Ok(())
    }

    fn hash(&self, key: &impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// Takes one of each bucket, or says how long the emptiest needs.
fn count(buckets: &[(&Table, u64)], now: Timestamp) -> Result<(), Throttled> {
    let longest = buckets.iter().filter_map(|(table, hash)| table.wait(*hash, now)).max();
    if let Some(wait) = longest {
        return Err(Throttled { retry_after: wait.max(Duration::from_secs(1)) });
    }
    for (table, hash) in buckets {
        table.take(*hash, now);
    }
    Ok(())
}

/// The known browser's own bucket, if it signed in to the account before.
pub fn known_browser(
    known: Option<&crate::sealed::KnownBrowser>,
    account: Option<AccountId>,
) -> Option<[u8; 16]> {
    let (known, account) = (known?, account?);
    known.accounts.contains(&account).then_some(known.browser)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn throttle() -> Throttle {
        Throttle::new(&Guessing::default())
    }

    fn by<'a>(username: &'a str, network: &'a str) -> Attempt<'a> {
        Attempt { username, network, known_browser: None }
    }

    #[test]
    fn an_account_takes_a_few_wrong_passwords_and_then_one_now_and_then() {
        let throttle = throttle();
        for _ in 0..6 {
            assert_eq!(throttle.attempt(by("alice", "10.0.0.0"), NOW), Ok(()));
        }
        let wait = throttle.attempt(by("alice", "10.0.0.0"), NOW).expect_err("too many");
        assert_eq!(wait.retry_after, Duration::from_secs(10));
        let later = NOW.plus(wait.retry_after);
        assert_eq!(throttle.attempt(by("alice", "10.0.0.0"), later), Ok(()));
        assert!(throttle.attempt(by("alice", "10.0.0.0"), later).is_err());
        assert_eq!(throttle.attempt(by("bob", "10.0.0.0"), NOW), Ok(()), "another account");
    }

    #[test]
    fn an_attacked_account_stays_open_to_a_browser_that_its_owner_used_before() {
        let throttle = throttle();
        for network in 0..40 {
            let _ = throttle.attempt(by("alice", &format!("10.0.{network}.0")), NOW);
        }
        assert!(throttle.attempt(by("alice", "192.0.2.0"), NOW).is_err());
        let owner = Attempt { known_browser: Some([1; 16]), ..by("alice", "192.0.2.0") };
        assert_eq!(throttle.attempt(owner, NOW), Ok(()));
    }

    #[test]
    fn right_passwords_do_not_count() {
        let throttle = throttle();
        for _ in 0..1000 {
            assert_eq!(throttle.attempt(by("alice", "10.0.0.0"), NOW), Ok(()));
            throttle.succeeded(by("alice", "10.0.0.0"));
        }
    }

    #[test]
    fn one_network_cannot_try_a_password_on_everybody() {
        let throttle = throttle();
        let names: Vec<String> = (0..200).map(|n| format!("user{n}")).collect();
        let tried =
            names.iter().filter(|name| throttle.attempt(by(name, "10.0.0.0"), NOW).is_ok()).count();
        assert!(tried <= 60, "{tried}");
    }

    #[test]
    fn failed_client_authentications_are_bounded() {
        let throttle = throttle();
        for _ in 0..60 {
            assert!(throttle.client_attempt("10.0.0.0", NOW).is_ok());
            throttle.client_failed("10.0.0.0", NOW);
        }
        assert!(throttle.client_attempt("10.0.0.0", NOW).is_err());
        assert!(throttle.client_attempt("10.0.1.0", NOW).is_ok());
    }

    #[test]
    fn strangers_make_this_server_call_others_only_so_often() {
        let throttle = throttle();
        let called = (0..100).filter(|_| throttle.fetch("10.0.0.0", NOW).is_ok()).count();
        assert_eq!(called, 30);
        assert!(throttle.fetch("10.0.1.0", NOW).is_ok());
        assert!(throttle.fetch("10.0.0.0", NOW.plus(FETCHES.every)).is_ok());
    }

    #[test]
    fn wrong_user_codes_are_slowed_by_browser_and_by_network_rfc_8628_5_1() {
        let throttle = throttle();
        let by = |browser, network| CodeTry { browser: [browser; 16], network };
        for _ in 0..100 {
            assert_eq!(throttle.user_code_attempt(by(1, "10.0.0.0"), NOW), Ok(()));
            throttle.user_code_found(by(1, "10.0.0.0"));
        }
        for _ in 0..5 {
            assert_eq!(throttle.user_code_attempt(by(1, "10.0.0.0"), NOW), Ok(()));
        }
        let wait = throttle.user_code_attempt(by(1, "10.0.1.0"), NOW).expect_err("that browser");
        assert_eq!(wait.retry_after, Duration::from_secs(10));
        let many = (2..100).filter(|n| throttle.user_code_attempt(by(*n, "10.0.0.0"), NOW).is_ok());
        assert_eq!(many.count(), 25, "new browsers of one network");
        assert_eq!(throttle.user_code_attempt(by(200, "10.0.2.0"), NOW), Ok(()));
    }
}
