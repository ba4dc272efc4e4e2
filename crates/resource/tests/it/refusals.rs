//! Each refusal with its exact status and challenge.

use axum::body::Body;
use axum::extract::Request;
use http::Method;
use keystile_protocol::encoding::base64url;
use keystile_resource::{Algorithm, Guard, TrustedIssuer};
use serde_json::{Value, json};

use crate::issuer::{API, Answer, Api, Issuer, new_key, now};

fn realm() -> String {
    format!(r#"Bearer realm="{API}""#)
}

fn challenge(error: &str, description: &str) -> String {
    format!(r#"{}, error="{error}", error_description="{description}""#, realm())
}

fn is_refused(answer: &Answer, status: u16, error: &str, description: &str, case: &str) {
    assert_eq!(answer.status, status, "{case}: {answer:?}");
    assert_eq!(answer.header("www-authenticate"), challenge(error, description), "{case}");
    assert_eq!(answer.json(), json!({"error": error, "error_description": description}), "{case}");
    assert_eq!(answer.header("cache-control"), "no-store", "{case}");
}

async fn with_headers(api: &Api, path: &str, values: &[&str]) -> Answer {
    let mut request = Request::get(path);
    for value in values {
        request = request.header("authorization", *value);
    }
    api.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn a_good_token_passes_and_its_claims_arrive_rfc_9068_section_4() {
    let issuer = Issuer::start().await;
    let answer = issuer.api().get("/me", &issuer.token(&[])).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "alice"));
}

#[tokio::test]
async fn without_credentials_the_challenge_has_no_error_rfc_6750_section_3_1() {
    let issuer = Issuer::start().await;
    for values in [&[][..], &["Basic YTpi"], &["Digest abc"]] {
        let answer = with_headers(&issuer.api(), "/me", values).await;
        assert_eq!(answer.status, 401);
        let proved = format!(r#"DPoP realm="{API}", algs="ES256 EdDSA PS256""#);
        assert_eq!(answer.challenges(), [realm(), proved]);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.json().get("error"), None);
    }
    assert_eq!(issuer.fetches(), 0, "a stranger without a token causes no request");
}

#[tokio::test]
async fn malformed_credentials_are_an_invalid_request_rfc_6750_section_3_1() {
    let issuer = Issuer::start().await;
    let good = format!("Bearer {}", issuer.token(&[]));
    let long = format!("Bearer {}", "a".repeat(17_000));
    let malformed = "the Authorization header is malformed; 'Bearer', a space and the token are \
                     needed (RFC 6750 section 2.1)";
    let two = "there are two Authorization headers; send one";
    let cases: &[(&[&str], &str)] = &[
        (&["Bearer"], malformed),
        (&["Bearer a b"], malformed),
        (&["Bearer \"a\""], malformed),
        (&[&good, &good], two),
        (&["Basic YTpi", &good], two),
        (&[&long], "the access token is longer than 16 KiB"),
    ];
    for (values, description) in cases {
        let answer = with_headers(&issuer.api(), "/me", values).await;
        is_refused(&answer, 400, "invalid_request", description, description);
    }
}

#[tokio::test]
async fn a_token_in_the_query_is_refused_rfc_6750_section_2_3() {
    let issuer = Issuer::start().await;
    let path = format!("/me?access_token={}", issuer.token(&[]));
    let description = "an access token in the query is not taken (it ends up in logs and \
                       histories); send it in the Authorization header (RFC 6750 section 2.1)";
    let alone = with_headers(&issuer.api(), &path, &[]).await;
    is_refused(&alone, 400, "invalid_request", description, "alone");
    let beside = issuer.api().get(&path, &issuer.token(&[])).await;
    is_refused(&beside, 400, "invalid_request", description, "beside a header");
}

#[tokio::test]
async fn a_token_in_a_form_is_refused_and_other_forms_arrive_whole_rfc_6750_section_2_2() {
    let issuer = Issuer::start().await;
    let post = |body: String, content_type: &str| {
        Request::builder()
            .method(Method::POST)
            .uri("/echo")
            .header("authorization", format!("Bearer {}", issuer.token(&[])))
            .header("content-type", content_type)
            .body(Body::from(body))
            .expect("a request")
    };
    let form = "application/x-www-form-urlencoded";
    let answer = issuer.api().send(post("a=1&access_token=x".into(), form)).await;
    let description = "an access token in the form is not taken; send it in the Authorization \
                       header (RFC 6750 section 2.1)";
    is_refused(&answer, 400, "invalid_request", description, "form");
    let long = format!("a={}", "x".repeat(200_000));
    let answer = issuer.api().send(post(long.clone(), form)).await;
    assert!(answer.status == 200 && answer.body == long);
    let answer = issuer.api().send(post("access_token=x".into(), "text/plain")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "access_token=x"));
}

