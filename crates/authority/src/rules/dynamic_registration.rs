//! A client that registers itself (RFC 7591, OpenID Connect Dynamic Client Registration 1.0), and
//! that reads, changes and removes its registration (RFC 7592). What a client may be at all is
//! [`super::registration`]'s; here is what it may say of itself.

use std::time::Duration;

use keystile_protocol::encoding::{equal_in_constant_time, sha256};
use keystile_protocol::redirect_uri::is_loopback;
use keystile_protocol::{ClientId, ErrorCode, ProtocolError, Scope, Secret, Timestamp};
use serde_json::Value;
use url::Url;

use super::registration::{ClientMetadata, MetadataError, register, wrong};
use crate::policy::{RegistrationMode, RegistrationPolicy, STANDARD_SCOPES};
use crate::records::{Client, ClientKind, GrantType};
use crate::registered::{Admission, Members, Registered, Registration};

/// The largest registration that is read, in bytes.
pub const BODY_AT_MOST: usize = 16 * 1024;
/// When a network that registered too many may try again.
pub const NETWORK_TRIES_AGAIN: Duration = Duration::from_secs(600);
/// Registrations of a network are counted for this long.
const NETWORK_COUNTS_FOR: Duration = Duration::from_secs(3600);

/// What a client may say of itself; whatever else it says is ignored ("the authorization server
/// MUST ignore any client metadata sent by the client that it does not understand", RFC 7591
/// section 2). Members of ours are not among them: nobody makes themselves trusted.
const MEMBERS: [&str; 55] = [
    "application_type",
    "authorization_encrypted_response_alg",
    "authorization_encrypted_response_enc",
    "authorization_signed_response_alg",
    "backchannel_authentication_request_signing_alg",
    "backchannel_client_notification_endpoint",
    "backchannel_logout_session_required",
    "backchannel_logout_uri",
    "backchannel_token_delivery_mode",
    "backchannel_user_code_parameter",
    "client_name",
    "client_uri",
    "contacts",
    "default_acr_values",
    "default_max_age",
    "dpop_bound_access_tokens",
    "frontchannel_logout_session_required",
    "frontchannel_logout_uri",
    "grant_types",
    "id_token_encrypted_response_alg",
    "id_token_encrypted_response_enc",
    "id_token_signed_response_alg",
    "initiate_login_uri",
    "introspection_signed_response_alg",
    "jwks",
    "jwks_uri",
    "logo_uri",
    "policy_uri",
    "post_logout_redirect_uris",
    "redirect_uris",
    "request_object_encryption_alg",
    "request_object_encryption_enc",
    "request_object_signing_alg",
    "request_uris",
    "require_auth_time",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
    "response_types",
    "scope",
    "sector_identifier_uri",
    "software_id",
    "software_version",
    "subject_type",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_email",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_uri",
    "tls_client_auth_subject_dn",
    "tls_client_certificate_bound_access_tokens",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "tos_uri",
    "userinfo_encrypted_response_alg",
    "userinfo_encrypted_response_enc",
    "userinfo_signed_response_alg",
];

/// Members that the operator alone says, or that we make.
const NOT_THEIRS: [&str; 12] = [
    "allow_direct_encryption",
    "allow_embedded_browser",
    "apis",
    "authorization_details_types",
    "client_id",
    "client_secret",
    "operator",
    "profile",
    "require_pkce",
    "several_audiences",
    "token_exchange",
    "trusted",
];

type Refused<T> = Result<T, ProtocolError>;

fn refuse<T>(code: ErrorCode, words: impl AsRef<str>) -> Refused<T> {
    Err(ProtocolError::new(code, words))
}

impl From<MetadataError> for ProtocolError {
    /// "The value of one or more redirection URIs is invalid", or of another member (RFC 7591
    /// section 3.2.2).
    fn from(error: MetadataError) -> Self {
        let code = match error.member {
            "redirect_uris" => ErrorCode::InvalidRedirectUri,
            _ => ErrorCode::InvalidClientMetadata,
        };
        Self::new(code, error.to_string())
    }
}

/// The bearer token of a request, where it has one (RFC 6750 section 2.1).
pub fn bearer(authorization: &[&[u8]]) -> Refused<Option<Secret>> {
    let value = match authorization {
        [] => return Ok(None),
        [value] => std::str::from_utf8(value).unwrap_or_default(),
        _ => {
            return refuse(
                ErrorCode::InvalidToken,
                "more than one Authorization header came (RFC 6750 section 2)",
            );
        }
    };
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Some(Secret::new(token.trim())))
        }
        _ => refuse(
            ErrorCode::InvalidToken,
            "Authorization is not 'Bearer' and a token (RFC 6750 section 2.1)",
        ),
    }
}

