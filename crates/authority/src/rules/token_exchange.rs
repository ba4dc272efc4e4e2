//! One token for another (RFC 8693): whose tokens a client may exchange, for what, and who acts in
//! what comes of it.

use keystile_protocol::access_token::{AccessTokenClaims, Confirmation};
use keystile_protocol::messages::IdTokenClaims;
use keystile_protocol::params::ParamError;
use keystile_protocol::token_exchange::{Actor, TokenType};
use keystile_protocol::{ClientId, ErrorCode, Params, ProtocolError, Scope, Timestamp};

use crate::policy::{Policy, TokenForm};
use crate::records::{Client, ExchangeMode, Grant, GrantType};
use crate::rules::scope;

/// More actors one before another are refused.
const ACTORS_AT_MOST: usize = 4;
/// An exchange for more targets than this is refused.
const TARGETS_AT_MOST: usize = 20;

/// A request for an exchange (section 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeRequest<'a> {
    /// On whose behalf, and what kind of token says so.
    pub subject: (&'a str, TokenType),
    /// Who acts.
    pub actor: Option<(&'a str, TokenType)>,
    /// What kind of token is wanted.
    pub wanted: TokenType,
    /// The APIs that it is to be for.
    pub targets: Vec<String>,
    /// What it is to allow.
    pub scope: Option<Scope>,
}

/// A token of ours that was believed, as far as an exchange looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownToken {
    /// Whose it is.
    pub subject: String,
    /// The client that it was issued to.
    pub client: ClientId,
    /// For whom.
    pub audience: Vec<String>,
    /// What it allows; an ID token says nothing of that.
    pub scope: Option<Scope>,
    /// Which grant it is of (`gid`); a client's own token has none.
    pub grant: Option<String>,
    /// Its name; an ID token has none.
    pub jti: Option<String>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When its user was authenticated.
    pub auth_time: Option<Timestamp>,
    /// How strongly.
    pub acr: Option<String>,
    /// What its sender has to prove.
    pub cnf: Option<Confirmation>,
    /// Who acts in it.
    pub act: Option<Actor>,
    /// Who may come to.
    pub may_act: Option<Actor>,
}

impl From<&AccessTokenClaims> for ShownToken {
    fn from(claims: &AccessTokenClaims) -> Self {
        Self {
            subject: claims.sub.clone(),
            client: claims.client_id.clone(),
            audience: claims.aud.iter().map(str::to_owned).collect(),
            scope: Some(claims.scope.clone()),
            grant: claims.gid.clone(),
            jti: Some(claims.jti.clone()),
            expires_at: Timestamp::from_seconds(claims.exp),
            auth_time: claims.auth_time.map(Timestamp::from_seconds),
            acr: claims.acr.clone(),
            cnf: claims.cnf.clone(),
            act: claims.act.clone(),
            may_act: claims.may_act.clone(),
        }
    }
}

impl ShownToken {
    /// What an ID token says, which is for one client; nothing if it is none of those that name
    /// their grant.
    pub fn of_id_token(claims: &IdTokenClaims) -> Option<Self> {
        let audience: Vec<String> = claims.aud.iter().map(str::to_owned).collect();
        let [client] = audience.as_slice() else { return None };
        Some(Self {
            subject: claims.sub.clone(),
            client: ClientId::new(client.as_str()).ok()?,
            audience,
            scope: None,
            grant: Some(claims.user.get("gid")?.as_str()?.to_owned()),
            jti: None,
            expires_at: Timestamp::from_seconds(claims.exp),
            auth_time: claims.auth_time.map(Timestamp::from_seconds),
            acr: claims.acr.clone(),
            cnf: None,
            act: None,
            may_act: None,
        })
    }
}

/// What an exchange gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// For whom the new token is.
    pub audience: Vec<String>,
    /// What it allows there.
    pub scope: Scope,
    /// Who acts in it.
    pub act: Option<Actor>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// "the value of the error parameter MUST be the invalid_request error code" when either token is
/// invalid or unacceptable (section 2.2.2).
fn refused(words: impl AsRef<str>) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, words)
}

