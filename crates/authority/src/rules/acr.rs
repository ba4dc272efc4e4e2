//! How strongly a user was authenticated: `acr` (OpenID Connect Core 1.0 sections 2, 3.1.2.1 and
//! 5.5.1.1, RFC 9470 section 5).

use keystile_protocol::{ErrorCode, Params, ProtocolError};

use crate::policy::Policy;

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

/// `acr_values` of a request whose tokens would be for an API. For an ID token they are a wish; an
/// API that asked for them refuses any other token, so the request "fails in all other cases",
/// rather than sending the app in a circle (RFC 9470 section 5).
pub fn is_enough_for_apis(
    params: &Params,
    audience: &[String],
    policy: &Policy,
) -> Result<(), ProtocolError> {
    let read = params.optional("acr_values");
    let read = read.map_err(|e| ProtocolError::new(ErrorCode::InvalidRequest, e.to_string()))?;
    let Some(values) = read else { return Ok(()) };
    let for_an_api = audience.iter().any(|audience| policy.api(audience).is_some());
    if !for_an_api || values.split(' ').any(|value| SUPPORTED.contains(&value)) {
        return Ok(());
    }
    Err(ProtocolError::new(
        ErrorCode::UnmetAuthenticationRequirements,
        format!(
            "none of the acr_values can be reached here, and the API would refuse a token without; \
             {} can (RFC 9470 section 5)",
            SUPPORTED.join(", ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acr_values_are_a_wish_for_an_id_token_and_a_must_for_an_api_rfc_9470_5() {
        let policy = crate::fixtures::policy();
        let of = |query: &str, audience: &str| {
            let params = Params::parse(query.as_bytes()).expect("few parameters");
            is_enough_for_apis(&params, &[audience.to_owned()], &policy).map_err(|e| e.error)
        };
        let (api, issuer) = ("https://photos.example", "https://login.example");
        assert_eq!(of("a=b", api), Ok(()));
        assert_eq!(of("acr_values=", api), Ok(()), "as if omitted");
        assert_eq!(of("acr_values=gold", issuer), Ok(()));
        assert_eq!(of(&format!("acr_values=gold+{PASSWORD}"), api), Ok(()));
        assert_eq!(
            of("acr_values=gold+silver", api),
            Err(ErrorCode::UnmetAuthenticationRequirements)
        );
        assert_eq!(of("acr_values=a&acr_values=b", api), Err(ErrorCode::InvalidRequest));
    }

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
