//! Tokens that the issuer is asked about (RFC 7662).

use std::time::Duration;

use keystile_protocol::encoding::from_base64;
use keystile_protocol::{Params, client_assertion};
use keystile_resource::{Algorithm, Guard, Introspection, TrustedIssuer};
use serde_json::{Value, json};

use crate::issuer::{API, Api, Issuer, new_key, now};

/// The `typ` of a signed answer.
const TYP: &str = "token-introspection+jwt";
const HOUR: Duration = Duration::from_hours(1);

fn asking() -> Introspection {
    Introspection::with_secret("photos api", "s:cret/&").at_most_stale(HOUR)
}

fn api(issuer: &Issuer, asking: Introspection) -> Api {
    let trusted = TrustedIssuer::new(&issuer.url).introspection(asking);
    Api::behind(&Guard::builder(trusted, API).build().expect("good"))
}

/// What the issuer says of a good token.
fn active() -> Value {
    json!({
        "active": true, "sub": "alice", "aud": API, "client_id": "printer", "exp": now() + 300,
        "scope": "photos:read photos:order", "token_type": "Bearer",
    })
}

fn changed(changes: &[(&str, Value)]) -> Value {
    let mut answer = active();
    for (name, value) in changes {
        answer[*name] = value.clone();
    }
    answer
}

async fn until_refused(api: &Api, token: &str) {
    for _ in 0..500 {
        if api.get("/me", token).await.status == 401 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the token goes on passing");
}

#[tokio::test]
async fn an_opaque_token_is_asked_about_once_with_the_apis_credentials_rfc_7662_2_1() {
    let issuer = Issuer::start().await;
    issuer.tell("opaque-1", active());
    let api = api(&issuer, asking());
    for path in ["/me", "/photos", "/alone", "/me"] {
        let answer = api.get(path, "opaque-1").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "alice"), "{path}");
    }
    assert_eq!(issuer.asked(), 1);
    let (headers, form) = issuer.played.questions.lock().expect("not poisoned")[0].clone();
    let form = Params::parse(form.as_bytes()).expect("a form");
    assert_eq!(form.required("token").ok(), Some("opaque-1"));
    assert_eq!(form.required("token_type_hint").ok(), Some("access_token"));
    let basic = headers["authorization"].to_str().expect("text").strip_prefix("Basic ");
    let basic = from_base64(basic.expect("Basic")).expect("base64");
    assert_eq!(basic, b"photos%20api:s%3Acret%2F%26", "form encoded (RFC 6749 section 2.3.1)");
    assert_eq!(headers["accept"], "application/json");
}

#[tokio::test]
async fn what_the_issuer_does_not_vouch_for_is_refused_and_remembered() {
    let issuer = Issuer::start().await;
    let api = api(&issuer, asking());
    for _ in 0..3 {
        let answer = api.get("/me", "unknown").await;
        assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("invalid_token")));
    }
    assert_eq!(issuer.asked(), 1, "a token that is not active is not asked about again");
    let cases = [
        ("another audience", changed(&[("aud", json!("https://other.example"))])),
        ("no audience", changed(&[("aud", Value::Null)])),
        ("expired", changed(&[("exp", json!(now() - 100))])),
        ("not yet", changed(&[("nbf", json!(now() + 100))])),
        ("another issuer", changed(&[("iss", json!("https://other.example"))])),
        ("bound to a key", changed(&[("cnf", json!({ "jkt": "A".repeat(43) }))])),
        ("said to be bound", changed(&[("token_type", json!("DPoP"))])),
        ("of nobody", changed(&[("sub", Value::Null), ("client_id", Value::Null)])),
        ("an ID token", changed(&[("typ", json!("ID"))])),
        ("active as text", changed(&[("active", json!("false"))])),
        ("active unsaid", changed(&[("active", Value::Null)])),
    ];
    for (case, answer) in cases {
        let token = case.replace(' ', "-");
        issuer.tell(&token, answer);
        let answer = api.get("/me", &token).await;
        let expected = if case.starts_with("active") { 503 } else { 401 };
        assert_eq!(answer.status, expected, "{case}: {answer:?}");
    }
    issuer.tell("no-scope", changed(&[("scope", json!("openid"))]));
    assert_eq!(api.get("/photos", "no-scope").await.status, 403);
}

