//! Signing out (OpenID Connect RP-Initiated Logout 1.0).

use keystile_protocol::encoding::base64url;
use keystile_protocol::messages::IdTokenClaims;
use keystile_protocol::params::with_query;
use keystile_protocol::{Params, State};

use crate::records::{Client, Session};

/// What is wrong with a logout request: it is told to the user, and nothing is redirected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutError {
    /// A parameter is repeated or malformed.
    #[error("{0}")]
    Params(String),
    /// `id_token_hint` is no ID token of ours.
    #[error("id_token_hint is not an ID token of this server")]
    Hint,
    /// `client_id` is not the one that the hint was issued to.
    #[error("client_id is unknown, or not the one that id_token_hint was issued to")]
    Client,
    /// `post_logout_redirect_uri` is not registered, or no client is named.
    #[error("post_logout_redirect_uri is not one that the client registered")]
    RedirectUri,
}

/// A logout request that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidLogout {
    /// Where the browser goes afterwards: checked, `state` added.
    pub return_to: Option<String>,
    /// The session that the client means, where it named one.
    pub sid: Option<String>,
    /// The user that the client means.
    pub subject: Option<String>,
}

/// Checks a logout request. `client` is the one that `client_id` or the hint names.
pub fn check(
    params: &Params,
    hint: Option<&IdTokenClaims>,
    client: Option<&Client>,
) -> Result<ValidLogout, LogoutError> {
    let words = |e: keystile_protocol::ParamError| LogoutError::Params(e.to_string());
    let state: Option<State> = params.optional_as("state").map_err(words)?;
    let named = params.optional("client_id").map_err(words)?;
    if named.is_some() && client.is_none() {
        return Err(LogoutError::Client);
    }
    if let (Some(hint), Some(client)) = (hint, client)
        && !hint.aud.contains(client.id.as_str())
    {
        return Err(LogoutError::Client);
    }
    let return_to = match params.optional("post_logout_redirect_uri").map_err(words)? {
        None => None,
        Some(uri) => {
            let registered = client.is_some_and(|client| {
                client.enabled && client.post_logout_redirect_uris.iter().any(|known| known == uri)
            });
            if !registered {
                return Err(LogoutError::RedirectUri);
            }
            Some(match &state {
                Some(state) => with_query(uri, &[("state", state.as_str())]),
                None => uri.to_owned(),
            })
        }
    };
    Ok(ValidLogout {
        return_to,
        sid: hint.and_then(|hint| hint.sid.clone()),
        subject: hint.map(|hint| hint.sub.clone()),
    })
}

/// Whether the user has to be asked: unless the client proved by its hint that it means just this
/// session (section 2: "the OP SHOULD ask"). `subject` is what the session's user is to the client.
pub fn must_ask(logout: &ValidLogout, session: &Session, subject: Option<&str>) -> bool {
    let this_session = logout.sid.as_deref() == Some(base64url(session.sid).as_str());
    let this_user = logout.subject.is_some() && logout.subject.as_deref() == subject;
    !(this_session && this_user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn checked(query: &str, hint: bool) -> Result<ValidLogout, LogoutError> {
        let params = Params::parse(query.as_bytes()).expect("few parameters");
        let client = fixtures::client();
        let hint = hint.then(|| fixtures::id_token_claims(&client));
        let named = params.has("client_id") || hint.is_some();
        check(&params, hint.as_ref(), named.then_some(&client))
    }

    #[test]
    fn only_a_registered_post_logout_redirect_uri_is_followed() {
        let bye = "post_logout_redirect_uri=https://app.example/bye";
        let to = |query: &str, hint| checked(query, hint).expect("good").return_to;
        assert_eq!(to(bye, true).as_deref(), Some("https://app.example/bye"));
        assert_eq!(
            to(&format!("client_id=app&{bye}&state=a+b"), false).as_deref(),
            Some("https://app.example/bye?state=a%20b")
        );
        assert_eq!(to("", false), None);
        assert_eq!(checked(bye, false), Err(LogoutError::RedirectUri), "nobody asks");
        assert_eq!(
            checked("post_logout_redirect_uri=https://evil.example", true),
            Err(LogoutError::RedirectUri)
        );
    }

    #[test]
    fn a_hint_for_another_client_is_refused() {
        let params = Params::parse(b"client_id=other").expect("few");
        let other = Client { id: fixtures::client_id("other"), ..fixtures::client() };
        let hint = fixtures::id_token_claims(&fixtures::client());
        assert_eq!(check(&params, Some(&hint), Some(&other)), Err(LogoutError::Client));
        assert_eq!(check(&params, None, None), Err(LogoutError::Client), "unknown client");
    }

    #[test]
    fn the_user_is_asked_unless_the_hint_is_for_this_session() {
        let session = fixtures::signed_in(keystile_protocol::Timestamp::default()).session;
        let mine = ValidLogout {
            return_to: None,
            sid: Some(base64url(session.sid)),
            subject: Some(session.account.to_string()),
        };
        let me = session.account.to_string();
        let asked = |logout: &ValidLogout, me| must_ask(logout, &session, me);
        assert!(!asked(&mine, Some(&me)));
        assert!(asked(&mine, Some("another")) && asked(&mine, None));
        assert!(asked(&ValidLogout { sid: Some("x".into()), ..mine.clone() }, Some(&me)));
        let unnamed = ValidLogout { subject: None, ..mine };
        assert!(asked(&unnamed, Some(&me)) && asked(&unnamed, None));
    }
}
