//! Clients that register themselves (RFC 7591), and that manage their registration (RFC 7592).

use std::fmt;
use std::path::Path;

use http::Method;
use keystile_protocol::jose::Algorithm;
use keystile_protocol::redirect_uri::is_loopback;
use keystile_protocol::{Issuer, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

pub use crate::flow::RegistrationError;

use crate::builder::{BuildError, ClientBuilder};
use crate::client::Client;
use crate::discovery::Provider;
use crate::entropy::system_clock;
use crate::flow::read_registration;
use crate::outbound::{Answer, Http};
use crate::taint::Taints;

/// What an answer has and a request to change it must not have (RFC 7592 section 2.2).
const NOT_SENT: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_id_issued_at",
    "client_secret_expires_at",
];

/// The form of the file that a registration is kept in.
const FORMAT: &str = "keystile-registration-1";

/// Registers clients at one authorization server.
pub struct Registrar {
    issuer: Issuer,
    http: Http,
    provider: Provider,
    initial_access_token: Option<Secret>,
    taints: Taints,
}

/// A client as the server knows it, with its secrets. It can be kept in a file
/// ([`Registrar::kept`]).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    issuer: Issuer,
    /// What was asked for, to notice that it has changed.
    wanted: Value,
    answer: Map<String, Value>,
}

impl Registrar {
    /// Nothing is fetched before the first registration.
    pub fn new(issuer: &str) -> Result<Self, BuildError> {
        Self::with_root_certificates(issuer, &[])
    }

    /// The same with certificates to trust beside the system's, in PEM.
    pub fn with_root_certificates(issuer: &str, pem: &[Vec<u8>]) -> Result<Self, BuildError> {
        let issuer = Issuer::try_from(issuer).map_err(|why| BuildError::new("issuer", why))?;
        let http = Http::new(pem, None, issuer.is_development())
            .map_err(|why| BuildError::new("root_certificates", why))?;
        let provider = Provider::new(issuer.clone(), http.clone());
        let taints = Taints::default();
        Ok(Self { issuer, http, provider, initial_access_token: None, taints })
    }

    /// Tells that proof every secret of a registration: for tests. The client that is made of one
    /// has to be given it too.
    #[cfg(feature = "leak-proof")]
    #[must_use]
    pub fn leak_proof(mut self, proof: &crate::LeakProof) -> Self {
        self.taints = Taints(Some(std::sync::Arc::new(proof.clone())));
        self
    }

    /// The token that the operator gave out for registrations (RFC 7591 section 3).
    #[must_use]
    pub fn initial_access_token(mut self, token: impl Into<String>) -> Self {
        self.initial_access_token = Some(Secret::new(token));
        self
    }

    /// Registers a client with these metadata (RFC 7591 section 2).
    pub async fn register(&self, wanted: &Value) -> Result<Registration, RegistrationError> {
        let unavailable = RegistrationError::Unavailable;
        let metadata = self.provider.metadata(system_clock()).await.map_err(unavailable)?;
        let missing = || unavailable("its metadata name no registration_endpoint".into());
        let url = metadata.registration_endpoint.as_deref().ok_or_else(missing)?;
        let token = self.initial_access_token.as_ref();
        let answer = self.ask(Method::POST, url, token, Some(wanted)).await?;
        let answer = read_registration(answer.status, &answer.body, None)?;
        Ok(Registration { issuer: self.issuer.clone(), wanted: wanted.clone(), answer })
    }

    /// The registration as it is now (RFC 7592 section 2.1). Keep what comes: its token may be
    /// another one.
    pub async fn read(&self, of: &Registration) -> Result<Registration, RegistrationError> {
        self.manage(Method::GET, of, None).await
    }

    /// Puts these metadata in the place of those that were there (section 2.2). Keep what comes.
    pub async fn update(
        &self,
        of: &Registration,
        wanted: &Value,
    ) -> Result<Registration, RegistrationError> {
        let mut said = wanted.as_object().cloned().unwrap_or_default();
        said.retain(|name, _| !NOT_SENT.contains(&name.as_str()));
        said.insert("client_id".into(), of.client_id().into());
        let said = Value::Object(said);
        let updated = self.manage(Method::PUT, of, Some(&said)).await?;
        Ok(Registration { wanted: wanted.clone(), ..updated })
    }

    /// Takes the registration away (section 2.3), and with it all that was granted to the client.
    pub async fn delete(&self, of: Registration) -> Result<(), RegistrationError> {
        let (url, token) = of.managed_by(&self.issuer)?;
        let answer = self.ask(Method::DELETE, url, Some(&token), None).await?;
        if answer.status == 204 {
            return Ok(());
        }
        read_registration(answer.status, &answer.body, Some(of.client_id())).map(|_| ())
    }

