//! What a client may register about asking over the back channel (OpenID Connect CIBA Core 1.0
//! section 4).

use crate::records::{CibaOptions, ClientKind, Delivery, GrantType};
use crate::rules::registration::{ClientMetadata, MetadataError, called_uri, signed_with, wrong};

const MODE: &str = "backchannel_token_delivery_mode";
const ENDPOINT: &str = "backchannel_client_notification_endpoint";
const ALGORITHM: &str = "backchannel_authentication_request_signing_alg";

/// Takes the members of a registration.
pub fn register(
    metadata: &ClientMetadata,
    kind: &ClientKind,
    grant_types: &[GrantType],
    development: bool,
) -> Result<CibaOptions, MetadataError> {
    if metadata.backchannel_user_code_parameter {
        return wrong(
            "backchannel_user_code_parameter",
            "user codes are not supported; users answer on a page of ours, signed in",
        );
    }
    if !grant_types.contains(&GrantType::Ciba) {
        return nothing_of_it(metadata);
    }
    if matches!(kind, ClientKind::Public { .. }) {
        return wrong(
            "grant_types",
            format!("{} needs a client that proves who it is", GrantType::Ciba.as_str()),
        );
    }
    let request_algorithm =
        signed_with(ALGORITHM, metadata.backchannel_authentication_request_signing_alg.as_deref())?;
    if request_algorithm.is_some() && metadata.jwks.is_none() && metadata.jwks_uri.is_none() {
        return wrong(ALGORITHM, "signed requests need the client's keys: jwks or jwks_uri");
    }
    Ok(CibaOptions { delivery: delivery(metadata, development)?, request_algorithm })
}

fn nothing_of_it(metadata: &ClientMetadata) -> Result<CibaOptions, MetadataError> {
    let members = [
        (MODE, &metadata.backchannel_token_delivery_mode),
        (ENDPOINT, &metadata.backchannel_client_notification_endpoint),
        (ALGORITHM, &metadata.backchannel_authentication_request_signing_alg),
    ];
    match members.iter().find(|(_, value)| value.is_some()) {
        None => Ok(CibaOptions::default()),
        Some((member, _)) => {
            wrong(member, format!("grant_types lacks {}", GrantType::Ciba.as_str()))
        }
    }
}

fn delivery(metadata: &ClientMetadata, development: bool) -> Result<Delivery, MetadataError> {
    let endpoint = metadata.backchannel_client_notification_endpoint.as_deref();
    match (metadata.backchannel_token_delivery_mode.as_deref(), endpoint) {
        (Some("poll"), None) => Ok(Delivery::Poll),
        (Some("poll"), Some(_)) => wrong(ENDPOINT, "only a client with the mode ping has one"),
        (Some("ping"), Some(uri)) => {
            called_uri(ENDPOINT, uri, development)?;
            Ok(Delivery::Ping(uri.to_owned()))
        }
        (Some("ping"), None) => wrong(ENDPOINT, "the mode ping needs one: an https URL"),
        (Some(other), _) => {
            wrong(MODE, format!("'{other}' is not supported; use {}", Delivery::NAMES.join(" or ")))
        }
        (None, _) => wrong(MODE, format!("it is missing; use {}", Delivery::NAMES.join(" or "))),
    }
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::Algorithm;
    use serde_json::json;

    use super::*;

    const KEYS: ClientKind = ClientKind::PrivateKeyJwt { algorithm: None, require_pkce: true };

    #[allow(clippy::unnecessary_wraps, reason = "members are optional")]
    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn poll() -> ClientMetadata {
        ClientMetadata {
            backchannel_token_delivery_mode: text("poll"),
            jwks: Some(json!({ "keys": [] })),
            ..ClientMetadata::default()
        }
    }

    fn take(change: impl FnOnce(&mut ClientMetadata)) -> Result<CibaOptions, &'static str> {
        let mut metadata = poll();
        change(&mut metadata);
        register(&metadata, &KEYS, &[GrantType::Ciba], false).map_err(|error| error.member)
    }

    #[test]
    fn a_client_says_how_it_is_told_ciba_4() {
        assert_eq!(take(|_| {}), Ok(CibaOptions::default()));
        let uri = "https://shop.example/ping";
        let ping = take(|m| {
            m.backchannel_token_delivery_mode = text("ping");
            m.backchannel_client_notification_endpoint = text(uri);
            m.backchannel_authentication_request_signing_alg = text("PS256");
        });
        let expected = CibaOptions {
            delivery: Delivery::Ping(uri.to_owned()),
            request_algorithm: Some(Algorithm::PS256),
        };
        assert_eq!(ping, Ok(expected));
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_member_ciba_4() {
        let mode = |name| move |m: &mut ClientMetadata| m.backchannel_token_delivery_mode = name;
        assert_eq!(take(mode(None)), Err(MODE));
        assert_eq!(take(mode(text("push"))), Err(MODE));
        assert_eq!(take(mode(text("ping"))), Err(ENDPOINT));
        for uri in ["http://shop.example/ping", "javascript:x", "https://shop.example/ping#x"] {
            let ping = take(|m| {
                m.backchannel_token_delivery_mode = text("ping");
                m.backchannel_client_notification_endpoint = text(uri);
            });
            assert_eq!(ping, Err(ENDPOINT), "{uri}");
        }
        let unused = |m: &mut ClientMetadata| {
            m.backchannel_client_notification_endpoint = text("https://shop.example/ping");
        };
        assert_eq!(take(unused), Err(ENDPOINT));
        for algorithm in ["none", "HS256"] {
            let signed = |m: &mut ClientMetadata| {
                m.backchannel_authentication_request_signing_alg = text(algorithm);
            };
            assert_eq!(take(signed), Err(ALGORITHM), "{algorithm}");
        }
        let no_keys = take(|m| {
            m.backchannel_authentication_request_signing_alg = text("PS256");
            m.jwks = None;
        });
        assert_eq!(no_keys, Err(ALGORITHM));
        let user_code = |m: &mut ClientMetadata| m.backchannel_user_code_parameter = true;
        assert_eq!(take(user_code), Err("backchannel_user_code_parameter"));
    }

    #[test]
    fn it_is_for_clients_that_prove_themselves_and_have_the_grant() {
        let of = |kind: &ClientKind, grant_types: &[GrantType]| {
            register(&poll(), kind, grant_types, false).map_err(|error| error.member)
        };
        let public = ClientKind::Public { native: true };
        assert_eq!(of(&public, &[GrantType::Ciba]), Err("grant_types"));
        assert_eq!(of(&KEYS, &[GrantType::AuthorizationCode]), Err(MODE));
        let nothing = ClientMetadata::default();
        let plain = register(&nothing, &public, &[GrantType::AuthorizationCode], false);
        assert_eq!(plain, Ok(CibaOptions::default()));
    }
}
