//! One question (RFC 7662 section 2.1), with the answer plain or signed (RFC 9701).

use std::sync::Arc;
use std::time::Duration;

use keystile_protocol::client_assertion::{self, ClientAssertionClaims};
use keystile_protocol::encoding::{base64url, percent_encode};
use keystile_protocol::jose::{JoseError, SignedToken};
use keystile_protocol::messages::{Audience, INTROSPECTION_JWT};
use keystile_protocol::{Issuer, Secret, Timestamp};
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Answer, Credential, Introspection};
use crate::Algorithm;
use crate::foreign::{Asked, Defaults, ForeignClaims};
use crate::outbound::{Outbound, OutboundError};
use crate::published::PublishedCache;
use crate::verified::Verified;

/// How long a client assertion is good.
const ASSERTION_LIFE: Duration = Duration::from_mins(1);

/// Whatever is needed to ask.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) settings: Introspection,
    pub(super) outbound: Outbound,
    pub(super) published: Arc<PublishedCache>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) audience: Arc<str>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("nothing is known of it")]
    NothingKnown,
    #[error("its metadata name no introspection_endpoint")]
    NoEndpoint,
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error("its answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("its signed answer is refused: {0} (RFC 9701 section 5)")]
    Signed(#[from] JoseError),
    #[error("its signed answer is not for us (RFC 9701 section 5)")]
    NotForUs,
    #[error("the client assertion cannot be made: {0}")]
    Assertion(JoseError),
    #[error("there is no randomness")]
    NoRandomness,
}

/// A signed answer.
#[derive(Deserialize)]
struct SignedAnswer {
    iss: Issuer,
    aud: Audience,
    token_introspection: Box<RawValue>,
}

impl Asker {
    pub(super) async fn ask(
        &self,
        token: &str,
        digest: &[u8; 32],
        life: Duration,
        now: Timestamp,
    ) -> Result<Answer, AskError> {
        let published = self.published.current().await.ok_or(AskError::NothingKnown)?;
        let url = published.introspection_endpoint.as_deref().ok_or(AskError::NoEndpoint)?;
        let body = Outbound::read(url, self.question(url, token, now)?).await?;
        let json = if self.settings.signed {
            self.unsigned(&body).await?
        } else {
            serde_json::from_slice(&body)?
        };
        let claims: ForeignClaims = serde_json::from_str(json.get())?;
        if !claims.active {
            return Ok(Answer::Inactive);
        }
        let asked = Some(Asked { issuer: &self.outbound.issuer, life });
        let defaults = Defaults { digest, now, asked };
        let claims = claims.into_access_token(&defaults);
        Ok(Answer::Active(
            claims.map(|claims| Arc::new(Verified::for_audience(claims, json, &self.audience))),
        ))
    }

    fn question(&self, url: &str, token: &str, now: Timestamp) -> Result<RequestBuilder, AskError> {
        let mut form = vec![("token", token), ("token_type_hint", "access_token")];
        let accept = if self.settings.signed { INTROSPECTION_JWT } else { "json" };
        let request =
            self.outbound.http.post(url).header("accept", format!("application/{accept}"));
        let Introspection { client_id, credential, .. } = &self.settings;
        let assertion;
        let request = match credential {
            Credential::Secret(secret) => basic(request, client_id, secret),
            Credential::Key(key) => {
                let claims = self.assertion(now)?;
                assertion = key.sign("JWT", &claims).map_err(AskError::Assertion)?;
                form.extend([
                    ("client_id", client_id.as_str()),
                    ("client_assertion_type", client_assertion::TYPE),
                    ("client_assertion", &assertion),
                ]);
                request
            }
        };
        Ok(request.form(&form))
    }

    fn assertion(&self, now: Timestamp) -> Result<ClientAssertionClaims, AskError> {
        let client_id = &self.settings.client_id;
        let jti = crate::random::bytes::<16>().ok_or(AskError::NoRandomness)?;
        Ok(ClientAssertionClaims {
            iss: Some(client_id.clone()),
            sub: Some(client_id.clone()),
            aud: Some(Audience::One(self.outbound.issuer.to_string())),
            jti: Some(base64url(jti)),
            exp: Some(now.plus(ASSERTION_LIFE).seconds()),
            nbf: None,
            iat: Some(now.seconds()),
        })
    }

    /// What was signed: by this issuer, as an answer and as nothing else, for us.
    async fn unsigned(&self, body: &[u8]) -> Result<Box<RawValue>, AskError> {
        let text = std::str::from_utf8(body).map_err(|_| JoseError::Malformed)?;
        let token = SignedToken::parse(text.trim())?;
        let typ = token.header.typ.as_deref().unwrap_or_default();
        let typ = typ.strip_prefix("application/").unwrap_or(typ);
        if !typ.eq_ignore_ascii_case(INTROSPECTION_JWT) {
            return Err(AskError::NotForUs);
        }
        let answer: SignedAnswer = self
            .published
            .verified(&token, &self.algorithms)
            .await
            .ok_or(AskError::NothingKnown)??;
        if answer.iss != self.outbound.issuer || !answer.aud.contains(&self.settings.client_id) {
            return Err(AskError::NotForUs);
        }
        Ok(answer.token_introspection)
    }
}

/// Identifier and secret are form encoded before they are joined (RFC 6749 section 2.3.1).
fn basic(request: RequestBuilder, client_id: &str, secret: &Secret) -> RequestBuilder {
    let (mut user, mut password) = (String::new(), String::new());
    percent_encode(client_id, &mut user);
    percent_encode(secret.expose(), &mut password);
    request.basic_auth(user, Some(password))
}
