//! Requests, answers and claims as they go over the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access_token::Confirmation;
use crate::authorization_details::AuthorizationDetails;
use crate::jose::Algorithm;
use crate::token_exchange::Actor;
use crate::values::{ClientId, Issuer, Scope, Secret};

/// One or several audiences; one is written as a plain string (RFC 7519 section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// A single one.
    One(String),
    /// Any number.
    Many(Vec<String>),
}

impl Audience {
    /// Whether `name` is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|audience| audience == name)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many.as_slice(),
        };
        all.iter().map(String::as_str)
    }
}

impl From<Vec<String>> for Audience {
    fn from(mut audiences: Vec<String>) -> Self {
        match audiences.len() {
            1 => Self::One(audiences.remove(0)),
            _ => Self::Many(audiences),
        }
    }
}

/// A successful token response (RFC 6749 section 5.1, OpenID Connect Core 1.0 section 3.1.3.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenResponse {
    /// What the API is called with.
    pub access_token: Secret,
    /// `Bearer`, in any case.
    pub token_type: String,
    /// The access token's life from now, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// What new access tokens are got with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// What was granted. May be absent if it is what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// What the access token is good for beside its scope (RFC 9396 section 7).
    #[serde(default, skip_serializing_if = "AuthorizationDetails::is_empty")]
    pub authorization_details: AuthorizationDetails,
    /// Who the user is, where `openid` was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token: Option<Secret>,
    /// What kind of token came of an exchange (RFC 8693 section 2.2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<String>,
}

/// The claims of an ID token (OpenID Connect Core 1.0 section 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdTokenClaims {
    /// Who issued it.
    pub iss: Issuer,
    /// Who the user is: never reused, at most 255 characters.
    pub sub: String,
    /// For which client.
    pub aud: Audience,
    /// Seconds since 1970, from which on it is not accepted.
    pub exp: i64,
    /// Seconds since 1970, when it was issued.
    pub iat: i64,
    /// Seconds since 1970, when the user was last authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The authorization request's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// How strongly the user was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// By which means (RFC 8176).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amr: Option<Vec<String>>,
    /// The client that it was issued to, where that is not the audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azp: Option<String>,
    /// Half of the access token's digest (section 3.1.3.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// The session at the authorization server (OpenID Connect Back-Channel Logout 1.0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Claims about the user.
    #[serde(flatten)]
    pub user: serde_json::Map<String, serde_json::Value>,
}

/// `at_hash`: the left half of the access token's SHA-256 (OpenID Connect Core 1.0 section
/// 3.1.3.6). All our algorithms hash with SHA-256; for EdDSA, whose hash is SHA-512, the common
/// reading is the left half of that one.
pub fn access_token_hash(access_token: &str, algorithm: Algorithm) -> String {
    use aws_lc_rs::digest::{SHA256, SHA512, digest};
    let hash = if algorithm == Algorithm::EdDSA { &SHA512 } else { &SHA256 };
    let digest = digest(hash, access_token.as_bytes());
    crate::encoding::base64url(&digest.as_ref()[..digest.as_ref().len() / 2])
}

/// The answer to a pushed authorization request (RFC 9126 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedResponse {
    /// What the authorization request refers to it by.
    pub request_uri: String,
    /// For how long from now, in seconds.
    pub expires_in: u64,
}

/// The answer to a device authorization request (RFC 8628 section 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAuthorizationResponse {
    /// What the device polls with.
    pub device_code: Secret,
    /// What the person types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the user code filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_uri_complete: Option<String>,
    /// Ours: a picture of `verification_uri_complete` as a QR code (section 3.3.1), for a device
    /// that can show a picture and make none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_uri_qr: Option<String>,
    /// For how long from now both codes are good, in seconds.
    pub expires_in: u64,
    /// Seconds between two polls; 5, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
}

/// The answer to a backchannel authentication request (OpenID Connect CIBA Core 1.0 section 7.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackchannelAuthenticationResponse {
    /// What the client asks for its tokens with.
    pub auth_req_id: Secret,
    /// For how long from now it is good, in seconds.
    pub expires_in: u64,
    /// Seconds between two polls; 5, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
}

/// An authorization response as a JWT (JARM section 2.1). Its parameters stand beside `aud` and
/// `exp`; `iss` is one of them (RFC 9207).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseClaims {
    /// The client.
    pub aud: String,
    /// Seconds since 1970, from which on it is not accepted.
    pub exp: i64,
    /// The parameters of the response.
    #[serde(flatten)]
    pub params: BTreeMap<String, String>,
}

