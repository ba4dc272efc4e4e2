//! Where a client may be told of a session's end, and the frame that tells it (OpenID Connect
//! Back-Channel Logout 1.0 section 2.2, Front-Channel Logout 1.0 section 2).

use keystile_protocol::encoding::base64url;
use keystile_protocol::params::with_query;
use keystile_protocol::redirect_uri::UriPolicy;
use keystile_protocol::{Issuer, RedirectUri};

use super::registration::{ClientMetadata, MetadataError, called_uri, wrong};
use crate::records::{Client, LogoutChannels};

/// Takes the members of a registration.
pub fn register(
    metadata: &ClientMetadata,
    development: bool,
) -> Result<LogoutChannels, MetadataError> {
    let back = metadata.backchannel_logout_uri.as_deref();
    if let Some(uri) = back {
        called_uri("backchannel_logout_uri", uri, development)?;
    } else if metadata.backchannel_logout_session_required {
        return wrong("backchannel_logout_session_required", NEEDS_URI);
    }
    let front = metadata.frontchannel_logout_uri.as_deref();
    if let Some(uri) = front {
        let uri = called_uri("frontchannel_logout_uri", uri, development)?;
        if !shares_origin(&uri, &metadata.redirect_uris) {
            return wrong(
                "frontchannel_logout_uri",
                "its scheme, host and port are those of none of the redirect_uris (Front-Channel \
                 Logout 1.0 section 2)",
            );
        }
    } else if metadata.frontchannel_logout_session_required {
        return wrong("frontchannel_logout_session_required", NEEDS_URI);
    }
    Ok(LogoutChannels {
        backchannel_uri: back.map(str::to_owned),
        backchannel_session_required: metadata.backchannel_logout_session_required,
        frontchannel_uri: front.map(str::to_owned),
        frontchannel_session_required: metadata.frontchannel_logout_session_required,
    })
}

const NEEDS_URI: &str = "it says how a logout URI is called, and there is no such URI";

/// "The domain, port, and scheme of this URL MUST be the same as that of a registered Redirection
/// URI value" (Front-Channel Logout 1.0 section 2).
fn shares_origin(uri: &RedirectUri, redirect_uris: &[String]) -> bool {
    let origins = redirect_uris
        .iter()
        .filter_map(|text| RedirectUri::register(text, UriPolicy::Native).ok()?.origin());
    uri.origin().is_some_and(|mine| origins.into_iter().any(|origin| origin == mine))
}

/// The frame that tells a client (Front-Channel Logout 1.0 section 3), if it wants to be told that
/// way: its URI with `iss` and `sid`.
pub fn frame(client: &Client, issuer: &Issuer, sid: [u8; 16]) -> Option<String> {
    let uri = client.logout.frontchannel_uri.as_deref().filter(|_| client.enabled)?;
    Some(with_query(uri, &[("iss", issuer.as_str()), ("sid", &base64url(sid))]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn metadata() -> ClientMetadata {
        ClientMetadata {
            redirect_uris: vec!["https://app.example/cb".into()],
            ..ClientMetadata::default()
        }
    }

    fn member(change: impl FnOnce(&mut ClientMetadata)) -> &'static str {
        let mut metadata = metadata();
        change(&mut metadata);
        register(&metadata, false).map_or_else(|error| error.member, |_| "good")
    }

    #[test]
    fn back_channel_logout_2_2_the_uri_is_absolute_https_and_without_a_fragment() {
        let back = |uri: &str| member(|m| m.backchannel_logout_uri = Some(uri.to_owned()));
        assert_eq!(back("https://elsewhere.example/out?a=b"), "good", "of any origin");
        for bad in [
            "http://app.example/out",
            "http://localhost/out",
            "https://app.example/out#x",
            "https://user:password@app.example/out",
            "javascript:alert(1)",
            "/out",
            "",
        ] {
            assert_eq!(back(bad), "backchannel_logout_uri", "{bad}");
        }
        let mut development = metadata();
        development.backchannel_logout_uri = Some("http://localhost:4001/out".into());
        assert!(register(&development, true).is_ok());
        assert_eq!(
            member(|m| m.backchannel_logout_session_required = true),
            "backchannel_logout_session_required"
        );
    }

    #[test]
    fn front_channel_logout_2_the_uri_shares_the_origin_of_a_redirect_uri() {
        let front = |uri: &str| member(|m| m.frontchannel_logout_uri = Some(uri.to_owned()));
        assert_eq!(front("https://app.example/out"), "good");
        assert_eq!(front("https://app.example:443/out"), "good", "the port that https has anyway");
        for bad in [
            "https://other.example/out",
            "https://app.example:8443/out",
            "http://app.example/out",
            "data:text/html,x",
        ] {
            assert_eq!(front(bad), "frontchannel_logout_uri", "{bad}");
        }
        assert_eq!(
            member(|m| m.frontchannel_logout_session_required = true),
            "frontchannel_logout_session_required"
        );
    }

    #[test]
    fn front_channel_logout_3_the_frame_names_issuer_and_session() {
        let issuer = fixtures::policy().issuer;
        let mut client = fixtures::client();
        assert_eq!(frame(&client, &issuer, [3; 16]), None);
        client.logout.frontchannel_uri = Some("https://app.example/out?a=b".into());
        let expected = format!(
            "https://app.example/out?a=b&iss=https%3A%2F%2Flogin.example&sid={}",
            base64url([3; 16])
        );
        assert_eq!(frame(&client, &issuer, [3; 16]), Some(expected));
        client.enabled = false;
        assert_eq!(frame(&client, &issuer, [3; 16]), None);
    }
}
