//! What a client says of itself beside what it may do: its pages, its contacts, and what its
//! requests ask for where they say nothing (RFC 7591 section 2, OpenID Connect Dynamic Client
//! Registration 1.0 section 2).

use keystile_protocol::redirect_uri::is_loopback;
use url::Url;

use super::registration::{ClientMetadata, MetadataError, wrong};
use crate::records::{About, RequestDefaults};

/// Longest address of a page or a logo, in bytes.
const ADDRESS_AT_MOST: usize = 500;
/// Longest contact, identifier or version of software, or `acr`, in characters.
const TEXT_AT_MOST: usize = 200;
/// Most contacts, and most values of `acr`.
const TEXTS_AT_MOST: usize = 20;
/// Longest `default_max_age`, in seconds.
const AGE_AT_MOST: u64 = 10 * 365 * 24 * 3600;

/// Its pages and its logo. None of them may be an address that runs as a script.
pub(super) fn about(metadata: &ClientMetadata) -> Result<About, MetadataError> {
    let addresses = [
        ("client_uri", &metadata.client_uri),
        ("logo_uri", &metadata.logo_uri),
        ("policy_uri", &metadata.policy_uri),
        ("tos_uri", &metadata.tos_uri),
    ];
    for (member, address) in addresses {
        if address.as_deref().is_some_and(|address| !is_address(address, true)) {
            return wrong(member, "it is not an https URL");
        }
    }
    Ok(About {
        client_uri: metadata.client_uri.clone(),
        logo_uri: metadata.logo_uri.clone(),
        logo: None,
        policy_uri: metadata.policy_uri.clone(),
        tos_uri: metadata.tos_uri.clone(),
        operator: metadata.operator.clone(),
    })
}

fn is_address(text: &str, loopback: bool) -> bool {
    let plain = text.len() <= ADDRESS_AT_MOST && text.chars().all(|c| matches!(c, '!'..='~'));
    plain
        && Url::parse(text).is_ok_and(|url| match url.scheme() {
            "https" => url.host().is_some(),
            "http" => loopback && is_loopback(&url),
            _ => false,
        })
}

/// What its requests ask for where they say nothing.
pub(super) fn defaults(metadata: &ClientMetadata) -> Result<RequestDefaults, MetadataError> {
    if metadata.default_max_age.is_some_and(|age| age > AGE_AT_MOST) {
        return wrong("default_max_age", format!("it is {AGE_AT_MOST} seconds at most"));
    }
    texts("default_acr_values", &metadata.default_acr_values)?;
    Ok(RequestDefaults {
        max_age: metadata.default_max_age,
        acr_values: metadata.default_acr_values.clone(),
    })
}

/// Members that are checked and kept, and that no rule looks at. `require_auth_time` is one of
/// them: every ID token has `auth_time`.
pub(super) fn kept_alone(
    metadata: &ClientMetadata,
    development: bool,
) -> Result<(), MetadataError> {
    let uri = metadata.initiate_login_uri.as_deref();
    if uri.is_some_and(|uri| !is_address(uri, development)) {
        // "using the https scheme" (OpenID Connect Dynamic Client Registration 1.0 section 2).
        return wrong("initiate_login_uri", "it is not an https URL");
    }
    texts("contacts", &metadata.contacts)?;
    texts("software_id", metadata.software_id.as_slice())?;
    texts("software_version", metadata.software_version.as_slice())
}

fn texts(member: &'static str, texts: &[String]) -> Result<(), MetadataError> {
    let good = |text: &String| {
        (1..=TEXT_AT_MOST).contains(&text.chars().count()) && !text.contains(char::is_control)
    };
    if texts.len() > TEXTS_AT_MOST {
        return wrong(member, format!("more than {TEXTS_AT_MOST}"));
    }
    if !texts.iter().all(good) {
        return wrong(member, format!("it has 1 to {TEXT_AT_MOST} printable characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::SECRET;
    use crate::rules::registration::register;

    fn registered(
        change: impl FnOnce(&mut ClientMetadata),
    ) -> Result<crate::records::Client, MetadataError> {
        let mut metadata = ClientMetadata {
            client_id: "app".into(),
            client_secret: Some(SECRET.into()),
            redirect_uris: vec!["https://app.example/cb".into()],
            ..ClientMetadata::default()
        };
        change(&mut metadata);
        register(&metadata, false)
    }

    fn member(change: impl FnOnce(&mut ClientMetadata)) -> &'static str {
        registered(change).map_or_else(|error| error.member, |_| "good")
    }

    #[test]
    fn pages_are_https_addresses_and_no_scripts_rfc_7591_2() {
        for (address, good) in [
            ("https://app.example/privacy#data", true),
            ("http://localhost:4001/", true),
            ("http://app.example/", false),
            ("http://localhost.evil.example/", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("https://app.example/a b", false),
            ("https://app.example/\n", false),
            ("/privacy", false),
            ("", false),
        ] {
            type Set = fn(&mut ClientMetadata, Option<String>);
            let each: [(&str, Set); 4] = [
                ("client_uri", |m, uri| m.client_uri = uri),
                ("logo_uri", |m, uri| m.logo_uri = uri),
                ("policy_uri", |m, uri| m.policy_uri = uri),
                ("tos_uri", |m, uri| m.tos_uri = uri),
            ];
            for (name, set) in each {
                let expected = if good { "good" } else { name };
                assert_eq!(member(|m| set(m, Some(address.to_owned()))), expected, "{address}");
            }
        }
        let long = format!("https://app.example/{}", "a".repeat(ADDRESS_AT_MOST));
        assert_eq!(member(|m| m.logo_uri = Some(long)), "logo_uri");
    }

    #[test]
    fn what_requests_ask_for_where_they_say_nothing_oidc_registration_2() {
        let client = registered(|m| {
            m.default_max_age = Some(300);
            m.default_acr_values = vec!["a".into(), "b".into()];
            m.require_auth_time = true;
        });
        let defaults = client.expect("good").defaults;
        assert_eq!((defaults.max_age, defaults.acr_values.len()), (Some(300), 2));
        assert_eq!(member(|m| m.default_max_age = Some(u64::MAX)), "default_max_age");
        assert_eq!(member(|m| m.default_acr_values = vec![String::new()]), "default_acr_values");
    }

    #[test]
    fn what_is_kept_alone_is_bounded_all_the_same() {
        let one = |text: &str| vec![text.to_owned()];
        assert_eq!(member(|m| m.contacts = one("ops@app.example")), "good");
        assert_eq!(member(|m| m.contacts = one("a\u{1b}b")), "contacts");
        assert_eq!(member(|m| m.contacts = vec!["a".into(); TEXTS_AT_MOST + 1]), "contacts");
        assert_eq!(member(|m| m.software_id = Some("x".repeat(TEXT_AT_MOST + 1))), "software_id");
        assert_eq!(member(|m| m.software_version = Some(String::new())), "software_version");
        let login = |uri: &str| member(|m| m.initiate_login_uri = Some(uri.to_owned()));
        assert_eq!(login("https://app.example/login"), "good");
        assert_eq!(login("http://app.example/login"), "initiate_login_uri");
        assert_eq!(login("javascript:alert(1)"), "initiate_login_uri");
    }
}
