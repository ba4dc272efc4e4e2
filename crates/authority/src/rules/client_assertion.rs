//! Is this assertion the client's own, for this server, now, and once? (RFC 7523 section 3, OpenID
//! Connect Core 1.0 section 9, FAPI 2.0 Security Profile section 5.3.2.1.)

use keystile_protocol::client_assertion::{ClientAssertionClaims, TYPE};
use keystile_protocol::jose::{KeySet, SignedToken};
use keystile_protocol::{ClientId, ErrorCode, Issuer, Params, ProtocolError, Timestamp};

use crate::decisions::{OnceKind, UsedOnce};
use crate::records::{Client, Profile};
use crate::rules::assertion::{AT_MOST, Kind};
use crate::rules::client_keys;

/// With the name of RFC 7523's successor for its `typ`.
const KIND: Kind = Kind {
    name: "client assertion",
    error: ErrorCode::InvalidClient,
    typ: Some("client-authentication+jwt"),
};

/// Whom an assertion may be for.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// Who we are.
    pub issuer: &'a Issuer,
    /// The token endpoint and the endpoint that was called, in each of their forms. FAPI 2.0
    /// clients name the issuer alone.
    pub endpoints: &'a [String],
}

/// Reads the assertion of a request, and whom it claims to come from. Nothing where there is none.
pub fn presented<'a>(
    params: &'a Params,
    named: Option<&ClientId>,
) -> Result<Option<(ClientId, &'a str)>, ProtocolError> {
    let read = |name| params.optional(name).map_err(|e| invalid_request(&e.to_string()));
    let (assertion, kind) = (read("client_assertion")?, read("client_assertion_type")?);
    let assertion = match (assertion, kind) {
        (None, None) => return Ok(None),
        (Some(assertion), Some(TYPE)) => assertion,
        (Some(_), _) => {
            return Err(invalid_client(&format!("client_assertion_type is not '{TYPE}'")));
        }
        (None, Some(_)) => {
            return Err(invalid_request("client_assertion_type came without client_assertion"));
        }
    };
    if assertion.len() > AT_MOST {
        return Err(KIND.refused(" is too long"));
    }
    let unverified: ClientAssertionClaims = SignedToken::parse(assertion)
        .and_then(|token| token.unverified_claims())
        .map_err(|problem| KIND.unbelieved(&problem))?;
    let subject = unverified.sub.ok_or_else(|| KIND.missing("sub"))?;
    let subject =
        ClientId::new(subject).map_err(|problem| KIND.refused(format!("'s sub: {problem}")))?;
    if named.is_some_and(|named| *named != subject) {
        return Err(invalid_client(
            "client_id differs from the client assertion's sub (RFC 7521 section 4.2)",
        ));
    }
    Ok(Some((subject, assertion)))
}

/// Believes a client's assertion, or says why not. What it gives back has to be used up.
pub fn verify(
    assertion: &str,
    client: &Client,
    keys: &KeySet,
    recipient: &Recipient<'_>,
    now: Timestamp,
) -> Result<UsedOnce, ProtocolError> {
    let token = SignedToken::parse(assertion).map_err(|problem| KIND.unbelieved(&problem))?;
    KIND.is_no_other(token.header.typ.as_deref())?;
    let claims: ClientAssertionClaims = token
        .verify(keys, &client_keys::algorithms(client))
        .map_err(|problem| KIND.unbelieved(&problem))?;
    for (name, value) in [("iss", &claims.iss), ("sub", &claims.sub)] {
        if value.as_ref().ok_or_else(|| KIND.missing(name))? != client.id.as_str() {
            return Err(
                KIND.refused(format!("'s {name} is not the client_id (RFC 7523 section 3)"))
            );
        }
    }
    is_for_us(&claims, client.profile, recipient)?;
    let (end, jti) = (KIND.in_time(&claims, now)?, KIND.jti(&claims)?);
    Ok(UsedOnce::new(OnceKind::ClientAssertion, client.id.as_str().as_bytes(), jti, end))
}

fn is_for_us(
    claims: &ClientAssertionClaims,
    profile: Option<Profile>,
    recipient: &Recipient<'_>,
) -> Result<(), ProtocolError> {
    let issuer = recipient.issuer.as_str();
    let named = KIND.audience(claims, issuer)?;
    let endpoint =
        profile != Some(Profile::Fapi2) && recipient.endpoints.iter().any(|e| e == named);
    if named != issuer && !endpoint {
        return Err(KIND.refused(format!("'s aud is not '{issuer}'")));
    }
    Ok(())
}

fn invalid_client(words: &str) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidClient, words)
}

