//! The DPoP proofs that one process has seen of late, in memory of fixed size: for whoever writes
//! nothing durable about them (RFC 9449 section 11.1). A restart forgets them, and another process
//! does not know them: a proof lives for a minute.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::{Timestamp, dpop};

/// A generation with this many is full.
const FULL: usize = 50_000;
/// No proof is good for longer than this.
const LIFE: Duration = dpop::WINDOW.saturating_add(dpop::AHEAD);

/// Two generations: what was seen before the older one has expired by itself. Under a flood the
/// oldest are forgotten early, rather than honest calls refused.
#[derive(Debug, Default)]
pub struct RecentProofs {
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    began_at: Timestamp,
    newer: HashSet<[u8; 32]>,
    older: HashSet<[u8; 32]>,
}

impl RecentProofs {
    /// Whether the proof was not seen before; from now on it was. `id` is a digest of its key and
    /// its `jti`.
    pub fn is_new(&self, id: [u8; 32], now: Timestamp) -> bool {
        let mut seen = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.newer.len() >= FULL || now.since(seen.began_at) >= LIFE {
            seen.older = std::mem::take(&mut seen.newer);
            seen.began_at = now;
        }
        !seen.older.contains(&id) && seen.newer.insert(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::sha256;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn proof(number: usize) -> [u8; 32] {
        sha256(number.to_be_bytes())
    }

    #[test]
    fn a_proof_is_new_once_for_as_long_as_it_is_good_rfc_9449_11_1() {
        let seen = RecentProofs::default();
        assert!(seen.is_new(proof(1), NOW));
        for seconds in [0, 1, 69, 70] {
            let later = NOW.plus(Duration::from_secs(seconds));
            assert!(!seen.is_new(proof(1), later), "{seconds}");
        }
        assert!(seen.is_new(proof(2), NOW));
    }

    #[test]
    fn a_flood_is_bounded() {
        let seen = RecentProofs::default();
        for number in 0..=3 * FULL {
            assert!(seen.is_new(proof(number), NOW));
        }
        let generations = seen.generations.lock().expect("no panic");
        assert!(generations.newer.len() + generations.older.len() <= 2 * FULL);
    }
}
