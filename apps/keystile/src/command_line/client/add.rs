//! `keystile client add`.

use clap::{Args, ValueEnum};
use keystile_authority::endpoints::{check_sector, fetch_logo};
use keystile_authority::ports::{Logos, Registry, Store};
use keystile_authority::records::{Client, GrantType};
use keystile_authority::rules::exchange_policy::ExchangeMetadata;
use keystile_authority::rules::registration::{ClientMetadata, register};
use keystile_authority::rules::signing;
use keystile_protocol::Secret;
use keystile_store::Database;
use serde_json::json;

use super::super::{Format, Place};
use super::describe::{self, Origin};
use super::not_configured;
use crate::entropy::client_secret;
use crate::outbound::HttpOutbound;
use crate::output;
use crate::refusal::{Outcome, Refusal, refuse};
use crate::settings::{Settings, unknown_api, unknown_scope, unknown_type};

#[derive(Debug, Args)]
pub(in crate::command_line) struct Add {
    /// Its identifier; made of the name if it is left out
    #[arg(value_name = "CLIENT_ID", required_unless_present = "name")]
    id: Option<String>,
    /// What people are told: the app's name. The identifier if it is left out
    #[arg(long)]
    name: Option<String>,
    /// Where answers may go (repeat for several)
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,
    /// Where browsers may go after signing out (repeat for several)
    #[arg(long, value_name = "URI")]
    post_logout_redirect_uri: Vec<String>,
    /// Where it is told that a session has ended (Back-Channel Logout)
    #[arg(long, value_name = "URI")]
    backchannel_logout_uri: Option<String>,
    /// What the signed-out page loads to tell it (Front-Channel Logout)
    #[arg(long, value_name = "URI")]
    frontchannel_logout_uri: Option<String>,
    /// Where its public keys are, for private_key_jwt and for signed requests
    #[arg(long, value_name = "URI")]
    jwks_uri: Option<String>,
    /// Where it keeps signed requests (repeat for several)
    #[arg(long, value_name = "URI")]
    request_uri: Vec<String>,
    /// It knows its users by a 'sub' that no other sector has
    #[arg(long)]
    pairwise: bool,
    /// What names its sector and lists the redirect URIs there; their one host if it is left out
    #[arg(long, value_name = "URI", requires = "pairwise")]
    sector_identifier_uri: Option<String>,
    /// All that it may ask for (repeat for several, or put spaces between)
    #[arg(long, default_value = "openid profile email offline_access")]
    scope: Vec<String>,
    /// Grant types (repeat for several); authorization_code and refresh_token if they are left out
    #[arg(long)]
    grant_type: Vec<String>,
    /// It has no browser, and people allow it on another device (RFC 8628): the grant types
    /// urn:ietf:params:oauth:grant-type:device_code and refresh_token
    #[arg(long, conflicts_with = "grant_type")]
    device: bool,
    /// It asks people behind the browser's back (CIBA) and polls for the answer: the grant types
    /// urn:openid:params:grant-type:ciba and refresh_token
    #[arg(long, conflicts_with_all = ["grant_type", "device"])]
    ciba: bool,
    /// Where it is told that a person has answered, in place of polling (CIBA's mode ping)
    #[arg(long, value_name = "URI", requires = "ciba")]
    ciba_ping_uri: Option<String>,
    /// It runs on people's own devices and can keep no secret
    #[arg(long)]
    public: bool,
    /// A public client that is a native app: loopback and private-use redirect URIs (RFC 8252)
    #[arg(long)]
    native: bool,
    /// Run by the same people as this server: no consent is asked for
    #[arg(long)]
    trusted: bool,
    /// How it proves who it is
    #[arg(long, value_enum, default_value_t = AuthMethod::ClientSecretBasic)]
    auth_method: AuthMethod,
    /// It cannot do PKCE (only for a client with a secret)
    #[arg(long)]
    no_pkce: bool,
    /// How its ID tokens are signed
    #[arg(long, value_name = "ALG", default_value = "ES256")]
    id_token_alg: String,
    /// An API that it is the face of, by audience: it may introspect tokens for it (repeat)
    #[arg(long, value_name = "AUDIENCE")]
    api: Vec<String>,
    /// An API that it may get tokens for by token exchange, by audience (repeat)
    #[arg(long, value_name = "AUDIENCE")]
    exchange_audience: Vec<String>,
    /// A client whose tokens it may exchange, beside its own and those for its APIs (repeat)
    #[arg(long, value_name = "CLIENT_ID")]
    exchange_subject_client: Vec<String>,
    /// A type of authorization details that it may ask for (RFC 9396; repeat for several)
    #[arg(long, value_name = "TYPE")]
    authorization_details_type: Vec<String>,
    /// Who runs it, for the consent page
    #[arg(long)]
    operator: Option<String>,
    /// Its home page
    #[arg(long, value_name = "URL")]
    client_uri: Option<String>,
    /// Its logo: PNG, JPEG or WebP. It is fetched now, and shown from this server
    #[arg(long, value_name = "URL")]
    logo_uri: Option<String>,
    /// What it does with people's data
    #[arg(long, value_name = "URL")]
    policy_uri: Option<String>,
    /// Its terms of service
    #[arg(long, value_name = "URL")]
    tos_uri: Option<String>,
    /// People may sign in to it from within other apps' browsers
    #[arg(long)]
    allow_embedded_browser: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AuthMethod {
    #[value(name = "client_secret_basic")]
    ClientSecretBasic,
    #[value(name = "client_secret_post")]
    ClientSecretPost,
    #[value(name = "private_key_jwt")]
    PrivateKeyJwt,
    #[value(name = "none")]
    None,
}

impl Add {
    pub(super) async fn run(self) -> Outcome {
        let (settings, store) = self.place.open().await?;
        let secret = self.has_secret().then(client_secret);
        let client = self.client(secret.clone(), &settings)?;
        not_configured(client.id.as_str(), &settings, "choose another CLIENT_ID")?;
        if store.client(&client.id, true).await?.is_some() {
            return refuse(format!(
                "there is a client '{}' already; choose another CLIENT_ID, or give it a new secret \
                 with: keystile client rotate-secret {}",
                client.id, client.id
            ));
        }
        check_sector(&client, &HttpOutbound::new(&settings)?)
            .await
            .map_err(|error| Refusal::new(format!("the client is refused: {error}")))?;
        store.put_client(&client).await?;
        self.fetch_logo(&client, &settings, &store).await?;
        self.print(&client, secret.as_ref());
        Ok(())
    }

