//! Who a user is to a client: `sub`, public or pairwise (OpenID Connect Core 1.0 section 8), and
//! whether the one who is signed in is the one that a request is about.

use keystile_protocol::encoding::{base64url, hmac_sha256};
use keystile_protocol::messages::IdTokenClaims;
use keystile_protocol::{ClientId, ErrorCode, ProtocolError};

use crate::ids::AccountId;

/// Names the key of pairwise subjects.
pub const PURPOSE: &str = "pairwise";

/// The subject of an account in a sector: nobody without the key can tell which account it is, or
/// that another sector's is the same one (section 8.1).
pub fn pairwise(account: &AccountId, sector: &str, key: &[u8; 32]) -> String {
    base64url(hmac_sha256(key, &[sector.as_bytes(), &[0], account.as_bytes()]))
}

/// A hint counts if it was issued to the client that shows it (section 3.1.2.1).
pub fn hinted(hint: IdTokenClaims, client: &ClientId) -> Result<String, ProtocolError> {
    if hint.aud.contains(client.as_str()) {
        return Ok(hint.sub);
    }
    Err(ProtocolError::new(
        ErrorCode::InvalidRequest,
        "id_token_hint was issued to another client; send one of your own or none (OpenID Connect \
         Core 1.0 section 3.1.2.1)",
    ))
}

/// Whether a request is about somebody else than `subject`: its hint names another user (section
/// 3.1.2.1), or its `sub` claim has other values (section 5.5.1).
pub fn is_another(subject: &str, hinted: Option<&str>, asked: &[Vec<String>]) -> bool {
    hinted.is_some_and(|hinted| hinted != subject)
        || asked.iter().any(|values| !values.iter().any(|value| value == subject))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_pairwise_subject_is_stable_and_differs_by_account_sector_and_key_oidc_core_8_1() {
        let (a, b) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
        let one = pairwise(&a, "app.example", &[7; 32]);
        assert_eq!(one, pairwise(&a, "app.example", &[7; 32]));
        assert_eq!(one.len(), 43);
        for other in [
            pairwise(&b, "app.example", &[7; 32]),
            pairwise(&a, "other.example", &[7; 32]),
            pairwise(&a, "app.example", &[8; 32]),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_hint_of_another_client_is_refused_oidc_core_3_1_2_1() {
        let client = fixtures::client();
        let hint = fixtures::id_token_claims(&client);
        assert_eq!(hinted(hint.clone(), &client.id), Ok(hint.sub.clone()));
        assert!(hinted(hint, &fixtures::client_id("other")).is_err());
    }

    #[test]
    fn a_request_is_about_one_user_oidc_core_3_1_2_1_and_5_5_1() {
        let values = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
        assert!(!is_another("alice", None, &[]));
        assert!(!is_another("alice", Some("alice"), &[values(&["bob", "alice"])]));
        assert!(is_another("alice", Some("bob"), &[]));
        assert!(is_another("alice", None, &[values(&["bob"])]));
        assert!(is_another("alice", None, &[values(&["alice"]), values(&["bob"])]), "both members");
    }
}
