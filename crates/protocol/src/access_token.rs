//! JWT access tokens (RFC 9068): their claims, and the rules by which whoever receives one
//! believes it. The authorization server's own endpoints and the resource crate share them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::authorization_details::AuthorizationDetails;
use crate::client_certificate::ClientCertificate;
use crate::jose::{Algorithm, JoseError, KeySet, SignedToken, Thumbprint};
use crate::messages::Audience;
use crate::time::{Timestamp, numeric_date, required_numeric_date};
use crate::token_exchange::Actor;
use crate::values::{ClientId, Issuer, Scope};

/// The `typ` of such a token (RFC 9068 section 2.1).
pub const TYPE: &str = "at+jwt";

/// The claims of an access token (RFC 9068 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    /// Who issued it.
    pub iss: Issuer,
    /// On whose behalf: an account's identifier, or the client's own for client credentials.
    pub sub: String,
    /// For which resources.
    pub aud: Audience,
    /// Seconds since 1970, from which on it is not accepted.
    #[serde(deserialize_with = "required_numeric_date")]
    pub exp: i64,
    /// Seconds since 1970, when it was issued.
    #[serde(deserialize_with = "required_numeric_date")]
    pub iat: i64,
    /// Seconds since 1970, before which it is not accepted.
    #[serde(default, deserialize_with = "numeric_date", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The token's own name.
    pub jti: String,
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// What it allows.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// Seconds since 1970, when the user was last authenticated.
    #[serde(default, deserialize_with = "numeric_date", skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// How the user was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// Keystile's own: the grant that it belongs to; absent for client credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<String>,
    /// What its sender has to prove; a bearer token has none (RFC 7800 section 3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// What it allows beside its scope (RFC 9396 section 9.1).
    #[serde(default, skip_serializing_if = "AuthorizationDetails::is_empty")]
    pub authorization_details: AuthorizationDetails,
    /// Who acts for the subject (RFC 8693 section 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// The one who may come to act for the subject (RFC 8693 section 4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_act: Option<Actor>,
}

/// What a sender-constrained token is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The key of the DPoP proofs beside the token (RFC 9449 section 6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<Thumbprint>,
    /// The certificate of the connection that the token comes over (RFC 8705 section 3.1).
    #[serde(default, rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub x5t_s256: Option<Thumbprint>,
}

/// How an access token came (RFC 6750 section 2.1, RFC 9449 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Whoever has it may use it.
    Bearer,
    /// With a proof beside it.
    Dpop,
}

impl Scheme {
    /// The word before the token, and at the beginning of a challenge.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// What a token's sender has to hold, so that nobody else can use the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderConstraint {
    /// The key of the DPoP proofs beside it (RFC 9449).
    DpopKey(Thumbprint),
    /// The certificate of the connection that it comes over (RFC 8705 section 3).
    Certificate(Thumbprint),
}

impl From<SenderConstraint> for Confirmation {
    fn from(constraint: SenderConstraint) -> Self {
        match constraint {
            SenderConstraint::DpopKey(key) => Self { jkt: Some(key), x5t_s256: None },
            SenderConstraint::Certificate(certificate) => {
                Self { jkt: None, x5t_s256: Some(certificate) }
            }
        }
    }
}

impl AccessTokenClaims {
    /// The key of the DPoP proofs that the token is bound to.
    pub fn dpop_key(&self) -> Option<Thumbprint> {
        self.cnf.as_ref().and_then(|cnf| cnf.jkt)
    }

    /// Whether the token came over a connection with its certificate, if it is bound to one (RFC
    /// 8705 section 3).
    pub fn check_certificate(
        &self,
        certificate: Option<&ClientCertificate>,
    ) -> Result<(), AccessTokenError> {
        let Some(cnf) = &self.cnf else { return Ok(()) };
        match (cnf.x5t_s256, certificate) {
            (None, _) if cnf.jkt.is_none() => Err(AccessTokenError::Bound),
            (None, _) => Ok(()),
            (Some(_), None) => Err(AccessTokenError::NoCertificate),
            (Some(bound), Some(certificate)) if bound == certificate.thumbprint() => Ok(()),
            (Some(_), Some(_)) => Err(AccessTokenError::AnotherCertificate),
        }
    }

