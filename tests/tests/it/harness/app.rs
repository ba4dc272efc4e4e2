//! A server-side app, as small as can be: what goes over its wires is what a test looks at.

use keystile_protocol::CodeVerifier;
use keystile_protocol::Params;
use keystile_protocol::encoding::{base64url, from_base64url, percent_encode};
use keystile_protocol::params::with_query;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use super::{Browser, PASSWORD, Page};

/// A client of the server under test.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) secret: Option<String>,
    /// Sent in the body rather than in the header.
    pub(crate) secret_in_body: bool,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) verifier: CodeVerifier,
    http: reqwest::Client,
}

/// A successful token response.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) json: Value,
}

/// An error answer.
#[derive(Debug, Clone)]
pub(crate) struct ErrorAnswer {
    pub(crate) status: u16,
    pub(crate) error: String,
    pub(crate) description: String,
}

impl App {
    pub(crate) fn new(issuer: &str, id: &str, secret: Option<&str>, redirect_uri: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            client_id: id.to_owned(),
            secret: secret.map(str::to_owned),
            secret_in_body: id == "other",
            redirect_uri: redirect_uri.to_owned(),
            scope: "openid photos:read".to_owned(),
            verifier: CodeVerifier::from_random([42; 32]),
            http: reqwest::Client::new(),
        }
    }

    pub(crate) fn with_scope(mut self, scope: &str) -> Self {
        self.scope = scope.to_owned();
        self
    }

    /// The same client of a server that it knows by this address.
    pub(crate) fn at(mut self, issuer: &str) -> Self {
        self.issuer = issuer.to_owned();
        self
    }

    /// The parameters of an authorization request.
    pub(crate) fn request(&self) -> Vec<(String, String)> {
        let pairs = [
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &self.scope),
            ("state", "the state & more"),
            ("nonce", "the nonce"),
            ("code_challenge", &self.verifier.challenge().to_string()),
            ("code_challenge_method", "S256"),
        ];
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// An authorization request with parameters changed (`Some`) or left out (`None`).
    pub(crate) fn authorize_url_with(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut pairs = self.request();
        for (name, value) in changes {
            pairs.retain(|(key, _)| key != name);
            if let Some(value) = value {
                pairs.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        with_query(&format!("{}/authorize", self.issuer), &pairs)
    }

    pub(crate) fn authorize_url(&self) -> String {
        self.authorize_url_with(&[])
    }

    /// Goes through login and consent as `alice` and gives back the callback's address.
    pub(crate) async fn callback(&self, browser: &mut Browser) -> Page {
        self.callback_by(browser, "alice", &self.authorize_url()).await
    }

    pub(crate) async fn callback_by(&self, browser: &mut Browser, user: &str, url: &str) -> Page {
        let mut page = browser.open(url).await;
        if page.is_sign_in() {
            page = browser.sign_in(&page, user, PASSWORD).await;
        }
        if page.is_consent() {
            page = browser.press(&page, "consent-allow", &[]).await;
        }
        assert!(page.url.as_str().starts_with(&self.redirect_uri), "{} {}", page.url, page.text());
        page
    }

    /// A code of `alice`.
    pub(crate) async fn code(&self, browser: &mut Browser) -> String {
        self.callback(browser).await.query("code").expect("a code")
    }

    /// Tokens of `alice`.
    pub(crate) async fn tokens(&self, browser: &mut Browser) -> Tokens {
        let code = self.code(browser).await;
        self.redeem(&code).await.expect("tokens")
    }

    pub(crate) async fn redeem(&self, code: &str) -> Result<Tokens, ErrorAnswer> {
        self.redeem_with(code, &[]).await
    }

    /// Redeems a code with parameters changed (`Some`) or left out (`None`).
    pub(crate) async fn redeem_with(
        &self,
        code: &str,
        changes: &[(&str, Option<&str>)],
    ) -> Result<Tokens, ErrorAnswer> {
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", self.verifier.expose()),
        ];
        for (name, value) in changes {
            pairs.retain(|(key, _)| key != name);
            pairs.extend(value.map(|value| (*name, value)));
        }
        self.token(&pairs).await
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<Tokens, ErrorAnswer> {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// A token request with this client's own authentication.
    pub(crate) async fn token(&self, pairs: &[(&str, &str)]) -> Result<Tokens, ErrorAnswer> {
        let response = self.call("/token", pairs).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store", "RFC 6749 section 5.1");
        tokens(response).await
    }

    /// A request to an endpoint with this client's own authentication.
    pub(crate) fn call(&self, path: &str, pairs: &[(&str, &str)]) -> RequestBuilder {
        let mut pairs = pairs.to_vec();
        let request = self.http.post(format!("{}{path}", self.issuer));
        let request = match &self.secret {
            Some(secret) if !self.secret_in_body => {
                request.header("authorization", self.basic(secret))
            }
            Some(secret) => {
                pairs.extend([("client_id", self.client_id.as_str()), ("client_secret", secret)]);
                request
            }
            None => {
                pairs.push(("client_id", &self.client_id));
                request
            }
        };
        form(request, &pairs)
    }

    /// HTTP Basic with both halves form encoded.
    pub(crate) fn basic(&self, secret: &str) -> String {
        let (mut id, mut encoded) = (String::new(), String::new());
        percent_encode(&self.client_id, &mut id);
        percent_encode(secret, &mut encoded);
        let text = base64url(format!("{id}:{encoded}")).replace('-', "+").replace('_', "/");
        format!("Basic {text}")
    }

    pub(crate) async fn revoke(&self, token: &str) -> u16 {
        self.call("/revoke", &[("token", token)]).send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn introspect(&self, token: &str) -> Value {
        let response = self.call("/introspect", &[("token", token)]).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// The status of userinfo, and what it says.
    pub(crate) async fn userinfo(&self, access_token: &str) -> (u16, Value) {
        let request = self.http.get(format!("{}/userinfo", self.issuer));
        let response = request.bearer_auth(access_token).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }
}

impl Tokens {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.json))
    }

    pub(crate) fn access_token(&self) -> &str {
        self.text("access_token")
    }

    pub(crate) fn refresh_token(&self) -> &str {
        self.text("refresh_token")
    }

    /// The claims of one of the tokens, unverified.
    pub(crate) fn claims(&self, name: &str) -> Value {
        claims(self.text(name))
    }
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = from_base64url(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

pub(crate) fn form(request: RequestBuilder, pairs: &[(&str, &str)]) -> RequestBuilder {
    let body = pairs.iter().copied().collect::<Params>().encode();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

pub(crate) async fn tokens(response: Response) -> Result<Tokens, ErrorAnswer> {
    let status = response.status().as_u16();
    let json: Value = response.json().await.unwrap_or_default();
    if status == 200 {
        return Ok(Tokens { json });
    }
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    Err(ErrorAnswer { status, error: text("error"), description: text("error_description") })
}
