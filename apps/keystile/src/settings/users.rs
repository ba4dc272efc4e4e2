//! `[[users]]`.

use keystile_authority::records::{PASSWORD_AT_MOST, UserClaims, normalized_username};
use keystile_protocol::Secret;

use super::file;
use super::source::{Place, SettingsError};
use crate::passwords::check_hash;

/// A user who is to have an account.
#[derive(Clone, Debug)]
pub struct ConfiguredUser {
    /// As it is compared.
    pub username: String,
    /// For a new account.
    pub credential: Credential,
    /// Name, email and so on.
    pub claims: UserClaims,
}

/// How a user signs in at first.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Hashed when the account is made.
    Password(Secret),
    /// In PHC string format.
    Hash(String),
}

pub(super) fn users(
    users: Vec<file::User>,
    root: &Place<'_>,
) -> Result<Vec<ConfiguredUser>, SettingsError> {
    let mut all: Vec<ConfiguredUser> = Vec::new();
    for (index, entry) in users.into_iter().enumerate() {
        let place = root.key("users").index(index);
        let user = user(entry, &place)?;
        if all.iter().any(|earlier| earlier.username == user.username) {
            let problem = format!("there are two users '{}'", user.username);
            return place.key("username").wrong(problem);
        }
        all.push(user);
    }
    Ok(all)
}

fn user(mut entry: file::User, place: &Place<'_>) -> Result<ConfiguredUser, SettingsError> {
    let Some(username) = normalized_username(&entry.username) else {
        return place.key("username").wrong(
            "a user has a name of 1 to 256 bytes without control characters, such as alice",
        );
    };
    let credential = credential(entry.password.take(), entry.password_hash.take(), place)?;
    Ok(ConfiguredUser { username, credential, claims: claims(&entry, place)? })
}

fn credential(
    password: Option<Secret>,
    hash: Option<String>,
    place: &Place<'_>,
) -> Result<Credential, SettingsError> {
    match (password, hash) {
        (Some(password), None) => {
            if password.expose().is_empty() || password.expose().len() > PASSWORD_AT_MOST {
                return place.key("password").wrong("a password has 1 to 1024 bytes");
            }
            Ok(Credential::Password(password))
        }
        (None, Some(hash)) => {
            check_hash(&hash).or_else(|problem| place.key("password_hash").wrong(problem))?;
            Ok(Credential::Hash(hash))
        }
        (Some(_), Some(_)) => {
            place.key("password_hash").wrong("a user has either this or 'password', not both")
        }
        (None, None) => place.key("password").wrong("a user needs this or 'password_hash'"),
    }
}

/// The claims that are there. What was left out is not known, rather than null.
fn claims(entry: &file::User, place: &Place<'_>) -> Result<UserClaims, SettingsError> {
    let value = serde_json::to_value(entry).or_else(|problem| place.wrong(problem))?;
    let mut claims = value.as_object().cloned().unwrap_or_default();
    if let Some(address) = claims.get_mut("address").and_then(|address| address.as_object_mut()) {
        address.retain(|_, value| !value.is_null());
    }
    claims.retain(|_, value| !value.is_null());
    Ok(claims)
}
