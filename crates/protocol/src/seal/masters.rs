//! The master keys at hand: the first makes new things, all open what was made before.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};

/// Names the value by which two processes tell that they have the same master key.
const PROOF: &str = "master-key-proof";

/// A 256-bit secret from which all other symmetric keys come.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    /// Which of several this is, while one follows another.
    pub id: u8,
    /// 32 random bytes.
    pub secret: [u8; 32],
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// Where master keys come from, if that can be asked again.
pub trait MasterKeySource: Send + Sync {
    /// The keys, if they are others now. Strangers cause this, by naming a key that there is not:
    /// it is for the source to bound how often it really looks.
    fn reread(&self) -> Option<Vec<MasterKey>>;
}

/// Master keys that may change while they are used.
pub struct MasterKeys {
    keys: RwLock<Arc<[MasterKey]>>,
    /// Counts how often they changed, so that nothing derived of a key outlives it.
    round: AtomicU32,
    source: Option<Box<dyn MasterKeySource>>,
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.now().iter()).finish()
    }
}

impl MasterKeys {
    /// Keys that stay as they are. Without one nothing opens and sealing fails.
    pub fn fixed(keys: Vec<MasterKey>) -> Self {
        Self { keys: RwLock::new(keys.into()), round: AtomicU32::new(0), source: None }
    }

    /// Keys that are read again when one is needed that is not among them.
    pub fn with_source(keys: Vec<MasterKey>, source: Box<dyn MasterKeySource>) -> Self {
        Self { source: Some(source), ..Self::fixed(keys) }
    }

    /// The keys as they are known, the one that seals first.
    pub fn now(&self) -> Arc<[MasterKey]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The id of the key that makes new things.
    pub fn current(&self) -> Option<u8> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).first().map(|key| key.id)
    }

    /// Asks the source. Whether the keys are others now.
    pub fn reread(&self) -> bool {
        let Some(keys) = self.source.as_ref().and_then(|source| source.reread()) else {
            return false;
        };
        if keys.is_empty() {
            return false;
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
        self.round.fetch_add(1, Ordering::Release);
        true
    }

    /// 32 bytes that only a holder of that key can compute, for one purpose and period. A key that
    /// is not known is looked for once more before it is refused.
    pub fn derive(&self, purpose: &str, id: u8, period: u16) -> Option<[u8; 32]> {
        let key = self.find(id).or_else(|| if self.reread() { self.find(id) } else { None })?;
        let period = period.to_be_bytes();
        let info = [b"keystile/1", purpose.as_bytes(), &[0], &period];
        let extracted = Salt::new(HKDF_SHA256, b"keystile").extract(&key.secret);
        let mut out = [0; 32];
        extracted.expand(&info, ThirtyTwo).ok()?.fill(&mut out).ok()?;
        Some(out)
    }

    /// What two processes compare to see that they mean the same key by an id. It says nothing
    /// about the key.
    pub fn proof(&self, id: u8) -> Option<[u8; 32]> {
        self.derive(PROOF, id, 0)
    }

    /// Counts how often the keys have changed.
    pub fn round(&self) -> u32 {
        self.round.load(Ordering::Acquire)
    }

    fn find(&self, id: u8) -> Option<MasterKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find(|key| key.id == id).cloned()
    }
}

struct ThirtyTwo;

impl KeyType for ThirtyTwo {
    fn len(&self) -> usize {
        32
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn key(id: u8) -> MasterKey {
        MasterKey { id, secret: [id; 32] }
    }

    struct Once(AtomicBool, Vec<MasterKey>);

    impl MasterKeySource for Once {
        fn reread(&self) -> Option<Vec<MasterKey>> {
            (!self.0.swap(true, Ordering::Relaxed)).then(|| self.1.clone())
        }
    }

    #[test]
    fn finding_5_an_unknown_key_is_looked_for_once_more_before_it_is_refused() {
        let source = Once(AtomicBool::new(false), vec![key(1), key(2)]);
        let keys = MasterKeys::with_source(vec![key(1)], Box::new(source));
        assert!(keys.derive("a", 1, 0).is_some());
        assert_eq!(keys.round(), 0, "a known key needs no look");
        assert!(keys.derive("a", 2, 0).is_some(), "it is there by now");
        assert_eq!((keys.round(), keys.derive("a", 3, 0)), (1, None));
        assert_eq!(MasterKeys::fixed(vec![key(1)]).derive("a", 2, 0), None);
    }

    #[test]
    fn the_last_key_is_never_lost_to_an_empty_source() {
        let source = Once(AtomicBool::new(false), Vec::new());
        let keys = MasterKeys::with_source(vec![key(1)], Box::new(source));
        assert!(!keys.reread());
        assert_eq!(keys.current(), Some(1));
    }

    #[test]
    fn a_proof_tells_keys_apart() {
        let one = MasterKeys::fixed(vec![key(1)]);
        let other = MasterKeys::fixed(vec![MasterKey { id: 1, secret: [9; 32] }]);
        assert_eq!(one.proof(1), MasterKeys::fixed(vec![key(2), key(1)]).proof(1));
        assert_ne!(one.proof(1), other.proof(1));
        assert_ne!(one.proof(1), one.derive("refresh", 1, 0));
        assert_eq!(one.proof(2), None);
    }
}
