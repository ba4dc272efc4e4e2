//! Polling for a user's word, and the word itself (RFC 8628 sections 3.3 to 3.5, OpenID Connect
//! CIBA Core 1.0 sections 10 and 11).

use std::time::Duration;

use keystile_protocol::{ErrorCode, ProtocolError, Scope, Timestamp};

use crate::decisions::Redemption;
use crate::pending::{
    Approval, Pace, Pending, PendingAnswer, PendingAnswered, Polled, PresentedCode,
};
use crate::policy::Lifetimes;
use crate::records::{Client, GrantType, SignedIn};
use crate::rules::asked_claims::AskedClaims;
use crate::rules::code::{self, RedemptionRandom};
use crate::rules::next_step::ConsentAnswer;
use crate::rules::request::ValidRequest;
use crate::rules::{authorization_details, consent};

/// What a poll that comes too early adds to the interval (section 3.5, `slow_down`).
const SLOWER_BY: Duration = Duration::from_secs(5);
/// The interval grows no further: polls that come too early write nothing any more.
const INTERVAL_AT_MOST: Duration = Duration::from_secs(60);
/// A poll may be early by this: networks do not keep time.
const LEEWAY: Duration = Duration::from_secs(1);
/// How long the row of an authorization outlives its codes, so that a late poll is told why.
pub const STAYS: Duration = Duration::from_secs(300);

/// What a poll is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Tokens, by this approval.
    Redeem(Approval),
    /// Not yet, once the new pace is written.
    Later(Polled, ProtocolError),
    /// No.
    Refuse(ProtocolError),
}

/// Whether the client may use the grant at all (RFC 6749 section 5.2).
pub fn may_use(client: &Client, grant_type: GrantType) -> Result<(), ProtocolError> {
    if client.may_use(grant_type) {
        return Ok(());
    }
    let words =
        format!("the client is not registered for the grant type '{}'", grant_type.as_str());
    Err(ProtocolError::new(ErrorCode::UnauthorizedClient, words))
}

/// What the client's code is of, by the grant that it is for. What it may not see in another's
/// code, it is told alike: the code is not good.
pub fn of_client(
    found: Option<Pending>,
    presented: &PresentedCode,
    client: &Client,
    grant_type: GrantType,
) -> Result<Pending, ProtocolError> {
    let own = found.filter(|pending| {
        presented.is_of(pending)
            && pending.client == client.id
            && pending.grant_type() == grant_type
    });
    own.ok_or_else(not_good)
}

/// What a client is told whose code is none, another's, or used.
pub fn not_good() -> ProtocolError {
    ProtocolError::new(
        ErrorCode::InvalidGrant,
        "the code is not one of this client's, or was used before, or ended long ago",
    )
}

/// What a client is told that polls too fast.
pub fn slow_down() -> ProtocolError {
    ProtocolError::new(
        ErrorCode::SlowDown,
        "the poll came too early: wait five seconds more between this and all later polls (RFC \
         8628 section 3.5)",
    )
}

/// Decides about a poll with a code of the client's own.
pub fn poll(pending: &Pending, now: Timestamp) -> Poll {
    let refuse = |code, words: &str| Poll::Refuse(ProtocolError::new(code, words));
    if pending.redeemed {
        return Poll::Refuse(not_good());
    }
    if matches!(pending.answer, Some(PendingAnswer::Denied(_))) {
        return refuse(ErrorCode::AccessDenied, "the user did not allow it");
    }
    if now >= pending.expires_at {
        return refuse(
            ErrorCode::ExpiredToken,
            "the codes have expired; start a new request, if the user still wants it (RFC 8628 \
             section 3.5)",
        );
    }
    match &pending.answer {
        Some(PendingAnswer::Allowed(approval)) => Poll::Redeem(approval.clone()),
        _ => wait(pending, now),
    }
}

