//! When a request has to prove a key, and what is bound to it (RFC 9449). What a proof has to look
//! like stands in `keystile_protocol::dpop`, for the APIs too.

use keystile_protocol::access_token::AccessTokenClaims;
use keystile_protocol::dpop::{self, Expected};
use keystile_protocol::jose::Thumbprint;
use keystile_protocol::{ErrorCode, ProtocolError, Timestamp};

use crate::decisions::{OnceKind, Redemption, UsedOnce};
use crate::records::{Client, Grant};
use crate::sealed::Code;

/// A key that a request proved. The proof has to be used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvedKey {
    /// Whose.
    pub key: Thumbprint,
    /// The proof.
    pub once: UsedOnce,
}

/// How an access token came (RFC 6750 section 2.1, RFC 9449 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Whoever has it may use it.
    Bearer,
    /// With a proof beside it.
    Dpop,
}

/// `token_type` of an access token that is bound to this key, or to none (section 5).
pub const fn token_type(key: Option<Thumbprint>) -> &'static str {
    if key.is_some() { "DPoP" } else { "Bearer" }
}

fn invalid_proof(words: impl AsRef<str>) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidDpopProof, words)
}

/// The key that a request proves, if it has a `DPoP` header; two are refused (section 4.3).
pub fn proved(
    headers: &[&[u8]],
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Option<ProvedKey>, ProtocolError> {
    let header = match headers {
        [] => return Ok(None),
        [header] => *header,
        _ => return Err(invalid_proof("more than one DPoP header came (RFC 9449 section 4.3)")),
    };
    let proof = std::str::from_utf8(header)
        .map_err(|_| invalid_proof("the DPoP header is not a JWT (RFC 9449 section 4.1)"))?;
    let proof = dpop::verify(proof, expected, now).map_err(|e| invalid_proof(e.to_string()))?;
    let once =
        UsedOnce::new(OnceKind::DpopProof, proof.key.as_bytes(), &proof.jti, proof.expires_at);
    Ok(Some(ProvedKey { key: proof.key, once }))
}

/// Whether a client may have tokens without a proof (section 5.2).
pub fn is_enough(proved: Option<&ProvedKey>, client: &Client) -> Result<(), ProtocolError> {
    if proved.is_none() && client.dpop_bound_access_tokens {
        return Err(invalid_proof(
            "the client is registered with dpop_bound_access_tokens; send a DPoP header (RFC 9449 \
             section 5.2)",
        ));
    }
    Ok(())
}

/// Whether a code is for the key that is proved, or for any (section 10).
pub fn code_is_for(code: &Code, key: Option<Thumbprint>) -> Result<(), ProtocolError> {
    if code.dpop_key.is_none() || code.dpop_key == key {
        return Ok(());
    }
    Err(ProtocolError::new(
        ErrorCode::InvalidGrant,
        "the authorization request had a dpop_jkt; prove that key (RFC 9449 section 10)",
    ))
}

/// What is redeemed, with what it uses up. A public client's refresh token is bound to the key; a
/// confidential client's to its credential, and it may change its key (section 5).
pub fn bound(
    redemption: Redemption,
    client: &Client,
    key: Option<Thumbprint>,
    once: Vec<UsedOnce>,
) -> Redemption {
    Redemption { dpop_key: key.filter(|_| client.is_public()), once, ..redemption }
}

/// Whether a refresh token is for the key that is proved, or for any (section 5).
pub fn grant_is_for(grant: &Grant, key: Option<Thumbprint>) -> Result<(), ProtocolError> {
    match (grant.dpop_key, key) {
        (None, _) => Ok(()),
        (Some(bound), Some(key)) if bound == key => Ok(()),
        (Some(_), None) => {
            Err(invalid_proof("the refresh token is bound to a key; send a DPoP header (RFC 9449)"))
        }
        (Some(_), Some(_)) => Err(ProtocolError::new(
            ErrorCode::InvalidGrant,
            "the refresh token is bound to another key (RFC 9449 section 5)",
        )),
    }
}

/// Whether a believed access token came as it has to: one that is bound with a proof of its key,
/// one that is not without (sections 7.1 and 7.2).
pub fn token_may_be_used(
    token: &AccessTokenClaims,
    scheme: Scheme,
    proved: Option<&ProvedKey>,
) -> Result<(), ProtocolError> {
    let invalid_token = |words| Err(ProtocolError::new(ErrorCode::InvalidToken, words));
    match (token.dpop_key(), scheme, proved) {
        (None, Scheme::Bearer, _) => Ok(()),
        (None, Scheme::Dpop, _) => {
            invalid_token("the token is not bound to a key; send it as 'Bearer' (RFC 6750)")
        }
        (Some(_), Scheme::Bearer, _) => invalid_token(
            "the token is bound to a key; send it as 'DPoP' with a proof (RFC 9449 section 7.1)",
        ),
        (Some(_), Scheme::Dpop, None) => {
            Err(invalid_proof("there is no DPoP header (RFC 9449 section 7.1)"))
        }
        (Some(bound), Scheme::Dpop, Some(proved)) if bound == proved.key => Ok(()),
        (Some(_), Scheme::Dpop, Some(_)) => {
            invalid_token("the token is bound to another key (RFC 9449 section 7.1)")
        }
    }
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
        OnceKind::AssertionGrant => ProtocolError::new(
            ErrorCode::InvalidGrant,
            "the assertion's jti was used before; get another one from its issuer (RFC 7523 \
             section 3)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use keystile_protocol::access_token::Confirmation;
    use keystile_protocol::jose::{Algorithm, SigningKey};
    use serde_json::json;

    use super::*;
    use crate::fixtures;
    use crate::records::ClientKind;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const MINE: Thumbprint = Thumbprint::from_bytes([1; 32]);
    const OTHERS: Thumbprint = Thumbprint::from_bytes([2; 32]);

    fn proof_of(key: Thumbprint) -> ProvedKey {
        ProvedKey { key, once: UsedOnce::new(OnceKind::DpopProof, b"k", "j", NOW) }
    }

    fn public() -> Client {
        Client { kind: ClientKind::Public { native: true }, ..fixtures::client() }
    }

    #[test]
    fn one_header_proves_a_key_and_two_are_refused_rfc_9449_4_3() {
        let key = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let url = "https://login.example/token";
        let claims = json!({ "jti": "j", "htm": "POST", "htu": url, "iat": NOW.seconds() });
        let proof = key.sign_with_jwk(dpop::TYPE, &claims).expect("signed");
        let proof = proof.as_bytes();
        let expected = Expected { method: "POST", url, access_token: None };
        let of = |headers: &[&[u8]]| proved(headers, &expected, NOW).map_err(|e| e.error);
        assert_eq!(of(&[]), Ok(None));
        let got = of(&[proof]).expect("good").expect("a key");
        assert_eq!(got.key, Thumbprint::of(key.public()));
        for bad in [&[proof, proof][..], &[b"\xff"], &[b""], &[b"a.b.c"]] {
            assert_eq!(of(bad), Err(ErrorCode::InvalidDpopProof));
        }
    }

    #[test]
    fn a_client_registered_so_has_no_tokens_without_a_proof_rfc_9449_5_2() {
        let plain = fixtures::client();
        let bound = Client { dpop_bound_access_tokens: true, ..plain.clone() };
        let proof = proof_of(MINE);
        assert!(is_enough(None, &plain).is_ok() && is_enough(Some(&proof), &plain).is_ok());
        assert!(is_enough(None, &bound).is_err() && is_enough(Some(&proof), &bound).is_ok());
    }

    #[test]
    fn a_code_with_dpop_jkt_is_for_that_key_alone_rfc_9449_10() {
        let mut code = fixtures::code(NOW);
        assert!(code_is_for(&code, None).is_ok() && code_is_for(&code, Some(MINE)).is_ok());
        code.dpop_key = Some(MINE);
        assert!(code_is_for(&code, Some(MINE)).is_ok());
        for key in [None, Some(OTHERS)] {
            assert_eq!(code_is_for(&code, key).expect_err("no").error, ErrorCode::InvalidGrant);
        }
    }

    #[test]
    fn finding_18_refresh_tokens_are_bound_for_public_clients_alone_rfc_9449_5() {
        let of = |client: &Client, key| {
            let redemption = fixtures::redemption(&fixtures::code(NOW), &fixtures::client(), 1);
            bound(redemption, client, key, Vec::new()).dpop_key
        };
        assert_eq!(of(&public(), Some(MINE)), Some(MINE));
        assert_eq!(of(&public(), None), None);
        assert_eq!(of(&fixtures::client(), Some(MINE)), None);
        let mut grant = fixtures::grant(NOW);
        assert!(grant_is_for(&grant, None).is_ok() && grant_is_for(&grant, Some(OTHERS)).is_ok());
        grant.dpop_key = Some(MINE);
        assert!(grant_is_for(&grant, Some(MINE)).is_ok());
        assert!(grant_is_for(&grant, None).is_err() && grant_is_for(&grant, Some(OTHERS)).is_err());
    }

    #[test]
    fn a_bound_token_needs_its_key_and_an_unbound_one_none_rfc_9449_7() {
        use ErrorCode::{InvalidDpopProof, InvalidToken};
        let unbound = fixtures::access_token_claims();
        let cnf = Some(Confirmation { jkt: Some(MINE) });
        let bound = AccessTokenClaims { cnf, ..unbound.clone() };
        let (mine, others) = (proof_of(MINE), proof_of(OTHERS));
        let cases = [
            (&unbound, Scheme::Bearer, None, Ok(())),
            (&unbound, Scheme::Dpop, Some(&mine), Err(InvalidToken)),
            (&bound, Scheme::Dpop, Some(&mine), Ok(())),
            (&bound, Scheme::Dpop, Some(&others), Err(InvalidToken)),
            (&bound, Scheme::Dpop, None, Err(InvalidDpopProof)),
            (&bound, Scheme::Bearer, None, Err(InvalidToken)),
            (&bound, Scheme::Bearer, Some(&mine), Err(InvalidToken)),
        ];
        for (token, scheme, proved, expected) in cases {
            let got = token_may_be_used(token, scheme, proved).map_err(|e| e.error);
            assert_eq!(got, expected, "{scheme:?} {proved:?}");
        }
    }
}
