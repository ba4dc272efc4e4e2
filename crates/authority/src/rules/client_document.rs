//! Clients that nobody registered: the identifier is the address of a document of metadata
//! (draft-ietf-oauth-client-id-metadata-document-00).

use std::time::Duration;

use keystile_protocol::redirect_uri::is_loopback;
use keystile_protocol::{ClientId, Secret};
use serde_json::Value;
use url::Url;

use super::dynamic_registration as dynamic;
use crate::policy::RegistrationPolicy;
use crate::ports::{Fetched, Fetching, Keeping};
use crate::records::{Client, ClientOrigin, GrantType};
use crate::registered::Members;

/// "The recommended maximum response size for client metadata documents is 5 kilobytes" (section
/// 6.6).
const DOCUMENT_AT_MOST: usize = 5 * 1024;
/// How documents are kept: as their headers say, within these bounds (section 5).
pub const KEEPING: Keeping = Keeping {
    member: "client_id",
    kind: Fetching::Json,
    least: Duration::from_secs(60),
    greatest: Duration::from_secs(3600),
    stale: Duration::from_secs(3600),
    again_after: Duration::from_secs(10),
    check: |fetched| members(fetched).map(drop),
};
/// What these clients may be for: whatever a person lets them in to.
const GRANT_TYPES: [GrantType; 2] = [GrantType::AuthorizationCode, GrantType::RefreshToken];

/// Whether an identifier is the address of a document (section 3): "https", with a path, without
/// dot segments, fragment, user name and password. `development`: http on loopback will do.
pub fn is_address(id: &ClientId, development: bool) -> bool {
    let text = id.as_str();
    let Some((_, after_scheme)) = text.split_once("://") else { return false };
    let path = after_scheme.split(['?', '#']).next().unwrap_or_default().split_once('/');
    let plain = text.chars().all(|c| matches!(c, '!'..='~') && !"\\\"<>^`{|}#".contains(c));
    let dots = |segment: &str| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        matches!(segment.as_str(), "." | "..")
    };
    let path_is_good = path.is_some_and(|(_, path)| !path.is_empty() && !path.split('/').any(dots));
    plain
        && path_is_good
        && Url::parse(text).is_ok_and(|url| {
            let secure = match url.scheme() {
                "https" => true,
                "http" => development && is_loopback(&url),
                _ => false,
            };
            secure && url.username().is_empty() && url.password().is_none()
        })
}

/// The host that a client is known by.
pub fn host(id: &ClientId) -> Option<String> {
    Url::parse(id.as_str()).ok()?.host_str().map(str::to_owned)
}

fn members(fetched: &Fetched) -> Result<Members, String> {
    if fetched.body.len() > DOCUMENT_AT_MOST {
        return Err(format!("the document has more than {DOCUMENT_AT_MOST} bytes"));
    }
    match fetched.json()? {
        Value::Object(mut members) => {
            members.retain(|_, value| !value.is_null());
            Ok(members)
        }
        _ => Err("the document is not a JSON object".to_owned()),
    }
}

/// The client that a document is of; or what is wrong with it, for its developer.
///
/// One document is there for many servers: what this one does not have is left out, where a
/// registration would be refused for it.
pub fn client(
    id: &ClientId,
    fetched: &Fetched,
    policy: &RegistrationPolicy,
    development: bool,
) -> Result<Client, String> {
    let mut members = members(fetched)?;
    if members.get("client_id").and_then(Value::as_str) != Some(id.as_str()) {
        return Err("its client_id is not the address that it stands at (section 4.1)".to_owned());
    }
    no_shared_secret(&members)?;
    members.remove("software_statement");
    // The default of RFC 7591 would need a secret that nobody shares.
    members.entry("token_endpoint_auth_method").or_insert_with(|| "none".into());
    had(&mut members, "grant_types", |name| GRANT_TYPES.iter().any(|one| one.as_str() == name));
    had(&mut members, "response_types", |name| name == "code");
    // Nobody asks the sector whether it is one of its own; it has that of its redirect URIs.
    members.remove("sector_identifier_uri");
    let policy = RegistrationPolicy {
        grant_types: GRANT_TYPES.to_vec(),
        public_without_pkce: false,
        ..policy.clone()
    };
    let metadata = dynamic::metadata(&members).map_err(|error| error.error_description)?;
    let metadata = dynamic::completed(metadata, &policy);
    let metadata = metadata.map_err(|error| error.error_description)?;
    let client = dynamic::client(&metadata, id.as_str(), &Secret::new(""), &policy, development);
    let mut client = client.map_err(|error| error.error_description)?;
    if client.redirect_uris.is_empty() {
        return Err("it has no redirect_uris".to_owned());
    }
    if metadata.client_name.is_none() {
        client.name = host(id).unwrap_or(client.name);
    }
    client.origin = ClientOrigin::Document;
    Ok(client)
}

/// "client_secret and client_secret_expires_at … MUST NOT be used", nor a method that needs one
/// (section 4.1).
fn no_shared_secret(members: &Members) -> Result<(), String> {
    let method = members.get("token_endpoint_auth_method").and_then(Value::as_str);
    let shared = method.is_some_and(|method| method.starts_with("client_secret"));
    if shared || members.contains_key("client_secret") {
        return Err(
            "it is for a client with a secret, which nobody could share with this server; \
                    use private_key_jwt or none (section 4.1)"
                .to_owned(),
        );
    }
    Ok(())
}

