//! Signed authentication requests (OpenID Connect CIBA Core 1.0 section 7.1.1, FAPI-CIBA section
//! 5.2.2).

use keystile_protocol::encoding::base64url;
use keystile_protocol::jose::Algorithm;
use serde_json::{Value, json};

use crate::harness::{
    Asked, Browser, CIBA, ClientKey, ErrorAnswer, Keystile, Tokens, allow_newest, form, now, tokens,
};

/// A server with two clients that sign what they ask.
struct Bench {
    server: Keystile,
    key: ClientKey,
    other: ClientKey,
}

impl Bench {
    async fn start() -> Self {
        let (key, other) = (ClientKey::new(Algorithm::PS256), ClientKey::new(Algorithm::PS256));
        let client = |id: &str, key: &ClientKey| {
            format!(
                r#"
[[clients]]
client_id = "{id}"
token_endpoint_auth_method = "private_key_jwt"
jwks = {}
grant_types = ["urn:openid:params:grant-type:ciba"]
backchannel_token_delivery_mode = "poll"
backchannel_authentication_request_signing_alg = "PS256"
scope = "openid"
id_token_signed_response_alg = "PS256"
"#,
                key.jwks()
            )
        };
        let config = client("bank", &key) + &client("rival", &other);
        let server = Keystile::start_with(&config).await.with_all_keys().await;
        Self { server, key, other }
    }

    fn members(&self) -> Value {
        json!({
            "iss": "bank", "aud": self.server.issuer, "exp": now() + 300, "nbf": now(),
            "iat": now(), "jti": base64url(rand()), "scope": "openid", "login_hint": "alice",
            "binding_message": "1234",
        })
    }

    fn object(&self, change: &Value) -> String {
        let mut members = self.members();
        for (name, value) in change.as_object().unwrap() {
            members[name] = value.clone();
        }
        members.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.key.0.sign("oauth-authz-req+jwt", &members).unwrap()
    }

    async fn call(
        &self,
        path: &str,
        authentication: &[(&str, String)],
        pairs: &[(&str, &str)],
    ) -> Result<Tokens, ErrorAnswer> {
        let own = authentication.iter().map(|(name, value)| (*name, value.as_str()));
        let pairs: Vec<_> = own.chain(pairs.iter().copied()).collect();
        let request = reqwest::Client::new().post(self.server.url(path));
        tokens(form(request, &pairs).send().await.unwrap()).await
    }

    /// Asks, as the client that has the key, authenticated for this audience.
    async fn ask_for(&self, audience: &str, pairs: &[(&str, &str)]) -> Result<Tokens, ErrorAnswer> {
        let authentication = self.key.authentication("bank", audience);
        self.call("/backchannel-authentication", &authentication, pairs).await
    }

    async fn ask(&self, object: &str) -> Result<Tokens, ErrorAnswer> {
        self.ask_for(&self.server.issuer, &[("request", object)]).await
    }

    async fn refused(&self, object: &str, why: &str) {
        let error = self.ask(object).await.expect_err(why);
        assert_eq!((error.status, error.error.as_str()), (400, "invalid_request"), "{why}");
        assert!(error.description.len() > 20, "{why}: {}", error.description);
    }
}

fn rand() -> [u8; 16] {
    keystile_protocol::encoding::sha256(format!("{:?}", std::time::Instant::now()))[..16]
        .try_into()
        .unwrap()
}

#[tokio::test]
async fn a_signed_request_is_taken_and_the_client_named_in_each_way_fapi_ciba_5_2_2() {
    let bench = Bench::start().await;
    let endpoint = bench.server.url("/backchannel-authentication");
    for audience in [&endpoint, &bench.server.url("/token"), &bench.server.issuer] {
        let object = bench.object(&json!({}));
        assert!(bench.ask_for(audience, &[("request", &object)]).await.is_ok(), "{audience}");
    }
    let object = bench.object(&json!({ "requested_expiry": "30" }));
    assert_eq!(bench.ask(&object).await.unwrap().json["expires_in"], 30);
    let object = bench.object(&json!({ "requested_expiry": 10 }));
    let pairs = [("client_id", "bank"), ("request", object.as_str())];
    let asked = bench.ask_for(&bench.server.issuer, &pairs).await.unwrap();
    assert_eq!(asked.json["expires_in"], 10);
    allow_newest(&bench.server, &mut Browser::new()).await;
    let poll = [("grant_type", CIBA), ("auth_req_id", asked.text("auth_req_id"))];
    let rival = bench.other.authentication("rival", &bench.server.issuer);
    let error = bench.call("/token", &rival, &poll).await.unwrap_err();
    assert_eq!(error.error, "invalid_grant", "another client's");
    let own = bench.key.authentication("bank", &bench.server.issuer);
    let got = bench.call("/token", &own, &poll).await.unwrap();
    assert!(got.json.get("id_token").is_some() && got.json.get("nonce").is_none());
}

