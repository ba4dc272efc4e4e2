//! Asking a user behind the browser's back (OpenID Connect CIBA Core 1.0): what a client may ask,
//! and what counts as the user's word.

use std::time::Duration;

use keystile_protocol::{
    AuthorizationDetails, ErrorCode, ParamError, Params, ProtocolError, Scope, Secret, Timestamp,
};

use crate::ids::AccountId;
use crate::pending::{AskedOf, Pace, Pending, PendingOpened, PresentedCode};
use crate::policy::{Lifetimes, Policy};
use crate::records::{Client, Delivery, GrantType, SignedIn};
use crate::rules::next_step::ConsentAnswer;
use crate::rules::pending::{self, Next};
use crate::rules::{authorization_details, scope, signing};

/// Longest message that a page shows, in characters: "relatively short" (section 7.1).
const MESSAGE_AT_MOST: usize = 100;
/// Beside letters, digits, spaces and ASCII's own signs.
const MESSAGE_SIGNS: [char; 6] = ['€', '£', '¥', '§', '°', 'µ'];
/// Longest `client_notification_token`, in characters (section 7.1).
const TOKEN_AT_MOST: usize = 1024;

/// What a client asks, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CibaRequest {
    /// What the user is asked.
    pub scope: Scope,
    /// For which APIs, where the client says so.
    pub resources: Vec<String>,
    /// What the user is asked beside the scope (RFC 9396).
    pub details: AuthorizationDetails,
    /// Who the user is.
    pub hint: Hint,
    /// What the client shows the user too.
    pub binding_message: Option<String>,
    /// Whether the ID token is to say how strongly the user was authenticated.
    pub wants_acr: bool,
    /// How long it is good.
    pub lifetime: Duration,
    /// What we prove by that a ping is from us; of clients with that mode alone.
    pub notification_token: Option<Secret>,
}

/// How a client says who the user is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// `login_hint`: what the user types to sign in, and nothing else. An email address, which is a
    /// claim that somebody wrote down, finds nobody.
    Username(String),
    /// `id_token_hint`: an ID token of ours.
    IdToken(String),
}

fn refuse<T>(code: ErrorCode, words: impl AsRef<str>) -> Result<T, ProtocolError> {
    Err(ProtocolError::new(code, words))
}

fn invalid(problem: &ParamError) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, problem.to_string())
}

/// The rules, in the order in which they apply.
pub fn check(
    params: &Params,
    client: &Client,
    policy: &Policy,
) -> Result<CibaRequest, ProtocolError> {
    signing::is_on_still(client, policy)?;
    let hint = hint(params, client)?;
    if params.has("user_code") {
        return refuse(
            ErrorCode::InvalidRequest,
            "user codes are not supported: see backchannel_user_code_parameter_supported (OpenID \
             Connect CIBA Core 1.0 section 4)",
        );
    }
    let details = authorization_details::requested(params, client, policy)?;
    let scope = scope(params, client, policy)?;
    let resources = params.all("resource").map_err(|problem| invalid(&problem))?;
    let resources = scope::resources(&resources, policy)?;
    let locations = authorization_details::locations(&details, policy);
    scope::audience_with(&scope, &resources, &locations, client, policy)?;
    let unique = !details.is_empty();
    let binding_message = binding_message(params, client, unique)?;
    let wants_acr = params.optional("acr_values").map_err(|problem| invalid(&problem))?.is_some();
    Ok(CibaRequest {
        scope,
        resources,
        details,
        hint,
        binding_message,
        wants_acr,
        lifetime: lifetime(params, &policy.lifetimes)?,
        notification_token: notification_token(params, client)?,
    })
}

