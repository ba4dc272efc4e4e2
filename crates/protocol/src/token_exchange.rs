//! Token exchange (RFC 8693): the words that requests, answers and tokens share.

use serde::{Deserialize, Serialize};

/// `grant_type` of an exchange (section 2.1).
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What kind of token one is (section 3), of those that are exchanged here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// An access token, whatever its form.
    AccessToken,
    /// An ID token.
    IdToken,
    /// A JWT.
    Jwt,
}

impl TokenType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AccessToken, Self::IdToken, Self::Jwt];

    /// The identifier on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        }
    }

    /// The kind of that identifier.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A party that acts, or may act, for the subject of a token (`act` and `may_act`, sections 4.1 and
/// 4.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Who it is: a client's identifier or a user's `sub`; empty where another issuer names it by
    /// other claims.
    #[serde(default)]
    pub sub: String,
    /// Who acted before: "for informational purposes only" (section 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Self>>,
}

impl Actor {
    /// An actor before whom nobody acted.
    pub fn new(sub: impl Into<String>) -> Self {
        Self { sub: sub.into(), act: None }
    }

    /// This actor and those before it.
    pub fn depth(&self) -> usize {
        1 + self.act.as_ref().map_or(0, |before| before.depth())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_chain_of_rfc_8693_section_4_1_is_read_whatever_else_it_says() {
        let chain = json!({
            "sub": "https://service16.example.com",
            "act": { "sub": "https://service77.example.com", "iss": "https://other.example" },
        });
        let actor: Actor = serde_json::from_value(chain).expect("a chain");
        assert_eq!((actor.sub.as_str(), actor.depth()), ("https://service16.example.com", 2));
        let written = serde_json::to_value(Actor::new("app")).expect("plain");
        assert_eq!(written, json!({ "sub": "app" }));
    }

    #[test]
    fn kinds_have_the_names_of_rfc_8693_section_3() {
        for kind in TokenType::ALL {
            assert_eq!(TokenType::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(TokenType::from_name("access_token"), None);
    }
}
