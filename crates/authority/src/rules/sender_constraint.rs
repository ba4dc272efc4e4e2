//! What a client's tokens are bound to, and whether a bound one came from its holder: by a proof
//! (RFC 9449) or by the certificate of the connection (RFC 8705 sections 3 and 4).

use keystile_protocol::access_token::{
    AccessTokenClaims, AccessTokenError, Scheme, SenderConstraint,
};
use keystile_protocol::{ClientCertificate, ErrorCode, ProtocolError};

use crate::decisions::{Redemption, UsedOnce};
use crate::records::{Client, Grant};
use crate::rules::dpop::ProvedKey;

/// `token_type` of an access token (RFC 9449 section 5; a certificate changes nothing about it).
pub const fn token_type(bound_to: Option<SenderConstraint>) -> &'static str {
    if matches!(bound_to, Some(SenderConstraint::DpopKey(_))) { "DPoP" } else { "Bearer" }
}

fn invalid_proof(words: &str) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidDpopProof, words)
}

fn invalid_request(words: &str) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, words)
}

fn invalid_grant(words: &str) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidGrant, words)
}

/// What the tokens of a request are bound to. A client that is registered for bound tokens gets
/// no others (RFC 9449 section 5.2, RFC 8705 section 3.4).
pub fn of(
    client: &Client,
    proved: Option<&ProvedKey>,
    certificate: Option<&ClientCertificate>,
) -> Result<Option<SenderConstraint>, ProtocolError> {
    if client.certificate_bound_access_tokens {
        if proved.is_some() {
            return Err(invalid_request(
                "the client's tokens are bound to its certificate; leave the DPoP header out",
            ));
        }
        let certificate = certificate.ok_or_else(|| {
            invalid_request(
                "the client is registered with tls_client_certificate_bound_access_tokens; come \
                 with a client certificate, by the mtls_endpoint_aliases (RFC 8705 section 5)",
            )
        })?;
        return Ok(Some(SenderConstraint::Certificate(certificate.thumbprint())));
    }
    if proved.is_none() && client.dpop_bound_access_tokens {
        return Err(invalid_proof(
            "the client is registered with dpop_bound_access_tokens; send a DPoP header (RFC 9449 \
             section 5.2)",
        ));
    }
    Ok(proved.map(|proved| SenderConstraint::DpopKey(proved.key)))
}

/// What is redeemed, with what it uses up. A public client's refresh token is bound as its access
/// tokens are; a confidential client's to its credential, and it may change its key (RFC 9449
/// section 5, RFC 8705 section 7.1).
pub fn bound(
    redemption: Redemption,
    client: &Client,
    bound_to: Option<SenderConstraint>,
    once: Vec<UsedOnce>,
) -> Redemption {
    Redemption { bound_to: bound_to.filter(|_| client.is_public()), once, ..redemption }
}

/// Whether a refresh token is for who proved this, or for anybody (the same sections).
pub fn grant_is_for(grant: &Grant, proved: Option<SenderConstraint>) -> Result<(), ProtocolError> {
    match (grant.bound_to, proved) {
        (None, _) => Ok(()),
        (Some(bound_to), Some(proved)) if bound_to == proved => Ok(()),
        (Some(SenderConstraint::DpopKey(_)), None) => {
            Err(invalid_proof("the refresh token is bound to a key; send a DPoP header (RFC 9449)"))
        }
        (Some(SenderConstraint::DpopKey(_)), Some(_)) => {
            Err(invalid_grant("the refresh token is bound to another key (RFC 9449 section 5)"))
        }
        (Some(SenderConstraint::Certificate(_)), _) => Err(invalid_grant(
            "the refresh token is bound to another client certificate (RFC 8705 section 7.1)",
        )),
    }
}

/// Whether a believed access token came as it has to: one that is bound with a proof of its key
/// or over a connection with its certificate (RFC 9449 sections 7.1 and 7.2, RFC 8705 section 3).
pub fn token_may_be_used(
    token: &AccessTokenClaims,
    scheme: Scheme,
    proved: Option<&ProvedKey>,
    certificate: Option<&ClientCertificate>,
) -> Result<(), ProtocolError> {
    token
        .check_certificate(certificate)
        .and_then(|()| token.check_key(scheme, proved.map(|proved| proved.key)))
        .map_err(|problem| match problem {
            AccessTokenError::NoProof => invalid_proof(&problem.to_string()),
            _ => ProtocolError::new(ErrorCode::InvalidToken, problem.to_string()),
        })
}

#[cfg(test)]
mod tests {
    use ErrorCode::{InvalidDpopProof, InvalidGrant, InvalidRequest, InvalidToken};
    use SenderConstraint::{Certificate, DpopKey};
    use keystile_protocol::Timestamp;
    use keystile_protocol::access_token::Confirmation;
    use keystile_protocol::jose::Thumbprint;

    use super::*;
    use crate::decisions::OnceKind;
    use crate::fixtures;
    use crate::records::ClientKind;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const MINE: Thumbprint = Thumbprint::from_bytes([1; 32]);
    const OTHERS: Thumbprint = Thumbprint::from_bytes([2; 32]);

    fn proof_of(key: Thumbprint) -> ProvedKey {
        ProvedKey { key, once: UsedOnce::new(OnceKind::DpopProof, b"k", "j", NOW) }
    }

    fn certificate(der: &str) -> ClientCertificate {
        ClientCertificate::from_chain(&[der]).expect("bounded")
    }

