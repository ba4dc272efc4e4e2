//! A client in words and as JSON, by the names of RFC 7591.

use keystile_authority::records::{
    CibaOptions, Client, ClientKind, ClientOrigin, ExchangePolicy, ExpectedCertificate, GrantType,
    KeySource,
};
use keystile_protocol::Timestamp;
use keystile_protocol::jose::Algorithm;
use keystile_protocol::jose::encryption::Encryption;
use serde_json::{Value, json};

use crate::output;
use crate::settings::Settings;

/// Who says what a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The configuration file.
    File,
    /// The store alone: the command line, or a file that names it no longer.
    Store,
    /// Itself: it registered.
    Itself,
    /// The document that its identifier is the address of.
    Document,
}

impl Origin {
    pub(super) fn of(client: &Client, settings: &Settings) -> Self {
        match client.origin {
            _ if settings.configures_client(client.id.as_str()) => Self::File,
            ClientOrigin::Operator => Self::Store,
            ClientOrigin::Token | ClientOrigin::Open => Self::Itself,
            ClientOrigin::Document => Self::Document,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::File => "config",
            Self::Store => "store",
            Self::Itself => "registration",
            Self::Document => "document",
        }
    }
}

/// Everything about it but its secrets.
pub(super) fn json(client: &Client, origin: Origin) -> Value {
    let mut described = json!({
        "client_id": client.id,
        "client_name": client.name,
        "redirect_uris": client.redirect_uris.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "request_uris": client.request_uris,
        "grant_types": grant_types(client),
        "scope": client.scope.as_str(),
        "token_endpoint_auth_method": client.authentication_method(),
        "id_token_signed_response_alg": client.id_token_algorithm.as_str(),
        "subject_type": if client.openid.sector.is_some() { "pairwise" } else { "public" },
        "userinfo_signed_response_alg": client.openid.userinfo_algorithm.map(Algorithm::as_str),
        "introspection_signed_response_alg": client.introspection_algorithm.map(Algorithm::as_str),
        "application_type": if client.is_native() { "native" } else { "web" },
        "require_pkce": client.must_use_pkce(),
        "trusted": client.trusted,
        "allow_embedded_browser": client.allow_embedded_browser,
        "several_audiences": client.several_audiences,
        "apis": client.apis,
        "authorization_details_types": client.authorization_details_types,
        "dpop_bound_access_tokens": client.dpop_bound_access_tokens,
        "tls_client_certificate_bound_access_tokens": client.certificate_bound_access_tokens,
        "profile": client.profile,
        "enabled": client.enabled,
        "from": origin.as_str(),
    });
    if let ClientKind::Confidential { secrets, .. } = &client.kind {
        described["client_secrets"] = secrets
            .iter()
            .map(|secret| json!({ "expires_at": secret.expires_at.map(Timestamp::seconds) }))
            .collect();
    }
    if let ClientKind::PrivateKeyJwt { algorithm, .. } = &client.kind {
        described["token_endpoint_auth_signing_alg"] = json!(algorithm);
    }
    let encryption = &client.encryption;
    let encrypted = [
        ("id_token_encrypted_response", encryption.id_token),
        ("userinfo_encrypted_response", encryption.userinfo),
        ("authorization_encrypted_response", encryption.authorization_response),
        ("request_object_encryption", encryption.request_object),
    ];
    for (name, encryption) in encrypted {
        if let Some(Encryption { alg, enc }) = encryption {
            described[format!("{name}_alg")] = json!(alg);
            described[format!("{name}_enc")] = json!(enc);
        }
    }
    if client.may_use(GrantType::Ciba) {
        let CibaOptions { delivery, request_algorithm } = &client.ciba;
        described["backchannel_token_delivery_mode"] = json!(delivery.as_str());
        let endpoint = delivery.notification_endpoint();
        described["backchannel_client_notification_endpoint"] = json!(endpoint);
        described["backchannel_authentication_request_signing_alg"] = json!(request_algorithm);
    }
    match &client.keys {
        Some(KeySource::Inline(set)) => described["jwks"] = json!(set),
        Some(KeySource::Remote(uri)) => described["jwks_uri"] = json!(uri),
        None => {}
    }
    if let ClientKind::MutualTls { certificate: ExpectedCertificate::Issued(name), .. } =
        &client.kind
    {
        let (member, text) = name.registered();
        described[member] = text.into();
    }
    if client.token_exchange != ExchangePolicy::default() {
        described["token_exchange"] = json!(client.token_exchange);
    }
    let (about, logout) = (&client.about, &client.logout);
    let pages = [
        ("client_uri", &about.client_uri),
        ("logo_uri", &about.logo_uri),
        ("policy_uri", &about.policy_uri),
        ("tos_uri", &about.tos_uri),
        ("operator", &about.operator),
        ("sector_identifier_uri", &client.openid.sector_identifier_uri),
        ("backchannel_logout_uri", &logout.backchannel_uri),
        ("frontchannel_logout_uri", &logout.frontchannel_uri),
    ];
    for (name, text) in pages {
        if let Some(text) = text {
            described[name] = text.as_str().into();
        }
    }
    described
}

/// A line of `keystile client list`.
pub(super) fn row(client: &Client, origin: Origin) -> Vec<String> {
    let kind = match client.kind {
        ClientKind::Confidential { .. }
        | ClientKind::PrivateKeyJwt { .. }
        | ClientKind::MutualTls { .. } => "confidential",
        ClientKind::Public { native: false } => "public",
        ClientKind::Public { native: true } => "native",
    };
    vec![
        client.id.to_string(),
        client.name.clone(),
        kind.to_owned(),
        grant_types(client).join(" "),
        origin.as_str().to_owned(),
    ]
}

fn grant_types(client: &Client) -> Vec<&'static str> {
    client.grant_types.iter().copied().map(GrantType::as_str).collect()
}

/// A description for people: a line for each member that says something.
pub(super) fn print(described: &Value) {
    for (name, value) in described.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(list) if list.is_empty() => continue,
            Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join("\n  "),
            other => other.to_string(),
        };
        output::line(format!("{name}\n  {text}"));
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(secret) => match &secret["expires_at"] {
            Value::Null => "without an end".to_owned(),
            end => format!("until {end} (seconds since 1970)"),
        },
        other => other.to_string(),
    }
}
