//! A JWT of an issuer that the operator trusts, as a grant (RFC 7523 sections 2.1 and 3): whom it
//! speaks for, and what a client gets for it.

use std::time::Duration;

use keystile_protocol::client_assertion::ClientAssertionClaims;
use keystile_protocol::jose::{Algorithm, KeySet, SignedToken};
use keystile_protocol::{AuthorizationDetails, ErrorCode, ProtocolError, Scope, Timestamp};
use serde_json::{Map, Value};

use crate::decisions::{OnceKind, Redemption, UsedOnce};
use crate::ids::{AccountId, GrantId, SessionId};
use crate::policy::{Policy, SubjectIs, TrustedIssuer};
use crate::records::{Account, Client, GrantType, normalized_username};
use crate::rules::asked_claims::AskedClaims;
use crate::rules::assertion::{AT_MOST, Kind};
use crate::rules::client_assertion::Recipient;
use crate::rules::code::RedemptionRandom;
use crate::rules::scope;

const KIND: Kind = Kind { name: "assertion", error: ErrorCode::InvalidGrant, typ: None };
/// The grant's row outlives its one access token by this, for clocks that differ.
const ROW_OUTLIVES: Duration = Duration::from_secs(60);

/// Whom an assertion speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The account of this identifier.
    Account(AccountId),
    /// The account of this user name, as it is looked up.
    Username(String),
}

/// Whether the client may use the grant at all.
pub fn may_use(client: &Client) -> Result<(), ProtocolError> {
    if client.may_use(GrantType::JwtBearer) && !client.is_public() {
        return Ok(());
    }
    Err(unauthorized("the client is not registered for the grant type of JWT assertions"))
}

fn unauthorized(words: &str) -> ProtocolError {
    ProtocolError::new(ErrorCode::UnauthorizedClient, words)
}

/// The trusted issuer that an assertion claims to come from.
pub fn issuer<'a>(
    assertion: &str,
    client: &Client,
    policy: &'a Policy,
) -> Result<&'a TrustedIssuer, ProtocolError> {
    if assertion.len() > AT_MOST {
        return Err(KIND.refused(" is too long"));
    }
    let unverified: ClientAssertionClaims = SignedToken::parse(assertion)
        .and_then(|token| token.unverified_claims())
        .map_err(|problem| KIND.unbelieved(&problem))?;
    let name = unverified.iss.ok_or_else(|| KIND.missing("iss"))?;
    let trusted = policy.trusted_issuers.iter().find(|trusted| trusted.issuer == name);
    let trusted = trusted.ok_or_else(|| KIND.refused("'s iss is not an issuer trusted here"))?;
    if trusted.clients.contains(&client.id) {
        return Ok(trusted);
    }
    Err(unauthorized("the client may not use assertions of that issuer"))
}

/// Believes an assertion (section 3), or says why not. What it gives back has to be used up.
pub fn verify(
    assertion: &str,
    trusted: &TrustedIssuer,
    keys: &KeySet,
    recipient: &Recipient<'_>,
    now: Timestamp,
) -> Result<(Named, UsedOnce), ProtocolError> {
    let token = SignedToken::parse(assertion).map_err(|problem| KIND.unbelieved(&problem))?;
    KIND.is_no_other(token.header.typ.as_deref())?;
    let all: Map<String, Value> =
        token.verify(keys, &Algorithm::ALL).map_err(|problem| KIND.unbelieved(&problem))?;
    let claims: ClientAssertionClaims = serde_json::from_value(Value::Object(all.clone()))
        .map_err(|_| KIND.refused("'s claims do not have the types of RFC 7519"))?;
    if claims.iss.as_deref() != Some(trusted.issuer.as_str()) {
        return Err(KIND.refused("'s iss is another issuer's"));
    }
    if claims.sub.is_none() {
        return Err(KIND.missing("sub"));
    }
    is_for_us(&claims, trusted, recipient)?;
    let (end, jti) = (KIND.in_time(&claims, now)?, KIND.jti(&claims)?);
    let once = UsedOnce::new(OnceKind::AssertionGrant, trusted.issuer.as_bytes(), jti, end);
    Ok((named(&all, trusted)?, once))
}

