//! `keystile-client` against our own server: one flow for each profile, from the first click to the
//! API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use keystile_client::protocol::jose::Algorithm;
use keystile_client::{
    Client, ClientBuilder, ClientKey, EncryptionKey, LoginRequest, Profile, Step,
};
use keystile_protocol::Params;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{
    Authority, Browser, Identity, Keystile, RelyingParty, approved, claims, free_ports, jwks,
    new_directory, now, payment,
};

const SECRET: &str = "the secret of the app, forty characters long";
const CALLBACK: &str = "https://app.example/callback";

/// Access tokens that are too short for a call: each one refreshes first.
const SHORT: &str = "\n[lifetimes]\naccess_token = 5\n";

fn client(id: &str, more: &str) -> String {
    format!(
        "\n[[clients]]\nclient_id = \"{id}\"\nredirect_uris = [\"{CALLBACK}\"]\ngrant_types = \
         [\"authorization_code\", \"refresh_token\"]\nscope = \"openid offline_access \
         photos:read\"\n{more}\n"
    )
}

fn with_key(id: &str, key: &ClientKey, more: &str) -> String {
    let jwks = jwks(&[key.public()]);
    let method = "token_endpoint_auth_method = \"private_key_jwt\"";
    client(id, &format!("{method}\njwks = {jwks}\n{more}"))
}

fn app(server: &Keystile, id: &str) -> ClientBuilder {
    Client::builder(&server.issuer, id).scope("openid offline_access").api(&server.issuer)
}

/// The parameters of an address.
fn query(address: &str) -> Vec<String> {
    let url = reqwest::Url::parse(address).unwrap();
    url.query_pairs().map(|(name, _)| name.into_owned()).collect()
}

/// The user is there, the API answers, twice, and both times with a token of a refresh.
async fn works(app: &mut RelyingParty, browser: &mut Browser) {
    let landed = app.sign_in(browser, "/me").await;
    assert_eq!(landed.location, "/me", "{landed:?}");
    let subject = app.get("/me").await.json()["sub"].clone();
    for _ in 0..2 {
        let answer = app.get("/api").await;
        assert_eq!(
            (answer.status, &answer.json()["sub"]),
            (StatusCode::OK, &subject),
            "{answer:?}"
        );
    }
    assert_eq!(app.events.count(Step::RefreshRequest), 2);
}

#[tokio::test]
async fn fapi_2_in_one_word_pushes_proves_itself_and_binds_its_tokens() {
    let keys = [Algorithm::ES256, Algorithm::PS256].map(|it| ClientKey::generate(it).unwrap());
    let both = |at: usize| with_key(["one", "two"][at], &keys[at], "profile = \"fapi2\"");
    let config = format!("{}{}{SHORT}", both(0), both(1));
    let server = Keystile::start_with(&config).await.with_all_keys().await;
    for (id, key) in ["one", "two"].into_iter().zip(keys) {
        let builder = app(&server, id).private_key_jwt(key).profile(Profile::Fapi2);
        let mut app = RelyingParty::new(builder);
        let address = app.leave("/me").await;
        assert_eq!(query(&address), ["client_id", "request_uri"], "nothing else is in the browser");
        works(&mut app, &mut Browser::new()).await;
        assert_eq!(app.events.count(Step::PushedRequest), 2);
    }
}

