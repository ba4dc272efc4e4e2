//! What a request is refused with, and how that is said (RFC 6750 section 3).

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use keystile_protocol::access_token::{AccessTokenError, Scheme};
use keystile_protocol::dpop::{self, DpopError};
use keystile_protocol::jose::{Algorithm, JoseError};
use keystile_protocol::{ErrorCode, ProtocolError, Scope};
use serde_json::json;

use crate::rules::Authentication;

/// Seconds after which a client may come again while the issuer is away.
const RETRY_AFTER: &str = "5";

/// Why a request is not let through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No token came, or a scheme that this API does not know: the challenge carries no error
    /// ("the resource server SHOULD NOT include an error code", RFC 6750 section 3.1).
    #[error("an access token is needed: Authorization: Bearer ... (RFC 6750 section 2.1)")]
    NoCredentials,
    /// The request itself is wrong.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The token is not believed.
    #[error("{}", described(.0))]
    InvalidToken(AccessTokenError),
    /// The DPoP proof beside the token is not believed (RFC 9449 section 7.1).
    #[error("{0}")]
    InvalidProof(DpopError),
    /// The DPoP proof came before (RFC 9449 section 11.1).
    #[error(
        "the DPoP proof's jti was used before; make a proof for each request (RFC 9449 section \
         11.1)"
    )]
    ProofUsed,
    /// The DPoP proof lacks a nonce of this API (RFC 9449 section 9).
    #[error(
        "the DPoP proof needs the nonce of the DPoP-Nonce header of this answer (RFC 9449 section \
         9)"
    )]
    UseNonce,
    /// The token is good, and none of its authorization details allows this (RFC 9396 section 9).
    #[error("the token has no authorization detail of the type '{kind}' that allows this")]
    InsufficientDetails {
        /// The type that is needed.
        kind: String,
    },
    /// The token is good and does not allow this.
    #[error("the token does not allow '{missing}'")]
    InsufficientScope {
        /// All that is needed here.
        required: Scope,
        /// The first of them that the token lacks.
        missing: String,
    },
    /// The token is good, and its user was not authenticated as strongly or as lately as is needed
    /// here: the client may send its user to sign in again (RFC 9470 section 3).
    #[error("{problem}")]
    InsufficientUserAuthentication {
        /// What is needed here.
        required: Authentication,
        /// What it lacks.
        problem: &'static str,
    },
    /// The issuer's keys cannot be had, or it cannot be asked, so that no token can be verified.
    #[error("access tokens cannot be verified at the moment: their issuer does not answer")]
    IssuerAway,
}

/// Words for whoever sent the token. Why claims cannot be read may quote them; it is not told.
fn described(error: &AccessTokenError) -> String {
    match error {
        AccessTokenError::Jose(JoseError::Claims(_)) => {
            "its claims are not those of an access token (RFC 9068 section 2.2)".to_owned()
        }
        other => other.to_string(),
    }
}

