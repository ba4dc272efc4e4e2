//! Access tokens that were signed or verified here before: tables of fixed size, so that a token that
//! comes again costs a digest and no signature check. Liveness and expiry are asked each time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keystile_protocol::access_token::AccessTokenClaims;
use keystile_protocol::encoding::sha256;

/// Parts with a lock each, so that threads seldom wait for one another.
const SHARDS: usize = 16;
/// Tokens of a part whose claims are kept. A place holds the token that came last: nothing has to be
/// cleaned.
const PLACES: usize = 512;
/// Tokens of a part of which a mark is kept: 4 MiB in all parts, of which the system gives what is
/// used.
const MARKS: usize = 16_384;

/// What is known of a token's signature before anybody looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    /// Made here, or verified here before.
    Good,
    /// Nothing.
    Unknown,
}

/// The tokens whose signatures are known to be good: what the last ones say, and of many more that
/// they are.
pub(crate) struct Recognised {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    places: Vec<Option<(Name, Arc<AccessTokenClaims>)>>,
    /// 0: of no token.
    marks: Vec<u128>,
}

/// A token, as it is known under the keys of one load: the digest of the whole, since an altered
/// signature is another token, and the load's number in its last bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Name([u8; 32]);

impl Name {
    fn of(token: &str, load: u64) -> Self {
        let mut name = sha256(token);
        for (byte, of_load) in name[24..].iter_mut().zip(load.to_be_bytes()) {
            *byte ^= of_load;
        }
        Self(name)
    }

    /// Half of the name. The place where it stands follows from the other half.
    fn mark(&self) -> u128 {
        self.0[16..].iter().fold(0, |mark, byte| mark << 8 | u128::from(*byte))
    }

    fn position(&self, among: usize) -> usize {
        usize::from(u16::from_be_bytes([self.0[1], self.0[2]])) % among
    }
}

impl Default for Recognised {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Recognised {
    /// The token's claims, if they are kept; otherwise what `read` finds, which learns what is known
    /// of the signature. `load`: the number of the load of keys that it verifies with.
    pub(crate) fn or_read<E>(
        &self,
        token: &str,
        load: u64,
        read: impl FnOnce(Signature) -> Result<AccessTokenClaims, E>,
    ) -> Result<Arc<AccessTokenClaims>, E> {
        let name = Name::of(token, load);
        let signature = {
            let shard = self.shard(name);
            if let Some(claims) = shard.claims(name) {
                return Ok(claims);
            }
            shard.signature(name)
        };
        let claims = Arc::new(read(signature)?);
        let mut shard = self.shard(name);
        shard.note(name);
        shard.keep(name, &claims);
        Ok(claims)
    }

    /// Notes a token that was signed just now, with a key of that load.
    pub(crate) fn note_signed(&self, token: &str, load: u64) {
        let name = Name::of(token, load);
        self.shard(name).note(name);
    }

    fn shard(&self, name: Name) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[usize::from(name.0[0]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn claims(&self, name: Name) -> Option<Arc<AccessTokenClaims>> {
        let (known, claims) = self.places.get(name.position(PLACES))?.as_ref()?;
        (*known == name).then(|| Arc::clone(claims))
    }

    fn signature(&self, name: Name) -> Signature {
        match self.marks.get(name.position(MARKS)) {
            Some(mark) if *mark == name.mark() => Signature::Good,
            _ => Signature::Unknown,
        }
    }

    fn keep(&mut self, name: Name, claims: &Arc<AccessTokenClaims>) {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        self.places[name.position(PLACES)] = Some((name, Arc::clone(claims)));
    }

    fn note(&mut self, name: Name) {
        if self.marks.is_empty() {
            // Zeroes of the system, which takes memory for a page of them when it is written to.
            self.marks = vec![0; MARKS];
        }
        self.marks[name.position(MARKS)] = name.mark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    /// What was known of the token's signature; nothing if its claims were kept.
    fn known(recognised: &Recognised, token: &str, load: u64) -> Option<Signature> {
        let mut known = None;
        let read = |signature| {
            known = Some(signature);
            Ok::<_, ()>(fixtures::access_token_claims())
        };
        recognised.or_read(token, load, read).expect("read");
        known
    }

    #[test]
    fn a_token_is_verified_once_and_an_altered_one_again() {
        let recognised = Recognised::default();
        assert!(recognised.or_read("a.b.c", 1, |_| Err(())).is_err());
        assert_eq!(known(&recognised, "a.b.c", 1), Some(Signature::Unknown), "refused before");
        assert_eq!(known(&recognised, "a.b.c", 1), None);
        assert_eq!(known(&recognised, "a.b.d", 1), Some(Signature::Unknown), "another signature");
    }

    #[test]
    fn a_token_that_was_signed_here_is_read_without_a_look_at_its_signature() {
        let recognised = Recognised::default();
        recognised.note_signed("a.b.c", 1);
        assert_eq!(known(&recognised, "a.b.d", 1), Some(Signature::Unknown), "another signature");
        assert!(recognised.or_read("a.b.c", 1, |_| Err(())).is_err(), "it may have expired");
        assert_eq!(known(&recognised, "a.b.c", 1), Some(Signature::Good));
        assert_eq!(known(&recognised, "a.b.c", 1), None);
    }

    #[test]
    fn a_token_is_good_under_the_keys_of_one_load_alone() {
        let recognised = Recognised::default();
        recognised.note_signed("signed", 1);
        known(&recognised, "verified", 1);
        for token in ["signed", "verified"] {
            assert_eq!(known(&recognised, token, 2), Some(Signature::Unknown), "{token}");
        }
    }

    #[test]
    fn what_is_verified_is_known_when_its_claims_have_made_room() {
        let recognised = Recognised::default();
        let tokens: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
        for token in &tokens {
            known(&recognised, token, 1);
        }
        let again: Vec<_> = tokens.iter().map(|token| known(&recognised, token, 1)).collect();
        let of = |signature| again.iter().filter(|known| **known == signature).count();
        let (unknown, good) = (of(Some(Signature::Unknown)), of(Some(Signature::Good)));
        assert!(unknown < 2_000 && good > 10_000, "{unknown} unknown, {good} good");
    }

    #[test]
    fn the_tables_are_bounded_whatever_comes() {
        let recognised = Recognised::default();
        for n in 0..20_000 {
            known(&recognised, &n.to_string(), n);
        }
        for shard in &recognised.shards {
            let shard = shard.lock().expect("free");
            assert_eq!((shard.places.len(), shard.marks.len()), (PLACES, MARKS));
        }
    }
}