    /// Whether the token came with a proof of its key, if it is bound to one, and as a bearer token
    /// otherwise (RFC 9449 sections 7.1 and 7.2). `proved` is the key of the proof beside it.
    pub fn check_key(
        &self,
        scheme: Scheme,
        proved: Option<Thumbprint>,
    ) -> Result<(), AccessTokenError> {
        match (self.dpop_key(), scheme, proved) {
            (None, Scheme::Bearer, _) => Ok(()),
            (None, Scheme::Dpop, _) => Err(AccessTokenError::NotBound),
            (Some(_), Scheme::Bearer, _) => Err(AccessTokenError::ProofNeeded),
            (Some(_), Scheme::Dpop, None) => Err(AccessTokenError::NoProof),
            (Some(bound), Scheme::Dpop, Some(proved)) if bound == proved => Ok(()),
            (Some(_), Scheme::Dpop, Some(_)) => Err(AccessTokenError::AnotherKey),
        }
    }
}

/// What a recipient expects of a token.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// The issuer, compared as a string.
    pub issuer: &'a Issuer,
    /// The recipient's own name; one of the token's audiences. `None` for the issuer itself alone.
    pub audience: Option<&'a str>,
    /// Algorithms that are believed.
    pub algorithms: &'a [Algorithm],
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessTokenError {
    /// Not a JWT, an unknown key, a wrong signature.
    #[error("the access token is refused: {0}")]
    Jose(#[from] JoseError),
    /// "reject tokens carrying any other value" (RFC 9068 section 4).
    #[error("the token's typ is {}, 'at+jwt' is needed (RFC 9068 section 4)", .0.as_deref().unwrap_or("missing"))]
    Type(Option<String>),
    /// Another issuer's.
    #[error("the token comes from another issuer than {expected}")]
    Issuer {
        /// Who is believed.
        expected: Issuer,
    },
    /// One of whom nobody here knows.
    #[error("the token comes from an issuer that is not believed here")]
    UnknownIssuer,
    /// For somebody else.
    #[error("the token is not for '{expected}' (its audience, RFC 9068 section 4)")]
    Audience {
        /// Who the recipient is.
        expected: String,
    },
    /// Too old, by that many seconds.
    #[error("the token expired {seconds} s ago")]
    Expired {
        /// Seconds, by the recipient's clock.
        seconds: i64,
    },
    /// Bound to something that the recipient does not ask for (RFC 9449 section 7.1).
    #[error("the token is bound to a key, which is not checked here (RFC 9449 section 7.1)")]
    Bound,
    /// Bound to a key, and it came without a proof.
    #[error("the token is bound to a key; send it as 'DPoP' with a proof (RFC 9449 section 7.1)")]
    ProofNeeded,
    /// Said to come with a proof, and there is none.
    #[error("there is no DPoP header (RFC 9449 section 7.1)")]
    NoProof,
    /// Bound to a key, and the proof is another's.
    #[error("the token is bound to another key (RFC 9449 section 7.1)")]
    AnotherKey,
    /// Said to come with a proof, and bound to no key.
    #[error("the token is not bound to a key; send it as 'Bearer' (RFC 6750)")]
    NotBound,
    /// Bound to a certificate, and the connection has none.
    #[error(
        "the token is bound to a client certificate, and the connection came without one (RFC 8705 \
         section 3)"
    )]
    NoCertificate,
    /// Bound to a certificate, and the connection has another.
    #[error("the token is bound to another client certificate (RFC 8705 section 3)")]
    AnotherCertificate,
    /// Bound to nothing, where bound tokens alone are taken.
    #[error(
        "the token is bound to nothing; this API takes tokens that are bound to a key or a \
         certificate (RFC 9449, RFC 8705)"
    )]
    Unbound,
    /// An ID token, a refresh token, a logout token.
    #[error("it is another kind of token than an access token (RFC 8725 section 3.12)")]
    AnotherKind,
    /// A claim that is needed and absent, or cannot be read.
    #[error("the token has no '{0}' that can be used")]
    Missing(String),
    /// Its issuer says so (RFC 7662 section 2.2).
    #[error("the token is not active: it was revoked, has expired or was never issued")]
    Inactive,
    /// From the future, by that many seconds.
    #[error("the token is valid in {seconds} s only: do the clocks differ?")]
    NotYet {
        /// Seconds, by the recipient's clock.
        seconds: i64,
    },
}