/// "One, and only one, of the hints" (section 7.1).
fn hint(params: &Params, client: &Client) -> Result<Hint, ProtocolError> {
    let hints = ["login_hint", "id_token_hint", "login_hint_token"];
    let given: Vec<&str> = hints.into_iter().filter(|name| params.has(name)).collect();
    let [name] = given[..] else {
        return refuse(
            ErrorCode::InvalidRequest,
            "send one of login_hint and id_token_hint, and only one (OpenID Connect CIBA Core 1.0 \
             section 7.1)",
        );
    };
    match name {
        "login_hint" => {
            let username = params.required("login_hint").map_err(|problem| invalid(&problem))?;
            Ok(Hint::Username(username.to_owned()))
        }
        // Its subject tells nobody which account it is of, not even us.
        "id_token_hint" if client.openid.sector.is_some() => refuse(
            ErrorCode::InvalidRequest,
            "id_token_hint finds nobody for a client with pairwise subjects; send login_hint",
        ),
        "id_token_hint" => {
            let token = params.required("id_token_hint").map_err(|problem| invalid(&problem))?;
            Ok(Hint::IdToken(token.to_owned()))
        }
        _ => refuse(
            ErrorCode::InvalidRequest,
            "login_hint_token is not supported; send login_hint with the user name, or an ID \
             token of ours as id_token_hint",
        ),
    }
}

/// "The openid scope value" is part of it (section 7.1).
fn scope(params: &Params, client: &Client, policy: &Policy) -> Result<Scope, ProtocolError> {
    let asked: Option<Scope> = params.optional_as("scope").map_err(|problem| match problem {
        ParamError::Malformed { .. } => {
            ProtocolError::new(ErrorCode::InvalidScope, problem.to_string())
        }
        problem => invalid(&problem),
    })?;
    let Some(asked) = asked.filter(|asked| asked.contains("openid")) else {
        return refuse(
            ErrorCode::InvalidScope,
            "the scope lacks 'openid' (OpenID Connect CIBA Core 1.0 section 7.1)",
        );
    };
    scope::requested(Some(asked), client, policy)
}

/// Plain text that every page can show on a line or two (section 7.1, section 13). A client that
/// signs its requests is held to FAPI-CIBA, whose section 5.2.2 wants a message each time, or
/// something else in the request that is unique: its details.
fn binding_message(
    params: &Params,
    client: &Client,
    unique: bool,
) -> Result<Option<String>, ProtocolError> {
    let message = params.optional("binding_message").map_err(|problem| invalid(&problem))?;
    let Some(message) = message.map(str::trim).filter(|message| !message.is_empty()) else {
        let needed = client.ciba.request_algorithm.is_some() && !unique;
        if params.has("binding_message") || needed {
            return refuse(
                ErrorCode::InvalidBindingMessage,
                "binding_message is missing or empty: a client with signed requests sends one, or \
                 authorization_details (FAPI-CIBA section 5.2.2)",
            );
        }
        return Ok(None);
    };
    let plain = |c: char| {
        c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() || MESSAGE_SIGNS.contains(&c)
    };
    if message.chars().count() > MESSAGE_AT_MOST || !message.chars().all(plain) {
        return refuse(
            ErrorCode::InvalidBindingMessage,
            format!(
                "binding_message has at most {MESSAGE_AT_MOST} characters: letters, digits, spaces \
                 and plain punctuation (OpenID Connect CIBA Core 1.0 section 7.1)"
            ),
        );
    }
    Ok(Some(message.to_owned()))
}

/// `requested_expiry`, "a positive integer" (section 7.1). More than the operator allows is cut.
fn lifetime(params: &Params, lifetimes: &Lifetimes) -> Result<Duration, ProtocolError> {
    let most = lifetimes.backchannel_request;
    let asked = params.optional("requested_expiry").map_err(|problem| invalid(&problem))?;
    let Some(text) = asked else { return Ok(most) };
    let digits = text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(seconds) if digits && seconds > 0 => Ok(most.min(Duration::from_secs(seconds))),
        _ => refuse(
            ErrorCode::InvalidRequest,
            "requested_expiry is not a positive number of seconds (OpenID Connect CIBA Core 1.0 \
             section 7.1)",
        ),
    }
}

