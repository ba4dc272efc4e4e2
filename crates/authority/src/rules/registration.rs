//! What a client may be registered as (RFC 7591 section 2), whoever registers it: the
//! configuration file, the command line, or the client itself.

use keystile_protocol::jose::Algorithm;
use keystile_protocol::redirect_uri::UriPolicy;
use keystile_protocol::{ClientId, RedirectUri, Scope, Secret};
use serde::{Deserialize, Serialize};

use crate::records::{
    Client, ClientKind, ClientOrigin, ClientSecret, GrantType, OpenIdOptions, Profile, SecretMethod,
};
use crate::rules::exchange_policy::{self, ExchangeMetadata};
use crate::rules::{
    ciba_registration, client_facts, client_keys, encryption, fapi2, logout_channels, mutual_tls,
    request_uri, sector,
};

/// A secret that is shorter could be guessed: secrets are kept as a plain digest.
pub const SECRET_AT_LEAST: usize = 32;
/// A client with more redirect URIs than this is refused.
const URIS_AT_MOST: usize = 50;

/// A client's metadata by their registered names, and ours.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the names are RFC 7591's, or documented in records::Client")]
pub struct ClientMetadata {
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub client_name: Option<String>,
    pub client_uri: Option<String>,
    pub logo_uri: Option<String>,
    pub policy_uri: Option<String>,
    pub tos_uri: Option<String>,
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    pub backchannel_logout_uri: Option<String>,
    pub backchannel_logout_session_required: bool,
    pub frontchannel_logout_uri: Option<String>,
    pub frontchannel_logout_session_required: bool,
    pub grant_types: Option<Vec<String>>,
    pub response_types: Option<Vec<String>>,
    pub scope: Option<String>,
    pub token_endpoint_auth_method: Option<String>,
    pub token_endpoint_auth_signing_alg: Option<String>,
    pub jwks: Option<serde_json::Value>,
    pub jwks_uri: Option<String>,
    pub dpop_bound_access_tokens: bool,
    pub tls_client_auth_subject_dn: Option<String>,
    pub tls_client_auth_san_dns: Option<String>,
    pub tls_client_auth_san_uri: Option<String>,
    pub tls_client_auth_san_ip: Option<String>,
    pub tls_client_auth_san_email: Option<String>,
    pub tls_client_certificate_bound_access_tokens: bool,
    pub id_token_signed_response_alg: Option<String>,
    pub userinfo_signed_response_alg: Option<String>,
    pub introspection_signed_response_alg: Option<String>,
    pub subject_type: Option<String>,
    pub sector_identifier_uri: Option<String>,
    pub application_type: Option<String>,
    pub request_uris: Vec<String>,
    pub request_object_signing_alg: Option<String>,
    pub require_signed_request_object: bool,
    pub authorization_signed_response_alg: Option<String>,
    pub require_pushed_authorization_requests: bool,
    pub id_token_encrypted_response_alg: Option<String>,
    pub id_token_encrypted_response_enc: Option<String>,
    pub userinfo_encrypted_response_alg: Option<String>,
    pub userinfo_encrypted_response_enc: Option<String>,
    pub authorization_encrypted_response_alg: Option<String>,
    pub authorization_encrypted_response_enc: Option<String>,
    pub request_object_encryption_alg: Option<String>,
    pub request_object_encryption_enc: Option<String>,
    pub authorization_details_types: Vec<String>,
    pub default_max_age: Option<u64>,
    pub require_auth_time: bool,
    pub default_acr_values: Vec<String>,
    pub initiate_login_uri: Option<String>,
    pub contacts: Vec<String>,
    pub software_id: Option<String>,
    pub software_version: Option<String>,
    pub backchannel_token_delivery_mode: Option<String>,
    pub backchannel_client_notification_endpoint: Option<String>,
    pub backchannel_authentication_request_signing_alg: Option<String>,
    pub backchannel_user_code_parameter: bool,
    /// Ours: who runs the app, for the consent page.
    pub operator: Option<String>,
    /// Ours: false for a confidential client that cannot do PKCE.
    pub require_pkce: Option<bool>,
    /// Ours: `fapi2` holds the client to the FAPI 2.0 Security Profile.
    pub profile: Option<Profile>,
    /// Ours: whether `dir` may be used, whose key stands in the database.
    pub allow_direct_encryption: bool,
    /// Ours: run by the same people, no consent is asked for.
    pub trusted: bool,
    /// Ours.
    pub allow_embedded_browser: bool,
    /// Ours.
    pub several_audiences: bool,
    /// Ours: the audiences of the APIs that this client is the face of.
    pub apis: Vec<String>,
    /// Ours: what it may exchange tokens for (RFC 8693).
    pub token_exchange: Option<ExchangeMetadata>,
}