/// Believes a token, or says why not (RFC 9068 section 4), in the order in which the rules apply.
pub fn verify(
    token: &str,
    keys: &KeySet,
    expected: &Expectations<'_>,
    now: Timestamp,
) -> Result<AccessTokenClaims, AccessTokenError> {
    read(token, expected, now, |token| token.verify(keys, expected.algorithms))
}

/// The same for a token whose signature is known to be good, since this process made it or has
/// verified it: all rules but that one.
pub fn verify_but_for_signature(
    token: &str,
    keys: &KeySet,
    expected: &Expectations<'_>,
    now: Timestamp,
) -> Result<AccessTokenClaims, AccessTokenError> {
    read(token, expected, now, |token| token.verified_before(keys, expected.algorithms))
}

fn read(
    token: &str,
    expected: &Expectations<'_>,
    now: Timestamp,
    claims: impl FnOnce(&SignedToken<'_>) -> Result<AccessTokenClaims, JoseError>,
) -> Result<AccessTokenClaims, AccessTokenError> {
    let token = SignedToken::parse(token)?;
    check_type(token.header.typ.as_deref())?;
    let claims = claims(&token)?;
    check_claims(&claims, expected, now)?;
    Ok(claims)
}

/// The rule about the header's `typ`.
pub fn check_type(typ: Option<&str>) -> Result<(), AccessTokenError> {
    let named = typ.map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    match named {
        Some(typ) if typ.eq_ignore_ascii_case(TYPE) => Ok(()),
        _ => Err(AccessTokenError::Type(named.map(|typ| typ.chars().take(40).collect()))),
    }
}

/// The rules about claims, for a token whose signature is known to be good.
pub fn check_claims(
    claims: &AccessTokenClaims,
    expected: &Expectations<'_>,
    now: Timestamp,
) -> Result<(), AccessTokenError> {
    if claims.iss != *expected.issuer {
        return Err(AccessTokenError::Issuer { expected: expected.issuer.clone() });
    }
    if let Some(audience) = expected.audience
        && !claims.aud.contains(audience)
    {
        return Err(AccessTokenError::Audience { expected: audience.to_owned() });
    }
    let leeway = i64::try_from(expected.leeway.as_secs()).unwrap_or(i64::MAX);
    let now = now.seconds();
    if claims.exp.saturating_add(leeway) <= now {
        return Err(AccessTokenError::Expired { seconds: now.saturating_sub(claims.exp) });
    }
    let from = claims.nbf.map_or(claims.iat, |nbf| nbf.max(claims.iat));
    if from > now.saturating_add(leeway) {
        return Err(AccessTokenError::NotYet { seconds: from.saturating_sub(now) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{JwkSet, SigningKey};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn claims() -> AccessTokenClaims {
        AccessTokenClaims {
            iss: Issuer::try_from("https://a.example").expect("good"),
            sub: "alice".into(),
            aud: Audience::from(vec!["https://api.example".to_owned()]),
            exp: NOW.seconds() + 300,
            iat: NOW.seconds(),
            nbf: None,
            jti: "j".into(),
            client_id: ClientId::new("c").expect("good"),
            scope: Scope::try_from("photos").expect("good"),
            auth_time: None,
            acr: None,
            gid: None,
            cnf: None,
            authorization_details: AuthorizationDetails::default(),
            act: None,
            may_act: None,
        }
    }

    fn verify_at(
        claims: &AccessTokenClaims,
        typ: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<AccessTokenClaims, AccessTokenError> {
        let key = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let keys = KeySet::from_jwks(&JwkSet { keys: vec![key.public().clone()] });
        let token = key.sign(typ, claims).expect("signed");
        let issuer = Issuer::try_from("https://a.example").expect("good");
        let expected = Expectations {
            issuer: &issuer,
            audience: Some(audience),
            algorithms: &[Algorithm::ES256],
            leeway: Duration::from_secs(10),
        };
        let verified = verify(&token, &keys, &expected, now);
        let again = verify_but_for_signature(&token, &keys, &expected, now);
        assert_eq!(again, verified, "a good signature excuses from nothing else");
        let other = verify_but_for_signature(&token, &KeySet::default(), &expected, now);
        assert!(other.is_err(), "whose key is gone");
        verified
    }

    #[test]
    fn a_token_comes_over_a_connection_with_its_certificate_rfc_8705_3() {
        let certificate = |der: &str| ClientCertificate::from_chain(&[der]).expect("good");
        let (own, another) = (certificate("own"), certificate("another"));
        let key = Thumbprint::from_bytes([1; 32]);
        let bound = Some(own.thumbprint());
        let cases = [
            (None, None, Ok(())),
            (None, Some(&own), Ok(())),
            (Some(Confirmation { jkt: None, x5t_s256: bound }), Some(&own), Ok(())),
            (
                Some(Confirmation { jkt: None, x5t_s256: bound }),
                Some(&another),
                Err(AccessTokenError::AnotherCertificate),
            ),
            (
                Some(Confirmation { jkt: Some(key), x5t_s256: bound }),
                None,
                Err(AccessTokenError::NoCertificate),
            ),
            (Some(Confirmation { jkt: Some(key), x5t_s256: None }), None, Ok(())),
            (Some(Confirmation::default()), Some(&own), Err(AccessTokenError::Bound)),
        ];
        for (cnf, certificate, expected) in cases {
            let token = AccessTokenClaims { cnf, ..claims() };
            assert_eq!(token.check_certificate(certificate), expected, "{:?}", token.cnf);
        }
        let cnf = Confirmation::from(SenderConstraint::Certificate(own.thumbprint()));
        let json = serde_json::json!({ "x5t#S256": own.thumbprint().to_string() });
        assert_eq!(serde_json::to_value(cnf).expect("json"), json, "RFC 8705 section 3.1");
    }

    #[test]
    fn a_bound_token_comes_with_a_proof_of_its_key_rfc_9449_7() {
        use AccessTokenError::{AnotherKey, NoProof, NotBound, ProofNeeded};
        use Scheme::{Bearer, Dpop};
        let (mine, others) = (Thumbprint::from_bytes([1; 32]), Thumbprint::from_bytes([2; 32]));
        let bound = Some(Confirmation::from(SenderConstraint::DpopKey(mine)));
        let cases = [
            (None, Bearer, None, Ok(())),
            (None, Dpop, Some(mine), Err(NotBound)),
            (bound.clone(), Dpop, Some(mine), Ok(())),
            (bound.clone(), Dpop, Some(others), Err(AnotherKey)),
            (bound.clone(), Dpop, None, Err(NoProof)),
            (bound.clone(), Bearer, None, Err(ProofNeeded)),
            (bound, Bearer, Some(mine), Err(ProofNeeded)),
        ];
        for (cnf, scheme, proved, expected) in cases {
            let token = AccessTokenClaims { cnf, ..claims() };
            assert_eq!(token.check_key(scheme, proved), expected, "{:?} {scheme:?}", token.cnf);
        }
    }

    #[test]
    fn times_may_have_a_fraction_rfc_7519_2() {
        let mut json = serde_json::to_value(claims()).expect("json");
        json["exp"] = serde_json::json!(1_800_000_300.9);
        json["iat"] = serde_json::json!(1_800_000_000.0);
        assert_eq!(serde_json::from_value(json.clone()).ok(), Some(claims()));
        json["exp"] = serde_json::Value::Null;
        assert!(serde_json::from_value::<AccessTokenClaims>(json).is_err());
    }

    #[test]
    fn the_rules_of_rfc_9068_section_4() {
        let api = "https://api.example";
        let later = |seconds: u64| NOW.plus(Duration::from_secs(seconds));
        assert_eq!(verify_at(&claims(), "at+jwt", api, NOW), Ok(claims()));
        assert_eq!(verify_at(&claims(), "application/AT+JWT", api, later(309)), Ok(claims()));
        assert_eq!(
            verify_at(&claims(), "at+jwt", api, later(310)),
            Err(AccessTokenError::Expired { seconds: 10 })
        );
        assert_eq!(
            verify_at(&claims(), "JWT", api, NOW),
            Err(AccessTokenError::Type(Some("JWT".into())))
        );
        assert!(matches!(
            verify_at(&claims(), "at+jwt", "https://other.example", NOW),
            Err(AccessTokenError::Audience { .. })
        ));
        assert_eq!(
            verify_at(&claims(), "at+jwt", api, NOW.minus(Duration::from_secs(11))),
            Err(AccessTokenError::NotYet { seconds: 11 })
        );
        let other = AccessTokenClaims {
            iss: Issuer::try_from("https://b.example").expect("good"),
            ..claims()
        };
        assert!(matches!(
            verify_at(&other, "at+jwt", api, NOW),
            Err(AccessTokenError::Issuer { .. })
        ));
    }
}
