//! An authorization request whose answer may be redirected: is it one that can be granted?
//! (RFC 6749 section 4.1.1, RFC 7636, RFC 8707, OpenID Connect Core 1.0 section 3.1.2.)

use std::time::Duration;

use keystile_protocol::jose::Thumbprint;
use keystile_protocol::params::ParamError;
use keystile_protocol::{
    AuthorizationDetails, CodeChallenge, ErrorCode, Nonce, Params, ProtocolError, Scope, State,
};

use crate::policy::Policy;
use crate::records::{Client, GrantType};
use crate::rules::acr;
use crate::rules::asked_claims::{self, Wishes};
use crate::rules::redirect::ResponseMode;
use crate::rules::{authorization_details, fapi2, scope, signing};

/// A request that can be granted, if the user agrees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidRequest {
    /// What the user is asked: the scopes asked for, and those of single claims.
    pub scope: Scope,
    /// For which APIs, where the client says so.
    pub resources: Vec<String>,
    /// What the user is asked beside the scopes (RFC 9396).
    pub details: AuthorizationDetails,
    /// For the ID token.
    pub nonce: Option<Nonce>,
    /// PKCE.
    pub challenge: Option<CodeChallenge>,
    /// The key that the code is bound to (RFC 9449 section 10).
    pub dpop_key: Option<Thumbprint>,
    /// What the user has to be asked again.
    pub prompt: Prompt,
    /// How old the user's authentication may be.
    pub max_age: Option<Duration>,
    /// Who the client thinks that the user is.
    pub login_hint: Option<String>,
    /// Languages for the pages, best first.
    pub ui_locales: Option<String>,
    /// What else it wants to know about the user.
    pub wishes: Wishes,
}

/// `prompt` (OpenID Connect Core 1.0 section 3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Prompt {
    /// Show nothing.
    pub none: bool,
    /// Authenticate again.
    pub login: bool,
    /// Ask for consent again.
    pub consent: bool,
    /// Let the user choose an account.
    pub select_account: bool,
    /// Let the user make an account (Initiating User Registration via OpenID Connect 1.0).
    pub create: bool,
}

/// Longest `login_hint` and `ui_locales` that are used, in bytes.
const HINT_AT_MOST: usize = 256;

/// The rules, in the order in which they apply.
pub fn check(
    params: &Params,
    client: &Client,
    policy: &Policy,
) -> Result<ValidRequest, ProtocolError> {
    state(params)?;
    grant_is_registered(client)?;
    signing::is_on_still(client, policy)?;
    response_type(params)?;
    response_mode(params)?;
    nothing_unsupported(params)?;
    fapi2::request(params, client)?;
    let details = authorization_details::requested(params, client, policy)?;
    let scope = optional(params, "scope")?;
    let scope = scope::requested_beside(&details, scope, client, policy)?;
    let resources = params.all("resource").map_err(invalid_request)?;
    let resources = scope::resources(&resources, policy)?;
    let locations = authorization_details::locations(&details, policy);
    let audience = scope::audience_with(&scope, &resources, &locations, client, policy)?;
    acr::is_enough_for_apis(params, &audience, policy)?;
    let wishes = asked_claims::check(params, &scope, client)?;
    Ok(ValidRequest {
        challenge: challenge(params, client)?,
        dpop_key: optional(params, "dpop_jkt")?,
        nonce: optional(params, "nonce")?,
        prompt: prompt(params, policy)?,
        // "The max_age request parameter overrides this default value" (OpenID Connect Dynamic
        // Client Registration 1.0 section 2).
        max_age: max_age(params)?.or(client.defaults.max_age.map(Duration::from_secs)),
        login_hint: hint(params, "login_hint")?,
        ui_locales: hint(params, "ui_locales")?,
        scope: scope.union(&wishes.for_claims),
        resources,
        details,
        wishes,
    })
}

fn invalid_request(problem: ParamError) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, problem.to_string())
}