/// "REQUIRED if the Client is registered to use Ping", of the form of a bearer token (section 7.1,
/// RFC 6750 section 2.1).
fn notification_token(params: &Params, client: &Client) -> Result<Option<Secret>, ProtocolError> {
    if client.ciba.delivery == Delivery::Poll {
        return Ok(None);
    }
    let token =
        params.required("client_notification_token").map_err(|problem| invalid(&problem))?;
    let body = token.trim_end_matches('=');
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if body.is_empty() || token.len() > TOKEN_AT_MOST || !body.bytes().all(good) {
        return refuse(
            ErrorCode::InvalidRequest,
            format!(
                "client_notification_token is not a bearer token of at most {TOKEN_AT_MOST} \
                 characters (OpenID Connect CIBA Core 1.0 section 7.1)"
            ),
        );
    }
    Ok(Some(Secret::new(token)))
}

/// What a client is told about a user that there is not, or that is switched off (section 13).
pub fn unknown_user() -> ProtocolError {
    ProtocolError::new(
        ErrorCode::UnknownUserId,
        "no user can be asked by that hint (OpenID Connect CIBA Core 1.0 section 13)",
    )
}

/// Lets a request wait for that user.
pub fn wait(
    request: CibaRequest,
    account: AccountId,
    client: &Client,
    code: &PresentedCode,
    network: &str,
    policy: &Policy,
    now: Timestamp,
) -> PendingOpened {
    let CibaRequest { scope, resources, details, binding_message, wants_acr, lifetime, .. } =
        request;
    let pending = Pending {
        grant: code.grant,
        secret_digest: code.secret_digest(),
        user_code: None,
        asked_of: Some(AskedOf { account, binding_message, wants_acr }),
        client: client.id.clone(),
        scope,
        resources,
        details,
        expires_at: now.plus(lifetime),
        pace: Pace::first(),
        answer: None,
        redeemed: false,
    };
    PendingOpened::new(pending, network, policy.waiting, now)
}

/// Whether the user signed in lately enough to allow what was asked behind the browser's back: the
/// request is one for authentication, and whoever sits at a browser that was left open is not who
/// was asked for.
pub fn is_fresh(signed_in: &SignedIn, lifetimes: &Lifetimes, now: Timestamp) -> bool {
    now.since(signed_in.session.auth_time) < lifetimes.fresh_sign_in
}

/// Decides about a word on a request: it is that of the user who was asked, freshly signed in.
pub fn next(
    pending: &Pending,
    client: &Client,
    signed_in: Option<SignedIn>,
    word: &ConsentAnswer,
    lifetimes: &Lifetimes,
    now: Timestamp,
) -> Next {
    let asked = pending.asked_of.as_ref().map(|asked| asked.account);
    match &signed_in {
        Some(user) if asked != Some(user.session.account) => Next::Gone,
        Some(user)
            if matches!(word, ConsentAnswer::Allowed(_)) && !is_fresh(user, lifetimes, now) =>
        {
            Next::SignIn
        }
        _ => pending::next(pending, client, signed_in, word, now),
    }
}

