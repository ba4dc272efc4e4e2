//! Redeeming a code (RFC 6749 section 4.1.3, RFC 7636 section 4.6).

use std::time::Duration;

use keystile_protocol::encoding::sha256;
use keystile_protocol::{
    AuthorizationDetails, CodeVerifier, ErrorCode, ProtocolError, Scope, Timestamp,
};

use crate::decisions::Redemption;
use crate::policy::Lifetimes;
use crate::records::{Client, GrantType};
use crate::rules::authorization_details;
use crate::sealed::{Code, FORMAT};

/// Clocks of two nodes may differ: a code may come from this far in the future.
const FUTURE_LEEWAY: Duration = Duration::from_secs(5);
/// The grant's row outlives the code's life by this, as proof that it was used.
const PROOF_MARGIN: Duration = Duration::from_secs(300);

/// A refused redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRefusal {
    /// What the client is told.
    pub error: ProtocolError,
    /// What happens to the grant.
    pub effect: Effect,
}

/// What a refusal does to the grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: whoever merely saw a code cannot end the grant.
    Nothing,
    /// It is revoked if it exists: everything was right but the code's age.
    RevokeGrant,
}

/// Randomness of a redemption.
#[derive(Clone, Copy, Debug)]
pub struct RedemptionRandom {
    /// Tells this request's row from another's.
    pub redemption: [u8; 16],
    /// Goes into the refresh token's MAC.
    pub salt: [u8; 16],
}

/// Whether the client may redeem the code. What it may not see in another's code, it is told
/// alike: the code is not good.
pub fn redeem(
    code: &Code,
    client: &Client,
    redirect_uri: Option<&str>,
    verifier: Option<&CodeVerifier>,
    lifetimes: &Lifetimes,
    random: RedemptionRandom,
    now: Timestamp,
) -> Result<Redemption, CodeRefusal> {
    let refuse = |words: &str| {
        let error = ProtocolError::new(ErrorCode::InvalidGrant, words);
        CodeRefusal { error, effect: Effect::Nothing }
    };
    if code.format != FORMAT || code.client != client.id {
        return Err(refuse("the code is not one of this client's"));
    }
    same_redirect_uri(code, redirect_uri).map_err(refuse)?;
    proof_key(code, verifier).map_err(refuse)?;
    if code.approved_at > now.plus(FUTURE_LEEWAY) {
        return Err(refuse("the code comes from the future: do the servers' clocks differ?"));
    }
    if now >= code.approved_at.plus(lifetimes.code) {
        let late = refuse("the code has expired; start a new authorization request");
        return Err(CodeRefusal { effect: Effect::RevokeGrant, ..late });
    }
    let (scope, details) = still_allowed(code, client);
    if scope.is_empty() && details.is_empty() {
        return Err(refuse("the client is no longer registered for what the code allows"));
    }
    let redemption = redemption(code, client, scope, lifetimes, random, now);
    Ok(Redemption { details, ..redemption })
}

/// Whoever sends it says where the code was sent to. An OAuth 2.1 client does not (section 10.2): its
/// verifier already says that it began this very request. Without PKCE nothing else does.
fn same_redirect_uri(code: &Code, redirect_uri: Option<&str>) -> Result<(), &'static str> {
    match redirect_uri {
        None if code.challenge.is_some() => Ok(()),
        None => {
            Err("redirect_uri is missing; a client without PKCE sends the one that the code was \
                     sent to (RFC 6749 section 4.1.3)")
        }
        Some(uri) if sha256(uri) == code.redirect_uri => Ok(()),
        Some(_) => Err("redirect_uri differs from the authorization request's"),
    }
}

/// A verifier without a challenge is refused too: somebody took the challenge away (PKCE
/// downgrade, RFC 9700 section 4.8.2).
fn proof_key(code: &Code, verifier: Option<&CodeVerifier>) -> Result<(), &'static str> {
    match (&code.challenge, verifier) {
        (Some(challenge), Some(verifier)) if challenge.matches(verifier) => Ok(()),
        (Some(_), Some(_)) => Err("code_verifier does not fit the code_challenge (RFC 7636)"),
        (Some(_), None) => Err("code_verifier is missing (RFC 7636 section 4.5)"),
        (None, None) => Ok(()),
        (None, Some(_)) => Err("code_verifier came, but the request had no code_challenge"),
    }
}

