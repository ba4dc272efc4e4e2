//! A device without a browser, and what a person does for it (RFC 8628).

use serde_json::Value;

use super::{App, Browser, ErrorAnswer, Keystile, PASSWORD, Page, Tokens, tokens};

/// The grant type.
pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Two clients for devices, for the configuration: a public one and one with a secret.
pub(crate) const DEVICES: &str = r#"
[[clients]]
client_id = "tv"
client_name = "Living Room TV"
client_uri = "https://tv.example"
operator = "TV Makers Ltd"
token_endpoint_auth_method = "none"
grant_types = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]
scope = "openid profile offline_access photos:read photos:order"
id_token_signed_response_alg = "ES256"

[[clients]]
client_id = "kiosk"
client_secret = "the secret of the kiosk, forty characters long"
client_name = "Kiosk"
trusted = true
grant_types = ["urn:ietf:params:oauth:grant-type:device_code"]
scope = "openid photos:read"
id_token_signed_response_alg = "ES256"
"#;

/// A device that waits for its user.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) app: App,
    pub(crate) codes: Value,
}

impl Device {
    /// The public client's device.
    pub(crate) fn tv(server: &Keystile) -> App {
        App::new(&server.issuer, "tv", None, "")
    }

    /// The device of the client with a secret, which is trusted.
    pub(crate) fn kiosk(server: &Keystile) -> App {
        let secret = "the secret of the kiosk, forty characters long";
        App::new(&server.issuer, "kiosk", Some(secret), "")
    }

    /// Asks for codes.
    pub(crate) async fn begin(app: App, scope: &str) -> Self {
        let codes = Self::ask(&app, &[("scope", scope)]).await.expect("codes");
        Self { app, codes }
    }

    /// A device authorization request, whatever it asks.
    pub(crate) async fn ask(app: &App, pairs: &[(&str, &str)]) -> Result<Value, ErrorAnswer> {
        let response = app.call("/device_authorization", pairs).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        tokens(response).await.map(|answer| answer.json)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.codes[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.codes))
    }

    pub(crate) fn user_code(&self) -> &str {
        self.text("user_code")
    }

    pub(crate) async fn poll(&self) -> Result<Tokens, ErrorAnswer> {
        Self::poll_with(&self.app, self.text("device_code")).await
    }

    pub(crate) async fn poll_with(app: &App, device_code: &str) -> Result<Tokens, ErrorAnswer> {
        app.token(&[("grant_type", DEVICE_CODE), ("device_code", device_code)]).await
    }

    /// What the next poll is refused with.
    pub(crate) async fn refused(&self) -> String {
        let error = self.poll().await.expect_err("no tokens yet");
        assert_eq!(error.status, 400, "RFC 8628 section 3.5");
        error.error
    }

    /// Types the code, signs in if need be, and stops where the user is asked.
    pub(crate) async fn question(&self, browser: &mut Browser, user: &str) -> Page {
        let page = enter(browser, self.text("verification_uri"), self.user_code()).await;
        if page.is_sign_in() { browser.sign_in(&page, user, PASSWORD).await } else { page }
    }

    /// Goes the whole way as `alice`.
    pub(crate) async fn allow(&self, browser: &mut Browser) -> Page {
        let page = self.question(browser, "alice").await;
        browser.press(&page, "device-allow", &[]).await
    }
}

/// Types a code.
pub(crate) async fn enter(browser: &mut Browser, address: &str, code: &str) -> Page {
    let page = browser.open(address).await;
    browser.press(&page, "user-code-submit", &[("user_code", code)]).await
}