fn is_for_us(
    claims: &ClientAssertionClaims,
    trusted: &TrustedIssuer,
    recipient: &Recipient<'_>,
) -> Result<(), ProtocolError> {
    let expected = trusted.audience.as_deref().unwrap_or(recipient.issuer.as_str());
    let named = KIND.audience(claims, expected)?;
    let endpoint = trusted.audience.is_none() && recipient.endpoints.iter().any(|e| e == named);
    if named == expected || endpoint {
        return Ok(());
    }
    Err(KIND.refused(format!("'s aud is not '{expected}' (RFC 7523 section 3)")))
}

/// The account that the operator's mapping makes of the claim.
fn named(claims: &Map<String, Value>, trusted: &TrustedIssuer) -> Result<Named, ProtocolError> {
    let claim = &trusted.subject_claim;
    let text = claims.get(claim).and_then(Value::as_str).ok_or_else(|| KIND.missing(claim))?;
    let named = match trusted.subject_is {
        SubjectIs::Sub => AccountId::from_text(text).map(Named::Account),
        SubjectIs::Username => normalized_username(text).map(Named::Username),
    };
    named.ok_or_else(nobody)
}

/// Unknown and switched-off accounts are answered alike.
fn nobody() -> ProtocolError {
    KIND.refused(" names nobody who has an enabled account here")
}

/// The account, if it is there and enabled.
pub fn account(found: Option<Account>) -> Result<Account, ProtocolError> {
    found.filter(|account| account.enabled).ok_or_else(nobody)
}

/// What the client gets: what it asks for, within its registration and what the issuer may speak
/// for; by default all of that. There is no refresh token to be had.
pub fn scope(
    asked: Option<Scope>,
    client: &Client,
    trusted: &TrustedIssuer,
    policy: &Policy,
) -> Result<Scope, ProtocolError> {
    let may = |token: &str| token != "offline_access" && trusted.scope.contains(token);
    let invalid = |words: String| Err(ProtocolError::new(ErrorCode::InvalidScope, words));
    let asked = asked.filter(|asked| !asked.is_empty());
    let by_default = asked.is_none();
    let scope = scope::requested(asked, client, policy)?;
    let allowed = scope.filter(may);
    match scope.first_missing_in(&allowed) {
        Some(more) if !by_default => {
            invalid(format!("the scope '{more}' is not to be had for an assertion of that issuer"))
        }
        _ if allowed.is_empty() => invalid("client and issuer have no scope in common".to_owned()),
        _ => Ok(allowed),
    }
}

/// The grant that an assertion gives birth to. It has a row as any other, so that whatever ends
/// the account's grants ends it too; no session, since nobody signed in here; and an end with its
/// one access token.
pub fn grant(
    account: &Account,
    client: &Client,
    (scope, resources): (Scope, Vec<String>),
    once: UsedOnce,
    (id, random): (GrantId, RedemptionRandom),
    (now, expires_at): (Timestamp, Timestamp),
) -> Redemption {
    Redemption {
        grant: id,
        redemption: random.redemption,
        account: account.id,
        client: client.id.clone(),
        session: SessionId::from_bytes([0; 16]),
        sid: [0; 16],
        offline: true,
        scope,
        resources,
        auth_time: now,
        methods: Vec::new(),
        approved_at: now,
        created_at: now,
        expires_at,
        keep_until: expires_at.plus(ROW_OUTLIVES),
        salt: random.salt,
        first_in_session: false,
        claims: AskedClaims::default(),
        details: AuthorizationDetails::default(),
        bound_to: None,
        once: vec![once],
        approval: None,
        epoch: None,
    }
}

