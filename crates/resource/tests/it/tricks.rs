//! Tokens that try to be more than they are (RFC 8725).

use keystile_protocol::encoding::{base64url, from_base64url};
use keystile_resource::{Algorithm, Guard, TrustedIssuer};
use serde_json::{Value, json};

use crate::issuer::{API, Api, Issuer, new_key};

/// The token with another header; the signature stays.
fn headed(token: &str, change: impl Fn(&mut Value)) -> String {
    let (header, rest) = token.split_once('.').expect("three parts");
    let mut header: Value =
        serde_json::from_slice(&from_base64url(header).expect("base64url")).expect("JSON");
    change(&mut header);
    format!("{}.{rest}", base64url(header.to_string()))
}

#[tokio::test]
async fn no_header_makes_a_forged_token_good_rfc_8725_2_and_3() {
    let issuer = Issuer::start().await;
    let (rsa, thief) = (new_key(Algorithm::PS256), new_key(Algorithm::ES256));
    issuer.publish(&[&issuer.key, &rsa]);
    let trusted = TrustedIssuer::new(&issuer.url).algorithms(&Algorithm::ALL);
    let api = Api::behind(&Guard::builder(trusted, API).build().expect("good"));
    let good = issuer.token(&[]);
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let (_, payload) = signed.split_once('.').expect("three parts");
    let forged = thief.sign("at+jwt", &issuer.claims()).expect("signed");
    let own = thief.sign_with_jwk("at+jwt", &issuer.claims()).expect("signed");
    let kid = issuer.key.kid();
    let cases = [
        ("alg none", headed(&good, |h| h["alg"] = json!("none"))),
        ("alg NONE", headed(&good, |h| h["alg"] = json!("NONE"))),
        ("alg null", headed(&good, |h| h["alg"] = Value::Null)),
        ("alg a list", headed(&good, |h| h["alg"] = json!(["ES256", "none"]))),
        ("alg HS256 with the public key", headed(&good, |h| h["alg"] = json!("HS256"))),
        ("the kid of a key of another type", headed(&good, |h| h["kid"] = json!(rsa.kid()))),
        ("an algorithm of another key", headed(&good, |h| h["alg"] = json!("PS256"))),
        ("the kid of a good key", headed(&forged, |h| h["kid"] = json!(kid))),
        ("a kid that is a path", headed(&forged, |h| h["kid"] = json!("../../jwks.json"))),
        ("a kid that is SQL", headed(&forged, |h| h["kid"] = json!("' or 1=1 --"))),
        ("a kid that is empty", headed(&forged, |h| h["kid"] = json!(""))),
        ("a kid that is no text", headed(&forged, |h| h["kid"] = json!({ "a": 1 }))),
        ("a huge kid", headed(&forged, |h| h["kid"] = json!("k".repeat(9000)))),
        ("a key of its own", own.clone()),
        ("a key of its own under a good name", headed(&own, |h| h["kid"] = json!(kid))),
        ("jku", headed(&forged, |h| h["jku"] = json!("https://evil.example/jwks"))),
        ("x5u", headed(&forged, |h| h["x5u"] = json!("https://evil.example/cert"))),
        ("x5c", headed(&forged, |h| h["x5c"] = json!(["MIIB"]))),
        ("crit", headed(&good, |h| h["crit"] = json!(["exp"]))),
        ("an empty crit", headed(&good, |h| h["crit"] = json!([]))),
        ("b64", headed(&good, |h| h["b64"] = json!(false))),
        ("zip", headed(&good, |h| h["zip"] = json!("DEF"))),
        ("nested", headed(&good, |h| h["cty"] = json!("JWT"))),
        ("no signature", format!("{signed}.")),
        ("a short signature", format!("{signed}.{}", &signature[..40])),
        ("a signature of zeros", format!("{signed}.{}", base64url([0; 64]))),
        ("a DER signature", format!("{signed}.{}", base64url([0x30; 70]))),
        ("no header", format!(".{payload}.{signature}")),
        ("no payload", format!("{}..{signature}", signed.split('.').next().expect("one"))),
        ("four parts", format!("{good}.x")),
        ("five parts", format!("{good}.x.y")),
        ("two parts", signed.to_owned()),
        ("padding", format!("{good}=")),
        ("a whole JSON serialization", base64url(json!({ "payload": payload }).to_string())),
        ("huge", format!("{signed}{}.{signature}", "A".repeat(15_000))),
    ];
    for (case, token) in cases {
        let answer = api.get("/me", &token).await;
        assert!(matches!(answer.status, 400 | 401), "{case}: {answer:?}");
        let error = &answer.json()["error"];
        assert!(error == "invalid_token" || error == "invalid_request", "{case}: {answer:?}");
    }
    assert_eq!(api.get("/me", &good).await.status, 200, "the good one is good");
}

#[tokio::test]
async fn odd_payloads_are_refused_with_an_answer() {
    let issuer = Issuer::start().await;
    let api = issuer.api();
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let mut nested = issuer.claims();
    nested["deep"] = deep;
    let nested = issuer.key.sign("at+jwt", &nested).expect("signed");
    assert_eq!(api.get("/me", &nested).await.status, 200, "claims that nobody reads do no harm");
    let twice = {
        let text = issuer.claims().to_string();
        let raw = text.replacen('{', r#"{"aud":"https://other.example","#, 1);
        serde_json::value::RawValue::from_string(raw).expect("JSON")
    };
    let cases = [
        issuer.key.sign("at+jwt", &json!([])),
        issuer.key.sign("at+jwt", &json!("text")),
        issuer.key.sign("at+jwt", &Value::Null),
        issuer.key.sign("at+jwt", &json!({})),
        issuer.key.sign("at+jwt", &twice),
        // A token within a token (RFC 7519 appendix A.2).
        issuer.key.sign("at+jwt", &json!(issuer.token(&[]))),
    ];
    for token in cases {
        let answer = api.get("/me", &token.expect("signed")).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.json()["error"], "invalid_token");
    }
    for (name, value) in [
        ("exp", json!("tomorrow")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("iat", json!(1e300)),
        ("nbf", json!(i64::MAX)),
        ("aud", json!({ "0": API })),
        ("aud", json!([[API]])),
        ("sub", json!(["alice"])),
        ("cnf", json!({ "jwk": {} })),
    ] {
        let answer = api.get("/me", &issuer.token(&[(name, value.clone())])).await;
        let far = name == "exp" && value == json!(1e300);
        assert_eq!(answer.status, if far { 200 } else { 401 }, "{name}: {value} {answer:?}");
    }
}
