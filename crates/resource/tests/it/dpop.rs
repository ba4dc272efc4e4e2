//! Tokens that are bound to a key (RFC 9449).

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use http::Method;
use keystile_protocol::dpop;
use keystile_protocol::jose::SigningKey;
use keystile_resource::{Algorithm, Guard, Token};
use serde_json::{Value, json};

use crate::issuer::{API, Answer, Api, Issuer, new_key, now};

/// A client with a key, and a token that is bound to it.
struct Holder {
    key: SigningKey,
    token: String,
}

impl Holder {
    fn of(issuer: &Issuer) -> Self {
        let key = new_key(Algorithm::ES256);
        let token = issuer.token(&[("cnf", json!({ "jkt": key.public().thumbprint() }))]);
        Self { key, token }
    }

    fn claims(&self, name: &str) -> Value {
        json!({
            "jti": name, "htm": "GET", "htu": format!("{API}/me"), "iat": now(),
            "ath": dpop::token_hash(&self.token),
        })
    }

    /// A good proof, but for what is changed.
    fn proof(&self, name: &str, changes: &[(&str, Value)]) -> String {
        let mut claims = self.claims(name);
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        self.key.sign_with_jwk(dpop::TYPE, &claims).expect("signed")
    }
}

async fn send(api: &Api, scheme: &str, token: &str, proofs: &[&str]) -> Answer {
    send_to(api, Method::GET, "/me", scheme, token, proofs).await
}

async fn send_to(
    api: &Api,
    method: Method,
    path: &str,
    scheme: &str,
    token: &str,
    proofs: &[&str],
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    request = request.header("authorization", format!("{scheme} {token}"));
    for proof in proofs {
        request = request.header("dpop", *proof);
    }
    api.send(request.body(Body::empty()).expect("a request")).await
}

fn error(answer: &Answer) -> String {
    assert_eq!(answer.status, 401, "{answer:?}");
    answer.json()["error"].as_str().expect("an error").to_owned()
}