#[cfg(test)]
mod tests {
    use keystile_protocol::Issuer;
    use keystile_protocol::jose::{JwkSet, SigningKey};
    use serde_json::json;

    use super::*;
    use crate::fixtures;
    use crate::records::{ClientKind, KeySource};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const US: &str = "https://login.example";
    const IDP: &str = "https://idp.example";

    fn text(text: &str) -> Scope {
        Scope::try_from(text).expect("tokens")
    }

    fn client() -> Client {
        Client { grant_types: vec![GrantType::JwtBearer], ..fixtures::client() }
    }

    fn trusted(key: &SigningKey) -> TrustedIssuer {
        TrustedIssuer {
            issuer: IDP.into(),
            keys: KeySource::Inline(JwkSet { keys: vec![key.public().clone()] }),
            audience: None,
            subject_claim: "sub".into(),
            subject_is: SubjectIs::Username,
            clients: vec![fixtures::client_id("app")],
            scope: text("openid photos:read mail:read offline_access"),
        }
    }

    fn claims() -> Value {
        let now = NOW.seconds();
        json!({ "iss": IDP, "sub": "Alice", "aud": US, "jti": "once", "exp": now + 60, "iat": now })
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
        trusted: &TrustedIssuer,
    ) -> Result<(Named, UsedOnce), ProtocolError> {
        let KeySource::Inline(set) = &trusted.keys else { panic!("they are here") };
        let keys = KeySet::from_jwks(set);
        let issuer = Issuer::try_from(US).expect("good");
        let endpoints = [format!("{US}/token")];
        let recipient = Recipient { issuer: &issuer, endpoints: &endpoints };
        verify(&key.sign(typ, claims).expect("signed"), trusted, &keys, &recipient, NOW)
    }

    fn key(algorithm: Algorithm) -> SigningKey {
        SigningKey::generate(algorithm).expect("generated").key
    }

    #[test]
    fn an_assertion_of_a_trusted_issuer_names_a_user_and_counts_once_rfc_7523_3() {
        let key = key(Algorithm::ES256);
        let of = |claims: &Value| believe(&key, "JWT", claims, &trusted(&key)).map_err(|e| e.error);
        let (named, once) = of(&claims()).expect("good");
        assert_eq!(named, Named::Username("alice".into()));
        assert_eq!(once.key, of(&with("sub", json!("bob"))).expect("good").1.key);
        assert_ne!(once.key, of(&with("jti", json!("twice"))).expect("good").1.key);
        assert!(of(&with("aud", json!(format!("{US}/token")))).is_ok());
        for name in ["iss", "sub", "aud", "jti", "exp"] {
            let mut without = claims();
            without.as_object_mut().expect("an object").remove(name);
            assert_eq!(of(&without), Err(ErrorCode::InvalidGrant), "{name}");
        }
        let now = NOW.seconds();
        for bad in [
            with("iss", json!("https://other.example")),
            with("iss", json!(7)),
            with("sub", json!("")),
            with("sub", json!(["alice"])),
            with("aud", json!([US])),
            with("aud", json!("https://login.example/")),
            with("aud", json!(IDP)),
            with("jti", json!("")),
            with("jti", json!("x".repeat(257))),
            with("exp", json!(now - 10)),
            with("exp", json!(now + 3601)),
            with("exp", json!("soon")),
            with("iat", json!(now + 11)),
            with("nbf", json!(now + 11)),
        ] {
            assert_eq!(of(&bad), Err(ErrorCode::InvalidGrant), "{bad}");
        }
    }