#[tokio::test]
async fn an_answer_may_leave_out_what_rfc_7662_2_2_lets_it() {
    let issuer = Issuer::start().await;
    let api = api(&issuer, asking());
    issuer.tell("short", json!({ "active": true, "client_id": "printer", "aud": [API] }));
    let answer = api.get("/me", "short").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "printer"), "it acts for itself");
}

#[tokio::test]
async fn many_requests_with_one_token_ask_once() {
    let issuer = Issuer::start().await;
    issuer.tell("opaque", active());
    let api = api(&issuer, asking().at_most_stale(Duration::from_mins(10)));
    let requests: Vec<_> = (0..50)
        .map(|_| {
            let api = api.clone();
            tokio::spawn(async move { api.get("/me", "opaque").await.status })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.expect("no panic"), 200);
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_refused_when_its_answer_is_too_old() {
    let issuer = Issuer::start().await;
    issuer.tell("opaque", active());
    let jwt = issuer.token(&[]);
    issuer.tell(&jwt, json!({ "active": true }));
    let short = asking().at_most_stale(Duration::from_millis(500)).jwts_too();
    let api = api(&issuer, short);
    for token in ["opaque", jwt.as_str()] {
        assert_eq!(api.get("/me", token).await.status, 200);
        issuer.tell(token, json!({ "active": false }));
        until_refused(&api, token).await;
    }
}

#[tokio::test]
async fn with_no_time_at_all_each_request_asks() {
    let issuer = Issuer::start().await;
    issuer.tell("opaque", active());
    let api = api(&issuer, asking().at_most_stale(Duration::ZERO));
    for asked in 1..=3 {
        assert_eq!(api.get("/me", "opaque").await.status, 200);
        assert_eq!(issuer.asked(), asked);
    }
    issuer.tell("opaque", json!({ "active": false }));
    assert_eq!(api.get("/me", "opaque").await.status, 401, "at once");
}

#[tokio::test]
async fn jwts_are_asked_about_on_request_alone_and_only_good_ones() {
    let issuer = Issuer::start().await;
    let token = issuer.token(&[]);
    let offline = api(&issuer, asking());
    assert_eq!(offline.get("/me", &token).await.status, 200);
    assert_eq!(issuer.asked(), 0, "its signature is enough");
    let online = api(&issuer, asking().jwts_too());
    assert_eq!(online.get("/me", &token).await.status, 401, "the issuer does not vouch for it");
    assert_eq!(issuer.asked(), 1);
    let forged = new_key(Algorithm::ES256).sign("at+jwt", &issuer.claims()).expect("signed");
    let expired = issuer.token(&[("exp", json!(now() - 100))]);
    for bad in [forged.as_str(), &expired, "eyJhbGciOiJub25lIn0.e30."] {
        assert_eq!(online.get("/me", bad).await.status, 401);
    }
    assert_eq!(issuer.asked(), 1, "what is bad anyway is not shown to the issuer");
}

#[tokio::test]
async fn while_the_issuer_is_away_only_fresh_answers_serve() {
    let issuer = Issuer::start().await;
    issuer.tell("known", active());
    let api = api(&issuer, asking().jwts_too());
    assert_eq!(api.get("/me", "known").await.status, 200);
    issuer.away(true);
    assert_eq!(api.get("/me", "known").await.status, 200);
    for other in ["other", issuer.token(&[]).as_str()] {
        let answer = api.get("/me", other).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
        assert!(answer.challenges().is_empty());
    }
    issuer.away(false);
    issuer.tell("other", active());
    assert_eq!(api.get("/me", "other").await.status, 200, "a failure is not remembered");
}

#[tokio::test]
async fn without_an_endpoint_or_keys_it_is_said_with_503() {
    let issuer = Issuer::start().await;
    issuer.say(json!({ "issuer": issuer.url, "jwks_uri": format!("{}/jwks", issuer.url) }));
    assert_eq!(api(&issuer, asking()).get("/me", "opaque").await.status, 503);
    issuer.say(json!({ "issuer": issuer.url, "introspection_endpoint": "ftp://a.example" }));
    assert_eq!(api(&issuer, asking()).get("/me", "opaque").await.status, 503);
    let endpoint = format!("{}/introspect", issuer.url);
    issuer.say(json!({ "issuer": issuer.url, "introspection_endpoint": endpoint }));
    issuer.tell("opaque", active());
    let api = api(&issuer, asking());
    assert_eq!(api.get("/me", "opaque").await.status, 200, "opaque tokens need no keys");
    assert_eq!(api.get("/me", &issuer.token(&[])).await.status, 401);
}

#[tokio::test]
async fn an_opaque_token_is_no_credential_of_an_api_that_does_not_ask() {
    let issuer = Issuer::start().await;
    issuer.tell("opaque", active());
    assert_eq!(issuer.api().get("/me", "opaque").await.status, 401);
    assert_eq!(issuer.asked(), 0);
}

#[tokio::test]
async fn a_key_authenticates_the_api_rfc_7523_3() {
    let issuer = Issuer::start().await;
    issuer.tell("opaque", active());
    let key = new_key(Algorithm::ES256);
    let public = key.public().clone();
    let asking = Introspection::with_key("photos", key);
    assert_eq!(api(&issuer, asking).get("/me", "opaque").await.status, 200);
    let (headers, form) = issuer.played.questions.lock().expect("not poisoned")[0].clone();
    assert_eq!(headers.get("authorization"), None);
    let form = Params::parse(form.as_bytes()).expect("a form");
    assert_eq!(form.required("client_assertion_type").ok(), Some(client_assertion::TYPE));
    let assertion = form.required("client_assertion").expect("one");
    let key = keystile_protocol::jose::VerifyingKey::from_jwk(&public).expect("a key");
    let parsed = keystile_protocol::jose::SignedToken::parse(assertion).expect("a JWT");
    let claims: Value = parsed.verify_with(&key).expect("signed");
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("photos"), &json!("photos")));
    assert_eq!(claims["aud"], json!(issuer.url));
    assert!(claims["exp"].as_i64().expect("a time") > now());
}

