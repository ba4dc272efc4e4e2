//! What the server says of itself (RFC 8414, OpenID Connect Discovery 1.0).

use std::collections::BTreeMap;

use keystile_protocol::dpop;
use keystile_protocol::jose::Algorithm;
use keystile_protocol::jose::encryption::{ContentEncryption, KeyManagement};
use keystile_protocol::messages::Metadata;

use super::Authority;
use crate::policy::MutualTls;
use crate::records::Delivery;
use crate::rules::mutual_tls::{BY_AUTHORITY, SELF_SIGNED};
use crate::rules::redirect::ResponseMode;
use crate::rules::{acr, claims};

/// Where each endpoint is, below the issuer.
pub mod paths {
    #![allow(missing_docs, reason = "the names say it")]
    pub const AUTHORIZE: &str = "/authorize";
    pub const TOKEN: &str = "/token";
    pub const PAR: &str = "/par";
    pub const USERINFO: &str = "/userinfo";
    pub const JWKS: &str = "/jwks";
    pub const REVOKE: &str = "/revoke";
    pub const INTROSPECT: &str = "/introspect";
    pub const LOGOUT: &str = "/logout";
    pub const DEVICE_AUTHORIZATION: &str = "/device_authorization";
    pub const DEVICE: &str = "/device";
    pub const REGISTER: &str = "/register";
    pub const BACKCHANNEL_AUTHENTICATION: &str = "/backchannel-authentication";
}

