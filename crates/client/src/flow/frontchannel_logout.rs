use keystile_protocol::{Issuer, ParamError, Params};

/// A longer `sid` is nobody's, in bytes.
const SID_AT_MOST: usize = 1024;

/// Why a front-channel logout ends nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontchannelLogoutError {
    /// Repeated, missing or unreadable parameters.
    #[error("{0} (a client with frontchannel_logout_session_required is sent iss and sid)")]
    Malformed(#[from] ParamError),
    /// Another issuer's.
    #[error("iss is another issuer (OpenID Connect Front-Channel Logout 1.0 section 3)")]
    Issuer,
    /// No session has such a name.
    #[error("sid is too long")]
    Sid,
}

/// The `sid` whose sessions end (OpenID Connect Front-Channel Logout 1.0 section 3).
///
/// The request comes from a frame in a page of the server, any page could have such a frame, and the
/// session's cookie does not come along: what ends a session is that one knows its `sid`. Without it
/// nothing ends, and `iss` must be there as the standard says of the two.
pub fn check_frontchannel_logout<'a>(
    params: &'a Params,
    issuer: &Issuer,
) -> Result<&'a str, FrontchannelLogoutError> {
    let (iss, sid) = (params.required("iss")?, params.required("sid")?);
    if iss != issuer.as_str() {
        return Err(FrontchannelLogoutError::Issuer);
    }
    if sid.len() > SID_AT_MOST {
        return Err(FrontchannelLogoutError::Sid);
    }
    Ok(sid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_channel_logout_3_iss_and_sid_name_the_sessions() {
        use FrontchannelLogoutError as E;
        let issuer = Issuer::try_from("https://login.example").expect("good");
        let long = format!("iss=https://login.example&sid={}", "a".repeat(SID_AT_MOST + 1));
        let cases = [
            ("iss=https://login.example&sid=08a5019c", Ok("08a5019c")),
            ("a=b&sid=08a5019c&iss=https%3A%2F%2Flogin.example", Ok("08a5019c")),
            ("", Err(E::Malformed(ParamError::Missing("iss")))),
            ("sid=08a5019c", Err(E::Malformed(ParamError::Missing("iss")))),
            ("iss=https://login.example", Err(E::Malformed(ParamError::Missing("sid")))),
            ("iss=https://login.example&sid=", Err(E::Malformed(ParamError::Missing("sid")))),
            ("iss=a&sid=a&sid=b", Err(E::Malformed(ParamError::Repeated("sid")))),
            ("iss=https://login.example/&sid=a", Err(E::Issuer)),
            ("iss=https://evil.example&sid=a", Err(E::Issuer)),
            (&long, Err(E::Sid)),
        ];
        for (query, expected) in cases {
            let params = Params::parse(query.as_bytes()).expect("a query");
            assert_eq!(check_frontchannel_logout(&params, &issuer), expected, "{query}");
        }
    }
}