#[tokio::test]
async fn claims_that_are_not_believed_rfc_9068_section_4() {
    let issuer = Issuer::start().await;
    let told = "its claims are not those of an access token (RFC 9068 section 2.2)";
    let another = format!("the token comes from another issuer than {}", issuer.url);
    let audience = format!("the token is not for '{API}' (its audience, RFC 9068 section 4)");
    let cases: &[(&str, Value, &str)] = &[
        ("aud", json!("https://other.example"), &audience),
        ("aud", json!([]), &audience),
        ("aud", json!(format!("{API}/")), &audience),
        ("iss", json!("https://other.example"), &another),
        ("iss", json!(format!("{}/", issuer.url)), &another),
        ("exp", json!(now() - 100), "the token expired 100 s ago"),
        ("nbf", json!(now() + 100), "the token is valid in 100 s only: do the clocks differ?"),
        ("iat", json!(now() + 100), "the token is valid in 100 s only: do the clocks differ?"),
        ("exp", Value::Null, told),
        ("client_id", json!({}), told),
        ("scope", json!("a\"b"), told),
    ];
    for (name, value, description) in cases {
        let answer = issuer.api().get("/me", &issuer.token(&[(name, value.clone())])).await;
        // A second may pass between making the token and the answer.
        let challenged =
            answer.header("www-authenticate").replace("101 s", "100 s").replace("99 s", "100 s");
        assert_eq!(challenged, challenge("invalid_token", description), "{name}: {value}");
        assert_eq!(answer.status, 401);
    }
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway_alone() {
    let issuer = Issuer::start().await;
    let late = issuer.token(&[("exp", json!(now() - 20))]);
    assert_eq!(issuer.api().get("/me", &late).await.status, 200);
    let strict = Guard::builder(&issuer.url, API).leeway(std::time::Duration::ZERO).build();
    let strict = Api::behind(&strict.expect("good"));
    assert_eq!(strict.get("/me", &late).await.status, 401);
}

#[tokio::test]
async fn an_id_token_is_no_access_token_rfc_9068_section_4() {
    let issuer = Issuer::start().await;
    let mut claims = issuer.claims();
    claims["aud"] = json!(API);
    for typ in ["JWT", "jwt", "logout+jwt", "id_token"] {
        let token = issuer.key.sign(typ, &claims).expect("signed");
        let answer = issuer.api().get("/me", &token).await;
        let typ = format!("the token's typ is {typ}, 'at+jwt' is needed (RFC 9068 section 4)");
        is_refused(&answer, 401, "invalid_token", &typ, &typ);
    }
}

#[tokio::test]
async fn forged_and_altered_tokens_are_refused_rfc_8725_section_3_1() {
    let issuer = Issuer::start().await;
    let good = issuer.token(&[]);
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let (_, payload) = signed.split_once('.').expect("three parts");
    let headed = |header: Value| format!("{}.{payload}.{signature}", base64url(header.to_string()));
    let kid = issuer.key.kid();
    let stranger = new_key(Algorithm::ES256).sign("at+jwt", &issuer.claims()).expect("signed");
    let refused = |what: &str| format!("the access token is refused: {what}");
    let cases = [
        (
            headed(json!({"alg": "none", "typ": "at+jwt"})),
            "its algorithm 'none' is not one that is allowed",
        ),
        (
            headed(json!({"alg": "HS256", "typ": "at+jwt", "kid": kid})),
            "its algorithm 'HS256' is not one that is allowed",
        ),
        (
            headed(json!({"alg": "ES256", "typ": "at+jwt", "kid": kid, "x": 1})),
            "its signature is wrong",
        ),
        (
            headed(json!({"alg": "ES256", "typ": "at+jwt", "crit": ["exp"]})),
            "its header has critical extensions, which are not supported (RFC 7515 section 4.1.11)",
        ),
        (
            headed(json!({"alg": "ES256"})),
            "the token's typ is missing, 'at+jwt' is needed (RFC 9068 section 4)",
        ),
        (
            format!("{}.{payload}.", base64url(r#"{"alg":"none","typ":"at+jwt"}"#)),
            "its algorithm 'none' is not one that is allowed",
        ),
        ("nonsense".to_owned(), "it is not a compact JWS (RFC 7515 section 7.1)"),
    ];
    for (token, what) in cases {
        let description =
            if what.starts_with("the token") { what.to_owned() } else { refused(what) };
        let answer = issuer.api().get("/me", &token).await;
        is_refused(&answer, 401, "invalid_token", &description, what);
    }
    let answer = issuer.api().get("/me", &stranger).await;
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains("which is not in the key set"), "{}", answer.body);
}

#[tokio::test]
async fn rs256_has_to_be_allowed_by_name() {
    let issuer = Issuer::start().await;
    let rsa = new_key(Algorithm::RS256);
    issuer.publish(&[&issuer.key, &rsa]);
    let token = rsa.sign("at+jwt", &issuer.claims()).expect("signed");
    let answer = issuer.api().get("/me", &token).await;
    let description =
        "the access token is refused: its algorithm 'RS256' is not one that is allowed";
    is_refused(&answer, 401, "invalid_token", description, "RS256");
    let trusted = TrustedIssuer::new(&issuer.url).algorithms(&Algorithm::ALL);
    let lax = Guard::builder(trusted, API).build().expect("good");
    assert_eq!(Api::behind(&lax).get("/me", &token).await.status, 200);
}