/// Why metadata are refused: which member, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {problem}")]
pub struct MetadataError {
    /// The member's name.
    pub member: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

pub(super) fn wrong<T>(member: &'static str, problem: impl ToString) -> Result<T, MetadataError> {
    Err(MetadataError { member, problem: problem.to_string() })
}

/// Makes a client of its metadata. `development`: the issuer is http on loopback.
pub fn register(metadata: &ClientMetadata, development: bool) -> Result<Client, MetadataError> {
    let id = ClientId::new(metadata.client_id.as_str())
        .or_else(|problem| wrong("client_id", problem))?;
    let native = native(metadata)?;
    let kind = kind(metadata, native)?;
    client_keys::nothing_unused(metadata, &kind)?;
    mutual_tls::nothing_unused(metadata, &kind)?;
    let grant_types = grant_types(metadata)?;
    let public = matches!(kind, ClientKind::Public { .. });
    if let Some(grant) = grant_types.iter().find(|grant| public && grant.needs_proof()) {
        let problem = format!("{} needs a client that proves who it is", grant.as_str());
        return wrong("grant_types", problem);
    }
    let redirect_uris = redirect_uris(metadata, native, development)?;
    let keys = client_keys::registered(metadata, development)?;
    client_facts::kept_alone(metadata, development)?;
    let client = Client {
        name: name(metadata)?,
        openid: openid(metadata, &redirect_uris, development)?,
        redirect_uris,
        post_logout_redirect_uris: post_logout_uris(metadata, native, development)?,
        scope: scope(metadata)?,
        id_token_algorithm: id_token_algorithm(metadata)?,
        enabled: true,
        trusted: metadata.trusted,
        allow_embedded_browser: metadata.allow_embedded_browser,
        several_audiences: metadata.several_audiences,
        apis: metadata.apis.clone(),
        introspection_algorithm: signed_with(
            "introspection_signed_response_alg",
            metadata.introspection_signed_response_alg.as_deref(),
        )?,
        dpop_bound_access_tokens: metadata.dpop_bound_access_tokens,
        certificate_bound_access_tokens: metadata.tls_client_certificate_bound_access_tokens,
        profile: metadata.profile,
        about: client_facts::about(metadata)?,
        defaults: client_facts::defaults(metadata)?,
        origin: ClientOrigin::Operator,
        pkce_waived: false,
        encryption: encryption::register(metadata, &kind, keys.as_ref())?,
        ciba: ciba_registration::register(metadata, &kind, &grant_types, development)?,
        keys,
        request_uris: request_uri::register(metadata, development)?,
        request_object_algorithm: signed_with(
            "request_object_signing_alg",
            metadata.request_object_signing_alg.as_deref(),
        )?,
        authorization_response_algorithm: signed_with(
            "authorization_signed_response_alg",
            metadata.authorization_signed_response_alg.as_deref(),
        )?,
        require_signed_request_object: metadata.require_signed_request_object,
        require_pushed_requests: metadata.require_pushed_authorization_requests,
        logout: logout_channels::register(metadata, development)?,
        token_exchange: exchange_policy::register(metadata, &grant_types)?,
        authorization_details_types: details_types(metadata)?,
        id,
        kind,
        grant_types,
    };
    if !crate::rules::redirect::can_be_answered(&client) {
        return wrong("redirect_uris", "the grant type authorization_code needs at least one");
    }
    fapi2::registered(client, metadata)
}

fn name(metadata: &ClientMetadata) -> Result<String, MetadataError> {
    let name = metadata.client_name.as_deref().unwrap_or(&metadata.client_id).trim();
    if name.is_empty() || name.chars().count() > 100 || name.contains(char::is_control) {
        return wrong("client_name", "it has 1 to 100 printable characters");
    }
    Ok(name.to_owned())
}

fn native(metadata: &ClientMetadata) -> Result<bool, MetadataError> {
    match metadata.application_type.as_deref() {
        None | Some("web") => Ok(false),
        Some("native") => Ok(true),
        Some(other) => wrong("application_type", format!("'{other}' is neither web nor native")),
    }
}

fn kind(metadata: &ClientMetadata, native: bool) -> Result<ClientKind, MetadataError> {
    let method = match metadata.token_endpoint_auth_method.as_deref() {
        None | Some("client_secret_basic") => SecretMethod::ClientSecretBasic,
        Some("client_secret_post") => SecretMethod::ClientSecretPost,
        Some("private_key_jwt") => return client_keys::kind(metadata),
        Some(mutual_tls::BY_AUTHORITY) => return mutual_tls::issued(metadata),
        Some(mutual_tls::SELF_SIGNED) => return mutual_tls::self_signed(metadata),
        Some("none") => return public(metadata, native),
        Some(other) => {
            return wrong(
                "token_endpoint_auth_method",
                format!(
                    "'{other}' is not supported; use client_secret_basic, client_secret_post, \
                         private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none"
                ),
            );
        }
    };
    let Some(secret) = &metadata.client_secret else {
        return wrong(
            "client_secret",
            format!(
                "{} needs one; 'keystile client rotate-secret' makes a good one, or say \
                     token_endpoint_auth_method = \"none\" for a public client",
                method.as_str()
            ),
        );
    };
    if secret.expose().len() < SECRET_AT_LEAST {
        return wrong(
            "client_secret",
            format!(
                "it has {} bytes, at least {SECRET_AT_LEAST} random ones are needed; \
                     'keystile client add' and 'keystile client rotate-secret' make good ones",
                secret.expose().len()
            ),
        );
    }
    Ok(ClientKind::Confidential {
        method,
        secrets: vec![ClientSecret::of(secret, None)],
        require_pkce: metadata.require_pkce.unwrap_or(true),
    })
}

/// Row 5.1: a client without a secret uses PKCE, and cannot be told not to.
fn public(metadata: &ClientMetadata, native: bool) -> Result<ClientKind, MetadataError> {
    if metadata.client_secret.is_some() {
        return wrong("client_secret", "a client with token_endpoint_auth_method none has none");
    }
    if metadata.require_pkce == Some(false) {
        return wrong("require_pkce", "a public client always uses PKCE (RFC 9700 section 2.1.1)");
    }
    Ok(ClientKind::Public { native })
}

fn grant_types(metadata: &ClientMetadata) -> Result<Vec<GrantType>, MetadataError> {
    let mut response_types = metadata.response_types.iter().flatten();
    if let Some(other) = response_types.find(|name| *name != "code") {
        return wrong("response_types", format!("'{other}' is not supported; only code is"));
    }
    let Some(names) = &metadata.grant_types else {
        return Ok(vec![GrantType::AuthorizationCode]);
    };
    let parse = |name: &String| match GrantType::from_name(name) {
        Some(grant_type) => Ok(grant_type),
        None => wrong("grant_types", format!("'{name}' is not supported")),
    };
    names.iter().map(parse).collect()
}

fn redirect_uris(
    metadata: &ClientMetadata,
    native: bool,
    development: bool,
) -> Result<Vec<RedirectUri>, MetadataError> {
    if metadata.redirect_uris.len() > URIS_AT_MOST {
        return wrong("redirect_uris", format!("more than {URIS_AT_MOST}"));
    }
    let register = |uri: &String| {
        RedirectUri::register(uri, uri_policy(native, development))
            .or_else(|problem| wrong("redirect_uris", format!("'{uri}': {problem}")))
    };
    metadata.redirect_uris.iter().map(register).collect()
}

fn uri_policy(native: bool, development: bool) -> UriPolicy {
    match (native, development) {
        (true, _) => UriPolicy::Native,
        (false, true) => UriPolicy::Development,
        (false, false) => UriPolicy::Web,
    }
}

fn post_logout_uris(
    metadata: &ClientMetadata,
    native: bool,
    development: bool,
) -> Result<Vec<String>, MetadataError> {
    if metadata.post_logout_redirect_uris.len() > URIS_AT_MOST {
        return wrong("post_logout_redirect_uris", format!("more than {URIS_AT_MOST}"));
    }
    for uri in &metadata.post_logout_redirect_uris {
        RedirectUri::register(uri, uri_policy(native, development))
            .or_else(|problem| wrong("post_logout_redirect_uris", format!("'{uri}': {problem}")))?;
    }
    Ok(metadata.post_logout_redirect_uris.clone())
}

/// An address that is called by us or by a page of ours: https, and http on this machine for a
/// development issuer.
pub fn called_uri(
    member: &'static str,
    uri: &str,
    development: bool,
) -> Result<RedirectUri, MetadataError> {
    RedirectUri::register(uri, uri_policy(false, development))
        .or_else(|problem| wrong(member, format!("'{uri}': {problem}")))
}

fn scope(metadata: &ClientMetadata) -> Result<Scope, MetadataError> {
    let scope = metadata.scope.as_deref().unwrap_or("openid profile email");
    Scope::try_from(scope).or_else(|problem| wrong("scope", problem))
}

/// "The default, if omitted, is RS256" (OpenID Connect Dynamic Client Registration 1.0 section 2).
fn id_token_algorithm(metadata: &ClientMetadata) -> Result<Algorithm, MetadataError> {
    let name = metadata.id_token_signed_response_alg.as_deref();
    Ok(signed_with("id_token_signed_response_alg", name)?.unwrap_or(Algorithm::RS256))
}

/// "Valid types include pairwise and public" (the same section).
fn openid(
    metadata: &ClientMetadata,
    redirect_uris: &[RedirectUri],
    development: bool,
) -> Result<OpenIdOptions, MetadataError> {
    let uri = sector::registered(metadata, development)?;
    let sector = match metadata.subject_type.as_deref() {
        None | Some("public") => None,
        Some("pairwise") => {
            let sector = sector::of(uri.as_ref(), redirect_uris);
            Some(sector.or_else(|problem| wrong("subject_type", problem))?)
        }
        Some(other) => {
            return wrong("subject_type", format!("'{other}' is neither public nor pairwise"));
        }
    };
    let name = metadata.userinfo_signed_response_alg.as_deref();
    let userinfo_algorithm = signed_with("userinfo_signed_response_alg", name)?;
    let sector_identifier_uri = metadata.sector_identifier_uri.clone();
    Ok(OpenIdOptions { sector, sector_identifier_uri, userinfo_algorithm })
}

/// A signature algorithm where one is named; never `none`, which FAPI and RFC 8725 section 3.2
/// advise against.
pub(super) fn signed_with(
    member: &'static str,
    name: Option<&str>,
) -> Result<Option<Algorithm>, MetadataError> {
    let known = |name| match Algorithm::from_name(name) {
        Some(algorithm) => Ok(algorithm),
        None => {
            wrong(member, format!("'{name}' is not supported; use ES256, EdDSA, PS256 or RS256"))
        }
    };
    name.map(known).transpose()
}

/// RFC 9396 section 10. Whether there are such types is for whoever knows the server's policy.
fn details_types(metadata: &ClientMetadata) -> Result<Vec<String>, MetadataError> {
    let types = &metadata.authorization_details_types;
    if types.len() > 50 || types.iter().any(|name| name.is_empty() || name.len() > 200) {
        return wrong("authorization_details_types", "at most 50 names of 1 to 200 bytes");
    }
    Ok(types.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::SECRET;

    fn good() -> ClientMetadata {
        ClientMetadata {
            client_id: "app".into(),
            client_secret: Some(SECRET.into()),
            redirect_uris: vec!["https://app.example/cb".into()],
            ..ClientMetadata::default()
        }
    }

    fn member(change: impl FnOnce(&mut ClientMetadata)) -> &'static str {
        let mut metadata = good();
        change(&mut metadata);
        register(&metadata, false).map_or_else(|error| error.member, |_| "good")
    }

    #[test]
    fn the_defaults_are_the_standards_and_pkce_is_on_rfc_7591_2() {
        let client = register(&good(), false).expect("good");
        assert_eq!(client.name, "app");
        assert_eq!(client.grant_types, [GrantType::AuthorizationCode]);
        assert_eq!(client.id_token_algorithm, Algorithm::RS256);
        assert!(client.must_use_pkce() && !client.trusted);
    }

    #[test]
    fn row_0_3_a_short_secret_is_refused_with_the_way_to_a_good_one() {
        assert_eq!(member(|m| m.client_secret = Some("short".into())), "client_secret");
        assert_eq!(member(|m| m.client_secret = None), "client_secret");
    }

    #[test]
    fn row_5_1_a_public_client_has_no_pkce_switch() {
        let public = |m: &mut ClientMetadata| {
            m.client_secret = None;
            m.token_endpoint_auth_method = Some("none".into());
        };
        assert_eq!(member(public), "good");
        assert_eq!(
            member(|m| {
                public(m);
                m.require_pkce = Some(false);
            }),
            "require_pkce"
        );
        assert_eq!(
            member(|m| {
                public(m);
                m.client_secret = Some(SECRET.into());
            }),
            "client_secret"
        );
        assert_eq!(member(|m| m.require_pkce = Some(false)), "good", "a confidential one has");
    }

    #[test]
    fn each_member_is_checked() {
        let set = |to: &str| Some(to.to_owned());
        assert_eq!(member(|m| m.client_id.clear()), "client_id");
        assert_eq!(member(|m| m.client_name = set("a\nb")), "client_name");
        assert_eq!(member(|m| m.redirect_uris.clear()), "redirect_uris");
        assert_eq!(member(|m| m.redirect_uris = vec!["http://a.example".into()]), "redirect_uris");
        assert_eq!(
            member(|m| m.redirect_uris = vec!["http://localhost/cb".into()]),
            "redirect_uris",
            "row 5.2: loopback http needs a development issuer or a native app"
        );
        assert_eq!(
            member(|m| m.post_logout_redirect_uris = vec!["javascript:x".into()]),
            "post_logout_redirect_uris"
        );
        assert_eq!(member(|m| m.grant_types = Some(vec!["implicit".into()])), "grant_types");
        assert_eq!(member(|m| m.response_types = Some(vec!["token".into()])), "response_types");
        let many = vec!["https://app.example/cb".to_owned(); URIS_AT_MOST + 1];
        assert_eq!(member(|m| m.redirect_uris.clone_from(&many)), "redirect_uris");
        assert_eq!(member(|m| m.post_logout_redirect_uris = many), "post_logout_redirect_uris");
        assert_eq!(member(|m| m.scope = set("a\"b")), "scope");
        assert_eq!(member(|m| m.application_type = set("desktop")), "application_type");
        assert_eq!(
            member(|m| m.token_endpoint_auth_method = set("magic")),
            "token_endpoint_auth_method"
        );
        assert_eq!(
            member(|m| m.id_token_signed_response_alg = set("none")),
            "id_token_signed_response_alg"
        );
        assert_eq!(
            member(|m| m.request_object_signing_alg = set("none")),
            "request_object_signing_alg"
        );
        assert_eq!(
            member(|m| m.authorization_signed_response_alg = set("HS256")),
            "authorization_signed_response_alg"
        );
        assert_eq!(
            member(|m| m.introspection_signed_response_alg = set("none")),
            "introspection_signed_response_alg"
        );
    }

    #[test]
    fn how_the_user_is_told_oidc_registration_2() {
        let set = |to: &str| Some(to.to_owned());
        let mut metadata = good();
        assert_eq!(register(&metadata, false).expect("good").openid, OpenIdOptions::default());
        metadata.subject_type = set("pairwise");
        metadata.userinfo_signed_response_alg = set("ES256");
        let openid = register(&metadata, false).expect("good").openid;
        assert_eq!(openid.sector.as_deref(), Some("app.example"));
        assert_eq!(openid.userinfo_algorithm, Some(Algorithm::ES256));
        assert_eq!(member(|m| m.subject_type = set("public")), "good");
        assert_eq!(member(|m| m.subject_type = set("secret")), "subject_type");
        assert_eq!(
            member(|m| {
                m.subject_type = set("pairwise");
                m.redirect_uris.push("https://other.example/cb".into());
            }),
            "subject_type"
        );
        assert_eq!(
            member(|m| m.userinfo_signed_response_alg = set("none")),
            "userinfo_signed_response_alg"
        );
    }

    #[test]
    fn row_5_2_a_development_issuer_takes_loopback_http() {
        let mut metadata = good();
        metadata.redirect_uris = vec!["http://localhost:4001/callback".into()];
        assert!(register(&metadata, true).is_ok());
        assert!(register(&metadata, false).is_err());
    }
}
