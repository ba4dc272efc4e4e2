use serde_json::{Map, Value};

/// Members that are about the response and not about the user.
const NOT_ABOUT_THE_USER: [&str; 7] = ["sub", "iss", "aud", "exp", "iat", "nonce", "azp"];

/// Reads the user's claims out of a userinfo response (OpenID Connect Core 1.0 section 5.3.2), or
/// says why they are not to be believed. `subject` is the ID token's.
pub fn read_userinfo(body: &[u8], subject: &str) -> Result<Map<String, Value>, &'static str> {
    let mut claims: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "it is not a JSON object")?;
    // "if they do not match, the UserInfo Response values MUST NOT be used"
    if claims.get("sub").and_then(Value::as_str) != Some(subject) {
        return Err("sub is not the ID token's");
    }
    claims.retain(|name, _| !NOT_ABOUT_THE_USER.contains(&name.as_str()));
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_users_claims_openid_core_5_3_2() {
        let body = br#"{"sub":"a","iss":"x","aud":"y","email":"a@b"}"#;
        let claims = read_userinfo(body, "a").expect("good");
        assert_eq!(Value::from(claims), serde_json::json!({"email": "a@b"}));
        for other in [&body[..], b"{}", br#"{"sub":1}"#, b"[]", b"eyJhbGciOi.x.y", b""] {
            assert!(read_userinfo(other, "b").is_err());
        }
    }
}