#[tokio::test]
async fn a_bound_token_passes_with_a_fresh_proof_of_its_key_alone_rfc_9449_7() {
    let issuer = Issuer::start().await;
    let (api, holder) = (issuer.api(), Holder::of(&issuer));
    let good = send(&api, "DPoP", &holder.token, &[&holder.proof("1", &[])]).await;
    assert_eq!((good.status, good.body.as_str()), (200, "alice"));
    assert_eq!(good.header("dpop-nonce"), "", "nobody asked for nonces");

    let thief = Holder { key: new_key(Algorithm::ES256), token: holder.token.clone() };
    let own = holder.proof("own", &[]);
    let cases = [
        ("DPoP", vec![holder.proof("1", &[])], "invalid_dpop_proof", "a replay (section 11.1)"),
        ("DPoP", vec![], "invalid_dpop_proof", "no proof"),
        ("DPoP", vec![own.clone(), own.clone()], "invalid_dpop_proof", "two proofs"),
        ("DPoP", vec![format!("{own}, {own}")], "invalid_dpop_proof", "two proofs in one"),
        ("DPoP", vec!["nonsense".to_owned()], "invalid_dpop_proof", "no JWT"),
        ("DPoP", vec![holder.token.clone()], "invalid_dpop_proof", "the token itself"),
        ("DPoP", vec![thief.proof("2", &[])], "invalid_token", "another key"),
        ("Bearer", vec![own.clone()], "invalid_token", "a downgrade with a proof"),
        ("Bearer", vec![], "invalid_token", "a downgrade (section 7.2)"),
    ];
    for (scheme, proofs, expected, case) in cases {
        let proofs: Vec<_> = proofs.iter().map(String::as_str).collect();
        let answer = send(&api, scheme, &holder.token, &proofs).await;
        assert_eq!(error(&answer), expected, "{case}");
        let [challenge] = answer.challenges()[..] else { panic!("{case}: {answer:?}") };
        assert!(challenge.starts_with(&format!(r#"DPoP realm="{API}", error="{expected}""#)));
        assert!(challenge.ends_with(r#"algs="ES256 EdDSA PS256""#), "{challenge}");
    }
    let still = send(&api, "DPoP", &holder.token, &[&own]).await;
    assert_eq!(still.status, 200, "what was refused before used nothing up");
}

#[tokio::test]
async fn a_proof_is_for_this_request_and_this_token_rfc_9449_4_3() {
    let issuer = Issuer::start().await;
    let (api, holder) = (issuer.api(), Holder::of(&issuer));
    let changes = [
        ("htm", json!("POST")),
        ("htm", json!("get")),
        ("htu", json!("https://photos.example/photos")),
        ("htu", json!("https://evil.example/me")),
        ("htu", json!("http://photos.example/me")),
        ("htu", json!("/me")),
        ("iat", json!(now() - 3600)),
        ("iat", json!(now() + 3600)),
        ("ath", json!(dpop::token_hash("another"))),
        ("ath", Value::Null),
        ("ath", json!("")),
        ("jti", Value::Null),
        ("jti", json!("x".repeat(300))),
        ("htm", Value::Null),
        ("htu", Value::Null),
        ("iat", Value::Null),
    ];
    for (number, change) in changes.iter().enumerate() {
        let proof = holder.proof(&number.to_string(), std::slice::from_ref(change));
        let answer = send(&api, "DPoP", &holder.token, &[&proof]).await;
        assert_eq!(error(&answer), "invalid_dpop_proof", "{change:?}");
    }
    // What a query and a host's case change, and nothing else (section 4.3).
    for (name, htu) in
        [("q", "https://photos.example/me?a=b#c"), ("c", "HTTPS://PHOTOS.example:443/me")]
    {
        let proof = holder.proof(name, &[("htu", json!(htu))]);
        assert_eq!(send(&api, "DPoP", &holder.token, &[&proof]).await.status, 200, "{htu}");
    }
    let plain = holder.key.sign("JWT", &holder.claims("typ")).expect("signed");
    assert_eq!(error(&send(&api, "DPoP", &holder.token, &[&plain]).await), "invalid_dpop_proof");
    let rsa = new_key(Algorithm::RS256).sign_with_jwk(dpop::TYPE, &holder.claims("rsa"));
    let answer = send(&api, "DPoP", &holder.token, &[&rsa.expect("signed")]).await;
    assert_eq!(error(&answer), "invalid_dpop_proof");
}

#[tokio::test]
async fn the_host_header_has_no_say_about_what_a_proof_is_for() {
    let issuer = Issuer::start().await;
    let (api, holder) = (issuer.api(), Holder::of(&issuer));
    let stolen = holder.proof("elsewhere", &[("htu", json!("https://evil.example/me"))]);
    let request = Request::get("/me")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("authorization", format!("DPoP {}", holder.token))
        .header("dpop", stolen)
        .body(Body::empty());
    let answer = api.send(request.expect("a request")).await;
    assert_eq!(error(&answer), "invalid_dpop_proof");
}

#[tokio::test]
async fn an_unbound_token_is_a_bearer_token_rfc_9449_7_1() {
    let issuer = Issuer::start().await;
    let holder = Holder { key: new_key(Algorithm::ES256), token: issuer.token(&[]) };
    let answer = send(&issuer.api(), "DPoP", &holder.token, &[&holder.proof("1", &[])]).await;
    assert_eq!(error(&answer), "invalid_token");
    assert!(answer.challenges()[0].starts_with("Bearer "), "{answer:?}");
    let beside = send(&issuer.api(), "Bearer", &holder.token, &[&holder.proof("2", &[])]).await;
    assert_eq!(beside.status, 200, "a proof beside a bearer token changes nothing");
}

#[tokio::test]
async fn of_parallel_uses_of_one_proof_one_passes_rfc_9449_11_1() {
    let issuer = Issuer::start().await;
    let (api, holder) = (issuer.api(), Holder::of(&issuer));
    let proof = holder.proof("1", &[]);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (api, token, proof) = (api.clone(), holder.token.clone(), proof.clone());
            tokio::spawn(async move { send(&api, "DPoP", &token, &[&proof]).await.status })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        passed += usize::from(task.await.expect("no panic") == 200);
    }
    assert_eq!(passed, 1);
}

#[tokio::test]
async fn nonces_are_asked_for_and_renewed_with_answers_rfc_9449_9() {
    let issuer = Issuer::start().await;
    let holder = Holder::of(&issuer);
    let guard = |key| Guard::builder(&issuer.url, API).dpop_nonces_with(key).build().expect("good");
    let api = Api::behind(&guard([1; 32]));
    let first = send(&api, "DPoP", &holder.token, &[&holder.proof("1", &[])]).await;
    assert_eq!(error(&first), "use_dpop_nonce");
    let nonce = first.header("dpop-nonce").to_owned();
    assert!(!nonce.is_empty() && first.challenges()[0].contains(r#"error="use_dpop_nonce""#));
    let with = |name: &str, nonce: &str| holder.proof(name, &[("nonce", json!(nonce))]);
    let good = send(&api, "DPoP", &holder.token, &[&with("2", &nonce)]).await;
    assert_eq!(good.status, 200);
    assert_eq!(good.header("dpop-nonce"), "", "it is young: the client goes on with it");
    for (name, wrong) in [("3", ""), ("4", "guessed"), ("5", &nonce[1..])] {
        let answer = send(&api, "DPoP", &holder.token, &[&with(name, wrong)]).await;
        assert_eq!(error(&answer), "use_dpop_nonce", "{wrong}");
    }
    let twin = Api::behind(&guard([1; 32]));
    let answer = send(&twin, "DPoP", &holder.token, &[&with("6", &nonce)]).await;
    assert_eq!(answer.status, 200, "another process with the same key");
    let stranger = Api::behind(&guard([2; 32]));
    let answer = send(&stranger, "DPoP", &holder.token, &[&with("7", &nonce)]).await;
    assert_eq!(error(&answer), "use_dpop_nonce");
    let alone = Guard::builder(&issuer.url, API).dpop_nonces().build().expect("good");
    let answer = send(&Api::behind(&alone), "DPoP", &holder.token, &[&with("8", &nonce)]).await;
    assert_eq!(error(&answer), "use_dpop_nonce");
}

#[tokio::test]
async fn a_proof_names_the_address_that_the_client_knows() {
    let issuer = Issuer::start().await;
    let holder = Holder::of(&issuer);
    let guard = |bases: &[&str]| {
        let start = Guard::builder(&issuer.url, API);
        bases.iter().fold(start, |builder, base| builder.published_at(*base)).build().expect("good")
    };
    let proof = |name: &str, htu: &str| holder.proof(name, &[("htu", json!(htu))]);
    let api = Api::behind(&guard(&["https://example.com/photos/", "http://localhost:4002"]));
    for (name, htu, status) in [
        ("1", "https://example.com/photos/me", 200),
        ("2", "http://localhost:4002/me", 200),
        ("3", "https://photos.example/me", 401),
        ("4", "https://example.com/me", 401),
    ] {
        let answer = send(&api, "DPoP", &holder.token, &[&proof(name, htu)]).await;
        assert_eq!(answer.status, status, "{htu}");
    }
    // A router within a router sees a shorter path than the client.
    let inner =
        Router::new().route("/me", get(|token: Token| async move { token.subject().to_owned() }));
    let nested =
        Api::of(Router::new().nest("/v1", inner.layer(guard(&["https://photos.example"]))));
    for (name, htu, status) in
        [("5", "https://photos.example/v1/me", 200), ("6", "https://photos.example/me", 401)]
    {
        let proof = proof(name, htu);
        let answer =
            send_to(&nested, Method::GET, "/v1/me", "DPoP", &holder.token, &[&proof]).await;
        assert_eq!(answer.status, status, "{htu}");
    }
}

#[tokio::test]
async fn an_api_without_an_address_takes_no_proofs_and_no_bound_tokens() {
    let issuer = Issuer::start().await;
    let holder = Holder::of(&issuer);
    let guard = Guard::builder(&issuer.url, "photos").build().expect("good");
    let api = Api::behind(&guard);
    let token = issuer.token(&[
        ("aud", json!("photos")),
        ("cnf", json!({ "jkt": holder.key.public().thumbprint() })),
    ]);
    let bearer = send(&api, "Bearer", &token, &[]).await;
    assert_eq!(error(&bearer), "invalid_token");
    let proved = send(&api, "DPoP", &token, &[&holder.proof("1", &[])]).await;
    assert_eq!((proved.status, proved.json().get("error")), (401, None));
    assert_eq!(proved.challenges(), [r#"Bearer realm="photos""#]);
}

#[tokio::test]
async fn a_guard_within_a_guard_does_not_ask_for_the_proof_again() {
    let issuer = Issuer::start().await;
    let (api, holder) = (issuer.api(), Holder::of(&issuer));
    let proof = holder.proof("1", &[("htu", json!(format!("{API}/photos")))]);
    let answer = send_to(&api, Method::GET, "/photos", "DPoP", &holder.token, &[&proof]).await;
    assert_eq!(answer.status, 200);
}