#[tokio::test]
async fn signed_answers_are_verified_rfc_9701_5() {
    let issuer = Issuer::start().await;
    let signed = |typ: &str, changes: &[(&str, Value)]| {
        let mut claims = json!({
            "iss": issuer.url, "aud": "photos", "iat": now(), "token_introspection": active(),
        });
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        json!(issuer.key.sign(typ, &claims).expect("signed"))
    };
    let asking = Introspection::with_secret("photos", "secret").signed_answers();
    let api = api(&issuer, asking);
    issuer.tell("good", signed(TYP, &[]));
    assert_eq!(api.get("/me", "good").await.status, 200);
    let accept = issuer.played.questions.lock().expect("not poisoned")[0].0["accept"].clone();
    assert_eq!(accept, "application/token-introspection+jwt");
    issuer.tell("inactive", signed(TYP, &[("token_introspection", json!({ "active": false }))]));
    assert_eq!(api.get("/me", "inactive").await.status, 401);
    let stranger = new_key(Algorithm::ES256);
    let forged = json!({
        "iss": issuer.url, "aud": "photos", "iat": now(), "token_introspection": active(),
    });
    for (case, answer) in [
        ("plain", active()),
        ("another-kind", signed("at+jwt", &[])),
        ("another-issuer", signed(TYP, &[("iss", json!("https://other.example"))])),
        ("for-another", signed(TYP, &[("aud", json!("another"))])),
        ("a-strangers", json!(stranger.sign(TYP, &forged).expect("signed"))),
        ("empty", signed(TYP, &[("token_introspection", Value::Null)])),
    ] {
        issuer.tell(case, answer);
        assert_eq!(api.get("/me", case).await.status, 503, "{case}");
    }
}

#[tokio::test]
async fn an_opaque_token_is_shown_to_one_issuer_alone() {
    let (one, two) = (Issuer::start().await, Issuer::start().await);
    let asks = |issuer: &Issuer| TrustedIssuer::new(&issuer.url).introspection(asking());
    let guard = Guard::builder(asks(&one), API).trust(asks(&two)).build().expect("good");
    two.tell("opaque", active());
    assert_eq!(Api::behind(&guard).get("/me", "opaque").await.status, 401);
    assert_eq!((one.asked(), two.asked()), (1, 0));
}
