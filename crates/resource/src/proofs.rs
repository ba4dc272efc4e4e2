//! DPoP proofs, as an API takes them (RFC 9449 section 7).

use http::request::Parts;
use keystile_protocol::Timestamp;
use keystile_protocol::dpop::Proved;
use keystile_protocol::encoding::sha256;
use keystile_protocol::recent_proofs::RecentProofs;

use crate::Refusal;
use crate::nonces::Nonces;

/// What is needed to take proofs: the API's own addresses, and a memory.
#[derive(Debug)]
pub(crate) struct Proofs {
    /// What comes before a request's path, for each address that the API is published at.
    bases: Vec<String>,
    pub(crate) nonces: Option<Nonces>,
    seen: RecentProofs,
}

impl Proofs {
    pub(crate) fn new(bases: Vec<String>, nonces: Option<Nonces>) -> Self {
        Self { bases, nonces, seen: RecentProofs::default() }
    }

    /// Whether a proof could be good at all.
    pub(crate) fn are_taken(&self) -> bool {
        !self.bases.is_empty()
    }

    /// The addresses that were called, one for each that the API is published at. The `Host` header
    /// has no say: whoever got a proof for an address of their own could write it.
    pub(crate) fn urls(&self, head: &Parts) -> Vec<String> {
        let original = head.extensions.get::<axum::extract::OriginalUri>();
        let path = original.map_or(&head.uri, |original| &original.0).path();
        self.bases.iter().map(|base| format!("{base}{path}")).collect()
    }

    /// Uses a proof up. Two processes of one API do not know of each other's proofs; nonces of each
    /// one's own make up for that.
    pub(crate) fn take(&self, proof: &Proved, now: Timestamp) -> Result<(), Refusal> {
        if let Some(nonces) = &self.nonces
            && !proof.nonce.as_deref().is_some_and(|nonce| nonces.is_fresh(nonce, now))
        {
            return Err(Refusal::UseNonce);
        }
        let id = sha256([&proof.key.as_bytes()[..], proof.jti.as_bytes()].concat());
        if self.seen.is_new(id, now) { Ok(()) } else { Err(Refusal::ProofUsed) }
    }

    /// A nonce for the next proof, where the one that came will not do for long.
    pub(crate) fn next_nonce(&self, came: Option<&str>, now: Timestamp) -> Option<String> {
        let nonces = self.nonces.as_ref()?;
        let young = came.is_some_and(|nonce| nonces.is_young(nonce, now));
        (!young).then(|| nonces.make(now))
    }
}