fn invalid_request(words: &str) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, words)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keystile_protocol::jose::{Algorithm, JwkSet, SigningKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::fixtures;
    use crate::records::ClientKind;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const ISSUER: &str = "https://login.example";
    const TOKEN: &str = "https://login.example/token";

    fn claims() -> Value {
        let now = NOW.seconds();
        json!({
            "iss": "app", "sub": "app", "aud": ISSUER, "jti": "once", "exp": now + 60,
            "iat": now, "unknown": [1],
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn believe(
        key: &SigningKey,
        typ: &str,
        claims: &Value,
        client: &Client,
    ) -> Result<UsedOnce, ProtocolError> {
        let keys = KeySet::from_jwks(&JwkSet { keys: vec![key.public().clone()] });
        let issuer = Issuer::try_from(ISSUER).expect("good");
        let endpoints = [TOKEN.to_owned(), "https://login.example/revoke".to_owned()];
        let recipient = Recipient { issuer: &issuer, endpoints: &endpoints };
        verify(&key.sign(typ, claims).expect("signed"), client, &keys, &recipient, NOW)
    }

    fn key(algorithm: Algorithm) -> SigningKey {
        SigningKey::generate(algorithm).expect("generated").key
    }

    fn of(claims: &Value) -> Result<UsedOnce, ErrorCode> {
        let key = key(Algorithm::ES256);
        believe(&key, "JWT", claims, &fixtures::signing_client(&key)).map_err(|e| e.error)
    }

    #[test]
    fn an_assertion_is_one_clients_and_its_jti_is_remembered_until_its_end_rfc_7523_3() {
        let once = of(&claims()).expect("good");
        assert_eq!(once.expires_at, NOW.plus(Duration::from_secs(70)));
        assert_eq!(once.key, of(&with("exp", json!(NOW.seconds() + 61))).expect("good").key);
        assert_ne!(once.key, of(&with("jti", json!("twice"))).expect("good").key);
    }

    #[test]
    fn each_claim_is_needed_and_checked_rfc_7523_3() {
        for name in ["iss", "sub", "aud", "jti", "exp"] {
            let mut without = claims();
            without.as_object_mut().expect("an object").remove(name);
            assert_eq!(of(&without), Err(ErrorCode::InvalidClient), "{name}");
        }
        let now = NOW.seconds();
        let bad = [
            with("iss", json!("other")),
            with("sub", json!("other")),
            with("aud", json!("https://other.example")),
            with("aud", json!("https://login.example/")),
            with("aud", json!([ISSUER])),
            with("aud", json!([ISSUER, TOKEN])),
            with("aud", json!(7)),
            with("jti", json!("")),
            with("jti", json!("x".repeat(257))),
            with("exp", json!(now - 10)),
            with("exp", json!(now + 3601)),
            with("exp", json!("soon")),
            with("iat", json!(now + 11)),
            with("nbf", json!(now + 11)),
            with("nbf", json!(1e300)),
        ];
        for claims in bad {
            assert_eq!(of(&claims), Err(ErrorCode::InvalidClient), "{claims}");
        }
        let good = [
            with("exp", json!(now - 9)),
            with("exp", json!(now + 3600)),
            with("iat", json!(now + 10)),
            with("nbf", json!(now + 8)),
            with("iat", json!(now - 100_000)),
        ];
        for claims in good {
            assert!(of(&claims).is_ok(), "{claims}");
        }
    }

    #[test]
    fn finding_19_audiences_are_the_issuer_or_an_endpoint_and_for_fapi_2_the_issuer_alone() {
        let key = key(Algorithm::PS256);
        let plain = fixtures::signing_client(&key);
        let fapi2 = Client { profile: Some(Profile::Fapi2), ..plain.clone() };
        for (audience, for_fapi2) in
            [(ISSUER, true), (TOKEN, false), ("https://login.example/revoke", false)]
        {
            let claims = with("aud", json!(audience));
            assert!(believe(&key, "JWT", &claims, &plain).is_ok(), "{audience}");
            assert_eq!(believe(&key, "JWT", &claims, &fapi2).is_ok(), for_fapi2, "{audience}");
        }
    }

    #[test]
    fn signed_by_a_key_of_the_clients_with_an_algorithm_that_it_may_use() {
        for algorithm in Algorithm::ALL {
            let key = key(algorithm);
            let client = fixtures::signing_client(&key);
            assert!(believe(&key, "JWT", &claims(), &client).is_ok(), "{algorithm}");
            let fapi2 = Client { profile: Some(Profile::Fapi2), ..client.clone() };
            let good = believe(&key, "JWT", &claims(), &fapi2).is_ok();
            assert_eq!(good, algorithm != Algorithm::RS256, "{algorithm}");
            let mut other = client;
            if let ClientKind::PrivateKeyJwt { algorithm: registered, .. } = &mut other.kind {
                *registered = Algorithm::ALL.into_iter().find(|one| *one != algorithm);
            }
            assert!(believe(&key, "JWT", &claims(), &other).is_err(), "{algorithm}");
        }
        let (one, another) = (key(Algorithm::ES256), key(Algorithm::ES256));
        let keys = KeySet::from_jwks(&JwkSet { keys: vec![one.public().clone()] });
        let issuer = Issuer::try_from(ISSUER).expect("good");
        let recipient = Recipient { issuer: &issuer, endpoints: &[] };
        let client = fixtures::signing_client(&one);
        for token in [
            another.sign("JWT", &claims()).expect("signed"),
            another.sign_with_jwk("JWT", &claims()).expect("signed"),
            "e30.e30.".to_owned(),
            "a.b.c.d.e".to_owned(),
        ] {
            assert!(verify(&token, &client, &keys, &recipient, NOW).is_err(), "{token}");
        }
    }

    #[test]
    fn another_kind_of_jwt_is_no_assertion_rfc_8725_3_11() {
        let key = key(Algorithm::ES256);
        let client = fixtures::signing_client(&key);
        for (typ, good) in [
            ("", true),
            ("jwt", true),
            ("client-authentication+jwt", true),
            ("application/client-authentication+JWT", true),
            ("dpop+jwt", false),
            ("oauth-authz-req+jwt", false),
            ("at+jwt", false),
        ] {
            assert_eq!(believe(&key, typ, &claims(), &client).is_ok(), good, "{typ}");
        }
    }
}
