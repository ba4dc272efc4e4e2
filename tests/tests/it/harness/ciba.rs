//! A client that asks its user behind the browser's back (OpenID Connect CIBA Core 1.0), and what
//! the user does for it.

use serde_json::Value;

use super::{App, Browser, ErrorAnswer, Keystile, PASSWORD, Page, Tokens, tokens};

/// The grant type.
pub(crate) const CIBA: &str = "urn:openid:params:grant-type:ciba";

/// Two clients that poll, for the configuration.
pub(crate) const SHOPS: &str = r#"
[[clients]]
client_id = "shop"
client_secret = "the secret of the shop, forty characters long"
client_name = "Corner Shop"
client_uri = "https://shop.example"
operator = "Shopkeepers Ltd"
grant_types = ["urn:openid:params:grant-type:ciba", "refresh_token"]
backchannel_token_delivery_mode = "poll"
scope = "openid profile offline_access photos:read photos:order"
id_token_signed_response_alg = "ES256"

[[clients]]
client_id = "kiosk"
client_secret = "the secret of the kiosk, forty characters long"
client_name = "Kiosk"
trusted = true
grant_types = ["urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:device_code"]
backchannel_token_delivery_mode = "poll"
scope = "openid photos:read"
id_token_signed_response_alg = "ES256"
"#;

/// A request that waits for its user.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) app: App,
    pub(crate) answer: Value,
}

impl Asked {
    pub(crate) fn shop(server: &Keystile) -> App {
        let secret = "the secret of the shop, forty characters long";
        App::new(&server.issuer, "shop", Some(secret), "")
    }

    /// Another shop, which is trusted.
    pub(crate) fn kiosk(server: &Keystile) -> App {
        let secret = "the secret of the kiosk, forty characters long";
        App::new(&server.issuer, "kiosk", Some(secret), "")
    }

    /// Asks `alice`, with these parameters beside.
    pub(crate) async fn begin(app: App, more: &[(&str, &str)]) -> Self {
        let usual = [("login_hint", "alice"), ("scope", "openid"), ("binding_message", "W4SCT")];
        let other = |(name, _): &(&str, &str)| !more.iter().any(|(given, _)| given == name);
        let mut pairs: Vec<_> = usual.into_iter().filter(other).collect();
        pairs.extend(more);
        let answer = Self::ask(&app, &pairs).await.expect("asked");
        Self { app, answer }
    }

    /// A backchannel authentication request, whatever it asks.
    pub(crate) async fn ask(app: &App, pairs: &[(&str, &str)]) -> Result<Value, ErrorAnswer> {
        let response = app.call("/backchannel-authentication", pairs).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        tokens(response).await.map(|answer| answer.json)
    }

    pub(crate) fn auth_req_id(&self) -> &str {
        self.answer["auth_req_id"].as_str().expect("an auth_req_id")
    }

    pub(crate) async fn poll(&self) -> Result<Tokens, ErrorAnswer> {
        Self::poll_with(&self.app, self.auth_req_id()).await
    }

    pub(crate) async fn poll_with(app: &App, auth_req_id: &str) -> Result<Tokens, ErrorAnswer> {
        app.token(&[("grant_type", CIBA), ("auth_req_id", auth_req_id)]).await
    }

    /// What the next poll is refused with.
    pub(crate) async fn refused(&self) -> String {
        let error = self.poll().await.expect_err("no tokens yet");
        assert_eq!(error.status, 400, "CIBA section 11");
        error.error
    }
}

/// The page with what waits, opened and signed in to as that user.
pub(crate) async fn requests(server: &Keystile, browser: &mut Browser, user: &str) -> Page {
    let page = browser.open(server.url("/requests")).await;
    if page.is_sign_in() { browser.sign_in(&page, user, PASSWORD).await } else { page }
}

/// Allows the newest as `alice`.
pub(crate) async fn allow_newest(server: &Keystile, browser: &mut Browser) -> Page {
    let page = requests(server, browser, "alice").await;
    browser.press(&page, "request-1-allow", &[]).await
}