    /// A client without its logo is a client all the same.
    async fn fetch_logo(&self, client: &Client, settings: &Settings, store: &Database) -> Outcome {
        let Some(logo_uri) = &self.logo_uri else { return Ok(()) };
        match fetch_logo(&HttpOutbound::new(settings)?, logo_uri).await {
            Ok(logo) => store.keep_logo(&client.id, logo_uri, logo).await?,
            Err(problem) => eprintln!("keystile: the logo is not shown: {problem}"),
        }
        Ok(())
    }

    fn is_public(&self) -> bool {
        self.public || self.native || matches!(self.auth_method, AuthMethod::None)
    }

    fn has_secret(&self) -> bool {
        !self.is_public() && !matches!(self.auth_method, AuthMethod::PrivateKeyJwt)
    }

    fn client_id(&self) -> String {
        let of_name = || self.name.as_deref().map(id_of_name).unwrap_or_default();
        self.id.clone().unwrap_or_else(of_name)
    }

    fn client(&self, secret: Option<Secret>, settings: &Settings) -> Outcome<Client> {
        let policy = &settings.policy;
        let client = register(&self.metadata(secret), policy.issuer.is_development())
            .and_then(|client| signing::is_on(&client, policy).map(|()| client))
            .map_err(|error| Refusal::new(format!("the client is refused: {error}")))?;
        if let Some(problem) = unknown_scope(&client.scope, policy) {
            return refuse(format!("the client is refused: {problem}"));
        }
        if let Some(problem) = unknown_type(&client.authorization_details_types, policy) {
            return refuse(format!("the client is refused: {problem}"));
        }
        if let Some((_, problem)) = unknown_api(&client, policy) {
            return refuse(format!("the client is refused: {problem}"));
        }
        Ok(client)
    }