    /// The registration that is kept in this file; a new one if there is none, or if its secret
    /// has expired. If other metadata are wanted than before, it is changed. The file has secrets
    /// in it, and nobody but its owner reads it.
    pub async fn kept(
        &self,
        path: impl AsRef<Path>,
        wanted: &Value,
    ) -> Result<Registration, RegistrationError> {
        let failed = |error: std::io::Error| RegistrationError::Kept(error.to_string());
        let kept: Option<Registration> =
            crate::private_file::read(path.as_ref(), FORMAT).map_err(failed)?;
        let kept = kept.filter(|kept| kept.issuer == self.issuer && !kept.has_expired());
        let registration = match kept {
            Some(kept) if kept.wanted == *wanted => return Ok(kept),
            Some(kept) => match self.update(&kept, wanted).await {
                Err(RegistrationError::Gone | RegistrationError::NotManaged) => {
                    self.register(wanted).await?
                }
                other => other?,
            },
            None => self.register(wanted).await?,
        };
        crate::private_file::write(path.as_ref(), FORMAT, &registration).map_err(failed)?;
        Ok(registration)
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        token: Option<&Secret>,
        said: Option<&Value>,
    ) -> Result<Answer, RegistrationError> {
        if let Some(token) = token {
            self.taints.secret("registration_access_token", token);
        }
        let sent = self.http.send_json(method, url, token, said).await;
        let answer = sent.map_err(RegistrationError::Unavailable)?;
        self.taints.answer(&answer.body);
        Ok(answer)
    }

    async fn manage(
        &self,
        method: Method,
        of: &Registration,
        said: Option<&Value>,
    ) -> Result<Registration, RegistrationError> {
        let (url, token) = of.managed_by(&self.issuer)?;
        let answer = self.ask(method, url, Some(&token), said).await?;
        let mut answer = read_registration(answer.status, &answer.body, Some(of.client_id()))?;
        // What is shown once is not shown again.
        for name in ["client_secret", "client_secret_expires_at"].iter().chain(&NOT_SENT[..2]) {
            if let (None, Some(before)) = (answer.get(*name), of.answer.get(*name)) {
                answer.insert((*name).to_owned(), before.clone());
            }
        }
        Ok(Registration { answer, ..of.clone() })
    }
}

impl Registration {
    /// The client's identifier.
    pub fn client_id(&self) -> &str {
        self.text("client_id").unwrap_or_default()
    }

    /// The client's secret, if it has one.
    pub fn client_secret(&self) -> Option<Secret> {
        self.text("client_secret").map(Secret::from)
    }

    /// What the server registered, which may be other than what was asked for. Secrets are in it.
    pub fn metadata(&self) -> &Map<String, Value> {
        &self.answer
    }

    /// Begins a client with what was registered: identifier, credential, scope, and the algorithms
    /// of ID token and userinfo. A client with a key of its own still has to be given that.
    pub fn client(&self) -> ClientBuilder {
        let mut builder = Client::builder(self.issuer.as_str(), self.client_id());
        let method = self.text("token_endpoint_auth_method").unwrap_or("client_secret_basic");
        builder = match (method, self.text("client_secret")) {
            ("none", _) => builder.public(),
            ("client_secret_post", Some(secret)) => builder.secret_in_body(secret),
            ("client_secret_basic", Some(secret)) => builder.secret(secret),
            _ => builder,
        };
        if let Some(scope) = self.text("scope") {
            builder = builder.scope(scope);
        }
        let algorithm = |name| self.text(name).and_then(Algorithm::from_name);
        if let Some(algorithm) = algorithm("userinfo_signed_response_alg") {
            builder = builder.userinfo_algorithms([algorithm]);
        }
        match algorithm("id_token_signed_response_alg") {
            Some(algorithm) => builder.id_token_algorithms([algorithm]),
            None => builder,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.answer.get(name).and_then(Value::as_str)
    }

    /// "0 if it will not expire" (RFC 7591 section 3.2.1).
    fn has_expired(&self) -> bool {
        let at = self.answer.get("client_secret_expires_at").and_then(Value::as_i64);
        at.is_some_and(|at| at != 0 && at <= system_clock().seconds())
    }

    /// Where and with what it is managed. The token goes over https alone, but on this machine,
    /// and to nobody whom another server named.
    fn managed_by(&self, issuer: &Issuer) -> Result<(&str, Secret), RegistrationError> {
        let (url, token) = (NOT_SENT[1], NOT_SENT[0]);
        let (Some(url), Some(token)) = (self.text(url), self.text(token)) else {
            return Err(RegistrationError::NotManaged);
        };
        let safe = Url::parse(url).is_ok_and(|url| {
            let local = issuer.is_development() && url.scheme() == "http" && is_loopback(&url);
            url.scheme() == "https" || local
        });
        if !safe || self.issuer != *issuer {
            return Err(RegistrationError::Malformed("registration_client_uri cannot be used"));
        }
        Ok((url, Secret::from(token)))
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({} at {})", self.client_id(), self.issuer)
    }
}

impl fmt::Debug for Registrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registrar(of {})", self.issuer)
    }
}