/// Reads a request of a client that may exchange tokens at all.
pub fn request<'a>(
    params: &'a Params,
    scope: Option<Scope>,
    client: &Client,
    policy: &Policy,
) -> Result<ExchangeRequest<'a>, ProtocolError> {
    if !client.may_use(GrantType::TokenExchange) || client.is_public() {
        return Err(ProtocolError::new(
            ErrorCode::UnauthorizedClient,
            "the client is not registered for the grant type of token exchange (RFC 8693)",
        ));
    }
    let malformed = |problem: ParamError| refused(problem.to_string());
    let required = |name| params.required(name).map_err(malformed);
    let optional = |name| params.optional(name).map_err(malformed);
    let all = |name| params.all(name).map_err(malformed);
    let subject = (required("subject_token")?, shown_type(required("subject_token_type")?)?);
    let actor = match (optional("actor_token")?, optional("actor_token_type")?) {
        (None, None) => None,
        (Some(token), Some(kind)) => Some((token, shown_type(kind)?)),
        _ => {
            return Err(refused(
                "actor_token and actor_token_type come together or not at all (RFC 8693 section \
                 2.1)",
            ));
        }
    };
    let named = [all("resource")?, all("audience")?].concat();
    if named.len() > TARGETS_AT_MOST {
        let words = format!("more than {TARGETS_AT_MOST} targets are asked for");
        return Err(ProtocolError::new(ErrorCode::InvalidTarget, words));
    }
    Ok(ExchangeRequest {
        subject,
        actor,
        wanted: wanted_type(optional("requested_token_type")?)?,
        targets: scope::resources(&named, policy)?,
        scope: scope.filter(|scope| !scope.is_empty()),
    })
}

fn shown_type(name: &str) -> Result<TokenType, ProtocolError> {
    match TokenType::from_name(name) {
        Some(kind @ (TokenType::AccessToken | TokenType::IdToken)) => Ok(kind),
        _ => Err(refused(format!(
            "a token that is exchanged here has the type '{}' or '{}' (RFC 8693 section 3)",
            TokenType::AccessToken.as_str(),
            TokenType::IdToken.as_str()
        ))),
    }
}

fn wanted_type(name: Option<&str>) -> Result<TokenType, ProtocolError> {
    match name.map(TokenType::from_name) {
        None => Ok(TokenType::AccessToken),
        Some(Some(kind @ (TokenType::AccessToken | TokenType::Jwt))) => Ok(kind),
        Some(_) => Err(refused(format!(
            "requested_token_type is neither '{}' nor '{}'",
            TokenType::AccessToken.as_str(),
            TokenType::Jwt.as_str()
        ))),
    }
}

/// Whether the client may show this subject token: its own, one that is meant for it, or one of a
/// client that the operator named.
pub fn subject_is_for(subject: &ShownToken, client: &Client) -> Result<(), ProtocolError> {
    let named = client.token_exchange.subject_clients.contains(&subject.client);
    if is_own(subject, client) || is_recipient(subject, client) || named {
        return Ok(());
    }
    Err(refused(
        "the subject_token is neither this client's own, nor for an API of its 'apis', nor of one \
         of its subject_clients (RFC 8693 section 2.1)",
    ))
}

/// The actor is whoever the client can speak for: itself, or a user who signed in to it.
pub fn actor_is_for(actor: &ShownToken, client: &Client) -> Result<(), ProtocolError> {
    if !is_own(actor, client) {
        return Err(refused("the actor_token was issued to another client"));
    }
    if actor.act.is_some() {
        return Err(refused("the actor_token says itself that somebody acts for its subject"));
    }
    Ok(())
}

fn is_own(token: &ShownToken, client: &Client) -> bool {
    token.client == client.id
}

fn is_recipient(token: &ShownToken, client: &Client) -> bool {
    let meant = |audience: &String| {
        client.apis.contains(audience) || audience.as_str() == client.id.as_str()
    };
    token.audience.iter().any(meant)
}

/// Decides about tokens of ours that are alive and that the client may show. `grant` is the subject
/// token's, `proved` what this request proves, `expires_at` when a new access token would end.
pub fn decide(
    request: &ExchangeRequest<'_>,
    (subject, grant): (&ShownToken, Option<&Grant>),
    actor: Option<&ShownToken>,
    (client, proved): (&Client, Option<&Confirmation>),
    policy: &Policy,
    expires_at: Timestamp,
) -> Result<Exchanged, ProtocolError> {
    for shown in [Some(subject), actor].into_iter().flatten() {
        possession(shown, client, proved)?;
    }
    let act = acting(subject, actor, client)?;
    let (audience, scope) = reach(request, subject, grant, client, policy)?;
    let form = policy.token_form(audience.iter().map(String::as_str));
    if request.wanted == TokenType::Jwt && form == TokenForm::Opaque {
        return Err(refused("access tokens for that API are opaque; ask for an access_token"));
    }
    let ends = [Some(subject), actor].into_iter().flatten().map(|token| token.expires_at);
    Ok(Exchanged { audience, scope, act, expires_at: ends.fold(expires_at, Timestamp::min) })
}

