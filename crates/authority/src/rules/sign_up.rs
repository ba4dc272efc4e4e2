//! Accounts that people make themselves, where the operator lets them (Initiating User
//! Registration via OpenID Connect 1.0).

use keystile_protocol::{Secret, Timestamp};

use crate::decisions::SignedUp;
use crate::ids::AccountId;
use crate::records::{
    Account, PASSWORD_AT_LEAST, PASSWORD_AT_MOST, UserClaims, normalized_username,
};

/// Most characters of a name and of an address.
const CLAIM_AT_MOST: usize = 200;

/// What a person typed, the password aside: it is shown again when something is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignUpFields {
    /// What the person will sign in with.
    pub username: String,
    /// Full name; may be empty.
    pub name: String,
    /// Email address; may be empty.
    pub email: String,
}

/// Why there is no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUpError {
    /// The user name is empty, too long or has control characters.
    Username,
    /// Somebody has the user name.
    Taken,
    /// The full name is too long or has control characters.
    Name,
    /// It is no email address.
    Email,
    /// The password is too short or too long.
    Password,
    /// Too many accounts from that network.
    Throttled(crate::throttle::Throttled),
    /// No password can be hashed right now.
    Busy,
}

/// An account that may be made, if nobody has the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    username: String,
    claims: UserClaims,
}

/// Whether what was typed makes an account.
pub fn check(fields: &SignUpFields, password: &Secret) -> Result<NewAccount, SignUpError> {
    let username = normalized_username(&fields.username).ok_or(SignUpError::Username)?;
    let mut claims = UserClaims::new();
    let (name, email) = (fields.name.trim(), fields.email.trim());
    if name.chars().count() > CLAIM_AT_MOST || name.contains(char::is_control) {
        return Err(SignUpError::Name);
    }
    if !name.is_empty() {
        claims.insert("name".to_owned(), name.into());
    }
    if !email.is_empty() {
        if !is_address(email) {
            return Err(SignUpError::Email);
        }
        claims.insert("email".to_owned(), email.into());
        // Nobody has shown that it is this person's.
        claims.insert("email_verified".to_owned(), false.into());
    }
    let password = password.expose();
    if password.chars().count() < PASSWORD_AT_LEAST || password.len() > PASSWORD_AT_MOST {
        return Err(SignUpError::Password);
    }
    Ok(NewAccount { username, claims })
}

/// Something before and after one `@`: only a message to it can show more.
fn is_address(text: &str) -> bool {
    let bad = |c: char| c.is_control() || c.is_whitespace() || "<>\"".contains(c);
    text.chars().count() <= CLAIM_AT_MOST
        && !text.contains(bad)
        && text
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
}

impl NewAccount {
    /// What the person will sign in with, as it is kept.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The account to be written. `random` makes its identifier.
    pub fn with(self, password_hash: String, random: [u8; 10], now: Timestamp) -> SignedUp {
        let Self { username, claims } = self;
        let id = AccountId::new(now, random);
        let account = Account { id, username, enabled: true, valid_from: now, claims };
        SignedUp::new(account, password_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(username: &str, name: &str, email: &str) -> SignUpFields {
        SignUpFields { username: username.into(), name: name.into(), email: email.into() }
    }

    #[test]
    fn what_was_typed_makes_an_account_or_one_reason_why_not() {
        let long = "x".repeat(300);
        let cases = [
            (fields("Ada", "", ""), "12345678", None),
            (fields(" ada ", "Ada L.", "ada@example.org"), "a long enough one", None),
            (fields("", "", ""), "12345678", Some(SignUpError::Username)),
            (fields("a\nb", "", ""), "12345678", Some(SignUpError::Username)),
            (fields(&long, "", ""), "12345678", Some(SignUpError::Username)),
            (fields("ada", &long, ""), "12345678", Some(SignUpError::Name)),
            (fields("ada", "a\tb", ""), "12345678", Some(SignUpError::Name)),
            (fields("ada", "", "ada"), "12345678", Some(SignUpError::Email)),
            (fields("ada", "", "a@b@c"), "12345678", Some(SignUpError::Email)),
            (fields("ada", "", "@b"), "12345678", Some(SignUpError::Email)),
            (fields("ada", "", "<a>@b"), "12345678", Some(SignUpError::Email)),
            (fields("ada", "", ""), "1234567", Some(SignUpError::Password)),
            (fields("ada", "", ""), "ääää", Some(SignUpError::Password)),
        ];
        for (fields, password, expected) in cases {
            assert_eq!(check(&fields, &Secret::new(password)).err(), expected, "{fields:?}");
        }
        let too_long = Secret::new("x".repeat(PASSWORD_AT_MOST + 1));
        assert_eq!(check(&fields("a", "", ""), &too_long), Err(SignUpError::Password));
    }

    #[test]
    fn an_address_that_nobody_verified_says_so_oidc_core_5_1() {
        let password = Secret::new("12345678");
        let new = check(&fields("ADA", " Ada ", "ada@example.org"), &password).expect("good");
        let made = new.with("hash".into(), [1; 10], Timestamp::from_seconds(7));
        assert_eq!(made.account.username, "ada");
        assert_eq!(made.account.claims["name"], "Ada");
        assert_eq!(made.account.claims["email_verified"], false);
        assert!(made.account.enabled);
    }
}