fn wait(pending: &Pending, now: Timestamp) -> Poll {
    let before = pending.pace;
    let in_time =
        before.last_poll.is_none_or(|last| now.plus(LEEWAY) >= last.plus(before.interval));
    if in_time {
        let after = Pace { last_poll: Some(now), ..before };
        let words = "the user has not answered yet; poll again after the interval (RFC 8628 \
                     section 3.5)";
        let error = ProtocolError::new(ErrorCode::AuthorizationPending, words);
        return Poll::Later(Polled::new(pending.grant, before, after), error);
    }
    if before.interval >= INTERVAL_AT_MOST {
        return Poll::Refuse(slow_down());
    }
    let interval = (before.interval + SLOWER_BY).min(INTERVAL_AT_MOST);
    Poll::Later(Polled::new(pending.grant, before, Pace { interval, ..before }), slow_down())
}

/// The birth of the grant (section 3.5), cut to what the client may still have by today's
/// registration. Each request counts as an approval of its own, so that of two polls at once the
/// second finds the grant taken and leaves it alone.
pub fn redeem(
    pending: &Pending,
    approval: Approval,
    client: &Client,
    lifetimes: &Lifetimes,
    random: RedemptionRandom,
    now: Timestamp,
) -> Result<Redemption, ProtocolError> {
    let scope = approval.scope.filter(|token| client.scope.contains(token));
    let details = authorization_details::still_allowed(&pending.details, client);
    if scope.is_empty() && details.is_empty() {
        return Err(ProtocolError::new(
            ErrorCode::InvalidGrant,
            "the client is no longer registered for what was allowed",
        ));
    }
    let offline = code::has_refresh_token(&scope, client);
    let life = if offline { lifetimes.refresh } else { lifetimes.access_token };
    let expires_at = now.plus(life);
    Ok(Redemption {
        grant: pending.grant,
        redemption: random.redemption,
        account: approval.account,
        client: client.id.clone(),
        session: approval.session,
        sid: approval.sid,
        offline,
        scope,
        resources: pending.resources.clone(),
        auth_time: approval.auth_time,
        methods: approval.methods,
        approved_at: approval.approved_at,
        created_at: now,
        expires_at,
        // Longer than the code can be polled with: the row is the proof that it was used.
        keep_until: expires_at.max(pending.expires_at.plus(2 * STAYS)),
        salt: random.salt,
        first_in_session: approval.first_in_session,
        claims: claims(pending),
        details,
        bound_to: None,
        once: Vec::new(),
        approval: Some(random.redemption),
        epoch: None,
    })
}

fn claims(pending: &Pending) -> AskedClaims {
    let wants_acr = pending.asked_of.as_ref().is_some_and(|asked| asked.wants_acr);
    if wants_acr { AskedClaims::of_acr() } else { AskedClaims::default() }
}

/// Whether a user may still be asked.
pub fn waits(pending: &Pending, now: Timestamp) -> bool {
    pending.answer.is_none() && now < pending.expires_at
}

/// What waits, as the consent page's rules look at it.
pub fn as_request(pending: &Pending) -> ValidRequest {
    ValidRequest {
        scope: pending.scope.clone(),
        resources: pending.resources.clone(),
        details: pending.details.clone(),
        ..ValidRequest::default()
    }
}

/// What comes next on the pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The user has to sign in.
    SignIn,
    /// The user is asked: consent that is remembered answers nothing (section 5.4).
    Ask(Box<SignedIn>),
    /// The user's word is written.
    Answer(Box<SignedIn>, Box<PendingAnswered>),
    /// This user has said just that before, by the same button.
    Said {
        /// What was said.
        allowed: bool,
    },
    /// There is nothing to ask any more.
    Gone,
}