    fn grant_types(&self) -> Vec<String> {
        let first = match (self.device, self.ciba) {
            (true, _) => GrantType::DeviceCode,
            (false, true) => GrantType::Ciba,
            (false, false) => GrantType::AuthorizationCode,
        };
        let usual = [first, GrantType::RefreshToken].map(|one| one.as_str().to_owned());
        if self.grant_type.is_empty() { usual.into() } else { self.grant_type.clone() }
    }

    fn delivery_mode(&self) -> Option<&'static str> {
        self.ciba.then_some(if self.ciba_ping_uri.is_some() { "ping" } else { "poll" })
    }

    fn metadata(&self, secret: Option<Secret>) -> ClientMetadata {
        let method = match self.auth_method {
            _ if self.is_public() => "none",
            AuthMethod::ClientSecretPost => "client_secret_post",
            AuthMethod::PrivateKeyJwt => "private_key_jwt",
            AuthMethod::ClientSecretBasic | AuthMethod::None => "client_secret_basic",
        };
        ClientMetadata {
            client_id: self.client_id(),
            client_secret: secret,
            client_name: self.name.clone(),
            client_uri: self.client_uri.clone(),
            logo_uri: self.logo_uri.clone(),
            policy_uri: self.policy_uri.clone(),
            tos_uri: self.tos_uri.clone(),
            redirect_uris: self.redirect_uri.clone(),
            post_logout_redirect_uris: self.post_logout_redirect_uri.clone(),
            backchannel_logout_uri: self.backchannel_logout_uri.clone(),
            frontchannel_logout_uri: self.frontchannel_logout_uri.clone(),
            backchannel_token_delivery_mode: self.delivery_mode().map(str::to_owned),
            backchannel_client_notification_endpoint: self.ciba_ping_uri.clone(),
            jwks_uri: self.jwks_uri.clone(),
            request_uris: self.request_uri.clone(),
            subject_type: self.pairwise.then(|| "pairwise".to_owned()),
            sector_identifier_uri: self.sector_identifier_uri.clone(),
            grant_types: Some(self.grant_types()),
            scope: Some(self.scope.join(" ")),
            token_endpoint_auth_method: Some(method.to_owned()),
            id_token_signed_response_alg: Some(self.id_token_alg.clone()),
            application_type: self.native.then(|| "native".to_owned()),
            operator: self.operator.clone(),
            require_pkce: self.no_pkce.then_some(false),
            trusted: self.trusted,
            allow_embedded_browser: self.allow_embedded_browser,
            apis: self.api.clone(),
            authorization_details_types: self.authorization_details_type.clone(),
            token_exchange: Some(ExchangeMetadata {
                audiences: self.exchange_audience.clone(),
                subject_clients: self.exchange_subject_client.clone(),
                ..ExchangeMetadata::default()
            }),
            ..ClientMetadata::default()
        }
    }

    fn print(&self, client: &Client, secret: Option<&Secret>) {
        if self.format.json {
            let mut described = describe::json(client, Origin::Store);
            if let Some(secret) = secret {
                described["client_secret"] = json!(secret.expose());
            }
            return output::json(&described);
        }
        output::line(format!("client_id      {}", client.id));
        if let Some(secret) = secret {
            output::line(format!("client_secret  {}", secret.expose()));
            output::line("The secret is shown this once; only its digest is kept.");
        }
    }
}

/// `Photo Printer` becomes `photo-printer`.
fn id_of_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let plain: String = name.chars().map(plain).collect();
    plain.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_of_names() {
        for (name, id) in
            [("Photo Printer", "photo-printer"), (" A/B -- 2 ", "a-b-2"), ("\u{e9}", "")]
        {
            assert_eq!(id_of_name(name), id);
        }
    }
}