/// By whose leave a client registers (RFC 7591 section 3): a token is looked at wherever one comes,
/// so that a wrong one is told.
pub fn admission(
    policy: &RegistrationPolicy,
    token: Option<&Secret>,
    network: &str,
    now: Timestamp,
) -> Refused<Admission> {
    match token {
        Some(token) => Ok(Admission::Token { digest: token.digest(), at: now }),
        None if policy.mode == RegistrationMode::Open => Ok(Admission::Open {
            network: network.to_owned(),
            since: now.minus(NETWORK_COUNTS_FOR),
            per_network: policy.per_network,
            unused_at_most: policy.unused_at_most,
        }),
        None => refuse(
            ErrorCode::InvalidToken,
            "registration needs an initial access token, which the operator makes (RFC 7591 \
             section 3): Authorization: Bearer ...",
        ),
    }
}

/// Whether there is room.
pub fn admitted(outcome: Registered) -> Refused<()> {
    match outcome {
        Registered::Done => Ok(()),
        Registered::NoToken => refuse(
            ErrorCode::InvalidToken,
            "the initial access token is unknown, spent, or has expired",
        ),
        Registered::NetworkFull | Registered::Full => refuse(
            ErrorCode::TemporarilyUnavailable,
            "too many registered clients wait for their first use; try again later",
        ),
    }
}

/// The members of a registration request (RFC 7591 section 3.1).
pub fn members(body: &[u8]) -> Refused<Members> {
    if body.len() > BODY_AT_MOST {
        let words = format!("the registration has more than {BODY_AT_MOST} bytes");
        return refuse(ErrorCode::InvalidClientMetadata, words);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(mut members)) => {
            // A member that is null was "omitted" (RFC 7592 section 2.2).
            members.retain(|_, value| !value.is_null());
            Ok(members)
        }
        _ => refuse(
            ErrorCode::InvalidClientMetadata,
            "the body is not a JSON object of client metadata (RFC 7591 section 3.1)",
        ),
    }
}

/// What a client says of itself, by the members that are its to say.
pub fn metadata(members: &Members) -> Refused<ClientMetadata> {
    software_statement(members)?;
    let mut theirs = members.clone();
    theirs.retain(|name, _| MEMBERS.contains(&name.as_str()));
    let read = |members: Members| serde_json::from_value::<ClientMetadata>(Value::Object(members));
    read(theirs.clone()).or_else(|_| {
        // Which one it is that cannot be read is asked only now.
        let unreadable = theirs.into_iter().find_map(|(name, value)| {
            read(Members::from_iter([(name.clone(), value)])).err().map(|error| (name, error))
        });
        let (name, error) = unreadable.unwrap_or_else(|| {
            ("client metadata".to_owned(), serde::de::Error::custom("cannot be read"))
        });
        let code = match name.as_str() {
            "redirect_uris" => ErrorCode::InvalidRedirectUri,
            _ => ErrorCode::InvalidClientMetadata,
        };
        refuse(code, format!("{name}: {error}"))
    })
}

/// Nobody is trusted to vouch for software, so that every statement is "not approved for use by
/// this authorization server" (RFC 7591 section 3.2.2). Ignoring it would register a client as
/// something else than its statement says.
fn software_statement(members: &Members) -> Refused<()> {
    let Some(statement) = members.get("software_statement") else { return Ok(()) };
    match statement.as_str() {
        Some(text) if text.split('.').count() == 3 => refuse(
            ErrorCode::UnapprovedSoftwareStatement,
            "no issuer of software statements is trusted here; register without one",
        ),
        _ => refuse(
            ErrorCode::InvalidSoftwareStatement,
            "software_statement is not a JWT (RFC 7591 section 2.3)",
        ),
    }
}

