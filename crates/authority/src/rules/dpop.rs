//! Which key a request proves (RFC 9449). What a proof has to look like stands in
//! `keystile_protocol::dpop`, for the APIs too; what tokens are bound to in `sender_constraint`.

use std::time::Duration;

use keystile_protocol::access_token::SenderConstraint;
use keystile_protocol::dpop::{self, Expected};
use keystile_protocol::jose::Thumbprint;
use keystile_protocol::{ErrorCode, Params, ProtocolError, Timestamp};

use crate::decisions::{OnceKind, UsedOnce};
use crate::sealed::Code;

/// A key that a request proved. The proof has to be used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvedKey {
    /// Whose.
    pub key: Thumbprint,
    /// The proof.
    pub once: UsedOnce,
}

fn invalid_proof(words: impl AsRef<str>) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidDpopProof, words)
}

/// How long a nonce of ours is good: a proof cannot have been made before it (section 8).
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);

/// Says whether a nonce is a fresh one of ours.
pub type IsFresh<'a> = &'a dyn Fn(&str) -> bool;

/// The key that a request proves, if it has a `DPoP` header; two are refused (section 4.3). With
/// `is_fresh` it needs a nonce (section 8).
pub fn proved(
    headers: &[&[u8]],
    expected: &Expected<'_>,
    is_fresh: Option<IsFresh<'_>>,
    now: Timestamp,
) -> Result<Option<ProvedKey>, ProtocolError> {
    let proof = dpop::verify_headers(headers, expected, now);
    let Some(proof) = proof.map_err(|e| invalid_proof(e.to_string()))? else { return Ok(None) };
    if is_fresh.is_some_and(|is_fresh| !proof.nonce.as_deref().is_some_and(is_fresh)) {
        return Err(ProtocolError::new(
            ErrorCode::UseDpopNonce,
            "the DPoP proof needs the nonce of the DPoP-Nonce header of this answer (RFC 9449 \
             section 8)",
        ));
    }
    let once =
        UsedOnce::new(OnceKind::DpopProof, proof.key.as_bytes(), &proof.jti, proof.expires_at);
    Ok(Some(ProvedKey { key: proof.key, once }))
}

/// A pushed request with the key that its proof names: "the same as" `dpop_jkt` (section 10.1).
pub fn pushed(params: Params, proved: Option<&ProvedKey>) -> Result<Params, ProtocolError> {
    let Some(proved) = proved else { return Ok(params) };
    let key = proved.key.to_string();
    match params.optional("dpop_jkt") {
        Ok(None) => Ok(params.with("dpop_jkt", &key)),
        Ok(Some(named)) if named == key => Ok(params),
        _ => Err(invalid_proof(
            "dpop_jkt names another key than the DPoP header proves (RFC 9449 section 10.1)",
        )),
    }
}

/// Whether a code is for the key that is proved, or for any (section 10).
pub fn code_is_for(code: &Code, proved: Option<SenderConstraint>) -> Result<(), ProtocolError> {
    if code.dpop_key.is_none_or(|key| proved == Some(SenderConstraint::DpopKey(key))) {
        return Ok(());
    }
    Err(ProtocolError::new(
        ErrorCode::InvalidGrant,
        "the authorization request had a dpop_jkt; prove that key (RFC 9449 section 10)",
    ))
}