/// A token that is bound to a key (RFC 9449, RFC 8705). Its own client proves that key, as with any
/// use. An API that the token is for cannot: the proof went to it, not to us. It proves who it is
/// instead, which a thief of the token cannot. Nobody else has an honest way to such a token. What
/// comes of it is bound too, to the key of whoever gets it.
fn possession(
    shown: &ShownToken,
    client: &Client,
    proved: Option<&Confirmation>,
) -> Result<(), ProtocolError> {
    let Some(bound) = &shown.cnf else { return Ok(()) };
    match proved {
        Some(proved) if proved == bound => Ok(()),
        Some(_) if !is_own(shown, client) && is_recipient(shown, client) => Ok(()),
        None => Err(refused(
            "the token is bound to a key, so what comes of it will be: prove a key of yours with \
             this request (RFC 9449 section 5)",
        )),
        Some(_) => Err(refused("the token is bound to another key (RFC 9449 section 7.1)")),
    }
}

/// Who acts in the new token (sections 1.1 and 4.1). Those who acted before stay in it.
fn acting(
    subject: &ShownToken,
    actor: Option<&ShownToken>,
    client: &Client,
) -> Result<Option<Actor>, ProtocolError> {
    if actor.is_none() && is_own(subject, client) {
        // Nobody else comes to act.
        return Ok(subject.act.clone());
    }
    let current = actor.map_or(client.id.as_str(), |actor| actor.subject.as_str());
    if subject.may_act.as_ref().is_some_and(|allowed| allowed.sub != current) {
        return Err(refused(
            "the subject_token's may_act names another party (RFC 8693 section 4.4)",
        ));
    }
    let mode = client.token_exchange.mode;
    if actor.is_some() && mode == ExchangeMode::Impersonation {
        return Err(refused(
            "an actor_token came, and the client is registered for impersonation alone",
        ));
    }
    if actor.is_none() && mode != ExchangeMode::Delegation {
        return Ok(subject.act.clone());
    }
    let before = subject.act.clone().map(Box::new);
    let act = Actor { sub: current.to_owned(), act: before };
    if act.depth() > ACTORS_AT_MOST {
        return Err(refused(format!("more than {ACTORS_AT_MOST} would act one for another")));
    }
    Ok(Some(act))
}

/// Where the new token is good and for what: never for more than the client is registered for.
fn reach(
    request: &ExchangeRequest<'_>,
    subject: &ShownToken,
    grant: Option<&Grant>,
    client: &Client,
    policy: &Policy,
) -> Result<(Vec<String>, Scope), ProtocolError> {
    let may = |token: &str| {
        policy.scope(token).is_some()
            && token != "offline_access"
            && opens(subject, grant, token, policy)
    };
    let allowed = client.scope.filter(may);
    let invalid_scope = |words: String| ProtocolError::new(ErrorCode::InvalidScope, words);
    let scope = match &request.scope {
        Some(asked) => match asked.first_missing_in(&allowed) {
            None => asked.clone(),
            Some(more) => {
                return Err(invalid_scope(format!(
                    "the scope '{more}' is more than the subject_token, its grant and the \
                     client's registration allow"
                )));
            }
        },
        // Without a word about what and where it is what the subject token is for itself.
        None if request.targets.is_empty() => match &subject.scope {
            Some(own) => allowed.filter(|token| own.contains(token)),
            None => allowed,
        },
        None => allowed,
    };
    let audience = scope::audience(&scope, &request.targets, client, policy)?;
    let reachable = |api: &&String| {
        !subject.audience.contains(api) && !client.token_exchange.audiences.contains(api)
    };
    if let Some(foreign) = audience.iter().find(reachable) {
        return Err(ProtocolError::new(
            ErrorCode::InvalidTarget,
            format!(
                "the client may not exchange this token for one for '{foreign}': it is not in its \
                 token_exchange audiences"
            ),
        ));
    }
    let scope = scope::for_audience(&scope, &audience, policy);
    if scope.is_empty() {
        return Err(invalid_scope("nothing is left that the new token would allow".to_owned()));
    }
    Ok((audience, scope))
}

/// Whether the subject token opens a scope: it has it; or it could not have it, being for other
/// APIs, and the user allowed it to the grant. An ID token stands for the whole grant.
fn opens(subject: &ShownToken, grant: Option<&Grant>, token: &str, policy: &Policy) -> bool {
    let granted = grant.is_some_and(|grant| grant.scope.contains(token));
    let Some(own) = &subject.scope else { return granted };
    let mut owners = policy.apis.iter().filter(|api| api.scopes.contains(token)).peekable();
    let of_others =
        owners.peek().is_some() && owners.all(|api| !subject.audience.contains(&api.audience));
    own.contains(token) || (granted && of_others)
}

#[cfg(test)]
mod tests;
