//! A table of ID tokens, each wrong in one way.

use keystile_protocol::encoding::base64url;
use keystile_protocol::jose::{JwkSet, SigningKey};
use serde_json::{Value, json};

use super::*;
use crate::flow::test_values::{NOW, issuer, metadata};

const ACCESS_TOKEN: &str = "the access token";
const LEEWAY: Duration = Duration::from_secs(30);

struct Bench {
    key: SigningKey,
    keys: KeySet,
    client_id: ClientId,
    nonce: Nonce,
    issuer: Issuer,
}

impl Bench {
    fn new(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm).expect("a key").key;
        Self {
            keys: KeySet::from_jwks(&JwkSet { keys: vec![key.public().clone()] }),
            key,
            client_id: ClientId::new("app").expect("valid"),
            nonce: Nonce::new("the nonce").expect("valid"),
            issuer: issuer(),
        }
    }

    fn rules(&self) -> IdTokenRules<'_> {
        IdTokenRules {
            issuer: &self.issuer,
            client_id: &self.client_id,
            trusted_audiences: &[],
            algorithms: &Algorithm::ALL,
            nonce: Some(&self.nonce),
            subject: None,
            max_age: None,
            acr: &[],
            access_token: ACCESS_TOKEN,
            leeway: LEEWAY,
        }
    }

    fn check(
        &self,
        claims: &Value,
        rules: &IdTokenRules<'_>,
    ) -> Result<IdTokenClaims, IdTokenError> {
        let token = self.key.sign("JWT", claims).expect("signed");
        check_id_token(&token, &self.keys, rules, NOW)
    }
}

fn good() -> Value {
    json!({
        "iss": "https://login.example",
        "sub": "user-1",
        "aud": "app",
        "exp": NOW.seconds() + 300,
        "iat": NOW.seconds(),
        "nonce": "the nonce",
        "name": "Ann",
    })
}

fn with(changes: &Value) -> Value {
    let mut claims = good();
    for (name, value) in changes.as_object().expect("an object") {
        let members = claims.as_object_mut().expect("an object");
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    claims
}

#[test]
fn a_good_token_of_each_algorithm_is_believed() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS256] {
        let bench = Bench::new(algorithm);
        let hash = access_token_hash(ACCESS_TOKEN, algorithm);
        let claims = bench.check(&with(&json!({"at_hash": hash})), &bench.rules()).expect("good");
        assert_eq!(claims.sub, "user-1");
        assert_eq!(claims.user["name"], "Ann");
    }
}

#[test]
fn each_rule_of_openid_core_3_1_3_7_refuses() {
    let bench = Bench::new(Algorithm::ES256);
    let now = NOW.seconds();
    let issuer = || IdTokenError::Issuer { expected: bench.issuer.clone() };
    let cases = [
        ("rule 2", json!({"iss": "https://evil.example"}), issuer()),
        ("rule 2: as a string", json!({"iss": "https://login.example/"}), issuer()),
        ("rule 3", json!({"aud": "other"}), IdTokenError::Audience),
        ("rule 3", json!({"aud": []}), IdTokenError::Audience),
        ("rule 3", json!({"aud": ["app", "x"], "azp": "app"}), IdTokenError::UntrustedAudience),
        ("rule 5", json!({"azp": "other"}), IdTokenError::AuthorizedParty),
        ("rule 9", json!({"exp": now - 30}), IdTokenError::Expired { seconds: 30 }),
        ("rule 10", json!({"iat": now - 631}), IdTokenError::Old { seconds: 631 }),
        ("section 2", json!({"iat": now + 31}), IdTokenError::Future { seconds: 31 }),
        ("rule 11", json!({"nonce": null}), IdTokenError::Nonce),
        ("rule 11", json!({"nonce": "other"}), IdTokenError::Nonce),
        ("section 2", json!({"sub": ""}), IdTokenError::Subject),
        ("section 2", json!({"sub": "x".repeat(256)}), IdTokenError::Subject),
        ("section 2", json!({"sub": "\u{e9}"}), IdTokenError::Subject),
        ("3.1.3.8", json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}), IdTokenError::AccessTokenHash),
    ];
    for (rule, changes, expected) in cases {
        assert_eq!(
            bench.check(&with(&changes), &bench.rules()),
            Err(expected),
            "{rule}: {changes}"
        );
    }
    for name in ["iss", "sub", "aud", "exp", "iat"] {
        let error = bench.check(&with(&json!({ name: null })), &bench.rules());
        let claims_error = matches!(error, Err(IdTokenError::Jose(JoseError::Claims(_))));
        assert!(claims_error, "section 2: {name} is required: {error:?}");
    }
}

#[test]
fn clocks_may_differ_by_the_leeway() {
    let bench = Bench::new(Algorithm::ES256);
    let now = NOW.seconds();
    for changes in [json!({"exp": now - 29}), json!({"iat": now + 30}), json!({"iat": now - 630})] {
        assert!(bench.check(&with(&changes), &bench.rules()).is_ok(), "{changes}");
    }
}