/// The answer to an introspection request (RFC 7662 section 2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the members are the standard's own")]
pub struct IntrospectionResponse {
    pub active: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<Issuer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// RFC 9396 section 9.2.
    #[serde(default, skip_serializing_if = "AuthorizationDetails::is_empty")]
    pub authorization_details: AuthorizationDetails,
    /// RFC 9470 section 6.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_act: Option<Actor>,
}

/// The media type of an introspection answer that is a JWT, and with that its `typ` (RFC 9701
/// section 5).
pub const INTROSPECTION_JWT: &str = "token-introspection+jwt";

/// The answer to an introspection request as a JWT (RFC 9701 section 5). It has neither `sub` nor
/// `exp` of its own, so that nobody takes it for an access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntrospectionClaims {
    /// Who answers.
    pub iss: Issuer,
    /// Who asked.
    pub aud: String,
    /// Seconds since 1970, when it was answered.
    pub iat: i64,
    /// The answer.
    pub token_introspection: IntrospectionResponse,
}

/// What an authorization server says of itself (RFC 8414 section 2, OpenID Connect Discovery 1.0
/// section 3). Members that are absent are left out; unknown ones are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the members are the standards' own")]
pub struct Metadata {
    pub issuer: Issuer,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_session_endpoint: Option<String>,
    /// RFC 7591 section 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    /// Whether a `client_id` may be the address of a metadata document (draft-ietf-oauth-client-id-
    /// metadata-document-00 section 7).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub client_id_metadata_document_supported: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_types_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_modes_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grant_types_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject_types_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub id_token_signing_alg_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub userinfo_signing_alg_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// RFC 9701 section 7.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introspection_signing_alg_values_supported: Vec<String>,
    /// RFC 9449 section 5.1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code_challenge_methods_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompt_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ui_locales_supported: Vec<String>,
    /// RFC 8628 section 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_authorization_endpoint: Option<String>,
    /// OpenID Connect CIBA Core 1.0 section 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_authentication_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backchannel_token_delivery_modes_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backchannel_authentication_request_signing_alg_values_supported: Vec<String>,
    #[serde(default)]
    pub backchannel_user_code_parameter_supported: bool,
    /// RFC 9126 section 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_authorization_request_endpoint: Option<String>,
    /// RFC 9126 section 5.
    #[serde(default)]
    pub require_pushed_authorization_requests: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_object_signing_alg_values_supported: Vec<String>,
    /// JARM section 3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_signing_alg_values_supported: Vec<String>,
    /// OpenID Connect Discovery 1.0 section 3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub id_token_encryption_alg_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub id_token_encryption_enc_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub userinfo_encryption_alg_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub userinfo_encryption_enc_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_object_encryption_alg_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_object_encryption_enc_values_supported: Vec<String>,
    /// JARM section 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_encryption_alg_values_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_encryption_enc_values_supported: Vec<String>,
    /// RFC 9396 section 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_details_types_supported: Vec<String>,
    #[serde(default)]
    pub claims_parameter_supported: bool,
    #[serde(default)]
    pub request_parameter_supported: bool,
    /// True where it is absent (OpenID Connect Discovery 1.0 section 3).
    #[serde(default = "yes")]
    pub request_uri_parameter_supported: bool,
    /// Whether request objects come from registered addresses alone.
    #[serde(default)]
    pub require_request_uri_registration: bool,
    /// RFC 9207 section 3.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// RFC 8705 section 3.3.
    #[serde(default)]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// RFC 8705 section 5: the endpoints' other URLs, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mtls_endpoint_aliases: BTreeMap<String, String>,
    /// OpenID Connect Back-Channel Logout 1.0 section 2.1.
    #[serde(default)]
    pub backchannel_logout_supported: bool,
    #[serde(default)]
    pub backchannel_logout_session_supported: bool,
    /// OpenID Connect Front-Channel Logout 1.0 section 3.
    #[serde(default)]
    pub frontchannel_logout_supported: bool,
    #[serde(default)]
    pub frontchannel_logout_session_supported: bool,
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_audience_is_a_string_and_several_are_a_list() {
        let one = Audience::from(vec!["a".to_owned()]);
        assert_eq!(serde_json::to_string(&one).expect("json"), r#""a""#);
        let two: Audience = serde_json::from_str(r#"["a","b"]"#).expect("json");
        assert!(two.contains("b") && !two.contains("c"));
    }

    #[test]
    fn at_hash_of_openid_connect_core_appendix_a_3() {
        // The access token and the hash of the standard's example.
        let hash =
            access_token_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", Algorithm::RS256);
        assert_eq!(hash, "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