#[tokio::test]
async fn a_client_with_a_registered_algorithm_sends_no_plain_requests_ciba_7_1_1() {
    let bench = Bench::start().await;
    let plain = [("scope", "openid"), ("login_hint", "alice"), ("binding_message", "1234")];
    let error = bench.ask_for(&bench.server.issuer, &plain).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (400, "invalid_request"));
    for beside in [("login_hint", "alice"), ("scope", "openid"), ("binding_message", "1234")] {
        let object = bench.object(&json!({}));
        let pairs = [("request", object.as_str()), beside];
        let error = bench.ask_for(&bench.server.issuer, &pairs).await.expect_err("beside");
        assert_eq!(error.error, "invalid_request", "{beside:?}");
    }
    let object = bench.object(&json!({ "binding_message": null }));
    let error = bench.ask(&object).await.unwrap_err();
    assert_eq!(error.error, "invalid_binding_message", "FAPI-CIBA section 5.2.2");
    let object = bench.object(&json!({ "login_hint_token": "x" }));
    bench.refused(&object, "two hints").await;
}

#[tokio::test]
async fn what_is_wrong_with_it_is_refused_fapi_ciba_5_2_2() {
    let bench = Bench::start().await;
    let wrong = [
        json!({ "aud": null }),
        json!({ "aud": "https://other.example" }),
        json!({ "iss": null }),
        json!({ "iss": "rival" }),
        json!({ "exp": null }),
        json!({ "exp": now() - 300 }),
        json!({ "exp": now() + 4200 }),
        json!({ "iat": null }),
        json!({ "nbf": null }),
        json!({ "nbf": now() + 600 }),
        json!({ "nbf": now() - 4200 }),
        json!({ "jti": null }),
    ];
    for change in wrong {
        bench.refused(&bench.object(&change), &change.to_string()).await;
    }
    let good = bench.object(&json!({}));
    let (_, rest) = good.split_once('.').unwrap();
    let none = base64url(r#"{"alg":"none","typ":"oauth-authz-req+jwt"}"#);
    let (payload, signature) = rest.split_once('.').unwrap();
    bench.refused(&format!("{none}.{payload}."), "alg none").await;
    bench.refused(&format!("{none}.{payload}.{signature}"), "alg none, signed").await;
    let (kept, last) = good.split_at(good.len() - 6);
    let turned: String = last.chars().rev().collect();
    bench.refused(&format!("{kept}{turned}"), "a bad signature").await;
    let by_other = bench.other.0.sign("JWT", &bench.members()).unwrap();
    bench.refused(&by_other, "another client's key").await;
    let elsewhere = ClientKey::new(Algorithm::ES256);
    let by_es256 = elsewhere.0.sign("JWT", &bench.members()).unwrap();
    bench.refused(&by_es256, "another algorithm").await;
    let other_kind = bench.key.0.sign("at+jwt", &bench.members()).unwrap();
    bench.refused(&other_kind, "another kind of JWT").await;
    bench.refused("nonsense", "no JWT").await;
    bench.refused(&"a".repeat(9000), "too long").await;
}

#[tokio::test]
async fn it_counts_once_also_in_parallel_ciba_7_1_1() {
    let bench = Bench::start().await;
    let object = bench.object(&json!({}));
    let (url, key) = (bench.server.url("/backchannel-authentication"), &bench.key);
    let attempts: Vec<_> = (0..6)
        .map(|_| {
            let mut pairs = key.authentication("bank", &bench.server.issuer);
            pairs.push(("request", object.clone()));
            let pairs: Vec<_> = pairs.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let request = form(reqwest::Client::new().post(&url), &pairs);
            tokio::spawn(async move { tokens(request.send().await.unwrap()).await })
        })
        .collect();
    let mut taken = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => taken += 1,
            Err(error) => assert_eq!(error.error, "invalid_request", "{}", error.description),
        }
    }
    assert_eq!(taken, 1);
}

#[tokio::test]
async fn a_request_without_the_clients_own_assertion_is_refused() {
    let bench = Bench::start().await;
    let object = bench.object(&json!({}));
    let request = [("request", object.as_str()), ("client_id", "bank")];
    let path = "/backchannel-authentication";
    let error = bench.call(path, &[], &request).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (401, "invalid_client"));
    let rival = bench.other.authentication("bank", &bench.server.issuer);
    let error = bench.call(path, &rival, &request[..1]).await.unwrap_err();
    assert_eq!(error.error, "invalid_client");
    let rival = bench.other.authentication("rival", &bench.server.issuer);
    let error = bench.call(path, &rival, &request[..1]).await.unwrap_err();
    assert_eq!(error.error, "invalid_request", "another client's request");
    let shops = Asked::shop(&bench.server);
    let error = Asked::ask(&shops, &request[..1]).await.unwrap_err();
    assert_eq!(error.error, "invalid_client", "nobody's");
}