    #[test]
    fn the_operator_says_which_claim_is_which_name_of_an_account_and_what_aud_is() {
        let key = key(Algorithm::EdDSA);
        let mut trusted = trusted(&key);
        trusted.subject_is = SubjectIs::Sub;
        let id = AccountId::from_bytes([1; 16]);
        let of = |claims: &Value, trusted: &TrustedIssuer| {
            believe(&key, "JWT", claims, trusted).map(|(named, _)| named).map_err(|e| e.error)
        };
        assert_eq!(of(&with("sub", json!(id.to_string())), &trusted), Ok(Named::Account(id)));
        assert_eq!(of(&claims(), &trusted), Err(ErrorCode::InvalidGrant), "no identifier of ours");
        trusted.subject_claim = "employee".into();
        assert_eq!(of(&with("employee", json!(id.to_string())), &trusted), Ok(Named::Account(id)));
        assert_eq!(of(&with("employee", json!(7)), &trusted), Err(ErrorCode::InvalidGrant));
        trusted.audience = Some("api://keystile".into());
        let claims = with("employee", json!(id.to_string()));
        assert_eq!(of(&claims, &trusted), Err(ErrorCode::InvalidGrant), "our own name no more");
        let mut claims = claims;
        claims["aud"] = json!("api://keystile");
        assert_eq!(of(&claims, &trusted), Ok(Named::Account(id)));
    }

    #[test]
    fn only_the_issuers_keys_and_no_other_kind_of_jwt_rfc_8725_3_11() {
        let (own, other) = (key(Algorithm::PS256), key(Algorithm::PS256));
        let trusted = trusted(&own);
        assert!(believe(&own, "", &claims(), &trusted).is_ok());
        assert!(believe(&other, "JWT", &claims(), &trusted).is_err());
        for typ in ["at+jwt", "dpop+jwt", "client-authentication+jwt", "logout+jwt"] {
            assert!(believe(&own, typ, &claims(), &trusted).is_err(), "{typ}");
        }
    }

    #[test]
    fn who_may_use_whose_assertions() {
        let key = key(Algorithm::ES256);
        let policy = Policy { trusted_issuers: vec![trusted(&key)], ..fixtures::policy() };
        let of = |client: &Client, claims: &Value| {
            let assertion = key.sign("JWT", claims).expect("signed");
            issuer(&assertion, client, &policy).map(|t| t.issuer.as_str()).map_err(|e| e.error)
        };
        assert_eq!(of(&client(), &claims()), Ok(IDP));
        let stranger = Client { id: fixtures::client_id("other"), ..client() };
        assert_eq!(of(&stranger, &claims()), Err(ErrorCode::UnauthorizedClient));
        let unknown = with("iss", json!(US));
        assert_eq!(of(&client(), &unknown), Err(ErrorCode::InvalidGrant));
        for bad in ["", "a.b.c", "e30.e30.", &"a".repeat(AT_MOST + 1)] {
            assert!(issuer(bad, &client(), &policy).is_err());
        }
        let public = Client { kind: ClientKind::Public { native: false }, ..client() };
        assert!(may_use(&client()).is_ok());
        assert!(may_use(&public).is_err() && may_use(&fixtures::client()).is_err());
    }

    #[test]
    fn scope_is_what_client_and_issuer_may_both_have() {
        let (policy, trusted) = (fixtures::policy(), trusted(&key(Algorithm::ES256)));
        let of = |asked: Option<&str>| {
            scope(asked.map(text), &client(), &trusted, &policy).map_err(|e| e.error)
        };
        assert_eq!(of(None), Ok(text("openid photos:read")));
        assert_eq!(of(Some("photos:read")), Ok(text("photos:read")));
        for more in ["photos:order", "mail:read", "offline_access", "nonsense"] {
            assert_eq!(of(Some(more)), Err(ErrorCode::InvalidScope), "{more}");
        }
        let nothing = TrustedIssuer { scope: text("mail:read"), ..trusted };
        assert!(scope(None, &client(), &nothing, &policy).is_err());
    }

    #[test]
    fn an_account_that_is_off_is_nobody() {
        assert!(account(Some(fixtures::account(1))).is_ok());
        let off = Account { enabled: false, ..fixtures::account(1) };
        assert_eq!(account(Some(off)).map_err(|e| e.error), Err(ErrorCode::InvalidGrant));
        assert!(account(None).is_err());
    }
}
