//! Which claims about a user a scope opens (OpenID Connect Core 1.0 section 5.4).

use keystile_protocol::Scope;

use crate::records::UserClaims;

const PROFILE: [&str; 14] = [
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
];

/// The claims that a standard scope opens.
pub fn of_scope(scope: &str) -> &'static [&'static str] {
    match scope {
        "profile" => &PROFILE,
        "email" => &["email", "email_verified"],
        "address" => &["address"],
        "phone" => &["phone_number", "phone_number_verified"],
        _ => &[],
    }
}

/// The standard scope that opens a claim.
pub fn scope_of(claim: &str) -> Option<&'static str> {
    ["profile", "email", "address", "phone"]
        .into_iter()
        .find(|scope| of_scope(scope).contains(&claim))
}

/// All claims that userinfo may hold, for the metadata.
pub fn supported() -> impl Iterator<Item = &'static str> {
    ["profile", "email", "address", "phone"].into_iter().flat_map(of_scope).copied()
}

/// What userinfo says: the claims that the scopes open, of those that are known.
pub fn userinfo(subject: &str, known: &UserClaims, scope: &Scope) -> UserClaims {
    let mut answer = UserClaims::new();
    answer.insert("sub".to_owned(), subject.into());
    for name in scope.iter().flat_map(of_scope) {
        if let Some(value) = known.get(*name).filter(|value| !value.is_null()) {
            answer.insert((*name).to_owned(), value.clone());
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_opens_its_own_claims_oidc_core_5_4() {
        let known: UserClaims = serde_json::from_value(serde_json::json!({
            "name": "Alice", "email": "a@example.com", "email_verified": true,
            "phone_number": null, "sub": "forged", "role": "admin"
        }))
        .expect("an object");
        let of = |scope: &str| {
            let scope = Scope::try_from(scope).expect("tokens");
            userinfo("s", &known, &scope).keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("openid"), "sub");
        assert_eq!(of("openid profile"), "name sub");
        assert_eq!(of("openid email phone"), "email email_verified sub");
        let scope = Scope::try_from("openid profile").expect("tokens");
        assert_eq!(userinfo("s", &known, &scope)["sub"], "s");
    }
}