fn optional<'a, T>(params: &'a Params, name: &'static str) -> Result<Option<T>, ProtocolError>
where
    T: TryFrom<&'a str>,
    T::Error: ToString,
{
    params.optional_as(name).map_err(|problem| {
        let code = match (&problem, name) {
            (ParamError::Malformed { .. }, "scope") => ErrorCode::InvalidScope,
            _ => ErrorCode::InvalidRequest,
        };
        ProtocolError::new(code, problem.to_string())
    })
}

fn state(params: &Params) -> Result<(), ProtocolError> {
    optional::<State>(params, "state").map(drop)
}

/// Row 3.5.
fn grant_is_registered(client: &Client) -> Result<(), ProtocolError> {
    if client.may_use(GrantType::AuthorizationCode) {
        return Ok(());
    }
    Err(ProtocolError::new(
        ErrorCode::UnauthorizedClient,
        "the client is not registered for the grant type 'authorization_code'",
    ))
}

/// Row 3.6.
fn response_type(params: &Params) -> Result<(), ProtocolError> {
    match params.required("response_type").map_err(invalid_request)? {
        "code" => Ok(()),
        other => Err(ProtocolError::new(
            ErrorCode::UnsupportedResponseType,
            format!("response_type is '{}', only 'code' is supported (OAuth 2.1)", cut(other)),
        )),
    }
}

fn response_mode(params: &Params) -> Result<(), ProtocolError> {
    match params.optional("response_mode").map_err(invalid_request)? {
        None => Ok(()),
        Some(name) if ResponseMode::from_name(name).is_some() => Ok(()),
        Some(other) => Err(ProtocolError::new(
            ErrorCode::InvalidRequest,
            format!(
                "response_mode is '{}', only query, form_post, jwt, query.jwt and form_post.jwt \
                 are supported",
                cut(other)
            ),
        )),
    }
}

/// Request objects and references are opened before (`rules::request_object`,
/// `rules::request_uri`), so what is still here came twice.
fn nothing_unsupported(params: &Params) -> Result<(), ProtocolError> {
    if params.has("request") || params.has("request_uri") {
        return Err(ProtocolError::new(
            ErrorCode::InvalidRequest,
            "request came together with request_uri; send one of them (RFC 9101 section 5)",
        ));
    }
    if params.has("registration") {
        return Err(ProtocolError::new(
            ErrorCode::RegistrationNotSupported,
            "the parameter 'registration' is not supported; register the client before",
        ));
    }
    Ok(())
}

/// Row 1.7: S256 for every client that is not registered otherwise, `plain` for nobody
/// (RFC 7636 section 4.3, RFC 9700 section 2.1.1).
fn challenge(params: &Params, client: &Client) -> Result<Option<CodeChallenge>, ProtocolError> {
    let refuse = |words: &str| Err(ProtocolError::new(ErrorCode::InvalidRequest, words));
    let method = params.optional("code_challenge_method").map_err(invalid_request)?;
    let given = params.optional("code_challenge").map_err(invalid_request)?.is_some();
    match (given, method) {
        (true, Some("S256")) => optional(params, "code_challenge"),
        (true, None | Some("plain")) => refuse(
            "the PKCE method is 'plain' (also when it is left out); send \
             code_challenge_method=S256 (RFC 7636 section 4.3)",
        ),
        (_, Some("S256")) => refuse("code_challenge_method came without a code_challenge"),
        (_, Some(_)) => refuse("code_challenge_method is unknown; send S256"),
        (false, None) if client.must_use_pkce() => refuse(
            "PKCE is required: send code_challenge and code_challenge_method=S256 (RFC 7636, \
             RFC 9700 section 2.1.1)",
        ),
        (false, None) => Ok(None),
    }
}

fn prompt(params: &Params, policy: &Policy) -> Result<Prompt, ProtocolError> {
    let mut prompt = Prompt::default();
    let words = params.optional("prompt").map_err(invalid_request)?.unwrap_or_default();
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        match word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            "select_account" => prompt.select_account = true,
            "create" if policy.sign_up => prompt.create = true,
            other => {
                return Err(ProtocolError::new(
                    ErrorCode::InvalidRequest,
                    format!("prompt '{}' is not supported", cut(other)),
                ));
            }
        }
    }
    let others = prompt.login || prompt.consent || prompt.select_account || prompt.create;
    if prompt.none && others {
        return Err(ProtocolError::new(
            ErrorCode::InvalidRequest,
            "prompt 'none' came with another value (OpenID Connect Core 1.0 section 3.1.2.1)",
        ));
    }
    Ok(prompt)
}