#[tokio::test]
async fn fapi_2_message_signing_in_one_word_signs_requests_and_believes_signed_answers_alone() {
    let key = ClientKey::generate(Algorithm::ES256).unwrap();
    let more = "profile = \"fapi2\"\nrequire_signed_request_object = true\n\
                request_object_signing_alg = \"ES256\"\n\
                authorization_signed_response_alg = \"ES256\"";
    let config = with_key("bank", &key, more);
    let server = Keystile::start_with(&format!("{config}{SHORT}")).await.with_all_keys().await;
    let builder = app(&server, "bank").private_key_jwt(key).profile(Profile::Fapi2MessageSigning);
    let mut app = RelyingParty::new(builder);
    let mut browser = Browser::new();
    works(&mut app, &mut browser).await;
    let address = app.leave("/login").await;
    let page = approved(&mut browser, &address).await;
    assert_eq!(query(page.url.as_str()), ["response"]);
    // The same answer, unsigned, signs nobody in.
    let told = claims(&page.query("response").unwrap());
    let plain = [("code", &told["code"]), ("state", &told["state"]), ("iss", &told["iss"])];
    let plain: Params = plain.iter().map(|(name, it)| (*name, it.as_str().unwrap())).collect();
    let refused = app.get(&format!("/callback?{}", plain.encode())).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn requests_are_signed_by_value_and_answers_come_signed_in_a_form_rfc_9101_and_jarm() {
    let key = ClientKey::generate(Algorithm::ES256).unwrap();
    let config = with_key("signer", &key, "require_signed_request_object = true");
    let server = Keystile::start_with(&format!("{config}{SHORT}")).await.with_all_keys().await;
    let builder = app(&server, "signer").private_key_jwt(key).signed_requests().signed_responses();
    let mut plain = RelyingParty::new(builder.max_age(std::time::Duration::from_hours(1)));
    let address = plain.leave("/me").await;
    assert!(query(&address).contains(&"request".to_owned()), "{address}");
    assert!(!address.contains("code_challenge"), "it is in the object");
    works(&mut plain, &mut Browser::new()).await;
}

#[tokio::test]
async fn an_answer_that_is_posted_stands_in_no_address_and_signs_in() {
    for signed in [false, true] {
        let more =
            format!("client_secret = \"{SECRET}\"\nid_token_signed_response_alg = \"ES256\"");
        let server = Keystile::start_with(&client("poster", &more)).await.with_all_keys().await;
        let builder = app(&server, "poster").secret(SECRET).form_post();
        let builder = if signed { builder.signed_responses() } else { builder };
        let mut app = RelyingParty::new(builder);
        let address = app.leave("/me").await;
        let page = approved(&mut Browser::new(), &address).await;
        assert_eq!(page.status, 200, "a page that posts");
        let names = ["code", "state", "iss", "response"];
        let fields: Vec<_> =
            names.iter().filter_map(|name| Some((*name, page.field(name)?))).collect();
        assert_eq!(fields.len(), if signed { 1 } else { 3 });
        let body: Params = fields.iter().map(|(name, value)| (*name, value)).collect();
        let posted = app.post_cross_site("/callback", body.encode()).await;
        assert_eq!(posted.status, StatusCode::SEE_OTHER);
        for (_, value) in &fields {
            assert!(!posted.location.contains(&value[..8]), "{}", posted.location);
        }
        let landed = app.get(&posted.location).await;
        assert_eq!(landed.location, "/me", "{landed:?}");
        // The address is of no use a second time, and a plain answer of none at all.
        let again = app.get(&posted.location).await;
        assert_eq!(again.location, "/", "signed in already");
        let mut stranger =
            RelyingParty::new(self::app(&server, "poster").secret(SECRET).form_post());
        let refused = stranger.get(&format!("/callback?{}", body.encode())).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn dpop_with_nonces_of_the_server_rfc_9449_8() {
    let more = format!("client_secret = \"{SECRET}\"\nid_token_signed_response_alg = \"ES256\"");
    let config = format!("{}{SHORT}\n[dpop]\nnonces = true\n", client("bound", &more));
    let server = Keystile::start_with(&config).await;
    let mut app = RelyingParty::new(app(&server, "bound").secret(SECRET).dpop().userinfo(true));
    let address = app.leave("/me").await;
    assert!(query(&address).contains(&"dpop_jkt".to_owned()), "{address}");
    works(&mut app, &mut Browser::new()).await;
    assert_eq!(app.events.count(Step::TokenRequest), 2, "refused for the nonce, and again with it");
}

/// A page of the app that asks for one payment.
async fn pay(
    axum::Extension(client): axum::Extension<Client>,
    headers: axum::http::HeaderMap,
) -> Response {
    let details = json!([payment()]);
    let request = LoginRequest::new("/me").authorization_details(&details).unwrap();
    client.login(&headers, request).await
}

#[tokio::test]
async fn a_payment_is_asked_for_and_what_was_granted_is_read_rfc_9396() {
    let server = Keystile::start_for_payments("").await;
    let builder = Client::builder(&server.issuer, "payer").secret(SECRET).scope("openid");
    let mut app = RelyingParty::with(builder, Router::new().route("/pay", get(pay)));
    let mut browser = Browser::new();
    assert_eq!(app.sign_in(&mut browser, "/me").await.location, "/me");
    assert_eq!(app.get("/me").await.json()["details"], json!([]));
    let address = app.get("/pay").await.location;
    let page = browser.open(&address).await;
    assert!(page.text().contains("Make a payment"), "{}", page.text());
    assert_eq!(app.approve(&mut browser, &address).await.location, "/me");
    assert_eq!(app.get("/me").await.json()["details"], json!([payment()]));
}

#[tokio::test]
async fn certificates_prove_the_app_and_bind_its_tokens_rfc_8705() {
    let port = free_ports(2);
    let alias = format!("https://localhost:{}", port + 1);
    let (authority, own) = (Authority::new("Example Authority"), Identity::self_signed());
    let issued = authority.issue("app.example");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = new_directory();
    let files = [
        ("cert.pem", made.cert.pem()),
        ("key.pem", made.signing_key.serialize_pem()),
        ("ca.pem", authority.pem()),
    ];
    for (name, text) in &files {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let bound = "tls_client_certificate_bound_access_tokens = true\n\
                 id_token_signed_response_alg = \"ES256\"";
    let by_issuer = format!(
        "token_endpoint_auth_method = \"tls_client_auth\"\ntls_client_auth_san_dns = \
         \"app.example\"\n{bound}"
    );
    let by_key = format!(
        "token_endpoint_auth_method = \"self_signed_tls_client_auth\"\njwks = {}\nprofile = \
         \"fapi2\"\n{bound}",
        own.jwks()
    );
    let config = format!(
        "issuer = \"https://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\n[store]\nurl = \
         \"sqlite://data.db\"\n[password_hash]\nmemory_kib = 256\niterations = 1\n[tls]\n\
         certificate = \"cert.pem\"\nkey = \"key.pem\"\n[mtls]\nca = \"ca.pem\"\nlisten = \
         \"127.0.0.1:{}\"\nissuer_alias = \"{alias}\"\n[[scopes]]\nname = \"photos:read\"\n\
         [[apis]]\naudience = \"https://photos.example\"\nscopes = [\"photos:read\"]\n[[users]]\n\
         username = \"alice\"\npassword = \"correct horse battery staple\"\n{}{}{SHORT}",
        port + 1,
        client("issued", &by_issuer),
        client("own", &by_key),
    );
    std::fs::write(directory.join("keystile.toml"), config).unwrap();
    let server = Keystile::start_https_in(directory, port).await;
    let app = |id: &str, identity: &Identity| {
        Client::builder(&server.issuer, id)
            .scope("openid offline_access")
            .root_certificates(files[0].1.clone())
            .certificate(identity.pem())
            .certificate_bound_tokens()
            // The API is where certificates are asked for.
            .api(&alias)
    };
    let mut plain = RelyingParty::new(app("issued", &issued).tls_client_auth());
    works(&mut plain, &mut Browser::new()).await;
    let fapi = app("own", &own).self_signed_tls_client_auth().profile(Profile::Fapi2);
    let mut fapi = RelyingParty::new(fapi);
    works(&mut fapi, &mut Browser::new()).await;
    // Another certificate proves nobody.
    let other = Identity::self_signed();
    let mut thief = RelyingParty::new(app("own", &other).self_signed_tls_client_auth());
    let refused = thief.sign_in(&mut Browser::new(), "/me").await;
    assert_ne!(refused.location, "/me");
}

/// An API that wants the user to have signed in at or after `since`, in seconds.
async fn demanding(since: Arc<AtomicU64>, demand: &'static str) -> String {
    let answer = async move |headers: axum::http::HeaderMap| {
        let token = headers["authorization"].to_str().unwrap().split(' ').nth(1).unwrap();
        let auth_time = claims(token)["auth_time"].as_u64().unwrap();
        let status = if auth_time >= since.load(Ordering::SeqCst) { 200 } else { 401 };
        let challenge = format!("Bearer error=\"insufficient_user_authentication\", {demand}");
        Response::builder()
            .status(status)
            .header("www-authenticate", challenge)
            .body("\"content\"".to_owned())
            .unwrap()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/userinfo", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn an_api_that_wants_a_fresh_sign_in_gets_one_and_one_that_wants_too_much_is_told_rfc_9470() {
    let server = Keystile::start().await;
    let since = Arc::new(AtomicU64::new(0));
    let app = |api: &str| {
        let builder = Client::builder(&server.issuer, "app").secret(SECRET);
        RelyingParty::new(
            builder.scope("openid photos:read").resource("https://photos.example").api(api),
        )
    };
    let mut browser = Browser::new();
    let mut fresh = app(&demanding(Arc::clone(&since), "max_age=\"0\"").await);
    assert_eq!(fresh.sign_in(&mut browser, "/me").await.location, "/me");
    assert_eq!(fresh.get("/api").await.status, StatusCode::OK);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    since.store(now(), Ordering::SeqCst);
    let address = fresh.leave("/api").await;
    assert!(query(&address).contains(&"max_age".to_owned()), "{address}");
    let page = browser.open(&address).await;
    assert!(page.is_sign_in(), "a session at the server is not enough");
    assert_eq!(fresh.approve(&mut browser, &address).await.location, "/api");
    assert_eq!(fresh.get("/api").await.status, StatusCode::OK);
    // What comes of an API that is never content is a page, not a circle.
    since.store(u64::MAX, Ordering::SeqCst);
    let asked_again = fresh.get("/api").await;
    assert_eq!(asked_again.status, StatusCode::FORBIDDEN, "{asked_again:?}");

    let mut strong = app(&demanding(since, "acr_values=\"phr\"").await);
    let address = strong.leave("/me").await;
    strong.approve(&mut browser, &address).await;
    let address = strong.leave("/api").await;
    let told = strong.approve(&mut browser, &address).await;
    assert_eq!(told.status, StatusCode::FORBIDDEN);
    assert!(told.body.contains("A stronger sign-in is needed"), "{}", told.body);
    assert_eq!(strong.get("/me").await.status, StatusCode::OK, "still signed in");
}

/// What no app should do.
async fn leak(user: keystile_client::User) -> String {
    user.session().access_token().await.unwrap().expose().to_owned()
}

#[tokio::test]
async fn a_bound_token_that_was_stolen_opens_nothing_rfc_9449_7() {
    let key = ClientKey::generate(Algorithm::ES256).unwrap();
    let server = Keystile::start_with(&with_key("bank", &key, "profile = \"fapi2\"")).await;
    let server = server.with_all_keys().await;
    let builder = app(&server, "bank").private_key_jwt(key.clone()).profile(Profile::Fapi2);
    let mut app = RelyingParty::with(builder, Router::new().route("/leak", get(leak)));
    app.sign_in(&mut Browser::new(), "/me").await;
    let token = app.get("/leak").await.body;
    assert!(claims(&token)["cnf"]["jkt"].is_string());
    for scheme in ["Bearer", "DPoP"] {
        let request = reqwest::Client::new().get(server.url("/userinfo"));
        let answer = request.header("authorization", format!("{scheme} {token}")).send().await;
        assert!(answer.unwrap().status().is_client_error(), "{scheme}");
    }
    // And the published key is the registered one.
    let published: Value = json!(app.client.jwks());
    assert_eq!(published["keys"][0]["x"], json!(key.public())["x"]);
}

#[tokio::test]
async fn an_id_token_that_is_encrypted_to_the_app_is_read_and_no_other_openid_core_3_1_3_7() {
    let directory = new_directory();
    let key = EncryptionKey::from_file(directory.join("reader.pem")).unwrap();
    let more = format!(
        "client_secret = \"{SECRET}\"\njwks = {}\nid_token_signed_response_alg = \"ES256\"",
        jwks(&[key.public()])
    );
    let encrypted = format!("{more}\nid_token_encrypted_response_alg = \"ECDH-ES\"");
    let config = client("sealed", &encrypted) + &client("open", &more);
    let server = Keystile::start_with(&config).await;
    for (id, has_key, good) in
        [("sealed", true, true), ("sealed", false, false), ("open", true, false)]
    {
        let builder = app(&server, id).secret(SECRET);
        let builder = if has_key { builder.encrypted_id_tokens(key.clone()) } else { builder };
        let mut app = RelyingParty::new(builder);
        let landed = app.sign_in(&mut Browser::new(), "/me").await;
        assert_eq!(landed.location == "/me", good, "{id} {has_key}: {landed:?}");
    }
    std::fs::remove_dir_all(directory).unwrap();
}