/// Decides, for a code that was typed and for each return from a page.
pub fn next(
    pending: &Pending,
    client: &Client,
    signed_in: Option<SignedIn>,
    word: &ConsentAnswer,
    now: Timestamp,
) -> Next {
    let waits = waits(pending, now);
    match (signed_in, word) {
        (None, _) if waits => Next::SignIn,
        (Some(signed_in), ConsentAnswer::None) if waits => Next::Ask(Box::new(signed_in)),
        (Some(signed_in), word) if waits => {
            let allowed = match word {
                ConsentAnswer::Allowed(scope) => Some(scope.clone()),
                _ => None,
            };
            let answered = answer(pending, &signed_in, client, allowed, now);
            Next::Answer(Box::new(signed_in), Box::new(answered))
        }
        (Some(signed_in), word) => said(pending, &signed_in, word),
        (None, _) => Next::Gone,
    }
}

/// A button that was pressed twice.
fn said(pending: &Pending, signed_in: &SignedIn, word: &ConsentAnswer) -> Next {
    let by_this_user = |answer: &&PendingAnswer| *answer.account() == signed_in.session.account;
    match (pending.answer.as_ref().filter(by_this_user), word) {
        (Some(PendingAnswer::Allowed(_)), ConsentAnswer::Allowed(_)) => {
            Next::Said { allowed: true }
        }
        (Some(PendingAnswer::Denied(_)), ConsentAnswer::Denied) => Next::Said { allowed: false },
        _ => Next::Gone,
    }
}

