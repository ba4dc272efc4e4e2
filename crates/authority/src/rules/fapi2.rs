//! What a client with `profile = "fapi2"` is held to beside what everybody is: FAPI 2.0 Security
//! Profile (final) section 5.3 and, for what it registers of it, FAPI 2.0 Message Signing.

use std::time::Duration;

use keystile_protocol::jose::Algorithm;
use keystile_protocol::{ErrorCode, Params, ProtocolError, Timestamp};

use crate::records::{Client, Profile};
use crate::rules::redirect::ResponseMode;
use crate::rules::registration::{ClientMetadata, MetadataError, wrong};

/// All that FAPI 2.0 allows: RSA with the old padding is not among them (Security Profile section
/// 5.4.1).
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];
/// What is signed for a client that names no algorithm of its own.
const DEFAULT: Algorithm = Algorithm::ES256;
/// How old a request object may be, and how long it may live (Message Signing section 5.3.1).
const REQUEST_OBJECT_AGE: Duration = Duration::from_secs(3600);

/// Whether the client asked for the profile.
pub fn holds(client: &Client) -> bool {
    client.profile == Some(Profile::Fapi2)
}

/// What may be signed for the client, and by it.
pub fn algorithms(profile: Option<Profile>) -> &'static [Algorithm] {
    match profile {
        Some(Profile::Fapi2) => &ALGORITHMS,
        None => &Algorithm::ALL,
    }
}

/// The client as the profile has it: requests are pushed, tokens are bound. An error where its
/// metadata say the contrary.
pub(super) fn registered(
    mut client: Client,
    metadata: &ClientMetadata,
) -> Result<Client, MetadataError> {
    if !holds(&client) {
        return Ok(client);
    }
    if client.is_public() || client.authentication_method().starts_with("client_secret") {
        return wrong(
            "token_endpoint_auth_method",
            "a FAPI 2.0 client proves itself by a key: private_key_jwt, or a certificate (FAPI 2.0 \
             Security Profile section 5.3.2.1)",
        );
    }
    if !client.must_use_pkce() {
        return wrong(
            "require_pkce",
            "a FAPI 2.0 client always uses PKCE (FAPI 2.0 Security Profile section 5.3.2.2)",
        );
    }
    if metadata.id_token_signed_response_alg.is_none() {
        client.id_token_algorithm = DEFAULT;
    }
    let named = [
        ("id_token_signed_response_alg", Some(client.id_token_algorithm)),
        ("userinfo_signed_response_alg", client.openid.userinfo_algorithm),
        ("request_object_signing_alg", client.request_object_algorithm),
        ("authorization_signed_response_alg", client.authorization_response_algorithm),
        ("backchannel_authentication_request_signing_alg", client.ciba.request_algorithm),
    ];
    for (member, algorithm) in named {
        if algorithm.is_some_and(|algorithm| !ALGORITHMS.contains(&algorithm)) {
            return wrong(
                member,
                "a FAPI 2.0 client uses ES256, EdDSA or PS256 (FAPI 2.0 Security Profile section \
                 5.4.1)",
            );
        }
    }
    client.require_pushed_requests = true;
    client.dpop_bound_access_tokens = !client.certificate_bound_access_tokens;
    Ok(client)
}

/// What the client's authorization responses are signed with, when they are JWTs.
pub fn authorization_response_algorithm(client: &Client) -> Algorithm {
    let default = if holds(client) { DEFAULT } else { Algorithm::RS256 };
    client.authorization_response_algorithm.unwrap_or(default)
}

/// An authorization request of the client: it names its redirect URI (Security Profile section
/// 5.3.2.2) and, where the client registered how its answers are signed, wants a signed one
/// (Message Signing section 5.4).
pub fn request(params: &Params, client: &Client) -> Result<(), ProtocolError> {
    if !holds(client) {
        return Ok(());
    }
    let refuse = |words: &str| Err(ProtocolError::new(ErrorCode::InvalidRequest, words));
    if !params.has("redirect_uri") {
        return refuse(
            "redirect_uri is missing; a FAPI 2.0 client sends it each time (FAPI 2.0 Security \
             Profile section 5.3.2.2)",
        );
    }
    let mode = params.optional("response_mode").ok().flatten().and_then(ResponseMode::from_name);
    let signed = mode.is_some_and(ResponseMode::is_signed);
    if client.authorization_response_algorithm.is_some() && !signed {
        return refuse(
            "the client is registered with authorization_signed_response_alg; send \
             response_mode=jwt (FAPI 2.0 Message Signing section 5.4)",
        );
    }
    Ok(())
}