/// What the client may still have of it by today's registration.
fn still_allowed(code: &Code, client: &Client) -> (Scope, AuthorizationDetails) {
    if !client.may_use(GrantType::AuthorizationCode) {
        return Default::default();
    }
    let scope = code.scope.filter(|token| client.scope.contains(token));
    (scope, authorization_details::still_allowed(&code.details, client))
}

fn redemption(
    code: &Code,
    client: &Client,
    scope: Scope,
    lifetimes: &Lifetimes,
    random: RedemptionRandom,
    now: Timestamp,
) -> Redemption {
    let offline = has_refresh_token(&scope, client);
    let life = if offline { lifetimes.refresh } else { lifetimes.access_token };
    let expires_at = now.plus(life);
    // Another approval of a pushed request may come as long as a page of it lives.
    let pages = if code.approval.is_some() { lifetimes.page } else { Duration::ZERO };
    let proof = code.approved_at.plus(pages).plus(lifetimes.code).plus(PROOF_MARGIN);
    Redemption {
        grant: code.grant,
        redemption: random.redemption,
        account: code.account,
        client: client.id.clone(),
        session: code.session,
        sid: code.sid,
        offline,
        scope,
        resources: code.resources.clone(),
        auth_time: code.auth_time,
        methods: code.methods.clone(),
        approved_at: code.approved_at,
        created_at: now,
        expires_at,
        keep_until: expires_at.max(proof),
        salt: random.salt,
        first_in_session: code.first_in_session,
        claims: code.claims.allowed_by(|scope| client.scope.contains(scope)),
        bound_to: None,
        once: Vec::new(),
        approval: code.approval,
        epoch: None,
        details: AuthorizationDetails::default(),
    }
}

