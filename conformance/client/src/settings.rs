//! From the environment, and the suite's variant, to a client.

use std::collections::HashMap;
use std::env::{VarError, var};
use std::error::Error;

use keystile_client::protocol::jose::{Algorithm, JwkSet};
use keystile_client::{Client, ClientBuilder, ClientKey, Profile, Registrar, issuer_of_with};
use serde_json::{Value, json};

/// What an operator of the app would have in its configuration.
pub(crate) struct Settings {
    pub(crate) alias: String,
    pub(crate) issuer: String,
    pub(crate) module: String,
    pub(crate) variant: HashMap<String, String>,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) scope: Option<String>,
    pub(crate) app_url: String,
    /// The app's own key.
    pub(crate) key: Option<ClientKey>,
    /// Whom the app and the browser believe, in PEM.
    pub(crate) root_certificate: Option<Vec<u8>>,
}

/// What was chosen for the plan, and what the plan says of the module.
fn variant(plan: &str, module: &str) -> Result<HashMap<String, String>, serde_json::Error> {
    let mut variant: HashMap<_, _> = serde_json::from_str(plan)?;
    variant.extend(serde_json::from_str::<HashMap<_, _>>(module)?);
    Ok(variant)
}

impl Settings {
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        let text = |name: &str, default: &str| var(name).unwrap_or_else(|_| default.to_owned());
        let file = |name: &str| match var(name) {
            Ok(path) => std::fs::read(&path).map(Some).map_err(|e| format!("{path}: {e}")),
            Err(VarError::NotPresent) => Ok(None),
            Err(problem) => Err(problem.to_string()),
        };
        let key =
            file("CLIENT_KEY")?.map(|pem| ClientKey::from_pem(&String::from_utf8_lossy(&pem)));
        Ok(Self {
            alias: text("ALIAS", "keystile-client"),
            issuer: text("ISSUER", ""),
            module: text("MODULE", ""),
            variant: variant(&text("PLAN_VARIANT", "{}"), &text("VARIANT", "{}"))?,
            client_id: text("CLIENT_ID", "keystile-client"),
            client_secret: text("CLIENT_SECRET", "a secret for the conformance suite alone"),
            scope: var("SCOPE").ok(),
            app_url: text("APP_URL", "https://localhost:9555"),
            key: key.transpose()?,
            root_certificate: file("SUITE_CERTIFICATE")?,
        })
    }

    /// What the suite calls a variant, for this module.
    fn is(&self, name: &str, value: &str) -> bool {
        self.variant.get(name).is_some_and(|it| it == value)
    }

    fn is_fapi(&self) -> bool {
        self.variant.contains_key("fapi_profile")
    }

    /// The API that takes the tokens of a FAPI plan, beside the issuer.
    pub(crate) fn api(&self) -> String {
        format!("{}open-banking/v1.1/accounts", self.issuer)
    }

    pub(crate) fn scope(&self) -> String {
        let default = match (self.is_fapi(), self.is("fapi_client_type", "plain_oauth")) {
            (true, true) => "accounts",
            (true, false) => "openid accounts",
            (false, _) => "openid profile email address phone",
        };
        self.scope.clone().unwrap_or_else(|| default.to_owned())
    }

    /// The client that this module is about, registered first where the plan wants that.
    pub(crate) async fn client(&mut self) -> Result<Client, Box<dyn Error>> {
        let builder = if self.is("client_registration", "dynamic_client") {
            self.registered().await?
        } else {
            self.proving_itself(Client::builder(&self.issuer, &self.client_id))?
                .id_token_algorithms(self.algorithms())
        };
        let builder = self.featured(builder)?;
        Ok(self.common(builder).build()?)
    }

    /// A client that nobody knows yet: it can ask what the server says of itself.
    pub(crate) fn unregistered(&self) -> Result<Client, Box<dyn Error>> {
        let builder = Client::builder(&self.issuer, &self.client_id).public();
        Ok(self.common(builder).build()?)
    }

    fn common(&self, builder: ClientBuilder) -> ClientBuilder {
        builder
            .app_url(&self.app_url)
            .scope(self.scope())
            .userinfo(!self.is_fapi())
            .api(&self.issuer)
            .id_token_hint()
            .root_certificates(self.root_certificate.clone().unwrap_or_default())
    }

    /// What ID tokens are signed with: the default of a registration that says nothing, or what
    /// the profile allows.
    fn algorithms(&self) -> Vec<Algorithm> {
        if self.is_fapi() { Vec::new() } else { vec![Algorithm::RS256] }
    }

    fn proving_itself(&self, builder: ClientBuilder) -> Result<ClientBuilder, Box<dyn Error>> {
        let method = self.variant.get("client_auth_type").map_or("client_secret_basic", |it| it);
        Ok(match method {
            "client_secret_basic" => builder.secret(&self.client_secret),
            "client_secret_post" => builder.secret_in_body(&self.client_secret),
            "none" => builder.public(),
            "private_key_jwt" => {
                let key = self.key.clone().ok_or("private_key_jwt needs CLIENT_KEY")?;
                builder.private_key_jwt(key)
            }
            other => return Err(format!("client_auth_type {other} is not known here").into()),
        })
    }

    /// How requests and responses travel.
    fn featured(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, Box<dyn Error>> {
        if self.is("response_mode", "form_post") {
            builder = builder.form_post();
        }
        if self.is("request_type", "request_uri") {
            builder = builder.requests_by_reference("/requests");
        }
        if let Some(key) = self.request_key()? {
            builder = builder.signing_key(key).signed_requests();
        }
        if self.is_fapi() {
            builder = builder.profile(Profile::Fapi2);
        }
        if self.is("fapi_request_method", "signed_non_repudiation") {
            builder = builder.signed_requests();
        }
        if self.is("fapi_response_mode", "jarm") {
            builder = builder.signed_responses();
        }
        Ok(builder)
    }

    /// What signs requests, where they are objects: at the module that says so, nothing does.
    fn request_key(&self) -> Result<Option<ClientKey>, Box<dyn Error>> {
        let are_objects =
            self.is("request_type", "request_object") || self.is("request_type", "request_uri");
        if !are_objects || self.module.ends_with("request-uri-signed-none") {
            return Ok(None);
        }
        Ok(Some(self.key.clone().ok_or("signed requests need CLIENT_KEY")?))
    }

    /// The issuer, found by the user's address where the module is about that.
    pub(crate) async fn find_issuer(&mut self) -> Result<(), Box<dyn Error>> {
        let host = self.issuer.split('/').nth(2).unwrap_or_default();
        let identifier = if self.module.ends_with("webfinger-acct") {
            format!("acct:{}.{}@{host}", self.alias, self.module)
        } else if self.module.ends_with("webfinger-url") {
            format!("https://{host}/{}/{}", self.alias, self.module)
        } else {
            return Ok(());
        };
        let issuer = issuer_of_with(&identifier, &self.certificates()).await?;
        issuer.as_str().clone_into(&mut self.issuer);
        Ok(())
    }

    pub(crate) fn certificates(&self) -> Vec<Vec<u8>> {
        self.root_certificate.clone().into_iter().collect()
    }

    /// Registers a client for this module alone (RFC 7591), with a key that is gone with it.
    pub(crate) async fn registered(&mut self) -> Result<ClientBuilder, Box<dyn Error>> {
        self.key = Some(ClientKey::generate(Algorithm::RS256)?);
        let registrar = Registrar::with_root_certificates(&self.issuer, &self.certificates())?;
        Ok(registrar.register(&self.wanted()?).await?.client())
    }

    fn wanted(&self) -> Result<Value, Box<dyn Error>> {
        let key = self.request_key()?;
        let client = |path: &str| format!("{}{path}", self.app_url);
        let mut wanted = json!({
            "client_name": "Keystile",
            "application_type": "web",
            "contacts": ["operator@localhost"],
            "redirect_uris": [client("/callback")],
            "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"],
            "post_logout_redirect_uris": [client("/")],
            "backchannel_logout_uri": client("/backchannel-logout"),
            "id_token_signed_response_alg": "RS256",
            "request_object_signing_alg": key.as_ref().map_or("none", |it| it.algorithm().as_str()),
        });
        if let Some(key) = key {
            wanted["jwks"] = serde_json::to_value(JwkSet { keys: vec![key.public().clone()] })?;
        }
        Ok(wanted)
    }
}