/// The life of a request object of the client: "no longer than 60 minutes in the past", and "no
/// longer than 60 minutes after" its beginning (Message Signing section 5.3.1).
pub fn request_object_life(
    client: &Client,
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), ProtocolError> {
    if !holds(client) {
        return Ok(());
    }
    let problem = match (not_before, expires_at) {
        (Some(begin), _) if begin.plus(REQUEST_OBJECT_AGE) < now => "its 'nbf' is too old",
        (Some(begin), Some(end)) if begin.plus(REQUEST_OBJECT_AGE) < end => "it lives too long",
        (Some(_), Some(_)) => return Ok(()),
        (None, _) => "it has no 'nbf'",
        (_, None) => "it has no 'exp'",
    };
    let words = format!(
        "the request object is refused: {problem}; 'nbf' and 'exp' bound it to 60 minutes (FAPI \
         2.0 Message Signing section 5.3.1)"
    );
    Err(ProtocolError::new(ErrorCode::InvalidRequestObject, words))
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::SigningKey;
    use serde_json::json;

    use super::*;
    use crate::fixtures;
    use crate::rules::registration::register;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    type Member = fn(&mut ClientMetadata) -> &mut Option<String>;

    fn good() -> ClientMetadata {
        let key = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        ClientMetadata {
            client_id: "bank".into(),
            profile: Some(Profile::Fapi2),
            token_endpoint_auth_method: Some("private_key_jwt".into()),
            jwks: Some(json!({ "keys": [key.public()] })),
            redirect_uris: vec!["https://app.example/cb".into()],
            ..ClientMetadata::default()
        }
    }

    fn of(change: impl FnOnce(&mut ClientMetadata)) -> Result<Client, &'static str> {
        let mut metadata = good();
        change(&mut metadata);
        register(&metadata, false).map_err(|error| error.member)
    }

    #[test]
    fn a_client_of_the_profile_pushes_its_requests_and_binds_its_tokens_fapi_2_5_3_2() {
        let client = of(|_| {}).expect("good");
        assert!(client.require_pushed_requests && client.dpop_bound_access_tokens);
        assert_eq!(client.id_token_algorithm, Algorithm::ES256);
        let by_certificate =
            of(|m| m.tls_client_certificate_bound_access_tokens = true).expect("good");
        assert!(!by_certificate.dpop_bound_access_tokens, "one binding is enough");
        assert_eq!(authorization_response_algorithm(&client), Algorithm::ES256);
        assert_eq!(authorization_response_algorithm(&fixtures::client()), Algorithm::RS256);
    }

    #[test]
    fn what_the_profile_excludes_is_refused_at_registration_fapi_2_5_3_2_1() {
        let set = |to: &str| Some(to.to_owned());
        let secret = |m: &mut ClientMetadata| {
            m.token_endpoint_auth_method = None;
            m.client_secret = Some(fixtures::SECRET.into());
        };
        assert_eq!(of(secret).expect_err("a secret"), "token_endpoint_auth_method");
        let public = |m: &mut ClientMetadata| {
            m.token_endpoint_auth_method = set("none");
            m.jwks = None;
        };
        assert_eq!(of(public).expect_err("nothing"), "token_endpoint_auth_method");
        assert_eq!(of(|m| m.require_pkce = Some(false)).expect_err("no PKCE"), "require_pkce");
        let members: [(&str, Member); 4] = [
            ("id_token_signed_response_alg", |m| &mut m.id_token_signed_response_alg),
            ("userinfo_signed_response_alg", |m| &mut m.userinfo_signed_response_alg),
            ("request_object_signing_alg", |m| &mut m.request_object_signing_alg),
            ("authorization_signed_response_alg", |m| &mut m.authorization_signed_response_alg),
        ];
        for (name, member) in members {
            assert_eq!(of(|m| *member(m) = set("RS256")).expect_err("RS256"), name);
            assert!(of(|m| *member(m) = set("PS256")).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_request_names_its_redirect_uri_and_a_signed_answer_where_one_is_registered() {
        let plain = of(|_| {}).expect("good");
        let signing =
            of(|m| m.authorization_signed_response_alg = Some("PS256".into())).expect("good");
        let cases = [
            (&plain, "redirect_uri=x", true),
            (&plain, "redirect_uri=x&response_mode=jwt", true),
            (&plain, "state=x", false),
            (&signing, "redirect_uri=x&response_mode=jwt", true),
            (&signing, "redirect_uri=x&response_mode=form_post.jwt", true),
            (&signing, "redirect_uri=x", false),
            (&signing, "redirect_uri=x&response_mode=query", false),
        ];
        for (client, text, good) in cases {
            let params = Params::parse(text.as_bytes()).expect("few");
            assert_eq!(request(&params, client).is_ok(), good, "{text}");
        }
        let other = Client { profile: None, ..plain };
        assert!(request(&Params::default(), &other).is_ok(), "nobody else is held to it");
    }

    #[test]
    fn a_request_object_lives_for_an_hour_fapi_2_message_signing_5_3_1() {
        let client = of(|_| {}).expect("good");
        let at = |offset: i64| Some(Timestamp::from_seconds(NOW.seconds() + offset));
        let cases = [
            (at(-10), at(50), true),
            (at(-3600), at(0), true),
            (at(-3601), at(10), false),
            (at(0), at(3601), false),
            (None, at(10), false),
            (at(0), None, false),
        ];
        for (begin, end, good) in cases {
            let got = request_object_life(&client, begin, end, NOW);
            assert_eq!(got.is_ok(), good, "{begin:?} {end:?}");
        }
        assert!(request_object_life(&fixtures::client(), None, None, NOW).is_ok());
    }
}
