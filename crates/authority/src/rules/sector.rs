//! The sector of a client with pairwise subjects, where it is more than one host (OpenID Connect
//! Core 1.0 section 8.1, OpenID Connect Dynamic Client Registration 1.0 section 5).

use keystile_protocol::RedirectUri;

use crate::ports::Fetched;
use crate::records::Client;
use crate::rules::registration::{ClientMetadata, MetadataError, called_uri, wrong};

const MEMBER: &str = "sector_identifier_uri";

/// What stands at a `sector_identifier_uri`: the redirect URIs of the sector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectorDocument(Vec<String>);

impl SectorDocument {
    /// "a file with a single JSON array of redirect_uri values" (Registration section 5).
    pub fn read(fetched: &Fetched) -> Result<Self, MetadataError> {
        let document = fetched.json().or_else(|problem| wrong(MEMBER, problem))?;
        match serde_json::from_value(document) {
            Ok(uris) => Ok(Self(uris)),
            Err(_) => wrong(MEMBER, "what is there is not an array of redirect URIs"),
        }
    }

    /// "The values of the registered redirect_uris MUST be included in the elements of the array"
    /// (the same section): otherwise anybody could join a sector, and learn who its users are.
    pub fn holds(&self, client: &Client) -> Result<(), MetadataError> {
        let known = |uri: &&RedirectUri| self.0.iter().any(|known| known == uri.as_str());
        match client.redirect_uris.iter().find(|uri| !known(uri)) {
            None => Ok(()),
            Some(missing) => {
                let problem = format!("the document there lacks the redirect URI '{missing}'");
                wrong(MEMBER, problem)
            }
        }
    }
}

/// `sector_identifier_uri`, where there is one. What stands there is [`SectorDocument`]'s to say.
pub(super) fn registered(
    metadata: &ClientMetadata,
    development: bool,
) -> Result<Option<RedirectUri>, MetadataError> {
    let uri = metadata.sector_identifier_uri.as_deref();
    uri.map(|uri| called_uri(MEMBER, uri, development)).transpose()
}

/// The sector: the host of the URI that says so, or the one host of the redirect URIs.
pub fn of(
    uri: Option<&RedirectUri>,
    redirect_uris: &[RedirectUri],
) -> Result<String, &'static str> {
    if let Some(uri) = uri {
        return uri.host().ok_or("the sector_identifier_uri has no host, which is the sector");
    }
    let mut hosts = redirect_uris.iter().map(RedirectUri::host);
    let Some(Some(first)) = hosts.next() else {
        return Err("pairwise needs a redirect URI with a host, which is the sector");
    };
    if hosts.any(|host| host.as_ref() != Some(&first)) {
        return Err("pairwise needs redirect URIs with one host, which is the sector, or a \
                    sector_identifier_uri");
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::fixtures;
    use crate::rules::registration::register;

    #[test]
    fn the_sector_is_the_one_host_of_the_redirect_uris_oidc_core_8_1() {
        let sector = |uris: &[&str]| {
            let uris: Vec<_> = uris.iter().map(|uri| fixtures::redirect_uri(uri)).collect();
            of(None, &uris)
        };
        let one = sector(&["https://app.example/a", "https://app.example:444/b"]);
        assert_eq!(one.as_deref(), Ok("app.example"));
        assert!(sector(&["https://app.example/a", "https://www.app.example/b"]).is_err());
        assert!(sector(&["com.example.app:/callback"]).is_err());
        assert!(sector(&[]).is_err());
    }

    fn metadata(uri: &str) -> ClientMetadata {
        ClientMetadata {
            client_id: "app".into(),
            client_secret: Some(fixtures::SECRET.into()),
            redirect_uris: vec!["https://app.example/cb".into(), "https://b.example/cb".into()],
            subject_type: Some("pairwise".into()),
            sector_identifier_uri: Some(uri.to_owned()),
            ..ClientMetadata::default()
        }
    }

    #[test]
    fn or_the_host_of_the_uri_that_names_it_oidc_core_8_1() {
        let uri = "https://sector.example:444/redirect_uris.json";
        let openid = register(&metadata(uri), false).expect("good").openid;
        assert_eq!(openid.sector.as_deref(), Some("sector.example"));
        assert_eq!(openid.sector_identifier_uri.as_deref(), Some(uri));
        let public = ClientMetadata { subject_type: None, ..metadata(uri) };
        let openid = register(&public, false).expect("good").openid;
        assert_eq!(openid.sector, None);
        assert!(openid.sector_identifier_uri.is_some(), "it is checked all the same");
        for bad in [
            "http://sector.example/",
            "http://localhost/",
            "https://u@sector.example/",
            "https://sector.example/#x",
            "sector.example",
            "",
        ] {
            let error = register(&metadata(bad), false).expect_err(bad);
            assert_eq!(error.member, "sector_identifier_uri", "{bad}");
        }
    }

    #[test]
    fn all_redirect_uris_stand_in_the_document_oidc_registration_5() {
        let client = register(&metadata("https://sector.example/"), false).expect("good");
        let check = |document: Value| {
            let fetched = Fetched {
                status: 200,
                content_type: Some("application/json".to_owned()),
                body: document.to_string().into_bytes(),
                fresh_for: Duration::ZERO,
            };
            SectorDocument::read(&fetched)?.holds(&client)
        };
        let (a, b) = ("https://app.example/cb", "https://b.example/cb");
        assert_eq!(check(json!([b, "https://c.example/", a])), Ok(()));
        for bad in [
            json!([a]),
            json!([]),
            json!([a, "https://b.example/cb/"]),
            json!([a, b, 7]),
            json!({ "redirect_uris": [a, b] }),
            json!(a),
            json!(null),
        ] {
            let error = check(bad.clone()).expect_err("bad");
            assert_eq!(error.member, "sector_identifier_uri", "{bad}");
        }
    }
}
