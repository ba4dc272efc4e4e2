//! Access tokens that say nothing to whoever holds them: the claims of a JWT, sealed. Nothing is
//! stored for one, and only this server opens it; the API that it is for asks (RFC 7662).

use keystile_protocol::Timestamp;
use keystile_protocol::access_token::AccessTokenClaims;
use keystile_protocol::encoding::{base64url, from_base64url};
use keystile_protocol::seal::Seals;

const PURPOSE: &str = "access-token";
/// As with JWTs, a restore of the store ends what hangs on it, and not the tokens by themselves.
const NO_EPOCH: u64 = 0;
/// A longer token is refused unread, in characters.
const AT_MOST: usize = 16 * 1024;

/// Seals the claims; `nonce` is 12 random bytes.
pub fn seal(claims: &AccessTokenClaims, seals: &Seals, now: Timestamp, nonce: [u8; 12]) -> String {
    let plain = serde_json::to_vec(claims).expect("claims have a plain form");
    base64url(seals.seal_bytes(PURPOSE, plain, NO_EPOCH, now, nonce))
}

/// Whether the text can be such a token: a JWT has dots.
pub fn has_form(token: &str) -> bool {
    !token.contains('.')
}

/// The claims that were sealed; nothing if it is not a token of ours. Whether they still hold is
/// for [`keystile_protocol::access_token::check_claims`] to say.
pub fn open(token: &str, seals: &Seals) -> Option<AccessTokenClaims> {
    if token.len() > AT_MOST {
        return None;
    }
    let plain = seals.open_bytes(PURPOSE, &from_base64url(token)?, NO_EPOCH).ok()?;
    serde_json::from_slice(&plain).ok()
}

#[cfg(test)]
mod tests {
    use keystile_protocol::seal::MasterKey;
    use keystile_protocol::token_exchange::Actor;

    use super::*;
    use crate::fixtures;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn seals(id: u8) -> Seals {
        Seals::new("https://login.example", vec![MasterKey { id, secret: [id; 32] }])
    }

    #[test]
    fn what_was_sealed_opens_here_alone_and_says_nothing_outside() {
        let claims = AccessTokenClaims {
            gid: Some("a grant".into()),
            act: Some(Actor::new("api")),
            ..fixtures::access_token_claims()
        };
        let token = seal(&claims, &seals(1), NOW, [9; 12]);
        assert!(has_form(&token));
        assert_eq!(open(&token, &seals(1)), Some(claims.clone()));
        assert_eq!(open(&token, &seals(2)), None, "another master key");
        assert_ne!(token, seal(&claims, &seals(1), NOW, [8; 12]));
        let bytes = from_base64url(&token).expect("base64url");
        assert!(!bytes.windows(5).any(|window| window == b"alice"));
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).expect("ASCII");
            assert_eq!(open(&other, &seals(1)), None, "at {at}");
        }
        for other in ["", "a", &token[1..], &"A".repeat(AT_MOST + 1)] {
            assert_eq!(open(other, &seals(1)), None);
        }
    }

    #[test]
    fn another_kind_of_seal_is_no_token() {
        let plain = serde_json::to_vec(&fixtures::access_token_claims()).expect("plain");
        let other = seals(1).seal_bytes("code", plain, NO_EPOCH, NOW, [9; 12]);
        assert_eq!(open(&base64url(other), &seals(1)), None);
    }
}