/// What a client says of itself with what it leaves out (RFC 7591 section 2), held to the
/// operator's policy. "The authorization server MAY replace any of the client's requested field
/// values" (section 3.2.1): scopes that are not to be had are left out, and the answer says so.
pub fn completed(
    mut metadata: ClientMetadata,
    policy: &RegistrationPolicy,
) -> Refused<ClientMetadata> {
    grant_types(&mut metadata, policy)?;
    scope(&mut metadata, policy)?;
    application_type(&mut metadata);
    redirect_uris(&metadata, policy)?;
    let or = |member: &mut Option<String>, default: &str| {
        member.get_or_insert_with(|| default.to_owned());
    };
    or(&mut metadata.token_endpoint_auth_method, "client_secret_basic");
    or(&mut metadata.id_token_signed_response_alg, "RS256");
    or(&mut metadata.subject_type, "public");
    if metadata.token_endpoint_auth_method.as_deref() != Some("none") {
        metadata.require_pkce = Some(policy.require_pkce);
    }
    Ok(metadata)
}

fn grant_types(metadata: &mut ClientMetadata, policy: &RegistrationPolicy) -> Refused<()> {
    let code = GrantType::AuthorizationCode.as_str();
    let names = metadata.grant_types.get_or_insert_with(|| vec![code.to_owned()]);
    let allowed = |name: &String| {
        GrantType::from_name(name).is_some_and(|one| policy.grant_types.contains(&one))
    };
    if let Some(other) = names.iter().find(|name| !allowed(name)) {
        let all: Vec<&str> = policy.grant_types.iter().map(|one| one.as_str()).collect();
        let problem = format!("'{other}' cannot be registered; use {}", all.join(", "));
        return Ok(wrong("grant_types", problem)?);
    }
    // The two "are related" (RFC 7591 section 2.1).
    if metadata.response_types.as_ref().is_none_or(Vec::is_empty) {
        let with_code = names.iter().any(|name| name == code);
        metadata.response_types = Some(with_code.then(|| "code".to_owned()).into_iter().collect());
    }
    Ok(())
}

fn scope(metadata: &mut ClientMetadata, policy: &RegistrationPolicy) -> Refused<()> {
    let standard = Scope::try_from(STANDARD_SCOPES.join(" ")).unwrap_or_default();
    let allowed = standard.union(&policy.scopes);
    let Some(asked) = metadata.scope.as_deref().filter(|asked| !asked.is_empty()) else {
        metadata.scope = Some(allowed.into());
        return Ok(());
    };
    let asked = Scope::try_from(asked).or_else(|problem| wrong("scope", problem))?;
    let had = asked.filter(|token| allowed.contains(token));
    if had.is_empty() {
        return Ok(wrong("scope", format!("none of it can be had; there is {allowed}"))?);
    }
    metadata.scope = Some(had.into());
    Ok(())
}

/// A public client on loopback is a native app, whether it says so or not: those that speak the
/// Model Context Protocol mostly do not. "If omitted, the default is web" otherwise (OpenID Connect
/// Dynamic Client Registration 1.0 section 2).
fn application_type(metadata: &mut ClientMetadata) {
    let on_loopback =
        |uri: &String| Url::parse(uri).is_ok_and(|url| url.scheme() == "http" && is_loopback(&url));
    let public = metadata.token_endpoint_auth_method.as_deref() == Some("none");
    let native = public && metadata.redirect_uris.iter().any(on_loopback);
    let default = if native { "native" } else { "web" };
    metadata.application_type.get_or_insert_with(|| default.to_owned());
}

/// The operator's bounds on redirect URIs, beside those of the rules.
fn redirect_uris(metadata: &ClientMetadata, policy: &RegistrationPolicy) -> Refused<()> {
    let (hosts, schemes) = (&policy.redirect_hosts, &policy.redirect_schemes);
    for text in &metadata.redirect_uris {
        // One that is no URI is refused by the rules of registration.
        let Ok(url) = Url::parse(text) else { continue };
        let named = schemes.iter().any(|scheme| scheme == url.scheme());
        if !schemes.is_empty() && !named {
            let problem = format!("'{text}': its scheme is none of {}", schemes.join(", "));
            return Ok(wrong("redirect_uris", problem)?);
        }
        let host_is_good = match url.host_str() {
            Some(host) => hosts.iter().any(|pattern| is_below(host, pattern)),
            None => named,
        };
        if !hosts.is_empty() && !host_is_good {
            let problem = format!("'{text}': its host is none of {}", hosts.join(", "));
            return Ok(wrong("redirect_uris", problem)?);
        }
    }
    Ok(())
}

fn is_below(host: &str, pattern: &str) -> bool {
    match pattern.strip_prefix("*.") {
        None => host == pattern,
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
    }
}

