//! What differs between the servers, and where everything is.

use std::env::var;

use keystile_client::ClientKey;
use keystile_resource::{Algorithm, Introspection, TrustedIssuer};

use crate::Result;

/// A user of each server.
pub(crate) const USERNAME: &str = "alice";
/// Their password, which is used nowhere else.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// The secret of each client that has one.
pub(crate) const SECRET: &str = "a-secret-of-forty-characters-or-something";

pub(crate) struct Settings {
    pub(crate) server: Server,
    pub(crate) issuer: String,
    /// The origin of the API, which is its name too.
    pub(crate) api: String,
    /// The origins of the apps.
    pub(crate) printer: String,
    pub(crate) album: String,
    pub(crate) vault: String,
    pub(crate) vault_key: ClientKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    NodeOidcProvider,
    Keycloak,
}

impl Settings {
    pub(crate) fn read(server: &str) -> Result<Self> {
        let server = match server {
            "node-oidc-provider" => Server::NodeOidcProvider,
            "keycloak" => Server::Keycloak,
            other => return Err(format!("there is no server {other}").into()),
        };
        let text = |name: &str| var(name).map_err(|problem| format!("{name}: {problem}"));
        let key = std::fs::read_to_string(text("VAULT_KEY")?)?;
        Ok(Self {
            server,
            issuer: text("ISSUER")?,
            api: text("API")?,
            printer: text("PRINTER")?,
            album: text("ALBUM")?,
            vault: text("VAULT")?,
            vault_key: ClientKey::from_pem(&key)?,
        })
    }

    /// Whose tokens the API takes, as its author would say it for that server.
    pub(crate) fn trusted(&self) -> TrustedIssuer {
        let issuer = TrustedIssuer::new(&self.issuer);
        match self.server {
            Server::NodeOidcProvider => issuer,
            // Its JWTs do not keep to RFC 9068, and are signed with RS256 unless a client says more.
            Server::Keycloak => {
                issuer.algorithms(&[Algorithm::RS256, Algorithm::ES256]).plain_jwts()
            }
        }
    }

    /// The same where the API asks the server about each token (RFC 7662).
    pub(crate) fn asked(&self) -> TrustedIssuer {
        let asks = Introspection::with_secret("api", SECRET);
        match self.server {
            // A token for no API is opaque, and says nothing of an audience.
            Server::NodeOidcProvider => TrustedIssuer::new(&self.issuer)
                .introspection(asks)
                .without_audience_from(&["album"]),
            Server::Keycloak => self.trusted().introspection(asks.jwts_too()),
        }
    }
}
