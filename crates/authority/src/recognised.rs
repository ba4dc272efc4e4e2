//! Access tokens that were verified before: a table of fixed size, so that a token that comes
//! again costs a digest and no signature check. Liveness and expiry are asked each time.

use std::sync::{Arc, Mutex, PoisonError};

use keystile_protocol::access_token::AccessTokenClaims;
use keystile_protocol::encoding::sha256;

/// Tables with a lock each, so that threads seldom wait for one another.
const SHARDS: usize = 16;
/// Places in a table. A place holds the token that came last: nothing has to be cleaned.
const PLACES: usize = 512;

type Place = Option<([u8; 32], Arc<AccessTokenClaims>)>;

/// The tokens that were verified before, by the digest of the whole token: an altered signature
/// is another token.
pub(crate) struct Recognised {
    shards: [Mutex<Vec<Place>>; SHARDS],
}

impl Default for Recognised {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Recognised {
    /// The token's claims, if it was verified before; otherwise what `verify` finds.
    pub(crate) fn or_verify<E>(
        &self,
        token: &str,
        verify: impl FnOnce() -> Result<AccessTokenClaims, E>,
    ) -> Result<Arc<AccessTokenClaims>, E> {
        let digest = sha256(token);
        let shard = &self.shards[usize::from(digest[0]) % SHARDS];
        let place = usize::from(u16::from_be_bytes([digest[1], digest[2]])) % PLACES;
        let lock = || shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some((known, claims))) = lock().get(place)
            && *known == digest
        {
            return Ok(Arc::clone(claims));
        }
        let claims = Arc::new(verify()?);
        let mut places = lock();
        if places.is_empty() {
            places.resize_with(PLACES, || None);
        }
        places[place] = Some((digest, Arc::clone(&claims)));
        Ok(claims)
    }

    /// Forgets everything: the keys have changed.
    pub(crate) fn forget(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_token_is_verified_once_and_an_altered_one_again() {
        let recognised = Recognised::default();
        let good = || Ok::<_, ()>(fixtures::access_token_claims());
        let refuse = || Err(());
        assert!(recognised.or_verify("a.b.c", refuse).is_err());
        assert!(recognised.or_verify("a.b.c", good).is_ok());
        assert!(recognised.or_verify("a.b.c", refuse).is_ok(), "recognised");
        assert!(recognised.or_verify("a.b.d", refuse).is_err(), "another signature");
        recognised.forget();
        assert!(recognised.or_verify("a.b.c", refuse).is_err());
    }

    #[test]
    fn the_table_is_bounded_whatever_comes() {
        let recognised = Recognised::default();
        for n in 0..20_000 {
            let _ = recognised
                .or_verify(&n.to_string(), || Ok::<_, ()>(fixtures::access_token_claims()));
        }
        let kept: usize = recognised.shards.iter().map(|s| s.lock().expect("free").len()).sum();
        assert_eq!(kept, SHARDS * PLACES);
    }
}