/// Makes a client of completed metadata, with the identifier and the secret that are new for it.
/// The secret is its own only if its method has one.
pub fn client(
    metadata: &ClientMetadata,
    id: &str,
    secret: &Secret,
    policy: &RegistrationPolicy,
    development: bool,
) -> Refused<Client> {
    let mut metadata = ClientMetadata { client_id: id.to_owned(), ..metadata.clone() };
    metadata.client_secret = has_secret(&metadata).then(|| secret.clone());
    let mut client = register(&metadata, development)?;
    client.pkce_waived = client.is_public() && policy.public_without_pkce;
    if metadata.client_name.is_none() {
        // What people are told of a client without a name: its host is more than a random word.
        let host = client.redirect_uris.iter().find_map(keystile_protocol::RedirectUri::host);
        client.name = host.unwrap_or(client.name);
    }
    Ok(client)
}

fn has_secret(metadata: &ClientMetadata) -> bool {
    let method = metadata.token_endpoint_auth_method.as_deref();
    matches!(method, Some("client_secret_basic" | "client_secret_post"))
}

/// What is kept of the metadata, and told: without credentials, and without what is ours.
pub fn told(metadata: &ClientMetadata) -> Members {
    let Ok(Value::Object(mut members)) = serde_json::to_value(metadata) else {
        return Members::new();
    };
    members.retain(|name, value| !value.is_null() && !NOT_THEIRS.contains(&name.as_str()));
    members
}

/// What a client is told of its registration (RFC 7591 section 3.2.1, RFC 7592 section 3).
#[derive(Debug)]
pub struct Answer<'a> {
    /// The registration.
    pub registration: &'a Registration,
    /// The secret, where it is new: afterwards there is only its digest.
    pub secret: Option<&'a Secret>,
    /// The registration access token, which the client has just been given or has just shown.
    pub token: &'a Secret,
    /// `registration_client_uri`
    pub uri: String,
}

impl Answer<'_> {
    /// As JSON.
    pub fn members(self) -> Members {
        let mut members = self.registration.metadata.clone();
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        set("client_id", self.registration.client.as_str().into());
        set("client_id_issued_at", self.registration.created_at.seconds().into());
        set("registration_access_token", self.token.expose().into());
        set("registration_client_uri", self.uri.into());
        if let Some(secret) = self.secret {
            set("client_secret", secret.expose().into());
            // It does not expire.
            set("client_secret_expires_at", 0.into());
        }
        members
    }
}

/// The registration that a registration access token is for. A client that is not there, or not
/// any more, answers as a wrong token does (RFC 7592 section 2.1).
pub fn managed(registration: Option<Registration>, token: &Secret) -> Refused<Registration> {
    let presented = sha256(token.expose());
    match registration {
        Some(found) if equal_in_constant_time(&found.token_digest, &presented) => Ok(found),
        _ => gone(),
    }
}

/// What a registration that is not there answers.
pub fn gone<T>() -> Refused<T> {
    refuse(
        ErrorCode::InvalidToken,
        "the registration access token is not that of a registered client (RFC 7592 section 2)",
    )
}

/// A client that the operator switched off does not change itself (RFC 7592 section 2.1).
pub fn may_manage(client: &Client) -> Refused<()> {
    if client.enabled {
        return Ok(());
    }
    refuse(ErrorCode::AccessDenied, "the client is switched off; ask the operator")
}

/// What a change must say of the client itself (RFC 7592 section 2.2): "its client_id", and a
/// secret only if it is "the currently issued" one.
pub fn is_about(members: &Members, client: &Client, now: Timestamp) -> Refused<()> {
    if members.get("client_id").and_then(Value::as_str) != Some(client.id.as_str()) {
        return Ok(wrong("client_id", "it is not that of the client (RFC 7592 section 2.2)")?);
    }
    let Some(secret) = members.get("client_secret") else { return Ok(()) };
    let presented = Secret::new(secret.as_str().unwrap_or_default());
    let issued = match &client.kind {
        ClientKind::Confidential { secrets, .. } => {
            secrets.iter().any(|mine| mine.accepts(&presented, now))
        }
        _ => false,
    };
    if !issued {
        let problem = "it is not the one that was issued, and cannot be chosen (RFC 7592 section \
                       2.2)";
        return Ok(wrong("client_secret", problem)?);
    }
    Ok(())
}