/// Leaves out of a list what this server does not have.
fn had(members: &mut Members, name: &str, known: impl Fn(&str) -> bool) {
    if let Some(Value::Array(list)) = members.get_mut(name) {
        list.retain(|value| value.as_str().is_none_or(&known));
        if list.is_empty() {
            members.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "https://app.example/client.json";

    fn fetched(body: impl ToString) -> Fetched {
        Fetched {
            status: 200,
            content_type: Some("application/json".into()),
            body: body.to_string().into_bytes(),
            fresh_for: Duration::ZERO,
        }
    }

    fn with(more: Value) -> Value {
        let mut document = json!({
            "client_id": ID, "client_name": "App", "redirect_uris": ["https://app.example/cb"],
        });
        for (name, value) in more.as_object().expect("an object") {
            document[name] = value.clone();
        }
        document
    }

    fn of(document: &Value) -> Result<Client, String> {
        let id = ClientId::new(ID).expect("an identifier");
        client(&id, &fetched(document), &RegistrationPolicy::default(), false)
    }

    #[test]
    fn which_identifiers_are_addresses_of_documents_section_3() {
        for (id, production, development) in [
            (ID, true, true),
            ("https://app.example:8443/a/b?c=d", true, true),
            ("https://app.example/a/b.c/..d", true, true),
            ("http://localhost:4001/client", false, true),
            ("http://app.example/client", false, false),
            ("https://app.example", false, false),
            ("https://app.example/", false, false),
            ("https://app.example?a=/b", false, false),
            ("https://app.example/client#a", false, false),
            ("https://app.example/a/../client", false, false),
            ("https://app.example/./client", false, false),
            ("https://app.example/%2e%2E/client", false, false),
            ("https://user@app.example/client", false, false),
            ("https://:password@app.example/client", false, false),
            ("https:app.example/client", false, false),
            ("https://app.example/a b", false, false),
            ("https://app.example\\client", false, false),
            ("javascript://app.example/client", false, false),
            ("photo-printer", false, false),
        ] {
            let parsed = ClientId::new(id).expect("an identifier");
            assert_eq!(is_address(&parsed, false), production, "{id}");
            assert_eq!(is_address(&parsed, true), development, "{id}");
        }
    }

    #[test]
    fn a_document_says_what_its_client_is_section_4() {
        let client = of(&with(json!({
            "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:x"],
            "response_types": ["code", "token"], "software_statement": "x", "trusted": true,
            "scope": "openid admin", "nonsense": 1, "logo_uri": null, "subject_type": "pairwise",
            "sector_identifier_uri": "https://bank.example/sector.json",
        })))
        .expect("good");
        assert_eq!((client.id.as_str(), client.name.as_str()), (ID, "App"));
        assert_eq!(client.origin, ClientOrigin::Document);
        assert!(client.is_public() && client.must_use_pkce() && !client.trusted);
        assert_eq!(client.grant_types, GRANT_TYPES);
        assert_eq!(client.openid.sector.as_deref(), Some("app.example"), "its own alone");
        assert_eq!(client.scope.as_str(), "openid");
        let mut nameless = with(json!({ "redirect_uris": ["http://127.0.0.1/cb"] }));
        nameless.as_object_mut().expect("an object").remove("client_name");
        let native = of(&nameless).expect("good");
        assert!(native.is_native() && native.name == "app.example");
        let bench =
            RegistrationPolicy { public_without_pkce: true, ..RegistrationPolicy::default() };
        let id = ClientId::new(ID).expect("an identifier");
        let on_bench = super::client(&id, &fetched(with(json!({}))), &bench, false);
        assert!(on_bench.expect("good").must_use_pkce(), "it is no registration");
        let key = keystile_protocol::jose::SigningKey::generate(
            keystile_protocol::jose::Algorithm::ES256,
        );
        let keys = json!({ "keys": [key.expect("generated").key.public()] });
        let method = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": keys });
        assert_eq!(of(&with(method)).expect("good").authentication_method(), "private_key_jwt");
    }

    #[test]
    fn a_document_that_is_no_such_clients_is_refused_in_words_section_4_1() {
        for (more, words) in [
            (json!({ "client_id": "https://app.example/other" }), "client_id"),
            (json!({ "client_id": "https://APP.example/client.json" }), "client_id"),
            (json!({ "client_id": [ID] }), "client_id"),
            (json!({ "client_secret": "x" }), "secret"),
            (json!({ "token_endpoint_auth_method": "client_secret_basic" }), "secret"),
            (json!({ "token_endpoint_auth_method": "client_secret_jwt" }), "secret"),
            (json!({ "token_endpoint_auth_method": "private_key_jwt" }), "jwks"),
            (json!({ "redirect_uris": [] }), "redirect_uris"),
            (json!({ "redirect_uris": ["javascript:alert(1)"] }), "redirect_uris"),
            (json!({ "redirect_uris": "https://app.example/cb" }), "redirect_uris"),
            (json!({ "client_name": "a\u{7}b" }), "client_name"),
        ] {
            let refused = of(&with(more.clone())).expect_err("refused");
            assert!(refused.contains(words), "{more}: {refused}");
        }
        assert!(of(&json!([ID])).is_err() && of(&json!({})).is_err());
        assert!(of(&with(json!({ "x": "x".repeat(DOCUMENT_AT_MOST) }))).is_err());
        let html = Fetched { content_type: Some("text/html".into()), ..fetched(with(json!({}))) };
        let id = ClientId::new(ID).expect("an identifier");
        assert!(client(&id, &html, &RegistrationPolicy::default(), false).is_err());
    }
}
