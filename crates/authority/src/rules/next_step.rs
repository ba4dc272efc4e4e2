//! What comes next for a valid request: login, consent, a code or a refusal. One dispatcher for a
//! new request and for each return from a page.

use std::time::Duration;

use keystile_protocol::{ErrorCode, ProtocolError, Scope, Timestamp};

use crate::records::{Client, SignedIn, Situation};
use crate::rules::acr;
use crate::rules::request::ValidRequest;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The user has to sign in.
    Login(LoginReason),
    /// The user has to be asked.
    Consent(Box<SignedIn>),
    /// All is there: a code may be issued for this scope.
    Issue(Box<SignedIn>, Scope),
    /// The client is told why not.
    Refuse(ProtocolError),
}

/// Why the login page is shown; goes to log, page and test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginReason {
    /// Nobody is signed in.
    NoSession,
    /// `prompt=login`, and the session is older than the request.
    PromptLogin,
    /// `prompt=select_account`, and the session is older than the request.
    SelectAccount,
    /// `prompt=create`, and the session is older than the request.
    Create,
    /// The session is older than `max_age` allows.
    TooOld,
    /// The request is about another user (`id_token_hint`, or the claim `sub`).
    AnotherUser,
}

impl LoginReason {
    /// The reason's name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSession => "no_session",
            Self::PromptLogin => "prompt_login",
            Self::SelectAccount => "select_account",
            Self::Create => "create",
            Self::TooOld => "max_age",
            Self::AnotherUser => "another_user",
        }
    }
}

/// What the user said on the consent page that was posted just now, if one was.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ConsentAnswer {
    /// None was posted.
    #[default]
    None,
    /// Allowed, down to this scope; it answers `prompt=consent` too.
    Allowed(Scope),
    /// Denied.
    Denied,
}

/// Decides. `requested_at` is when the request came, or became new again.
pub fn decide(
    request: &ValidRequest,
    client: &Client,
    situation: Situation,
    requested_at: Timestamp,
    answer: &ConsentAnswer,
    now: Timestamp,
) -> Step {
    if *answer == ConsentAnswer::Denied {
        return refuse(ErrorCode::AccessDenied, "the user did not allow it");
    }
    if let Err(error) = acr::can_be_met(request.wishes.essential_acr.as_deref()) {
        return Step::Refuse(error);
    }
    let fresh = match situation.signed_in {
        None if request.prompt.create => Err(LoginReason::Create),
        None => Err(LoginReason::NoSession),
        Some(_) if request.wishes.another_user => Err(LoginReason::AnotherUser),
        Some(signed_in) => {
            freshness(request, signed_in.session.auth_time, requested_at, now).map(|()| signed_in)
        }
    };
    let signed_in = match fresh {
        Ok(signed_in) => signed_in,
        Err(_) if request.prompt.none => {
            return refuse(
                ErrorCode::LoginRequired,
                "the user has to sign in and prompt=none forbids to ask",
            );
        }
        Err(reason) => return Step::Login(reason),
    };
    match allowed(request, client, &signed_in, answer) {
        Some(scope) if scope.is_empty() && request.details.is_empty() => {
            refuse(ErrorCode::AccessDenied, "the user allowed none of the scopes")
        }
        Some(scope) => Step::Issue(Box::new(signed_in), scope),
        None if request.prompt.none => refuse(
            ErrorCode::ConsentRequired,
            "the user has to be asked and prompt=none forbids it",
        ),
        None => Step::Consent(Box::new(signed_in)),
    }
}

/// Whether the authentication is as new as the request wants it. One that came after the request
/// always is (OpenID Connect Core 1.0 section 3.1.2.1).
fn freshness(
    request: &ValidRequest,
    auth_time: Timestamp,
    requested_at: Timestamp,
    now: Timestamp,
) -> Result<(), LoginReason> {
    if auth_time >= requested_at {
        return Ok(());
    }
    if request.prompt.create {
        return Err(LoginReason::Create);
    }
    if request.prompt.login {
        return Err(LoginReason::PromptLogin);
    }
    if request.prompt.select_account {
        return Err(LoginReason::SelectAccount);
    }
    match request.max_age {
        Some(max_age) if now.since(auth_time) > max_age.max(Duration::ZERO) => {
            Err(LoginReason::TooOld)
        }
        _ => Ok(()),
    }
}