/// The client as it shall be, with what stays as it is: what the operator said of it, and its
/// secret if it goes on to have one. True: its secret is new.
pub fn replaced(mut new: Client, current: &Client) -> (Client, bool) {
    new.enabled = current.enabled;
    new.trusted = current.trusted;
    new.allow_embedded_browser = current.allow_embedded_browser;
    new.several_audiences = current.several_audiences;
    new.apis = current.apis.clone();
    new.authorization_details_types = current.authorization_details_types.clone();
    new.profile = current.profile;
    new.token_exchange = current.token_exchange.clone();
    new.about.operator = current.about.operator.clone();
    new.origin = current.origin;
    if new.about.logo_uri == current.about.logo_uri {
        new.about.logo = current.about.logo.clone();
    }
    match (&mut new.kind, &current.kind) {
        (
            ClientKind::Confidential { secrets, .. },
            ClientKind::Confidential { secrets: current, .. },
        ) => {
            *secrets = current.clone();
            (new, false)
        }
        (ClientKind::Confidential { .. }, _) => (new, true),
        _ => (new, false),
    }
}

/// A client's identifier: 16 random bytes, in digits that go through any shell.
pub fn client_id(random: [u8; 16]) -> Option<ClientId> {
    ClientId::new(format!("{:032x}", u128::from_be_bytes(random))).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::SECRET;
    use crate::records::ClientOrigin;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn policy() -> RegistrationPolicy {
        let scopes = Scope::try_from("photos:read").expect("tokens");
        RegistrationPolicy { mode: RegistrationMode::Open, scopes, ..RegistrationPolicy::default() }
    }

    /// What a client gets that says this.
    fn registers(said: &Value, policy: &RegistrationPolicy) -> Refused<(Client, Members)> {
        let metadata = completed(metadata(&members(said.to_string().as_bytes())?)?, policy)?;
        Ok((client(&metadata, "new", &SECRET.into(), policy, false)?, told(&metadata)))
    }

    fn code(said: &Value, policy: &RegistrationPolicy) -> Option<ErrorCode> {
        registers(said, policy).err().map(|error| error.error)
    }

    fn good() -> Value {
        json!({ "redirect_uris": ["https://app.example/cb"] })
    }

    fn with(more: Value) -> Value {
        let mut said = good();
        for (name, value) in more.as_object().expect("an object") {
            said[name] = value.clone();
        }
        said
    }

    #[test]
    fn what_is_left_out_is_as_the_standards_say_rfc_7591_2() {
        let (client, told) = registers(&good(), &policy()).expect("good");
        assert_eq!(client.name, "app.example", "more than a random word");
        assert_eq!(client.authentication_method(), "client_secret_basic");
        assert!(client.must_use_pkce() && !client.trusted && client.enabled);
        for (name, value) in [
            ("redirect_uris", json!(["https://app.example/cb"])),
            ("grant_types", json!(["authorization_code"])),
            ("response_types", json!(["code"])),
            ("token_endpoint_auth_method", json!("client_secret_basic")),
            ("id_token_signed_response_alg", json!("RS256")),
            ("application_type", json!("web")),
            ("subject_type", json!("public")),
            ("scope", json!("openid profile email address phone offline_access photos:read")),
        ] {
            assert_eq!(told.get(name), Some(&value), "{name}");
        }
        assert!(!told.contains_key("client_name") && !told.contains_key("trusted"));
    }

    #[test]
    fn every_member_is_the_clients_to_say_or_it_is_not() {
        let all = serde_json::to_value(ClientMetadata::default()).expect("a record");
        let mut decided: Vec<&str> = MEMBERS.into_iter().chain(NOT_THEIRS).collect();
        decided.sort_unstable();
        let mut members: Vec<&str> =
            all.as_object().expect("an object").keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, decided);
    }

    #[test]
    fn nobody_makes_themselves_what_the_operator_says_and_the_unknown_is_ignored_rfc_7591_2() {
        let said = with(json!({
            "client_id": "app", "client_secret": "x", "trusted": true, "apis": ["https://a"],
            "require_pkce": false, "allow_embedded_browser": true, "several_audiences": true,
            "operator": "the bank", "profile": "fapi2", "token_exchange": { "audiences": ["https://a"] }, "client_name#ja": "\u{5199}\u{771f}",
            "nonsense": { "a": [1] }, "tos_uri": null, "client_name": "App",
        }));
        let (client, told) = registers(&said, &policy()).expect("good");
        assert_eq!((client.id.as_str(), client.name.as_str()), ("new", "App"));
        assert!(client.must_use_pkce() && !client.trusted && !client.allow_embedded_browser);
        assert!(!client.several_audiences && client.apis.is_empty() && client.profile.is_none());
        assert_eq!(client.about.operator, None);
        for name in NOT_THEIRS.into_iter().chain(["nonsense", "client_name#ja", "tos_uri"]) {
            assert!(!told.contains_key(name), "{name}");
        }
    }

    #[test]
    fn errors_name_the_member_and_the_standards_code_rfc_7591_3_2_2() {
        use ErrorCode::{
            InvalidClientMetadata as Metadata, InvalidRedirectUri as Uri, InvalidSoftwareStatement,
            UnapprovedSoftwareStatement,
        };
        let policy = policy();
        for (more, expected) in [
            (json!({}), None),
            (json!({ "redirect_uris": ["https://app.example/cb?a=b"] }), None),
            (json!({ "redirect_uris": [] }), Some(Uri)),
            (json!({ "redirect_uris": "https://app.example/cb" }), Some(Uri)),
            (json!({ "redirect_uris": [7] }), Some(Uri)),
            (json!({ "redirect_uris": ["https://app.example/cb#f"] }), Some(Uri)),
            (json!({ "redirect_uris": ["javascript:alert(1)"] }), Some(Uri)),
            (json!({ "redirect_uris": ["http://app.example/cb"] }), Some(Uri)),
            (json!({ "redirect_uris": ["http://localhost/cb"] }), Some(Uri)),
            (json!({ "logo_uri": "javascript:alert(1)" }), Some(Metadata)),
            (json!({ "policy_uri": "data:text/html,x" }), Some(Metadata)),
            (json!({ "client_name": "a\nb" }), Some(Metadata)),
            (json!({ "client_name": "<script>alert(1)</script>" }), None),
            (json!({ "client_name": "x".repeat(101) }), Some(Metadata)),
            (json!({ "client_name": ["a"] }), Some(Metadata)),
            (json!({ "response_types": ["token"] }), Some(Metadata)),
            (json!({ "grant_types": ["implicit"] }), Some(Metadata)),
            (json!({ "grant_types": ["client_credentials"] }), Some(Metadata)),
            (json!({ "grant_types": "authorization_code" }), Some(Metadata)),
            (json!({ "token_endpoint_auth_method": "magic" }), Some(Metadata)),
            (json!({ "token_endpoint_auth_method": "private_key_jwt" }), Some(Metadata)),
            (json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AAAA" }] } }), Some(Metadata)),
            (json!({ "jwks": 1 }), Some(Metadata)),
            (json!({ "default_max_age": -1 }), Some(Metadata)),
            (json!({ "default_max_age": "300" }), Some(Metadata)),
            (json!({ "scope": "admin" }), Some(Metadata)),
            (json!({ "scope": "a\"b" }), Some(Metadata)),
            (json!({ "software_statement": "a.b.c" }), Some(UnapprovedSoftwareStatement)),
            (json!({ "software_statement": 1 }), Some(InvalidSoftwareStatement)),
        ] {
            assert_eq!(code(&with(more.clone()), &policy), expected, "{more}");
        }
        let wrong = registers(&with(json!({ "contacts": "ops" })), &policy).expect_err("a string");
        assert!(wrong.error_description.starts_with("contacts: "), "{wrong}");
        for body in ["", "[]", "1", "{", "\"{}\"", &"[".repeat(5000), &" ".repeat(20_000)] {
            let refused = members(body.as_bytes()).expect_err("no object").error;
            assert_eq!(refused, Metadata, "{}", &body[..body.len().min(20)]);
        }
    }

    #[test]
    fn the_policy_bounds_scopes_grants_and_redirect_uris() {
        let said = with(json!({ "scope": "openid photos:read photos:order" }));
        let (client, told) = registers(&said, &policy()).expect("good");
        assert_eq!(client.scope.as_str(), "openid photos:read", "what is not to be had is left");
        assert_eq!(told["scope"], "openid photos:read");

        let machines =
            RegistrationPolicy { grant_types: vec![GrantType::ClientCredentials], ..policy() };
        let machine = json!({ "grant_types": ["client_credentials"], "response_types": [] });
        let (_, told) = registers(&machine, &machines).expect("good");
        assert_eq!(told["response_types"], json!([]));
        assert_eq!(code(&good(), &machines), Some(ErrorCode::InvalidClientMetadata));

        let bounded = |hosts: &[&str], schemes: &[&str], uri: &str| {
            let all = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
            let policy = RegistrationPolicy {
                redirect_hosts: all(hosts),
                redirect_schemes: all(schemes),
                ..policy()
            };
            let method = if uri.starts_with("https") { "client_secret_basic" } else { "none" };
            let said = json!({
                "redirect_uris": [uri], "token_endpoint_auth_method": method,
                "application_type": if method == "none" { "native" } else { "web" },
            });
            code(&said, &policy)
        };
        let refused = Some(ErrorCode::InvalidRedirectUri);
        let hosts = ["app.example", "*.corp.example"];
        assert_eq!(bounded(&hosts, &[], "https://app.example/cb"), None);
        assert_eq!(bounded(&hosts, &[], "https://a.b.corp.example/cb"), None);
        assert_eq!(bounded(&hosts, &[], "https://corp.example/cb"), refused);
        assert_eq!(bounded(&hosts, &[], "https://evilcorp.example/cb"), refused);
        assert_eq!(bounded(&hosts, &[], "https://other.example/cb"), refused);
        assert_eq!(bounded(&hosts, &[], "http://127.0.0.1/cb"), refused);
        assert_eq!(bounded(&hosts, &[], "com.example.app:/cb"), refused, "it has no host");
        let scheme = ["https", "com.example.app"];
        assert_eq!(bounded(&hosts, &scheme, "com.example.app:/cb"), None);
        assert_eq!(bounded(&[], &scheme, "com.example.other:/cb"), refused);
        assert_eq!(bounded(&[], &["https"], "http://127.0.0.1/cb"), refused);
        assert_eq!(bounded(&[], &[], "com.example.app:/cb"), None);
    }

    #[test]
    fn a_public_client_on_loopback_is_native_and_pkce_is_its_own_matter_rfc_8252() {
        let lax = RegistrationPolicy { require_pkce: false, ..policy() };
        let said = json!({
            "redirect_uris": ["http://127.0.0.1:33418/cb"], "token_endpoint_auth_method": "none",
        });
        let (client, told) = registers(&said, &lax).expect("good");
        assert!(client.is_native() && client.must_use_pkce(), "a public client always does");
        assert_eq!(told["application_type"], "native");
        let bench = RegistrationPolicy { public_without_pkce: true, ..lax.clone() };
        assert!(!registers(&said, &bench).expect("good").0.must_use_pkce(), "on a test bench");
        assert!(!registers(&good(), &lax).expect("good").0.must_use_pkce());
        let web = json!({
            "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none",
        });
        assert!(!registers(&web, &lax).expect("good").0.is_native());
    }

    #[test]
    fn by_whose_leave_rfc_7591_3() {
        let token = Secret::new("t");
        let asked = |mode, token: Option<&Secret>| {
            let policy = RegistrationPolicy { mode, ..policy() };
            admission(&policy, token, "10.0.0.0/24", NOW).map_err(|error| error.error)
        };
        let by_token = Ok(Admission::Token { digest: token.digest(), at: NOW });
        assert_eq!(asked(RegistrationMode::Token, Some(&token)), by_token);
        assert_eq!(asked(RegistrationMode::Open, Some(&token)), by_token);
        assert_eq!(asked(RegistrationMode::Token, None), Err(ErrorCode::InvalidToken));
        assert!(matches!(asked(RegistrationMode::Open, None), Ok(Admission::Open { .. })));
        let headers = |all: &[&str]| {
            let all: Vec<&[u8]> = all.iter().map(|one| one.as_bytes()).collect();
            bearer(&all).map(|token| token.map(|token| token.expose().to_owned()))
        };
        assert_eq!(headers(&[]), Ok(None));
        assert_eq!(headers(&["bearer abc"]), Ok(Some("abc".into())));
        for wrong in [&["Basic abc"][..], &["Bearer"], &[""], &["Bearer a", "Bearer b"]] {
            assert_eq!(headers(wrong).expect_err("no").error, ErrorCode::InvalidToken);
        }
        for (outcome, expected) in [
            (Registered::Done, None),
            (Registered::NoToken, Some(ErrorCode::InvalidToken)),
            (Registered::NetworkFull, Some(ErrorCode::TemporarilyUnavailable)),
            (Registered::Full, Some(ErrorCode::TemporarilyUnavailable)),
        ] {
            assert_eq!(admitted(outcome).err().map(|error| error.error), expected);
        }
    }

    fn registration(client: &Client) -> Registration {
        Registration {
            client: client.id.clone(),
            token_digest: sha256("the token"),
            metadata: Members::new(),
            created_at: NOW,
        }
    }

    #[test]
    fn a_registration_is_managed_by_its_own_token_alone_rfc_7592_2() {
        let (mut client, _) = registers(&good(), &policy()).expect("good");
        let found = registration(&client);
        let by = |registration, token: &str| managed(registration, &token.into()).is_ok();
        assert!(by(Some(found.clone()), "the token"));
        assert!(!by(Some(found.clone()), "another") && !by(Some(found), "") && !by(None, "x"));
        assert!(may_manage(&client).is_ok());
        client.enabled = false;
        assert_eq!(may_manage(&client).expect_err("off").error, ErrorCode::AccessDenied);
    }

    #[test]
    fn a_change_names_its_client_and_no_secret_but_its_own_rfc_7592_2_2() {
        let (client, _) = registers(&good(), &policy()).expect("good");
        let about = |said: Value| {
            is_about(said.as_object().expect("an object"), &client, NOW)
                .err()
                .map(|error| error.error)
        };
        let refused = Some(ErrorCode::InvalidClientMetadata);
        assert_eq!(about(json!({ "client_id": "new" })), None);
        assert_eq!(about(json!({ "client_id": "new", "client_secret": SECRET })), None);
        assert_eq!(about(json!({})), refused);
        assert_eq!(about(json!({ "client_id": "other" })), refused);
        assert_eq!(about(json!({ "client_id": ["new"] })), refused);
        assert_eq!(about(json!({ "client_id": "new", "client_secret": "mine" })), refused);
        assert_eq!(about(json!({ "client_id": "new", "client_secret": 7 })), refused);
    }

    #[test]
    fn a_change_keeps_what_is_the_operators_and_the_secret_rfc_7592_2_2() {
        let (mut current, _) = registers(&good(), &policy()).expect("good");
        current.trusted = true;
        current.enabled = false;
        current.origin = ClientOrigin::Open;
        current.about.logo_uri = Some("https://app.example/logo.png".into());
        current.about.logo = Some("digest".into());
        let said = with(json!({ "logo_uri": "https://app.example/logo.png" }));
        let (mut new, _) = registers(&said, &policy()).expect("good");
        if let ClientKind::Confidential { secrets, .. } = &mut new.kind {
            secrets.clear();
        }
        let (after, new_secret) = replaced(new, &current);
        assert!(after.trusted && !after.enabled && !new_secret);
        assert_eq!(after.origin, ClientOrigin::Open);
        assert_eq!(after.about.logo.as_deref(), Some("digest"));
        assert_eq!(after.kind, current.kind, "the secret goes on");

        let public = with(json!({ "token_endpoint_auth_method": "none" }));
        let (public, _) = registers(&public, &policy()).expect("good");
        let (public, new_secret) = replaced(public, &current);
        assert!(public.is_public() && !new_secret && public.about.logo.is_none());
        let (confidential, _) = registers(&good(), &policy()).expect("good");
        assert!(replaced(confidential, &public).1, "a new secret");
    }

    #[test]
    fn the_answer_has_the_credentials_beside_the_metadata_rfc_7591_3_2_1() {
        let (client, told) = registers(&good(), &policy()).expect("good");
        let registration = Registration { metadata: told, ..registration(&client) };
        let (secret, token) = (Secret::new("s"), Secret::new("t"));
        let answer = |secret| {
            let uri = "https://login.example/register/new".to_owned();
            Answer { registration: &registration, secret, token: &token, uri }.members()
        };
        let new = answer(Some(&secret));
        assert_eq!(
            (&new["client_secret"], &new["client_secret_expires_at"]),
            (&json!("s"), &json!(0))
        );
        assert_eq!(new["client_id_issued_at"], 1_800_000_000);
        assert_eq!(new["registration_client_uri"], "https://login.example/register/new");
        let later = answer(None);
        assert!(!later.contains_key("client_secret") && later["registration_access_token"] == "t");
        assert_eq!(client_id([0xab; 16]).expect("good").as_str(), "ab".repeat(16));
    }
}