/// What a client is told whose assertion or proof came before.
pub fn used_before(kind: OnceKind) -> ProtocolError {
    match kind {
        OnceKind::ClientAssertion => ProtocolError::new(
            ErrorCode::InvalidClient,
            "the client assertion's jti was used before; make one for each request (RFC 7523 \
             section 3)",
        ),
        OnceKind::DpopProof => invalid_proof(
            "the DPoP proof's jti was used before; make a proof for each request (RFC 9449 \
             section 11.1)",
        ),
        OnceKind::AuthenticationRequest => ProtocolError::new(
            ErrorCode::InvalidRequest,
            "the signed request's jti was used before; sign each request anew (OpenID Connect \
             CIBA Core 1.0 section 7.1.1)",
        ),
        OnceKind::AssertionGrant => ProtocolError::new(
            ErrorCode::InvalidGrant,
            "the assertion's jti was used before; get another one from its issuer (RFC 7523 \
             section 3)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::{Algorithm, SigningKey};
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const MINE: Thumbprint = Thumbprint::from_bytes([1; 32]);

    #[test]
    fn one_header_proves_a_key_and_two_are_refused_rfc_9449_4_3() {
        let key = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let url = "https://login.example/token";
        let urls = [url.to_owned()];
        let claims = json!({ "jti": "j", "htm": "POST", "htu": url, "iat": NOW.seconds() });
        let proof = key.sign_with_jwk(dpop::TYPE, &claims).expect("signed");
        let proof = proof.as_bytes();
        let expected = Expected { method: "POST", urls: &urls, access_token: None };
        let of = |headers: &[&[u8]]| proved(headers, &expected, None, NOW).map_err(|e| e.error);
        assert_eq!(of(&[]), Ok(None));
        let got = of(&[proof]).expect("good").expect("a key");
        assert_eq!(got.key, Thumbprint::of(key.public()));
        for bad in [&[proof, proof][..], &[b"\xff"], &[b""], &[b"a.b.c"]] {
            assert_eq!(of(bad), Err(ErrorCode::InvalidDpopProof));
        }
    }

    #[test]
    fn a_proof_needs_a_fresh_nonce_where_nonces_are_given_rfc_9449_8() {
        let key = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let url = "https://login.example/token";
        let expected = Expected { method: "POST", urls: &[url.to_owned()], access_token: None };
        let of = |nonce: Option<&str>, is_fresh: Option<IsFresh<'_>>| {
            let mut claims = json!({ "jti": "j", "htm": "POST", "htu": url, "iat": NOW.seconds() });
            if let Some(nonce) = nonce {
                claims["nonce"] = nonce.into();
            }
            let proof = key.sign_with_jwk(dpop::TYPE, &claims).expect("signed");
            proved(&[proof.as_bytes()], &expected, is_fresh, NOW).map(drop).map_err(|e| e.error)
        };
        let is_fresh = |nonce: &str| nonce == "fresh";
        assert_eq!(of(None, None), Ok(()));
        assert_eq!(of(Some("another server's"), None), Ok(()), "nobody asked for it");
        assert_eq!(of(Some("fresh"), Some(&is_fresh)), Ok(()));
        for stale in [None, Some(""), Some("stale")] {
            assert_eq!(of(stale, Some(&is_fresh)), Err(ErrorCode::UseDpopNonce), "{stale:?}");
        }
    }

    #[test]
    fn the_proof_of_a_pushed_request_names_the_key_of_its_code_rfc_9449_10_1() {
        let once = UsedOnce::new(OnceKind::DpopProof, b"k", "j", NOW);
        let mine = ProvedKey { key: MINE, once };
        let of = |params: Params, proved| pushed(params, proved).map(|params| params.encode());
        let with_key = Params::default().with("dpop_jkt", &MINE.to_string());
        assert_eq!(of(Params::default(), None), Ok(String::new()));
        assert_eq!(of(Params::default(), Some(&mine)), Ok(with_key.encode()));
        assert_eq!(of(with_key.clone(), Some(&mine)), Ok(with_key.encode()));
        let others = with_key.with("dpop_jkt", &Thumbprint::from_bytes([2; 32]).to_string());
        assert_eq!(of(others, Some(&mine)).expect_err("no").error, ErrorCode::InvalidDpopProof);
    }

    #[test]
    fn a_code_with_dpop_jkt_is_for_that_key_alone_rfc_9449_10() {
        let mut code = fixtures::code(NOW);
        let mine = Some(SenderConstraint::DpopKey(MINE));
        assert!(code_is_for(&code, None).is_ok() && code_is_for(&code, mine).is_ok());
        code.dpop_key = Some(MINE);
        assert!(code_is_for(&code, mine).is_ok());
        let others = SenderConstraint::DpopKey(Thumbprint::from_bytes([2; 32]));
        for proved in [None, Some(others), Some(SenderConstraint::Certificate(MINE))] {
            assert_eq!(code_is_for(&code, proved).expect_err("no").error, ErrorCode::InvalidGrant);
        }
    }
}
