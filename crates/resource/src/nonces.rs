//! Nonces for DPoP proofs (RFC 9449 section 9): a moment with a seal. Nothing is stored.

use std::fmt;
use std::time::Duration;

use keystile_protocol::Timestamp;
use keystile_protocol::encoding::{base64url, equal_in_constant_time, from_base64url, hmac_sha256};

/// A proof cannot have been made longer than this before it is used.
const LIFETIME: Duration = Duration::from_mins(5);
/// From this age on, a new one comes with the answer.
const YOUNG: Duration = Duration::from_mins(2);
/// Bytes of the moment, and of the seal that is kept.
const MOMENT: usize = 8;
const SEAL: usize = 16;

/// Makes nonces and knows them again.
pub(crate) struct Nonces {
    key: [u8; 32],
}

impl Nonces {
    pub(crate) const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    pub(crate) fn make(&self, now: Timestamp) -> String {
        let moment = now.millis().to_be_bytes();
        base64url([&moment[..], &self.seal(moment)].concat())
    }

    pub(crate) fn is_fresh(&self, nonce: &str, now: Timestamp) -> bool {
        self.age(nonce, now).is_some_and(|age| age < LIFETIME)
    }

    pub(crate) fn is_young(&self, nonce: &str, now: Timestamp) -> bool {
        self.age(nonce, now).is_some_and(|age| age < YOUNG)
    }

    /// None for what we did not make.
    fn age(&self, nonce: &str, now: Timestamp) -> Option<Duration> {
        if nonce.len() > 64 {
            return None;
        }
        let bytes = from_base64url(nonce)?;
        let (moment, seal) = bytes.split_first_chunk::<MOMENT>()?;
        let known = equal_in_constant_time(seal, &self.seal(*moment));
        known.then(|| now.since(Timestamp::from_millis(i64::from_be_bytes(*moment))))
    }

    fn seal(&self, moment: [u8; MOMENT]) -> [u8; SEAL] {
        let whole = hmac_sha256(&self.key, &[b"keystile resource dpop nonce", &moment]);
        let mut seal = [0; SEAL];
        seal.copy_from_slice(&whole[..SEAL]);
        seal
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn a_nonce_is_ours_and_fresh_for_five_minutes_rfc_9449_9() {
        let nonces = Nonces::new([1; 32]);
        let nonce = nonces.make(NOW);
        let at = |seconds| NOW.plus(Duration::from_secs(seconds));
        assert!(nonces.is_fresh(&nonce, NOW) && nonces.is_fresh(&nonce, at(299)));
        assert!(!nonces.is_fresh(&nonce, at(300)));
        assert!(nonces.is_young(&nonce, at(119)) && !nonces.is_young(&nonce, at(120)));
        assert!(Nonces::new([1; 32]).is_fresh(&nonce, NOW), "another node with the same key");
        assert!(!Nonces::new([2; 32]).is_fresh(&nonce, NOW), "another API's");
        let mut later = from_base64url(&nonce).expect("base64url");
        later[7] ^= 1;
        let short = base64url(&later[..10]);
        for forged in
            ["", "x", "nonce", &"A".repeat(32), &"A".repeat(9000), &base64url(&later), &short]
        {
            assert!(!nonces.is_fresh(forged, NOW), "{forged}");
        }
        assert!(nonce.bytes().all(|b| b.is_ascii_graphic()), "RFC 9449 section 8.1");
    }
}
