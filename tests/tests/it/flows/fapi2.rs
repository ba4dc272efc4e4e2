//! `profile = "fapi2"`: FAPI 2.0 Security Profile and Message Signing.

use keystile_protocol::jose::Algorithm;
use serde_json::{Value, json};

use crate::harness::{App, Browser, ClientKey, Keystile, claims, form, now};

const REDIRECT_URI: &str = "https://bank.example/callback";

/// A server with one client of the profile, and its two keys.
struct Bank {
    server: Keystile,
    app: App,
    credential: ClientKey,
    proofs: ClientKey,
}

impl Bank {
    async fn open(more: &str) -> Self {
        let credential = ClientKey::new(Algorithm::PS256);
        let client = format!(
            r#"
[[clients]]
client_id = "bank"
profile = "fapi2"
token_endpoint_auth_method = "private_key_jwt"
jwks = {}
redirect_uris = ["{REDIRECT_URI}"]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
scope = "openid offline_access photos:read"
{more}
"#,
            credential.jwks()
        );
        let server = Keystile::start_with(&client).await.with_all_keys().await;
        let app = App::new(&server.issuer, "bank", None, REDIRECT_URI);
        Self { app, credential, proofs: ClientKey::new(Algorithm::ES256), server }
    }

    async fn call(&self, path: &str, audience: &str, proof: bool, more: &[(&str, &str)]) -> Answer {
        let authentication = self.credential.authentication("bank", audience);
        let mut pairs = more.to_vec();
        pairs.extend(authentication.iter().map(|(name, value)| (*name, value.as_str())));
        let url = self.server.url(path);
        let mut request = form(reqwest::Client::new().post(&url), &pairs);
        if proof {
            request = request.header("DPoP", self.proofs.proof("POST", &url, None));
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        Answer { status, json: response.json().await.unwrap() }
    }

    /// A good call.
    async fn ask(&self, path: &str, more: &[(&str, &str)]) -> Answer {
        self.call(path, &self.server.issuer, true, more).await
    }

    async fn push(&self, pairs: &[(String, String)]) -> Answer {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.ask("/par", &pairs).await
    }

    fn address(&self, pushed: &Answer) -> String {
        let request_uri = pushed.json["request_uri"].as_str().expect("a request_uri");
        format!("{}?client_id=bank&request_uri={request_uri}", self.server.url("/authorize"))
    }

    fn redemption<'a>(&'a self, code: &'a str) -> [(&'a str, &'a str); 4] {
        [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", self.app.verifier.expose()),
        ]
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    json: Value,
}

impl Answer {
    fn error(&self) -> (u16, &str) {
        (self.status, self.json["error"].as_str().unwrap_or_default())
    }
}

#[tokio::test]
async fn a_pushed_request_a_bound_code_and_bound_tokens_fapi_2_5_3_2() {
    let bank = Bank::open("").await;
    let pushed = bank.push(&bank.app.request()).await;
    assert_eq!(pushed.status, 201, "{pushed:?}");
    let page = bank.app.callback_by(&mut Browser::new(), "alice", &bank.address(&pushed)).await;
    assert_eq!(page.query("iss").as_deref(), Some(&*bank.server.issuer), "RFC 9207");
    let code = page.query("code").expect("a code");

    // The proof of the pushed request named the key: another one does not redeem the code.
    let others = Bank { proofs: ClientKey::new(Algorithm::ES256), ..bank };
    let refused = others.ask("/token", &others.redemption(&code)).await;
    assert_eq!(refused.error(), (400, "invalid_grant"), "RFC 9449 section 10.1");
    let bank = Bank { proofs: ClientKey::new(Algorithm::PS256), ..others };
    let pushed = bank.push(&bank.app.request()).await;
    let page = bank.app.callback_by(&mut Browser::new(), "alice", &bank.address(&pushed)).await;
    let code = page.query("code").expect("a code");
    let without = bank.call("/token", &bank.server.issuer, false, &bank.redemption(&code)).await;
    assert_eq!(without.error(), (400, "invalid_dpop_proof"), "tokens are bound for it always");
    let got = bank.ask("/token", &bank.redemption(&code)).await;
    assert_eq!((got.status, &got.json["token_type"]), (200, &"DPoP".into()), "{got:?}");
    let id_token = claims(got.json["id_token"].as_str().unwrap());
    assert_eq!(id_token["nonce"], "the nonce");
    let header = got.json["id_token"].as_str().unwrap().split('.').next().unwrap().to_owned();
    let header = claims(&format!(".{header}."));
    assert_eq!(header["alg"], "ES256", "never RS256");
}

#[tokio::test]
async fn a_fapi_2_client_names_the_issuer_alone_finding_19() {
    let bank = Bank::open("").await;
    let machine = [("grant_type", "client_credentials")];
    assert_eq!(bank.ask("/token", &machine).await.status, 200);
    let refused = bank.call("/token", &bank.server.url("/token"), true, &machine).await;
    assert_eq!(refused.error(), (401, "invalid_client"));
}

#[tokio::test]
async fn what_is_not_pushed_or_not_whole_is_refused_fapi_2_5_3_2_2() {
    let bank = Bank::open("").await;
    let mut browser = Browser::new();
    let page = browser.open(&bank.app.authorize_url()).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_request"), "not pushed");
    for missing in ["redirect_uri", "code_challenge"] {
        let mut pairs = bank.app.request();
        pairs.retain(|(name, _)| name != missing);
        assert_eq!(bank.push(&pairs).await.error(), (400, "invalid_request"), "{missing}");
    }
    let mut pairs = bank.app.request();
    pairs.push(("dpop_jkt".to_owned(), ClientKey::new(Algorithm::ES256).thumbprint()));
    assert_eq!(bank.push(&pairs).await.error(), (400, "invalid_dpop_proof"), "RFC 9449 10.1");
}

#[tokio::test]
async fn message_signing_wants_signed_requests_and_answers_fapi_2_message_signing_5() {
    let more = "require_signed_request_object = true\n\
                request_object_signing_alg = \"PS256\"\n\
                authorization_signed_response_alg = \"PS256\"";
    let bank = Bank::open(more).await;
    assert_eq!(bank.push(&bank.app.request()).await.error(), (400, "invalid_request"), "plain");
    let object = |changes: Value| {
        let mut members = json!({
            "iss": "bank", "aud": bank.server.issuer, "nbf": now(), "exp": now() + 300,
            "response_mode": "jwt",
        });
        for (name, value) in bank.app.request() {
            members[name] = json!(value);
        }
        for (name, value) in changes.as_object().unwrap() {
            members[name] = value.clone();
        }
        let signed = bank.credential.0.sign("oauth-authz-req+jwt", &members).unwrap();
        vec![("request".to_owned(), signed)]
    };
    let bad = [
        (json!({ "nbf": null }), "invalid_request_object"),
        (json!({ "nbf": now() - 3700 }), "invalid_request_object"),
        (json!({ "exp": now() + 3700 }), "invalid_request_object"),
        (json!({ "aud": "https://other.example" }), "invalid_request_object"),
        (json!({ "response_mode": "query" }), "invalid_request"),
    ];
    for (change, error) in bad {
        assert_eq!(bank.push(&object(change.clone())).await.error(), (400, error), "{change}");
    }
    let pushed = bank.push(&object(json!({}))).await;
    assert_eq!(pushed.status, 201, "{pushed:?}");
    let page = bank.app.callback_by(&mut Browser::new(), "alice", &bank.address(&pushed)).await;
    let response = claims(&page.query("response").expect("a signed answer"));
    assert_eq!((&response["iss"], &response["aud"]), (&json!(bank.server.issuer), &json!("bank")));
    let got = bank.ask("/token", &bank.redemption(response["code"].as_str().unwrap())).await;
    assert!(tokens_are_there(&got), "{got:?}");
}

fn tokens_are_there(answer: &Answer) -> bool {
    answer.status == 200 && answer.json["access_token"].is_string()
}