/// Whether the client may ask at all (section 7.1; RFC 6749 section 5.2).
pub fn may_use(client: &Client) -> Result<(), ProtocolError> {
    pending::may_use(client, GrantType::Ciba)
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::Algorithm;

    use super::*;
    use crate::fixtures;
    use crate::records::CibaOptions;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn client() -> Client {
        Client { grant_types: vec![GrantType::Ciba], ..fixtures::client() }
    }

    fn pinged() -> Client {
        let delivery = Delivery::Ping("https://shop.example/ping".into());
        Client { ciba: CibaOptions { delivery, request_algorithm: None }, ..client() }
    }

    fn ask(client: &Client, text: &str) -> Result<CibaRequest, ErrorCode> {
        let params = Params::parse(text.as_bytes()).expect("few");
        check(&params, client, &fixtures::policy()).map_err(|error| error.error)
    }

    /// What becomes of a request with these parameters beside what it has to have.
    fn with(client: &Client, text: &str) -> Result<CibaRequest, ErrorCode> {
        ask(client, &format!("scope=openid&login_hint=ada&{text}"))
    }

    #[test]
    fn a_user_is_named_by_one_hint_ciba_7_1() {
        let hinted = |hint: &str| ask(&client(), &format!("scope=openid&{hint}"));
        let hint = |text: &str| hinted(text).map(|request| request.hint);
        assert_eq!(hint("login_hint=ada"), Ok(Hint::Username("ada".into())));
        assert_eq!(hint("id_token_hint=a.b.c"), Ok(Hint::IdToken("a.b.c".into())));
        let mut pairwise = client();
        pairwise.openid.sector = Some("app.example".into());
        let refused = ask(&pairwise, "scope=openid&id_token_hint=a.b.c");
        assert_eq!(refused, Err(ErrorCode::InvalidRequest), "pairwise");
        for bad in [
            "",
            "login_hint=",
            "login_hint=ada&login_hint=bob",
            "login_hint=ada&id_token_hint=a.b.c",
            "login_hint=ada&login_hint_token=x",
            "login_hint_token=x",
            "login_hint=ada&user_code=1234",
        ] {
            assert_eq!(hint(bad), Err(ErrorCode::InvalidRequest), "{bad}");
        }
    }

    #[test]
    fn scopes_and_apis_are_those_of_the_client_ciba_7_1() {
        let client = client();
        let asked = |text: &str| ask(&client, &format!("login_hint=ada&{text}"));
        let good = asked("scope=openid+photos:read&resource=https://photos.example").expect("good");
        assert_eq!((good.scope.as_str(), good.resources.len()), ("openid photos:read", 1));
        assert!(!good.wants_acr && asked("scope=openid&acr_values=a+b").expect("good").wants_acr);
        for bad in
            ["", "scope=", "scope=photos:read", "scope=openid+nonsense", "scope=openid+mail:read"]
        {
            assert_eq!(asked(bad), Err(ErrorCode::InvalidScope), "{bad}");
        }
        assert_eq!(asked("scope=openid&scope=openid"), Err(ErrorCode::InvalidRequest));
        let target = asked("scope=openid&resource=https://nowhere.example");
        assert_eq!(target, Err(ErrorCode::InvalidTarget));
        assert!(may_use(&client).is_ok() && may_use(&fixtures::client()).is_err());
    }

    #[test]
    fn a_binding_message_is_short_plain_text_ciba_7_1() {
        let message = |text: &str| {
            let params: Params =
                [("scope", "openid"), ("login_hint", "ada"), ("binding_message", text)]
                    .into_iter()
                    .collect();
            let got = check(&params, &client(), &fixtures::policy());
            got.map(|request| request.binding_message).map_err(|error| error.error)
        };
        for good in ["1234", "Pay 10.50 € to Café Zürich?", "注文 品川", &"a".repeat(100)] {
            assert_eq!(message(good), Ok(Some(good.to_owned())));
        }
        assert_eq!(message(" W4SCT "), Ok(Some("W4SCT".to_owned())));
        for bad in [
            "",
            "  ",
            &"a".repeat(101),
            "1234 👍🏿",
            "a\nb",
            "a\tb",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{a0}b",
            "a\u{0}",
        ] {
            assert_eq!(message(bad), Err(ErrorCode::InvalidBindingMessage), "{bad:?}");
        }
        assert_eq!(with(&client(), "").map(|request| request.binding_message), Ok(None));
        let request_algorithm = Some(Algorithm::PS256);
        let signing = CibaOptions { request_algorithm, ..CibaOptions::default() };
        let signing = Client { ciba: signing, ..client() };
        assert_eq!(with(&signing, ""), Err(ErrorCode::InvalidBindingMessage), "FAPI-CIBA 5.2.2");
        assert!(with(&signing, "binding_message=1234").is_ok());
    }

    #[test]
    fn an_expiry_is_honoured_up_to_the_operators_ciba_7_1() {
        let seconds = |text: &str| {
            let got = with(&client(), &format!("requested_expiry={text}"));
            got.map(|request| request.lifetime.as_secs())
        };
        for (asked, got) in [("", 300), ("1", 1), ("10", 10), ("300", 300), ("301", 300)] {
            assert_eq!(seconds(asked), Ok(got), "{asked}");
        }
        assert_eq!(seconds("9999999999"), Ok(300));
        for bad in ["0", "-1", "%2B5", "1.5", "soon", "1e3", "99999999999", "[10]", "%2010"] {
            assert_eq!(seconds(bad), Err(ErrorCode::InvalidRequest), "{bad}");
        }
    }

    #[test]
    fn a_client_with_pings_sends_a_token_for_them_ciba_7_1() {
        let token = |client: &Client, token: &str| {
            let got = with(client, &format!("client_notification_token={token}"));
            got.map(|request| request.notification_token)
        };
        let long = "t".repeat(1024);
        for good in ["a", "8d67dc78-7faa-4d41-aabd-67707b374255", "-._~/==", &long] {
            assert_eq!(token(&pinged(), good), Ok(Some(Secret::new(good))), "{good}");
        }
        assert_eq!(token(&pinged(), "a%2Bb"), Ok(Some(Secret::new("a+b"))));
        for bad in ["", "=", "a=b", "a%20b", "a%0d%0ab", "%C3%A9", &format!("{long}t")] {
            assert_eq!(token(&pinged(), bad), Err(ErrorCode::InvalidRequest), "{bad}");
        }
        assert_eq!(token(&client(), "a b"), Ok(None), "of no use to a client that polls");
    }

    #[test]
    fn only_the_fresh_word_of_the_user_who_was_asked_counts() {
        let (client, lifetimes) = (client(), Lifetimes::default());
        let waiting = fixtures::asked_pending(NOW, 7).pending;
        let user = fixtures::signed_in(NOW);
        let mut stale = fixtures::signed_in(NOW.minus(lifetimes.fresh_sign_in));
        let mut other = fixtures::signed_in(NOW);
        other.session.account = AccountId::from_bytes([9; 16]);
        let device = fixtures::pending(NOW, 8).pending;
        let (allow, deny) = (ConsentAnswer::Allowed(waiting.scope.clone()), ConsentAnswer::Denied);
        let of = |pending: &Pending, user: Option<&SignedIn>, word: &ConsentAnswer| match next(
            pending,
            &client,
            user.cloned(),
            word,
            &lifetimes,
            NOW,
        ) {
            Next::SignIn => "sign in",
            Next::Ask(_) => "ask",
            Next::Answer(..) => "answer",
            Next::Said { .. } => "said",
            Next::Gone => "gone",
        };
        let cases = [
            (&waiting, Some(&user), &allow, "answer"),
            (&waiting, Some(&user), &deny, "answer"),
            (&waiting, Some(&user), &ConsentAnswer::None, "ask"),
            (&waiting, Some(&stale), &allow, "sign in"),
            (&waiting, Some(&stale), &deny, "answer"),
            (&waiting, Some(&other), &allow, "gone"),
            (&waiting, Some(&other), &deny, "gone"),
            (&waiting, None, &allow, "sign in"),
            (&device, Some(&user), &allow, "gone"),
        ];
        for (pending, user, word, expected) in cases {
            assert_eq!(of(pending, user, word), expected, "{user:?} {word:?}");
        }
        stale.session.auth_time = stale.session.auth_time.plus(Duration::from_millis(1));
        assert_eq!(of(&waiting, Some(&stale), &allow), "answer");
    }
}