/// The user's word. Whoever allows nothing has denied; what was allowed is remembered, so that
/// it can be taken back.
pub(crate) fn answer(
    pending: &Pending,
    signed_in: &SignedIn,
    client: &Client,
    allowed: Option<Scope>,
    now: Timestamp,
) -> PendingAnswered {
    let session = &signed_in.session;
    let something = |scope: &Scope| !scope.is_empty() || !pending.details.is_empty();
    let Some(scope) = allowed.filter(something) else {
        let answer = PendingAnswer::Denied(session.account);
        return PendingAnswered::new(pending.grant, answer, None, now);
    };
    let request = as_request(pending);
    // Details are never remembered; without scopes nothing is.
    let given = (!request.scope.is_empty())
        .then(|| consent::remembered(signed_in, client, &request, &scope, now));
    let answer = PendingAnswer::Allowed(Approval {
        account: session.account,
        session: session.id,
        sid: session.sid,
        scope,
        auth_time: session.auth_time,
        methods: session.methods.clone(),
        approved_at: now,
        first_in_session: !signed_in.client_is_listed,
    });
    PendingAnswered::new(pending.grant, answer, given, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::ids::AccountId;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const RANDOM: RedemptionRandom = RedemptionRandom { redemption: [1; 16], salt: [2; 16] };

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn pending() -> Pending {
        fixtures::pending(NOW, 7).pending
    }

    fn approval(pending: &Pending) -> Approval {
        let signed_in = fixtures::signed_in(NOW);
        let scope = Some(pending.scope.clone());
        match answer(pending, &signed_in, &fixtures::client(), scope, NOW).answer {
            PendingAnswer::Allowed(approval) => approval,
            PendingAnswer::Denied(_) => panic!("it was allowed"),
        }
    }

    fn error(poll: &Poll) -> Option<ErrorCode> {
        match poll {
            Poll::Redeem(_) => None,
            Poll::Later(_, error) | Poll::Refuse(error) => Some(error.error),
        }
    }

    #[test]
    fn a_poll_is_answered_by_what_the_user_said_rfc_8628_3_5() {
        use ErrorCode::{AccessDenied, AuthorizationPending, ExpiredToken, InvalidGrant};
        let waiting = pending();
        let allowed =
            Pending { answer: Some(PendingAnswer::Allowed(approval(&waiting))), ..waiting.clone() };
        let denied = PendingAnswer::Denied(AccountId::from_bytes([1; 16]));
        let denied = Pending { answer: Some(denied), ..waiting.clone() };
        let redeemed = Pending { redeemed: true, ..allowed.clone() };
        let cases = [
            (&waiting, 0, Some(AuthorizationPending)),
            (&waiting, 599, Some(AuthorizationPending)),
            (&waiting, 600, Some(ExpiredToken)),
            (&allowed, 599, None),
            (&allowed, 600, Some(ExpiredToken)),
            (&denied, 0, Some(AccessDenied)),
            (&denied, 600, Some(AccessDenied)),
            (&redeemed, 0, Some(InvalidGrant)),
            (&redeemed, 600, Some(InvalidGrant)),
        ];
        for (pending, seconds, expected) in cases {
            assert_eq!(error(&poll(pending, after(seconds))), expected, "{seconds} {pending:?}");
        }
    }

    /// Polls at these seconds, and says what each was answered and which interval was left.
    fn paced(polls: &[u64]) -> Vec<(ErrorCode, u64)> {
        let mut pending = pending();
        let mut answers = Vec::new();
        for seconds in polls {
            let got = poll(&pending, after(*seconds));
            if let Poll::Later(polled, _) = got {
                assert_eq!(polled.before, pending.pace);
                pending.pace = polled.after;
            }
            answers.push((error(&got).expect("waits"), pending.pace.interval.as_secs()));
        }
        answers
    }

    #[test]
    fn slow_down_adds_five_seconds_and_stays_rfc_8628_3_5() {
        use ErrorCode::{AuthorizationPending as Pending, SlowDown};
        assert_eq!(paced(&[0, 5, 9, 14]), [(Pending, 5); 4], "a second early is in time");
        assert_eq!(
            paced(&[0, 1, 2, 15]),
            [(Pending, 5), (SlowDown, 10), (SlowDown, 15), (Pending, 15)]
        );
        assert_eq!(
            paced(&[0, 3, 10, 15, 26]),
            [(Pending, 5), (SlowDown, 10), (Pending, 10), (SlowDown, 15), (Pending, 15)]
        );
        let hammered = paced(&[0; 20]);
        assert_eq!(hammered[19], (SlowDown, 60));
        let mut at_the_end = pending();
        at_the_end.pace = Pace { interval: INTERVAL_AT_MOST, last_poll: Some(NOW) };
        assert!(matches!(poll(&at_the_end, NOW), Poll::Refuse(_)), "nothing more is written");
    }

    #[test]
    fn a_code_is_its_own_clients_alone_and_more_than_a_name() {
        let (client, pending) = (fixtures::client(), pending());
        let device = GrantType::DeviceCode;
        let code = fixtures::presented_code(NOW, 7);
        assert!(of_client(Some(pending.clone()), &code, &client, device).is_ok());
        let other = Client { id: fixtures::client_id("other"), ..fixtures::client() };
        let (_, guessed) = PresentedCode::new(pending.grant, [0; 32]);
        for refused in [
            of_client(Some(pending.clone()), &code, &other, device),
            of_client(Some(pending.clone()), &guessed, &client, device),
            of_client(Some(pending), &code, &client, GrantType::Ciba),
            of_client(None, &code, &client, device),
        ] {
            assert_eq!(refused, Err(not_good()));
        }
        let (text, again) = PresentedCode::new(code.grant, [7; 32]);
        assert_eq!(PresentedCode::parse(text.expose()), Some(again));
        for bad in ["", "a", "AAAA", &text.expose()[1..], &format!("{}AA", text.expose())] {
            assert_eq!(PresentedCode::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_grant_is_born_of_what_was_allowed_and_is_still_registered() {
        let pending = pending();
        let lifetimes = Lifetimes::default();
        let of = |client: &Client| {
            redeem(&pending, approval(&pending), client, &lifetimes, RANDOM, after(60))
        };
        let online = of(&fixtures::client()).expect("good");
        assert_eq!((online.grant, online.scope.as_str()), (pending.grant, "openid offline_access"));
        assert!(!online.offline, "not registered for refresh_token");
        assert!(online.keep_until > pending.expires_at.plus(STAYS), "outlives the code");
        assert_eq!((online.approved_at, online.created_at), (NOW, after(60)));
        let mut client = fixtures::client();
        client.grant_types.push(GrantType::RefreshToken);
        assert!(of(&client).expect("good").offline);
        client.scope = Scope::try_from("openid").expect("tokens");
        assert_eq!(of(&client).expect("good").scope.as_str(), "openid");
        client.scope = Scope::empty();
        assert_eq!(of(&client).expect_err("nothing is left").error, ErrorCode::InvalidGrant);
    }

    #[test]
    fn who_allows_nothing_denies_and_what_is_allowed_is_remembered() {
        let (pending, client) = (pending(), fixtures::client());
        let signed_in = fixtures::signed_in(NOW);
        for nothing in [None, Some(Scope::empty())] {
            let said = answer(&pending, &signed_in, &client, nothing, NOW);
            assert_eq!(said.answer, PendingAnswer::Denied(signed_in.session.account));
            assert_eq!(said.consent, None);
        }
        let openid = Scope::try_from("openid").expect("tokens");
        let said = answer(&pending, &signed_in, &client, Some(openid.clone()), NOW);
        let consent = said.consent.expect("given");
        assert_eq!((consent.granted, consent.refused.as_str()), (openid, "offline_access"));
    }

    #[test]
    fn remembered_consent_allows_nothing_by_itself_rfc_8628_5_4() {
        let (pending, mut client) = (pending(), fixtures::client());
        client.trusted = true;
        let mut signed_in = fixtures::signed_in(NOW);
        signed_in.consent.granted = pending.scope.clone();
        let next = next(&pending, &client, Some(signed_in.clone()), &ConsentAnswer::None, NOW);
        assert_eq!(next, Next::Ask(Box::new(signed_in)));
    }

    #[test]
    fn a_word_counts_once_and_a_button_may_be_pressed_twice() {
        let (waiting, client) = (pending(), fixtures::client());
        let signed_in = fixtures::signed_in(NOW);
        let mut other = fixtures::signed_in(NOW);
        other.session.account = AccountId::from_bytes([9; 16]);
        let allow = ConsentAnswer::Allowed(waiting.scope.clone());
        let deny = ConsentAnswer::Denied;
        let answered = |word: Option<Scope>| {
            let said = answer(&waiting, &signed_in, &client, word, NOW);
            Pending { answer: Some(said.answer), ..pending() }
        };
        let allowed = answered(Some(waiting.scope.clone()));
        let denied = answered(None);
        let of = |pending: &Pending, user: Option<&SignedIn>, word: &ConsentAnswer, now| match next(
            pending,
            &client,
            user.cloned(),
            word,
            now,
        ) {
            Next::SignIn => "sign in",
            Next::Ask(_) => "ask",
            Next::Answer(_, said) => match said.answer {
                PendingAnswer::Allowed(_) => "allow",
                PendingAnswer::Denied(_) => "deny",
            },
            Next::Said { allowed: true } => "allowed",
            Next::Said { allowed: false } => "denied",
            Next::Gone => "gone",
        };
        let (me, none) = (Some(&signed_in), ConsentAnswer::None);
        let cases = [
            (&waiting, None, &none, NOW, "sign in"),
            (&waiting, None, &allow, NOW, "sign in"),
            (&waiting, me, &none, NOW, "ask"),
            (&waiting, me, &allow, NOW, "allow"),
            (&waiting, me, &deny, NOW, "deny"),
            (&waiting, me, &allow, after(600), "gone"),
            (&waiting, None, &none, after(600), "gone"),
            (&allowed, me, &allow, NOW, "allowed"),
            (&allowed, me, &allow, after(600), "allowed"),
            (&allowed, me, &deny, NOW, "gone"),
            (&allowed, me, &none, NOW, "gone"),
            (&allowed, Some(&other), &allow, NOW, "gone"),
            (&allowed, None, &allow, NOW, "gone"),
            (&denied, me, &deny, NOW, "denied"),
            (&denied, me, &allow, NOW, "gone"),
        ];
        for (pending, user, word, now, expected) in cases {
            assert_eq!(of(pending, user, word, now), expected, "{pending:?} {word:?}");
        }
    }
}