#[test]
fn several_audiences_need_trust_and_azp_rules_3_to_5() {
    let bench = Bench::new(Algorithm::ES256);
    let trusted = ["api".to_owned()];
    let rules = IdTokenRules { trusted_audiences: &trusted, ..bench.rules() };
    let both = json!({"aud": ["app", "api"], "azp": "app"});
    assert!(bench.check(&with(&both), &rules).is_ok());
    let no_azp = json!({"aud": ["app", "api"]});
    assert_eq!(bench.check(&with(&no_azp), &rules), Err(IdTokenError::AuthorizedParty));
}

#[test]
fn max_age_rule_13() {
    let bench = Bench::new(Algorithm::ES256);
    let rules = IdTokenRules { max_age: Some((Duration::from_mins(1), NOW)), ..bench.rules() };
    let at = |seconds: i64| with(&json!({"auth_time": NOW.seconds() - seconds}));
    assert_eq!(bench.check(&good(), &rules), Err(IdTokenError::AuthTimeMissing));
    assert!(bench.check(&at(90), &rules).is_ok());
    assert_eq!(bench.check(&at(95), &rules), Err(IdTokenError::AuthTooOld { seconds: 5 }));
}

#[test]
fn acr_rule_12() {
    let bench = Bench::new(Algorithm::ES256);
    let wanted = ["phr".to_owned(), "mfa".to_owned()];
    let rules = IdTokenRules { acr: &wanted, ..bench.rules() };
    for (acr, good) in [(json!("mfa"), true), (json!("pwd"), false), (Value::Null, false)] {
        let answer = bench.check(&with(&json!({ "acr": acr })), &rules).map(drop);
        assert_eq!(answer, if good { Ok(()) } else { Err(IdTokenError::Acr) }, "{acr}");
    }
}

#[test]
fn another_kind_of_token_is_no_id_token_rfc_8725_3_11() {
    let bench = Bench::new(Algorithm::ES256);
    for (typ, taken) in [
        ("JWT", true),
        ("jwt", true),
        ("at+jwt", false),
        ("application/logout+jwt", false),
        ("DPOP+JWT", false),
    ] {
        let token = bench.key.sign(typ, &good()).expect("signed");
        let answer = check_id_token(&token, &bench.keys, &bench.rules(), NOW).map(drop);
        assert_eq!(answer, if taken { Ok(()) } else { Err(IdTokenError::Type) }, "{typ}");
    }
}

#[test]
fn a_refresh_may_not_change_the_user_section_12_2() {
    let bench = Bench::new(Algorithm::ES256);
    let rules = IdTokenRules { nonce: None, subject: Some("user-1"), ..bench.rules() };
    assert!(bench.check(&with(&json!({"nonce": null})), &rules).is_ok());
    let other = bench.check(&with(&json!({"sub": "user-2"})), &rules);
    assert_eq!(other, Err(IdTokenError::Subject));
}

#[test]
fn signatures_rules_6_to_8() {
    let bench = Bench::new(Algorithm::ES256);
    let stranger = Bench::new(Algorithm::ES256);
    let token = stranger.key.sign("JWT", &good()).expect("signed");
    let error = check_id_token(&token, &bench.keys, &bench.rules(), NOW);
    assert!(matches!(error, Err(IdTokenError::Jose(JoseError::UnknownKey(_)))), "{error:?}");

    let token = bench.key.sign("JWT", &good()).expect("signed");
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let (header, _) = signed.split_once('.').expect("three parts");
    let other = base64url(with(&json!({"sub": "admin"})).to_string());
    let error =
        check_id_token(&format!("{header}.{other}.{signature}"), &bench.keys, &bench.rules(), NOW);
    assert_eq!(error, Err(IdTokenError::Jose(JoseError::Signature)));

    let none = format!("{}.{}.", base64url(r#"{"alg":"none"}"#), base64url(good().to_string()));
    let error = check_id_token(&none, &bench.keys, &bench.rules(), NOW);
    assert!(matches!(error, Err(IdTokenError::Jose(JoseError::Algorithm(_)))), "{error:?}");

    let rules = IdTokenRules { algorithms: &[Algorithm::RS256], ..bench.rules() };
    let error = check_id_token(&token, &bench.keys, &rules, NOW);
    assert_eq!(error, Err(IdTokenError::Jose(JoseError::Algorithm("ES256".into()))));
}

#[test]
fn algorithms_that_are_allowed_rule_7() {
    let mut metadata = metadata();
    assert_eq!(allowed_algorithms(&[], &metadata), [Algorithm::RS256], "the standard's default");
    let offered = ["none", "HS256", "ES256", "PS256"];
    metadata.id_token_signing_alg_values_supported = offered.map(str::to_owned).to_vec();
    assert_eq!(allowed_algorithms(&[], &metadata), [Algorithm::ES256, Algorithm::PS256]);
    assert_eq!(allowed_algorithms(&[Algorithm::EdDSA], &metadata), [Algorithm::EdDSA]);
}