/// The scope that may be issued without asking (again); nothing if the user has to be asked.
fn allowed(
    request: &ValidRequest,
    client: &Client,
    signed_in: &SignedIn,
    answer: &ConsentAnswer,
) -> Option<Scope> {
    if let ConsentAnswer::Allowed(scope) = answer {
        return Some(request.scope.filter(|token| scope.contains(token)));
    }
    if request.prompt.consent {
        return None;
    }
    if client.trusted {
        return Some(request.scope.clone());
    }
    // A payment is allowed each time: what was allowed before says nothing about this one. Only the
    // post of the page that shows it does (RFC 9396 section 12).
    if !request.details.is_empty() {
        return None;
    }
    let remembered = &signed_in.consent;
    let known =
        |token: &str| remembered.granted.contains(token) || remembered.refused.contains(token);
    request
        .scope
        .iter()
        .all(known)
        .then(|| request.scope.filter(|token| remembered.granted.contains(token)))
}

fn refuse(code: ErrorCode, words: &str) -> Step {
    Step::Refuse(ProtocolError::new(code, words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::records::Consent;
    use crate::rules::request::Prompt;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn ago(seconds: u64) -> Timestamp {
        NOW.minus(Duration::from_secs(seconds))
    }

    fn scope(text: &str) -> Scope {
        Scope::try_from(text).expect("tokens")
    }

    struct Case {
        request: ValidRequest,
        client: Client,
        situation: Situation,
        requested_at: Timestamp,
        answer: ConsentAnswer,
    }

    /// A user who signed in ten minutes ago and allowed everything before.
    fn case() -> Case {
        let mut signed_in = fixtures::signed_in(ago(600));
        signed_in.consent =
            Consent { granted: scope("openid photos:read"), refused: Scope::empty() };
        Case {
            request: fixtures::valid_request("openid photos:read"),
            client: fixtures::client(),
            situation: Situation { signed_in: Some(signed_in) },
            requested_at: NOW,
            answer: ConsentAnswer::None,
        }
    }

    fn step(case: Case) -> &'static str {
        let Case { request, client, situation, requested_at, answer } = case;
        match decide(&request, &client, situation, requested_at, &answer, NOW) {
            Step::Login(reason) => reason.as_str(),
            Step::Consent(_) => "consent",
            Step::Issue(_, scope) if scope == request.scope => "issue",
            Step::Issue(..) => "issue less",
            Step::Refuse(error) => error.error.as_str(),
        }
    }

    fn with(change: impl FnOnce(&mut Case)) -> &'static str {
        let mut case = case();
        change(&mut case);
        step(case)
    }

    #[test]
    fn a_live_session_with_remembered_consent_gets_a_code() {
        assert_eq!(with(|_| {}), "issue");
        assert_eq!(with(|c| c.request.prompt.none = true), "issue");
    }

    #[test]
    fn without_a_session_the_user_signs_in() {
        assert_eq!(with(|c| c.situation.signed_in = None), "no_session");
        assert_eq!(
            with(|c| {
                c.situation.signed_in = None;
                c.request.prompt.none = true;
            }),
            "login_required"
        );
    }

    #[test]
    fn fresh_authentication_means_after_the_request_oidc_core_3_1_2_1() {
        let auth = |c: &mut Case, at| {
            if let Some(s) = &mut c.situation.signed_in {
                s.session.auth_time = at;
            }
        };
        assert_eq!(with(|c| c.request.prompt.login = true), "prompt_login");
        assert_eq!(with(|c| c.request.prompt.select_account = true), "select_account");
        assert_eq!(with(|c| c.request.max_age = Some(Duration::from_secs(599))), "max_age");
        assert_eq!(with(|c| c.request.max_age = Some(Duration::from_secs(600))), "issue");
        assert_eq!(with(|c| c.request.max_age = Some(Duration::ZERO)), "max_age");
        assert_eq!(
            with(|c| {
                c.request.max_age = Some(Duration::from_secs(1));
                c.request.prompt.none = true;
            }),
            "login_required"
        );
        assert_eq!(with(|c| c.request.prompt.create = true), "create");
        for prompt in [
            Prompt { create: true, ..Prompt::default() },
            Prompt { login: true, ..Prompt::default() },
            Prompt { select_account: true, ..Prompt::default() },
        ] {
            assert_eq!(
                with(|c| {
                    c.request.prompt = prompt;
                    c.requested_at = ago(60);
                    auth(c, ago(60));
                }),
                "issue",
                "signed in for this request"
            );
        }
        assert_eq!(
            with(|c| {
                c.request.max_age = Some(Duration::ZERO);
                c.requested_at = ago(60);
                auth(c, ago(30));
            }),
            "issue"
        );
    }

    #[test]
    fn another_user_than_the_requests_signs_in_oidc_core_3_1_2_1() {
        assert_eq!(with(|c| c.request.wishes.another_user = true), "another_user");
        assert_eq!(
            with(|c| {
                c.request.wishes.another_user = true;
                c.requested_at = ago(601);
            }),
            "another_user",
            "also when that user signed in for this request"
        );
        assert_eq!(
            with(|c| {
                c.request.wishes.another_user = true;
                c.request.prompt.none = true;
            }),
            "login_required"
        );
        assert_eq!(
            with(|c| {
                c.request.wishes.another_user = true;
                c.situation.signed_in = None;
            }),
            "no_session"
        );
    }

    #[test]
    fn an_essential_acr_out_of_reach_is_refused_oidc_core_5_5_1_1() {
        let essential = |values: &[&str], signed_in: bool, none: bool| {
            with(|c| {
                let values = values.iter().map(|v| (*v).to_owned()).collect();
                c.request.wishes.essential_acr = Some(values);
                c.request.prompt.none = none;
                if !signed_in {
                    c.situation.signed_in = None;
                }
            })
        };
        for (signed_in, none) in [(true, false), (false, false), (true, true)] {
            assert_eq!(
                essential(&["urn:mace:silver"], signed_in, none),
                "unmet_authentication_requirements"
            );
        }
        assert_eq!(essential(&["urn:mace:silver", acr::PASSWORD], true, false), "issue");
        assert_eq!(
            with(|c| {
                c.request.wishes.essential_acr = Some(vec!["urn:mace:silver".to_owned()]);
                c.answer = ConsentAnswer::Denied;
            }),
            "access_denied"
        );
    }

    #[test]
    fn an_old_page_with_prompt_login_wants_a_login_after_it_became_new() {
        // Yesterday's page, this morning's login, posted now: requested_at is now.
        assert_eq!(
            with(|c| {
                c.request.prompt.login = true;
                c.requested_at = NOW;
            }),
            "prompt_login"
        );
    }

    #[test]
    fn consent_is_asked_for_what_is_new() {
        let forget = |c: &mut Case, granted: &str, refused: &str| {
            if let Some(s) = &mut c.situation.signed_in {
                s.consent = Consent { granted: scope(granted), refused: scope(refused) };
            }
        };
        assert_eq!(with(|c| forget(c, "", "")), "consent");
        assert_eq!(with(|c| forget(c, "openid", "")), "consent");
        assert_eq!(with(|c| forget(c, "openid", "photos:read")), "issue less");
        assert_eq!(with(|c| forget(c, "", "openid photos:read")), "access_denied");
        assert_eq!(with(|c| c.request.prompt.consent = true), "consent");
        assert_eq!(
            with(|c| {
                forget(c, "", "");
                c.request.prompt.none = true;
            }),
            "consent_required"
        );
        assert_eq!(
            with(|c| {
                forget(c, "", "");
                c.client.trusted = true;
            }),
            "issue"
        );
    }

    #[test]
    fn the_post_of_the_consent_page_is_the_answer_to_prompt_consent() {
        let allowed = |text| ConsentAnswer::Allowed(scope(text));
        let posted = |answer| {
            with(|c| {
                c.request.prompt.consent = true;
                c.answer = answer;
            })
        };
        assert_eq!(posted(allowed("openid photos:read")), "issue");
        assert_eq!(posted(allowed("openid")), "issue less");
        assert_eq!(posted(allowed("")), "access_denied");
        assert_eq!(posted(ConsentAnswer::Denied), "access_denied");
    }

    #[test]
    fn details_are_asked_for_each_time_rfc_9396_12() {
        let paying = |change: fn(&mut Case)| {
            with(|c| {
                c.request.details = fixtures::payments();
                change(c);
            })
        };
        assert_eq!(paying(|_| {}), "consent", "although all scopes are remembered");
        assert_eq!(paying(|c| c.request.prompt.none = true), "consent_required");
        assert_eq!(paying(|c| c.client.trusted = true), "issue");
        let allow_without_scope = |c: &mut Case| {
            c.request.scope = Scope::empty();
            c.answer = ConsentAnswer::Allowed(Scope::empty());
        };
        assert_eq!(paying(allow_without_scope), "issue", "a request without a scope");
        assert_eq!(paying(|c| c.answer = ConsentAnswer::Allowed(Scope::empty())), "issue less");
        assert_eq!(paying(|c| c.answer = ConsentAnswer::Denied), "access_denied");
    }

    #[test]
    fn what_was_not_asked_for_cannot_be_allowed() {
        let Case { request, client, situation, .. } = case();
        let answer = ConsentAnswer::Allowed(scope("openid photos:read mail:read"));
        let step = decide(&request, &client, situation, NOW, &answer, NOW);
        assert!(matches!(step, Step::Issue(_, given) if given == request.scope));
    }
}
