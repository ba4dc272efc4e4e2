//! Who may ask about a token, and what is said (RFC 7662).

use keystile_protocol::access_token::{AccessTokenClaims, SenderConstraint};
use keystile_protocol::messages::IntrospectionResponse;

use crate::records::Client;
use crate::rules::sender_constraint;

/// Whether the client may know about the token: its own, or one for an API that it is the face
/// of. Others hear "not active", so that nobody can scan for tokens (RFC 7662 section 4).
pub fn may_ask(client: &Client, claims: &AccessTokenClaims) -> bool {
    !client.is_public()
        && (claims.client_id == client.id
            || client.apis.iter().any(|api| claims.aud.contains(api))
            || claims.aud.contains(client.id.as_str()))
}

/// The answer about a live token.
pub fn active(claims: AccessTokenClaims, username: Option<String>) -> IntrospectionResponse {
    let key = claims.dpop_key().map(SenderConstraint::DpopKey);
    let token_type = sender_constraint::token_type(key);
    IntrospectionResponse {
        active: true,
        iss: Some(claims.iss),
        sub: Some(claims.sub),
        aud: Some(claims.aud),
        client_id: Some(claims.client_id),
        username,
        scope: Some(claims.scope),
        token_type: Some(token_type.to_owned()),
        exp: Some(claims.exp),
        iat: Some(claims.iat),
        jti: Some(claims.jti),
        cnf: claims.cnf,
        authorization_details: claims.authorization_details,
        acr: claims.acr,
        auth_time: claims.auth_time,
        act: claims.act,
        may_act: claims.may_act,
    }
}

/// The answer about everything else: no more than that (RFC 7662 section 2.2).
pub fn inactive() -> IntrospectionResponse {
    IntrospectionResponse::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::records::ClientKind;

    #[test]
    fn only_the_tokens_client_or_its_api_may_ask_rfc_7662_4() {
        let claims = fixtures::access_token_claims();
        let client = fixtures::client();
        assert!(may_ask(&client, &claims));
        let other = Client { id: fixtures::client_id("other"), ..client.clone() };
        assert!(!may_ask(&other, &claims));
        let api = Client { apis: vec!["https://photos.example".into()], ..other };
        assert!(may_ask(&api, &claims));
        let public = Client { kind: ClientKind::Public { native: false }, ..client };
        assert!(!may_ask(&public, &claims));
    }
}