fn max_age(params: &Params) -> Result<Option<Duration>, ProtocolError> {
    let Some(text) = params.optional("max_age").map_err(invalid_request)? else {
        return Ok(None);
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 10;
    match text.parse() {
        Ok(seconds) if digits => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(ProtocolError::new(
            ErrorCode::InvalidRequest,
            "max_age is not a whole number of seconds",
        )),
    }
}

/// A hint that is too long to be one is ignored: it "MAY be ignored" anyway.
fn hint(params: &Params, name: &'static str) -> Result<Option<String>, ProtocolError> {
    let value = params.optional(name).map_err(invalid_request)?;
    let usable = |text: &&str| text.len() <= HINT_AT_MOST && !text.contains(char::is_control);
    Ok(value.filter(usable).map(str::to_owned))
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::records::ClientKind;

    const GOOD: &str = "client_id=app&response_type=code&scope=openid+photos:read&state=s&\
        code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    fn checked(query: &str, client: &Client) -> Result<ValidRequest, ErrorCode> {
        let params = Params::parse(query.as_bytes()).expect("few parameters");
        check(&params, client, &fixtures::policy()).map_err(|error| error.error)
    }

    #[test]
    fn rows_3_4_to_3_7_each_rule_has_its_error_code() {
        use ErrorCode::{
            InvalidRequest, InvalidScope, InvalidTarget, RegistrationNotSupported,
            UnsupportedResponseType,
        };
        let add = |more: &str| format!("{GOOD}&{more}");
        let cases = [
            (GOOD.replace("response_type=code", ""), InvalidRequest),
            (GOOD.replace("response_type=code", "response_type="), InvalidRequest),
            (GOOD.replace("response_type=code", "response_type=token"), UnsupportedResponseType),
            (
                GOOD.replace("response_type=code", "response_type=code+id_token"),
                UnsupportedResponseType,
            ),
            (add("response_type=code"), InvalidRequest),
            (add("state=t"), InvalidRequest),
            (GOOD.replace("state=s", "state=%00"), InvalidRequest),
            (GOOD.replace("state=s", &format!("state={}", "s".repeat(1025))), InvalidRequest),
            (add("response_mode=fragment"), InvalidRequest),
            (add("scope=openid"), InvalidRequest),
            (GOOD.replace("photos:read", "nonsense"), InvalidScope),
            (GOOD.replace("photos:read", "a%22b"), InvalidScope),
            (GOOD.replace("photos:read", "%FF"), InvalidRequest),
            (GOOD.replace("S256", "plain"), InvalidRequest),
            (GOOD.replace("&code_challenge_method=S256", ""), InvalidRequest),
            (GOOD.replace("cM&", "&"), InvalidRequest),
            (GOOD.split("&code_challenge=").next().expect("it").to_owned(), InvalidRequest),
            (add("nonce=a&nonce=b"), InvalidRequest),
            (add(&format!("nonce={}", "n".repeat(513))), InvalidRequest),
            (add("prompt=none+login"), InvalidRequest),
            (add("prompt=create"), InvalidRequest),
            (add("max_age=-1"), InvalidRequest),
            (add("max_age=+1"), InvalidRequest),
            (add("max_age=1e3"), InvalidRequest),
            (add("resource=https://nowhere.example"), InvalidTarget),
            (add("claims=%7B"), InvalidRequest),
            (add("claims={}&claims={}"), InvalidRequest),
            (add("dpop_jkt=short"), InvalidRequest),
            (add("request=x&request_uri=x"), InvalidRequest),
            (add("request_uri=x"), InvalidRequest),
            (add("registration=x"), RegistrationNotSupported),
        ];
        for (query, expected) in cases {
            assert_eq!(checked(&query, &fixtures::client()), Err(expected), "{query}");
        }
        assert!(checked(GOOD, &fixtures::client()).is_ok());
    }

    #[test]
    fn row_3_5_unauthorized_client_comes_before_the_response_type() {
        let client =
            Client { grant_types: vec![GrantType::ClientCredentials], ..fixtures::client() };
        let query = GOOD.replace("response_type=code", "response_type=token");
        assert_eq!(checked(&query, &client), Err(ErrorCode::UnauthorizedClient));
    }

    #[test]
    fn rows_1_7_and_5_1_pkce_can_be_left_out_by_a_client_registered_so_alone() {
        let bare = GOOD.split("&code_challenge=").next().expect("it");
        let ClientKind::Confidential { method, secrets, .. } = fixtures::client().kind else {
            panic!("the fixture is confidential");
        };
        let kind = ClientKind::Confidential { method, secrets, require_pkce: false };
        let relaxed = Client { kind, ..fixtures::client() };
        assert_eq!(checked(bare, &relaxed).expect("allowed").challenge, None);
        assert!(checked(GOOD, &relaxed).expect("allowed").challenge.is_some());
        let public = Client { kind: ClientKind::Public { native: false }, ..fixtures::client() };
        assert_eq!(checked(bare, &public), Err(ErrorCode::InvalidRequest));
    }

    #[test]
    fn unknown_parameters_and_hints_break_nothing_rfc_6749_3_1() {
        let query =
            format!("{GOOD}&x=1&x=2&display=page&claims_locales=de&login_hint={}", "h".repeat(500));
        assert_eq!(checked(&query, &fixtures::client()).expect("good").login_hint, None);
    }

    #[test]
    fn a_request_may_say_in_detail_what_it_wants_and_no_scope_rfc_9396_3_1() {
        let types = vec!["payment_initiation".to_owned()];
        let client = Client { authorization_details_types: types, ..fixtures::client() };
        let without_scope = GOOD.replace("scope=openid+photos:read&", "");
        let details = "authorization_details=[{\"type\":\"payment_initiation\",\
             \"creditorName\":\"A\",\"instructedAmount\":{\"amount\":\"1\",\"currency\":\"EUR\"}}]";
        let request = checked(&format!("{without_scope}&{details}"), &client).expect("good");
        assert!(request.scope.is_empty() && !request.details.is_empty());
        let request = checked(&without_scope, &client).expect("good");
        assert_eq!(request.scope, client.scope, "without details it is all that is registered");
        let openid = without_scope + "&scope=openid&";
        let request = checked(&format!("{openid}{details}"), &client).expect("good");
        assert_eq!(request.scope.as_str(), "openid");
        let ambiguous = format!("{GOOD}&{details}");
        assert_eq!(checked(&ambiguous, &client), Err(ErrorCode::InvalidTarget), "two APIs");
        let unregistered = checked(&format!("{openid}{details}"), &fixtures::client());
        assert_eq!(unregistered, Err(ErrorCode::InvalidAuthorizationDetails));
    }

    #[test]
    fn prompt_and_max_age_are_read() {
        let request =
            checked(&format!("{GOOD}&prompt=login+consent&max_age=0"), &fixtures::client())
                .expect("good");
        assert!(request.prompt.login && request.prompt.consent && !request.prompt.none);
        assert_eq!(request.max_age, Some(Duration::ZERO));
    }

    #[test]
    fn a_clients_defaults_stand_in_for_what_is_left_out_oidc_registration_2() {
        let mut client = fixtures::client();
        client.defaults.max_age = Some(300);
        client.defaults.acr_values = vec!["urn:mace:silver".into()];
        let request = checked(GOOD, &client).expect("good");
        assert_eq!(request.max_age, Some(Duration::from_secs(300)));
        assert!(request.wishes.claims.acr() && request.wishes.essential_acr.is_none());
        let request = checked(&format!("{GOOD}&max_age=7"), &client).expect("good");
        assert_eq!(request.max_age, Some(Duration::from_secs(7)));
        assert!(!checked(GOOD, &fixtures::client()).expect("good").wishes.claims.acr());
    }
}