    #[test]
    fn a_client_registered_so_has_bound_tokens_alone_rfc_9449_5_2_and_rfc_8705_3_4() {
        let plain = fixtures::client();
        let by_key = Client { dpop_bound_access_tokens: true, ..plain.clone() };
        let by_certificate = Client { certificate_bound_access_tokens: true, ..plain.clone() };
        let (proof, own) = (proof_of(MINE), certificate("own"));
        let bound = Some(Certificate(own.thumbprint()));
        let cases = [
            (&plain, None, None, Ok(None)),
            (&plain, Some(&proof), None, Ok(Some(DpopKey(MINE)))),
            (&plain, None, Some(&own), Ok(None)),
            (&by_key, None, Some(&own), Err(InvalidDpopProof)),
            (&by_key, Some(&proof), Some(&own), Ok(Some(DpopKey(MINE)))),
            (&by_certificate, None, None, Err(InvalidRequest)),
            (&by_certificate, None, Some(&own), Ok(bound)),
            (&by_certificate, Some(&proof), Some(&own), Err(InvalidRequest)),
        ];
        for (client, proved, certificate, expected) in cases {
            let got = of(client, proved, certificate).map_err(|e| e.error);
            assert_eq!(got, expected, "{proved:?} {certificate:?}");
        }
        assert_eq!(token_type(Some(DpopKey(MINE))), "DPoP");
        assert_eq!(
            (token_type(bound), token_type(None)),
            ("Bearer", "Bearer"),
            "RFC 8705 section 3"
        );
    }

    #[test]
    fn finding_18_refresh_tokens_are_bound_for_public_clients_alone_rfc_9449_5_and_rfc_8705_7_1() {
        let public = Client { kind: ClientKind::Public { native: true }, ..fixtures::client() };
        let of = |client: &Client, bound_to| {
            let redemption = fixtures::redemption(&fixtures::code(NOW), &fixtures::client(), 1);
            bound(redemption, client, bound_to, Vec::new()).bound_to
        };
        for bound_to in [Some(DpopKey(MINE)), Some(Certificate(MINE)), None] {
            assert_eq!(of(&public, bound_to), bound_to);
            assert_eq!(of(&fixtures::client(), bound_to), None);
        }
        let is_for = |bound_to, proved| {
            let grant = Grant { bound_to, ..fixtures::grant(NOW) };
            grant_is_for(&grant, proved).map_err(|e| e.error)
        };
        let cases = [
            (None, None, Ok(())),
            (None, Some(DpopKey(OTHERS)), Ok(())),
            (Some(DpopKey(MINE)), Some(DpopKey(MINE)), Ok(())),
            (Some(DpopKey(MINE)), None, Err(InvalidDpopProof)),
            (Some(DpopKey(MINE)), Some(DpopKey(OTHERS)), Err(InvalidGrant)),
            (Some(DpopKey(MINE)), Some(Certificate(MINE)), Err(InvalidGrant)),
            (Some(Certificate(MINE)), Some(Certificate(MINE)), Ok(())),
            (Some(Certificate(MINE)), None, Err(InvalidGrant)),
            (Some(Certificate(MINE)), Some(Certificate(OTHERS)), Err(InvalidGrant)),
            (Some(Certificate(MINE)), Some(DpopKey(MINE)), Err(InvalidGrant)),
        ];
        for (bound_to, proved, expected) in cases {
            assert_eq!(is_for(bound_to, proved), expected, "{bound_to:?} {proved:?}");
        }
    }

    #[test]
    fn a_bound_token_needs_what_it_is_bound_to_rfc_9449_7_and_rfc_8705_3() {
        let unbound = fixtures::access_token_claims();
        let bound_to = |constraint| {
            let cnf = Some(Confirmation::from(constraint));
            AccessTokenClaims { cnf, ..unbound.clone() }
        };
        let (own, another) = (certificate("own"), certificate("another"));
        let by_key = bound_to(DpopKey(MINE));
        let by_certificate = bound_to(Certificate(own.thumbprint()));
        let (mine, others) = (proof_of(MINE), proof_of(OTHERS));
        let cases = [
            (&unbound, Scheme::Bearer, None, None, Ok(())),
            (&unbound, Scheme::Bearer, None, Some(&own), Ok(())),
            (&unbound, Scheme::Dpop, Some(&mine), None, Err(InvalidToken)),
            (&by_key, Scheme::Dpop, Some(&mine), None, Ok(())),
            (&by_key, Scheme::Dpop, Some(&others), None, Err(InvalidToken)),
            (&by_key, Scheme::Dpop, None, Some(&own), Err(InvalidDpopProof)),
            (&by_key, Scheme::Bearer, None, None, Err(InvalidToken)),
            (&by_key, Scheme::Bearer, Some(&mine), None, Err(InvalidToken)),
            (&by_certificate, Scheme::Bearer, None, Some(&own), Ok(())),
            (&by_certificate, Scheme::Bearer, None, Some(&another), Err(InvalidToken)),
            (&by_certificate, Scheme::Bearer, None, None, Err(InvalidToken)),
            (&by_certificate, Scheme::Dpop, Some(&mine), Some(&own), Err(InvalidToken)),
        ];
        for (token, scheme, proved, certificate, expected) in cases {
            let got = token_may_be_used(token, scheme, proved, certificate).map_err(|e| e.error);
            assert_eq!(got, expected, "{scheme:?} {proved:?} {certificate:?}");
        }
    }
}
