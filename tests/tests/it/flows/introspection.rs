//! Introspection as a signed answer (RFC 9701).

use keystile_protocol::encoding::from_base64url;
use keystile_protocol::jose::{Algorithm, KeySet, SignedToken};
use serde_json::{Value, json};

use crate::harness::{App, Browser, Keystile, now, published};

const SECRET: &str = "the secret of an API, which is forty characters";
const PHOTOS: &str = "https://photos.example";
const JWT: &str = "application/token-introspection+jwt";

async fn server() -> Keystile {
    let api = |id: &str, more: &str| {
        format!(
            "[[clients]]\nclient_id = \"{id}\"\nclient_secret = \"{SECRET}\"\n\
             grant_types = [\"client_credentials\"]\nscope = \"photos:read\"\n{more}\n"
        )
    };
    let apis = format!("apis = [\"{PHOTOS}\"]");
    let modern = format!("{apis}\nintrospection_signed_response_alg = \"EdDSA\"");
    let more = [api("plain-api", &apis), api("modern-api", &modern), api("stranger", "")].concat();
    let server = Keystile::start_with(&more).await;
    // The key set waits for the RSA keys of a first start.
    keys(&server).await;
    server
}

fn api(server: &Keystile, id: &str) -> App {
    App::new(&server.issuer, id, Some(SECRET), "https://unused.example")
}

async fn keys(server: &Keystile) -> KeySet {
    KeySet::from_jwks(&published(server).await)
}

/// Header and claims of a signed answer, which is verified.
async fn signed(server: &Keystile, by: &App, token: &str) -> (Value, Value) {
    let request = by.call("/introspect", &[("token", token)]).header("accept", JWT);
    let response = request.send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &JWT.parse().unwrap())
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    let text = response.text().await.unwrap();
    let parsed = SignedToken::parse(&text).unwrap();
    let claims = parsed.verify(&keys(server).await, &Algorithm::ALL).unwrap();
    let header = from_base64url(text.split('.').next().unwrap()).unwrap();
    (serde_json::from_slice(&header).unwrap(), claims)
}

#[tokio::test]
async fn an_api_that_asks_for_it_gets_a_signed_answer_for_itself_rfc_9701_5() {
    let server = server().await;
    let tokens = server.app().tokens(&mut Browser::new()).await;
    let token = tokens.access_token();
    for (id, algorithm) in [("plain-api", "RS256"), ("modern-api", "EdDSA")] {
        let by = api(&server, id);
        let (header, claims) = signed(&server, &by, token).await;
        assert_eq!(header["typ"], "token-introspection+jwt");
        assert_eq!(header["alg"], algorithm, "RS256 is the standard's default (section 6)");
        assert_eq!((&claims["iss"], &claims["aud"]), (&server.issuer.as_str().into(), &id.into()));
        assert!(claims["iat"].as_u64().unwrap().abs_diff(now()) < 60);
        assert_eq!(claims["token_introspection"], by.introspect(token).await, "the same");
        for none in ["sub", "exp", "active"] {
            assert_eq!(claims.get(none), None, "{none}: it is no access token");
        }
    }
}

#[tokio::test]
async fn a_signed_answer_tells_a_stranger_no_more_than_a_plain_one_rfc_9701_5() {
    let server = server().await;
    let tokens = server.app().tokens(&mut Browser::new()).await;
    for (id, token) in [("stranger", tokens.access_token()), ("plain-api", "nonsense")] {
        let (_, claims) = signed(&server, &api(&server, id), token).await;
        assert_eq!(claims["token_introspection"], json!({ "active": false }), "{id}");
    }
    let (_, claims) = signed(&server, &server.native_app(), tokens.access_token()).await;
    assert_eq!(claims["token_introspection"], json!({ "active": false }), "a public client");
}

#[tokio::test]
async fn a_signed_answer_is_no_access_token_and_no_id_token_rfc_9701_8_1() {
    let server = server().await;
    let tokens = server.app().tokens(&mut Browser::new()).await;
    let by = api(&server, "modern-api");
    let request = by.call("/introspect", &[("token", tokens.access_token())]).header("accept", JWT);
    let answer = request.send().await.unwrap().text().await.unwrap();
    assert_eq!(by.userinfo(&answer).await.0, 401);
    assert_eq!(by.introspect(&answer).await["active"], false);
    let url = server.app().authorize_url_with(&[("id_token_hint", Some(&answer))]);
    let page = Browser::new().open(url).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_request"));
}

/// Tokens that were signed by this very process are recognised, seen before or not.
#[tokio::test]
async fn an_altered_signature_is_refused_before_the_first_use_of_the_token_and_after() {
    let server = server().await;
    let (app, by) = (server.app(), api(&server, "plain-api"));
    let machine = api(&server, "stranger");
    let of_user = app.tokens(&mut Browser::new()).await;
    let of_machine = machine.token(&[("grant_type", "client_credentials")]).await.unwrap();
    for (token, asker) in [(of_user.access_token(), &by), (of_machine.access_token(), &machine)] {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        let altered = format!("{signed}.{first}{}", &signature[1..]);
        for _ in 0..2 {
            assert_eq!(asker.introspect(&altered).await, json!({ "active": false }));
            assert_eq!(app.userinfo(&altered).await.0, 401);
            assert_eq!(asker.introspect(token).await["active"], true);
        }
    }
    assert_eq!(app.userinfo(of_user.access_token()).await.0, 200);
}

#[tokio::test]
async fn errors_stay_json_and_the_metadata_say_what_works_rfc_9701_7() {
    let server = server().await;
    let mut by = api(&server, "plain-api");
    let send = async |by: &App, pairs: &[(&str, &str)]| {
        let response = by.call("/introspect", pairs).header("accept", JWT).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap()["error"].clone())
    };
    assert_eq!(send(&by, &[]).await, (400, "invalid_request".into()));
    by.secret = Some("another".into());
    assert_eq!(send(&by, &[("token", "x")]).await, (401, "invalid_client".into()));
    let metadata = server.url("/.well-known/openid-configuration");
    let metadata: Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    let algorithms = metadata["introspection_signing_alg_values_supported"].as_array().unwrap();
    assert!(algorithms.contains(&"RS256".into()) && !algorithms.contains(&"none".into()));
}