impl Authority {
    /// The metadata document, the same for both well-known addresses. Built from the configured
    /// issuer alone; it lists what is on and works.
    pub fn metadata(&self) -> Metadata {
        let issuer = &self.policy.issuer;
        let at = |path: &str| Some(issuer.endpoint(path));
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut with_secret =
            names(&["client_secret_basic", "client_secret_post", "private_key_jwt"]);
        let mutual_tls = self.policy.mutual_tls.as_ref();
        with_secret.extend(mutual_tls.into_iter().flat_map(certificate_methods));
        let with_none = [with_secret.clone(), names(&["none"])].concat();
        let signed_with =
            |all: &[Algorithm]| all.iter().map(|one| one.as_str().to_owned()).collect::<Vec<_>>();
        // What we sign; what clients sign is another matter.
        let ours = || signed_with(&self.policy.signing_algorithms);
        // `dir` is for the operator to allow, client by client.
        let to_public_keys = || KeyManagement::TO_PUBLIC_KEYS.map(|alg| alg.to_string()).into();
        let contents = || ContentEncryption::ALL.map(|enc| enc.to_string()).into();
        let mut claims_supported =
            names(&["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"]);
        let mut prompts = names(&["none", "login", "consent", "select_account"]);
        if self.policy.sign_up {
            prompts.push("create".to_owned());
        }
        claims_supported.extend(claims::supported().map(str::to_owned));
        let grant_types = self.policy.grant_types();
        Metadata {
            issuer: issuer.clone(),
            authorization_endpoint: issuer.endpoint(paths::AUTHORIZE),
            token_endpoint: issuer.endpoint(paths::TOKEN),
            jwks_uri: at(paths::JWKS),
            userinfo_endpoint: at(paths::USERINFO),
            revocation_endpoint: at(paths::REVOKE),
            introspection_endpoint: at(paths::INTROSPECT),
            end_session_endpoint: at(paths::LOGOUT),
            client_id_metadata_document_supported: self
                .policy
                .registration
                .client_id_metadata_documents,
            registration_endpoint: self.registers().then(|| issuer.endpoint(paths::REGISTER)),
            scopes_supported: self.policy.scopes.iter().map(|scope| scope.name.clone()).collect(),
            response_types_supported: names(&["code"]),
            response_modes_supported: ResponseMode::NAMES.map(|(name, _)| name.to_owned()).into(),
            grant_types_supported: grant_types.map(|grant| grant.as_str().to_owned()).collect(),
            subject_types_supported: names(&["public", "pairwise"]),
            id_token_signing_alg_values_supported: ours(),
            userinfo_signing_alg_values_supported: ours(),
            token_endpoint_auth_methods_supported: with_none.clone(),
            revocation_endpoint_auth_methods_supported: with_none,
            introspection_endpoint_auth_methods_supported: with_secret,
            token_endpoint_auth_signing_alg_values_supported: signed_with(&Algorithm::ALL),
            revocation_endpoint_auth_signing_alg_values_supported: signed_with(&Algorithm::ALL),
            introspection_endpoint_auth_signing_alg_values_supported: signed_with(&Algorithm::ALL),
            introspection_signing_alg_values_supported: ours(),
            dpop_signing_alg_values_supported: signed_with(&dpop::ALGORITHMS),
            code_challenge_methods_supported: names(&["S256"]),
            claims_supported,
            acr_values_supported: names(&acr::SUPPORTED),
            prompt_values_supported: prompts,
            ui_locales_supported: Vec::new(),
            authorization_details_types_supported: self
                .policy
                .details_types
                .iter()
                .map(|of| of.name.clone())
                .collect(),
            claims_parameter_supported: true,
            device_authorization_endpoint: at(paths::DEVICE_AUTHORIZATION),
            backchannel_authentication_endpoint: at(paths::BACKCHANNEL_AUTHENTICATION),
            backchannel_token_delivery_modes_supported: names(&Delivery::NAMES),
            backchannel_authentication_request_signing_alg_values_supported: signed_with(
                &Algorithm::ALL,
            ),
            backchannel_user_code_parameter_supported: false,
            pushed_authorization_request_endpoint: at(paths::PAR),
            require_pushed_authorization_requests: self.policy.require_pushed_requests,
            request_object_signing_alg_values_supported: signed_with(&Algorithm::ALL),
            authorization_signing_alg_values_supported: ours(),
            id_token_encryption_alg_values_supported: to_public_keys(),
            id_token_encryption_enc_values_supported: contents(),
            userinfo_encryption_alg_values_supported: to_public_keys(),
            userinfo_encryption_enc_values_supported: contents(),
            request_object_encryption_alg_values_supported: to_public_keys(),
            request_object_encryption_enc_values_supported: contents(),
            authorization_encryption_alg_values_supported: to_public_keys(),
            authorization_encryption_enc_values_supported: contents(),
            request_parameter_supported: true,
            request_uri_parameter_supported: true,
            require_request_uri_registration: true,
            authorization_response_iss_parameter_supported: true,
            tls_client_certificate_bound_access_tokens: mutual_tls.is_some(),
            mtls_endpoint_aliases: mutual_tls.map(aliases).unwrap_or_default(),
            backchannel_logout_supported: true,
            backchannel_logout_session_supported: true,
            frontchannel_logout_supported: true,
            frontchannel_logout_session_supported: true,
        }
    }
}

/// The endpoints that clients call with a certificate (RFC 8705 section 5), by their names.
const WITH_CERTIFICATE: [(&str, &str); 7] = [
    ("token_endpoint", paths::TOKEN),
    ("pushed_authorization_request_endpoint", paths::PAR),
    ("device_authorization_endpoint", paths::DEVICE_AUTHORIZATION),
    ("backchannel_authentication_endpoint", paths::BACKCHANNEL_AUTHENTICATION),
    ("userinfo_endpoint", paths::USERINFO),
    ("revocation_endpoint", paths::REVOKE),
    ("introspection_endpoint", paths::INTROSPECT),
];

fn aliases(mutual_tls: &MutualTls) -> BTreeMap<String, String> {
    let Some(alias) = &mutual_tls.alias else { return BTreeMap::new() };
    let at = |(name, path): (&str, &str)| (name.to_owned(), alias.endpoint(path));
    WITH_CERTIFICATE.into_iter().map(at).collect()
}

/// Without authorities nobody can have issued a certificate.
fn certificate_methods(mutual_tls: &MutualTls) -> impl Iterator<Item = String> {
    let by_authority = (!mutual_tls.authorities.is_empty()).then_some(BY_AUTHORITY);
    by_authority.into_iter().chain([SELF_SIGNED]).map(str::to_owned)
}