impl Refusal {
    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NoCredentials
            | Self::InvalidToken(_)
            | Self::InvalidProof(_)
            | Self::ProofUsed
            | Self::UseNonce
            | Self::InsufficientUserAuthentication { .. } => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest(_) => StatusCode::BAD_REQUEST,
            Self::InsufficientScope { .. } | Self::InsufficientDetails { .. } => {
                StatusCode::FORBIDDEN
            }
            Self::IssuerAway => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The standard's word for it; none where no credentials came.
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::NoCredentials => None,
            Self::InvalidRequest(_) => Some(ErrorCode::InvalidRequest),
            // What came is no proof at all: the standard's word for it is the proof's.
            Self::InvalidToken(AccessTokenError::NoProof)
            | Self::InvalidProof(_)
            | Self::ProofUsed => Some(ErrorCode::InvalidDpopProof),
            Self::UseNonce => Some(ErrorCode::UseDpopNonce),
            Self::InvalidToken(_) => Some(ErrorCode::InvalidToken),
            Self::InsufficientScope { .. } | Self::InsufficientDetails { .. } => {
                Some(ErrorCode::InsufficientScope)
            }
            Self::InsufficientUserAuthentication { .. } => {
                Some(ErrorCode::InsufficientUserAuthentication)
            }
            Self::IssuerAway => Some(ErrorCode::TemporarilyUnavailable),
        }
    }

    fn error(&self) -> Option<ProtocolError> {
        self.code().map(|code| ProtocolError::new(code, self.to_string()))
    }

    /// The scheme in which it is said: that in which the token came, unless another is needed.
    fn scheme(&self, came_as: Scheme) -> Scheme {
        match self {
            Self::InvalidToken(AccessTokenError::ProofNeeded)
            | Self::InvalidProof(_)
            | Self::ProofUsed
            | Self::UseNonce => Scheme::Dpop,
            Self::InvalidToken(AccessTokenError::NotBound) => Scheme::Bearer,
            _ => came_as,
        }
    }

    /// The values of `WWW-Authenticate`; none where no other credentials would help. Without
    /// credentials, each scheme that the API takes has one.
    pub fn challenges(&self, challenger: &Challenger<'_>) -> Vec<String> {
        match self {
            Self::IssuerAway => Vec::new(),
            Self::NoCredentials if challenger.takes_proofs => {
                [Scheme::Bearer, Scheme::Dpop].map(|s| self.challenge(s, challenger)).to_vec()
            }
            Self::NoCredentials => vec![self.challenge(Scheme::Bearer, challenger)],
            _ => vec![self.challenge(self.scheme(challenger.came_as), challenger)],
        }
    }

    fn challenge(&self, scheme: Scheme, challenger: &Challenger<'_>) -> String {
        let mut challenge = format!(r#"{} realm="{}""#, scheme.as_str(), challenger.realm);
        let mut add = |name: &str, value: &str| {
            for piece in [", ", name, "=\"", value, "\""] {
                challenge.push_str(piece);
            }
        };
        if let Some(error) = self.error() {
            add("error", error.error.as_str());
            add("error_description", &error.error_description);
        }
        match self {
            // "the scope necessary to access the protected resource" (RFC 6750 section 3).
            Self::NoCredentials if !challenger.scope.is_empty() => add("scope", challenger.scope),
            Self::InsufficientScope { required, .. } => add("scope", required.as_str()),
            Self::InsufficientUserAuthentication { required, .. } => {
                if !required.acr_values.is_empty() {
                    add("acr_values", &required.acr_values.join(" "));
                }
                if let Some(max_age) = required.max_age {
                    add("max_age", &max_age.as_secs().to_string());
                }
            }
            _ => {}
        }
        if scheme == Scheme::Dpop {
            add("algs", &dpop::ALGORITHMS.map(Algorithm::as_str).join(" "));
        }
        if let Some(url) = challenger.resource_metadata {
            add("resource_metadata", url);
        }
        challenge
    }

    /// The whole answer: status, challenges, `no-store`, and the same error as JSON.
    pub fn into_response(self, challenger: &Challenger<'_>) -> Response {
        let body = match self.error() {
            Some(error) => json!(error),
            None => json!({ "error_description": self.to_string() }),
        };
        let mut response = (self.status(), axum::Json(body)).into_response();
        let headers = response.headers_mut();
        let mut add = |name: HeaderName, value: HeaderValue| headers.append(name, value);
        add(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for challenge in self.challenges(challenger) {
            if let Ok(challenge) = challenge.try_into() {
                add(header::WWW_AUTHENTICATE, challenge);
            }
        }
        if matches!(self, Self::IssuerAway) {
            add(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

/// Who asks for a token, and how: what challenges are made of. `realm` and the rest have the
/// characters of RFC 6750's `scope` and `error_description` alone.
#[derive(Clone, Copy, Debug)]
pub struct Challenger<'a> {
    /// The API's name.
    pub realm: &'a str,
    /// How the token came; [`Scheme::Bearer`] if there was none.
    pub came_as: Scheme,
    /// Whether DPoP proofs are taken (RFC 9449).
    pub takes_proofs: bool,
    /// The scopes that are needed, separated by spaces.
    pub scope: &'a str,
    /// Where the API's metadata are (RFC 9728 section 5.1).
    pub resource_metadata: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::try_from(text).expect("tokens")
    }

    const PLAIN: Challenger<'static> = Challenger {
        realm: "photos",
        came_as: Scheme::Bearer,
        takes_proofs: false,
        scope: "",
        resource_metadata: None,
    };

    #[test]
    fn challenges_of_rfc_6750_section_3() {
        let challenge = |refusal: Refusal| refusal.challenges(&PLAIN).pop();
        assert_eq!(challenge(Refusal::NoCredentials).as_deref(), Some(r#"Bearer realm="photos""#));
        assert_eq!(challenge(Refusal::IssuerAway), None);
        let refusal = Refusal::InvalidToken(AccessTokenError::Expired { seconds: 7 });
        assert_eq!(
            challenge(refusal).as_deref(),
            Some(
                r#"Bearer realm="photos", error="invalid_token", error_description="the token expired 7 s ago""#
            )
        );
        let refusal =
            Refusal::InsufficientScope { required: scope("a b"), missing: "b".to_owned() };
        assert_eq!(
            challenge(refusal).as_deref(),
            Some(
                r#"Bearer realm="photos", error="insufficient_scope", error_description="the token does not allow 'b'", scope="a b""#
            )
        );
    }

    #[test]
    fn challenges_of_rfc_9449_7_1_and_rfc_9728_5_1() {
        let all = Challenger {
            takes_proofs: true,
            scope: "a b",
            resource_metadata: Some("https://m.example"),
            ..PLAIN
        };
        let rest = r#"algs="ES256 EdDSA PS256", resource_metadata="https://m.example""#;
        assert_eq!(
            Refusal::NoCredentials.challenges(&all),
            [
                r#"Bearer realm="photos", scope="a b", resource_metadata="https://m.example""#
                    .to_owned(),
                format!(r#"DPoP realm="photos", scope="a b", {rest}"#),
            ]
        );
        let scheme = |refusal: Refusal, came_as| {
            let challenges = refusal.challenges(&Challenger { came_as, ..all });
            let [challenge] = challenges.as_slice() else { panic!("one: {challenges:?}") };
            challenge.split(' ').next().expect("a word").to_owned()
        };
        let expired = Refusal::InvalidToken(AccessTokenError::Expired { seconds: 7 });
        let unproved = Refusal::InvalidToken(AccessTokenError::ProofNeeded);
        let unbound = Refusal::InvalidToken(AccessTokenError::NotBound);
        for (refusal, came_as, expected) in [
            (expired.clone(), Scheme::Bearer, "Bearer"),
            (expired, Scheme::Dpop, "DPoP"),
            (unproved, Scheme::Bearer, "DPoP"),
            (unbound, Scheme::Dpop, "Bearer"),
            (Refusal::UseNonce, Scheme::Dpop, "DPoP"),
        ] {
            assert_eq!(scheme(refusal.clone(), came_as), expected, "{refusal}");
        }
    }

    #[test]
    fn a_description_keeps_to_the_characters_of_rfc_6750_section_3() {
        let strange = JoseError::UnknownKey("a\"b\\c\u{e9}".to_owned());
        let challenge = Refusal::InvalidToken(AccessTokenError::Jose(strange));
        let challenge = challenge.challenges(&PLAIN).pop().expect("a challenge");
        assert!(challenge.contains("'a'b?c?'"), "{challenge}");
        assert!(HeaderValue::try_from(challenge).is_ok());
    }

    #[test]
    fn claims_are_not_quoted_back() {
        let told = JoseError::Claims("invalid type: string \"alice's number\"".to_owned());
        let text = Refusal::InvalidToken(AccessTokenError::Jose(told)).to_string();
        assert!(!text.contains("alice"), "{text}");
    }
}
