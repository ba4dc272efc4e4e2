use serde::{Deserialize, Serialize};

/// Headers longer than this are not read, in bytes.
const HEADER_AT_MOST: usize = 4096;
/// Longest `acr_values` that is passed on, in bytes.
const ACR_VALUES_AT_MOST: usize = 256;

/// One challenge of a `WWW-Authenticate` header (RFC 9110 section 11.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Its scheme, such as `Bearer`.
    pub scheme: String,
    parameters: Vec<(String, String)>,
}

/// How an API wants the user to be authenticated (RFC 9470 section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUp {
    /// One of these, the best first; any, if there is none.
    pub acr_values: Vec<String>,
    /// Not longer ago than that many seconds.
    pub max_age: Option<u64>,
}

impl Challenge {
    /// A parameter of that name, which is lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut named = self.parameters.iter().filter(|(key, _)| key == name);
        named.next().map(|(_, value)| value.as_str())
    }

    fn is_for_tokens(&self) -> bool {
        ["Bearer", "DPoP"].iter().any(|scheme| scheme.eq_ignore_ascii_case(&self.scheme))
    }

    fn error(&self) -> Option<&str> {
        self.parameter("error").filter(|_| self.is_for_tokens())
    }
}

/// The challenges of a `WWW-Authenticate` header, as far as they can be read.
pub fn challenges(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    if header.len() > HEADER_AT_MOST {
        return found;
    }
    for piece in pieces(header) {
        let (first, rest) = piece.split_once([' ', '\t']).unwrap_or((piece, ""));
        let parameter = if is_token(first) && !rest.trim_start().starts_with('=') {
            found.push(Challenge { scheme: first.to_owned(), parameters: Vec::new() });
            rest
        } else {
            piece
        };
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let name = name.trim().to_ascii_lowercase();
        if let Some(challenge) = found.last_mut().filter(|_| is_token(&name)) {
            challenge.parameters.push((name, unquoted(value.trim())));
        }
    }
    found
}

/// What lies between the commas that stand in no quotes.
fn pieces(header: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let at_comma = |c: char| {
        let comma = c == ',' && !quoted;
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && quoted && !escaped;
        comma
    };
    header.split(at_comma).map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

fn is_token(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(fits)
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut escaped = false;
    let keep = |c: &char| {
        escaped = *c == '\\' && !escaped;
        !escaped
    };
    inner.chars().filter(keep).collect()
}

/// What an API's 401 asks of the user's authentication, if that is what it is about (RFC 9470
/// section 3). Values that no authorization request could carry are left out.
pub fn step_up<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<StepUp> {
    let all = headers.into_iter().flat_map(challenges);
    let mut insufficient = all.filter(|it| it.error() == Some("insufficient_user_authentication"));
    let challenge = insufficient.next()?;
    let acr_values = challenge.parameter("acr_values").unwrap_or_default();
    let fits = acr_values.len() <= ACR_VALUES_AT_MOST;
    let fits = fits && acr_values.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let acr_values = if fits { acr_values } else { "" };
    let wanted = StepUp {
        acr_values: acr_values.split(' ').filter(|it| !it.is_empty()).map(str::to_owned).collect(),
        max_age: challenge.parameter("max_age").and_then(|age| age.parse().ok()),
    };
    (wanted != StepUp::default()).then_some(wanted)
}

/// Whether an API's 401 asks for a proof with its nonce (RFC 9449 section 9).
pub fn wants_nonce<'a>(headers: impl IntoIterator<Item = &'a str>) -> bool {
    headers.into_iter().flat_map(challenges).any(|it| it.error() == Some("use_dpop_nonce"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_taken_apart_as_rfc_9110_11_6_1_has_them() {
        let header = r#"Negotiate, DPoP error="a, \"b\" \\", algs="ES256 PS256" , max_age = 5,Basic realm=x"#;
        let found = challenges(header);
        let schemes: Vec<_> = found.iter().map(|it| it.scheme.as_str()).collect();
        assert_eq!(schemes, ["Negotiate", "DPoP", "Basic"]);
        assert_eq!(found[1].parameter("error"), Some("a, \"b\" \\"));
        assert_eq!(found[1].parameter("algs"), Some("ES256 PS256"));
        assert_eq!(found[1].parameter("max_age"), Some("5"));
        assert_eq!(found[2].parameter("realm"), Some("x"));
        for odd in ["", ",,,", "=", "a=b", "\"", "Bearer error=\"x", "\u{e9} a=b", "Bearer =x"] {
            assert!(challenges(odd).iter().all(|it| it.parameter("a").is_none()), "{odd}");
        }
        assert!(challenges(&"Bearer, ".repeat(1000)).is_empty(), "bounded");
    }

    #[test]
    fn an_api_says_how_the_user_is_to_be_authenticated_rfc_9470_3() {
        let asked = |header: &str| step_up([header]);
        let both = asked(
            r#"Bearer error="insufficient_user_authentication", error_description="x, y", acr_values="phr  gold", max_age="300""#,
        );
        let acr_values = vec!["phr".to_owned(), "gold".to_owned()];
        assert_eq!(both, Some(StepUp { acr_values, max_age: Some(300) }));
        let age = asked(r#"DPoP error="insufficient_user_authentication", max_age=0"#);
        assert_eq!(age, Some(StepUp { acr_values: vec![], max_age: Some(0) }));
        let several = step_up([
            "Basic realm=\"x\"",
            r#"bearer error="insufficient_user_authentication", max_age=1"#,
        ]);
        assert!(several.is_some(), "in the second header");
        for header in [
            "Bearer",
            r#"Bearer error="invalid_token", acr_values="phr""#,
            r#"Basic error="insufficient_user_authentication", acr_values="phr""#,
            r#"Bearer error="insufficient_user_authentication""#,
            r#"Bearer error="insufficient_user_authentication", max_age="soon""#,
        ] {
            assert_eq!(asked(header), None, "{header}");
        }
        let long = "a".repeat(ACR_VALUES_AT_MOST + 1);
        let header = format!("Bearer error=insufficient_user_authentication, acr_values={long}");
        assert_eq!(asked(&header), None);
    }

    #[test]
    fn an_api_asks_for_its_nonce_rfc_9449_9() {
        assert!(wants_nonce([r#"DPoP error="use_dpop_nonce", error_description="x""#]));
        assert!(!wants_nonce([r#"DPoP error="invalid_token""#]));
        assert!(!wants_nonce([]));
    }
}