/// Whether a grant of this scope comes with a refresh token (OpenID Connect Core 1.0 section 11).
pub fn has_refresh_token(scope: &Scope, client: &Client) -> bool {
    scope.contains("offline_access") && client.may_use(GrantType::RefreshToken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const RANDOM: RedemptionRandom = RedemptionRandom { redemption: [1; 16], salt: [2; 16] };

    fn redeem_with(
        change: impl FnOnce(&mut Code, &mut Client),
        redirect_uri: Option<&str>,
        verifier: Option<CodeVerifier>,
        now: Timestamp,
    ) -> Result<Redemption, Effect> {
        let (mut code, mut client) = (fixtures::code(NOW), fixtures::client());
        change(&mut code, &mut client);
        let lifetimes = Lifetimes::default();
        redeem(&code, &client, redirect_uri, verifier.as_ref(), &lifetimes, RANDOM, now).map_err(
            |refusal| {
                assert_eq!(refusal.error.error, ErrorCode::InvalidGrant);
                refusal.effect
            },
        )
    }

    #[test]
    fn row_1_4_a_code_is_bound_to_client_redirect_uri_and_verifier() {
        let uri = Some("https://app.example/cb");
        let good = || Some(fixtures::verifier());
        assert!(redeem_with(|_, _| {}, uri, good(), NOW).is_ok());
        let other_client = |_: &mut Code, client: &mut Client| {
            client.id = keystile_protocol::ClientId::new("other").expect("good");
        };
        let nothing = Err(Effect::Nothing);
        assert_eq!(redeem_with(other_client, uri, good(), NOW), nothing);
        assert_eq!(redeem_with(|_, _| {}, Some("https://app.example/c"), good(), NOW), nothing);
        assert_eq!(redeem_with(|_, _| {}, uri, None, NOW), nothing);
        let wrong = Some(CodeVerifier::from_random([9; 32]));
        assert_eq!(redeem_with(|_, _| {}, uri, wrong, NOW), nothing);
        let unchallenged = |code: &mut Code, _: &mut Client| code.challenge = None;
        assert_eq!(redeem_with(unchallenged, uri, good(), NOW), nothing, "PKCE downgrade");
        assert!(redeem_with(unchallenged, uri, None, NOW).is_ok());
        assert_eq!(redeem_with(|code, _| code.format = 2, uri, good(), NOW), nothing);
    }

    #[test]
    fn a_client_with_pkce_need_not_send_redirect_uri_again_oauth_2_1_10_2() {
        let uri = "https://app.example/cb";
        let table: &[(&str, bool, Option<&str>, bool)] = &[
            ("with PKCE: OAuth 2.0 and OpenID Connect send it", true, Some(uri), true),
            ("what is sent has to be right", true, Some("https://app.example/CB"), false),
            ("sent, and empty", true, Some(""), false),
            ("OAuth 2.1 does not", true, None, true),
            ("without PKCE", false, Some(uri), true),
            ("without PKCE, another", false, Some("https://app.example/c"), false),
            ("without PKCE it is all that there is: RFC 6749 4.1.3", false, None, false),
        ];
        for (name, challenged, redirect_uri, good) in table {
            let change = |code: &mut Code, _: &mut Client| {
                code.challenge = code.challenge.filter(|_| *challenged);
            };
            let verifier = challenged.then(fixtures::verifier);
            let redeemed = redeem_with(change, *redirect_uri, verifier, NOW);
            assert_eq!(redeemed.is_ok(), *good, "{name}");
        }
        let wrong = Some(CodeVerifier::from_random([9; 32]));
        assert_eq!(redeem_with(|_, _| {}, None, wrong, NOW), Err(Effect::Nothing));
        assert_eq!(redeem_with(|_, _| {}, None, None, NOW), Err(Effect::Nothing));
    }

    #[test]
    fn a_code_lives_60_seconds_without_leeway_rfc_6749_4_1_2() {
        let uri = Some("https://app.example/cb");
        let at = |millis: i64| {
            let now = Timestamp::from_millis(NOW.millis() + millis);
            redeem_with(|_, _| {}, uri, Some(fixtures::verifier()), now)
        };
        assert!(at(59_999).is_ok());
        assert_eq!(at(60_000), Err(Effect::RevokeGrant));
        assert!(at(-5_000).is_ok(), "another node's clock");
        assert_eq!(at(-5_001), Err(Effect::Nothing));
    }

    #[test]
    fn an_expired_code_revokes_only_when_everything_else_is_right() {
        let late = NOW.plus(Duration::from_secs(3600));
        let uri = Some("https://app.example/cb");
        let wrong = Some(CodeVerifier::from_random([9; 32]));
        assert_eq!(redeem_with(|_, _| {}, uri, wrong, late), Err(Effect::Nothing));
        assert_eq!(redeem_with(|_, _| {}, None, None, late), Err(Effect::Nothing));
    }

    #[test]
    fn todays_registration_narrows_what_was_approved() {
        let uri = Some("https://app.example/cb");
        let narrowed = |_: &mut Code, client: &mut Client| {
            client.scope = Scope::try_from("openid").expect("tokens");
        };
        let redemption =
            redeem_with(narrowed, uri, Some(fixtures::verifier()), NOW).expect("something is left");
        assert_eq!(redemption.scope.as_str(), "openid");
        let types = vec!["payment_initiation".to_owned()];
        let details_alone = |code: &mut Code, client: &mut Client| {
            (code.scope, code.details) = (Scope::empty(), fixtures::payments());
            client.authorization_details_types.clone_from(&types);
        };
        let redemption = redeem_with(details_alone, uri, Some(fixtures::verifier()), NOW);
        assert_eq!(redemption.expect("RFC 9396 without a scope").details, fixtures::payments());
        let unregistered = |code: &mut Code, client: &mut Client| {
            details_alone(code, client);
            client.authorization_details_types.clear();
        };
        let refused = redeem_with(unregistered, uri, Some(fixtures::verifier()), NOW);
        assert_eq!(refused, Err(Effect::Nothing));
        let without_grant = |_: &mut Code, client: &mut Client| client.grant_types.clear();
        let refused = redeem_with(without_grant, uri, Some(fixtures::verifier()), NOW);
        assert_eq!(refused, Err(Effect::Nothing));
    }

    #[test]
    fn the_row_outlives_the_code_whatever_the_tokens_do() {
        let uri = Some("https://app.example/cb");
        let redemption =
            redeem_with(|_, _| {}, uri, Some(fixtures::verifier()), NOW).expect("good");
        assert!(redemption.keep_until >= NOW.plus(Duration::from_secs(360)));
        assert!(!redemption.offline);
        let pushed = |code: &mut Code, _: &mut Client| code.approval = Some([1; 16]);
        let redemption = redeem_with(pushed, uri, Some(fixtures::verifier()), NOW).expect("good");
        let pages = Lifetimes::default().page;
        assert!(redemption.keep_until > NOW.plus(pages), "RFC 9126: no second use by an old page");
    }
}
