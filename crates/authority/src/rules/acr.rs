//! How strongly a user was authenticated: `acr` (OpenID Connect Core 1.0 sections 2, 3.1.2.1 and
//! 5.5.1.1).

use keystile_protocol::{ErrorCode, ProtocolError};

/// By a password.
pub const PASSWORD: &str = "urn:keystile:password";

/// All values, for the metadata.
pub const SUPPORTED: [&str; 1] = [PASSWORD];

/// What an authentication by these means (`amr`) is worth.
pub fn of(methods: &[String]) -> Option<&'static str> {
    methods.iter().any(|method| method == "pwd").then_some(PASSWORD)
}

/// An `acr` that is essential, with values none of which this server can reach, is "a failed
/// authentication attempt" (section 5.5.1.1); values that are merely asked for are a wish.
pub fn can_be_met(essential: Option<&[String]>) -> Result<(), ProtocolError> {
    match essential {
        Some(values) if !values.iter().any(|value| SUPPORTED.contains(&value.as_str())) => {
            Err(ProtocolError::new(
                ErrorCode::UnmetAuthenticationRequirements,
                format!(
                    "none of the acr values that the claims parameter calls essential can be \
                     reached here; {} can (OpenID Connect Core 1.0 section 5.5.1.1)",
                    SUPPORTED.join(", ")
                ),
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_essential_acr_must_be_one_that_can_be_reached_oidc_core_5_5_1_1() {
        let values = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
        assert!(can_be_met(None).is_ok());
        assert!(can_be_met(Some(&values(&["urn:mace:silver", PASSWORD]))).is_ok());
        let error = can_be_met(Some(&values(&["urn:mace:silver"]))).expect_err("out of reach");
        assert_eq!(error.error, ErrorCode::UnmetAuthenticationRequirements);
        assert_eq!(of(&values(&["pwd"])), Some(PASSWORD));
        assert_eq!(of(&values(&["magic"])), None);
    }
}
