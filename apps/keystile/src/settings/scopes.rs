//! `[[scopes]]` and `[[apis]]`.

use keystile_authority::policy::{Api, Policy, STANDARD_SCOPES, ScopeDefinition, TokenForm};
use keystile_protocol::Scope;

use super::file;
use super::source::{Place, SettingsError, nearest};

/// Adds the file's scopes to the standard ones, and its words to theirs.
pub(super) fn add_scopes(
    policy: &mut Policy,
    scopes: &[file::Scope],
    root: &Place<'_>,
) -> Result<(), SettingsError> {
    for (index, scope) in scopes.iter().enumerate() {
        let place = root.key("scopes").index(index).key("name");
        let name = one_token(&scope.name, &place)?;
        if scopes[..index].iter().any(|earlier| earlier.name == name) {
            return place.wrong(format!("there are two scopes '{name}'"));
        }
        let standard = policy.scopes.iter_mut().find(|standard| standard.name == name);
        match standard {
            Some(standard) => reword(standard, scope),
            None => policy.scopes.push(definition(name, scope)),
        }
    }
    Ok(())
}

fn one_token(name: &str, place: &Place<'_>) -> Result<String, SettingsError> {
    let scope = Scope::try_from(name).or_else(|problem| place.wrong(problem))?;
    if scope.as_str() != name || scope.iter().count() != 1 {
        return place.wrong(format!("'{name}' is not one scope, such as photos:read"));
    }
    Ok(name.to_owned())
}

fn definition(name: String, scope: &file::Scope) -> ScopeDefinition {
    ScopeDefinition {
        name,
        title: scope.title.clone(),
        detail: scope.detail.clone(),
        optional: scope.optional.unwrap_or(false),
        identity: scope.identity.unwrap_or(false),
    }
}

fn reword(standard: &mut ScopeDefinition, scope: &file::Scope) {
    standard.title = scope.title.clone();
    standard.detail = scope.detail.clone();
    standard.optional = scope.optional.unwrap_or(standard.optional);
    standard.identity = scope.identity.unwrap_or(standard.identity);
}

/// Adds the file's APIs.
pub(super) fn add_apis(
    policy: &mut Policy,
    apis: &[file::Api],
    root: &Place<'_>,
) -> Result<(), SettingsError> {
    for (index, api) in apis.iter().enumerate() {
        let place = root.key("apis").index(index);
        check_audience(&api.audience, policy, &place.key("audience"))?;
        let scopes = api_scopes(&api.scopes, policy, &place.key("scopes"))?;
        let tokens = token_form(api.tokens.as_deref(), &place.key("tokens"))?;
        policy.apis.push(Api { audience: api.audience.clone(), scopes, tokens });
    }
    Ok(())
}

/// "An absolute URI … MUST NOT include a fragment component" (RFC 8707 section 2).
fn check_audience(audience: &str, policy: &Policy, place: &Place<'_>) -> Result<(), SettingsError> {
    if url::Url::parse(audience).is_err() || audience.contains(['#', ' ']) {
        return place.wrong(format!(
            "'{audience}' is not an absolute URI without a fragment, such as \
             https://photos.example (RFC 8707 section 2)"
        ));
    }
    if policy.api(audience).is_some() {
        return place.wrong(format!("there are two APIs '{audience}'"));
    }
    Ok(())
}

fn api_scopes(
    tokens: &file::Tokens,
    policy: &Policy,
    place: &Place<'_>,
) -> Result<Scope, SettingsError> {
    let scopes = of_tokens(tokens, policy, place)?;
    if let Some(standard) = scopes.iter().find(|scope| STANDARD_SCOPES.contains(scope)) {
        return place.wrong(format!("'{standard}' is a standard scope and belongs to no API"));
    }
    Ok(scopes)
}

/// Scopes that a setting names, each of which exists.
pub(super) fn of_tokens(
    tokens: &file::Tokens,
    policy: &Policy,
    place: &Place<'_>,
) -> Result<Scope, SettingsError> {
    let scopes = tokens.scope().or_else(|problem| place.wrong(problem))?;
    known(&scopes, policy, place)?;
    Ok(scopes)
}

fn token_form(name: Option<&str>, place: &Place<'_>) -> Result<TokenForm, SettingsError> {
    match name {
        None | Some("jwt") => Ok(TokenForm::Jwt),
        Some("opaque") => Ok(TokenForm::Opaque),
        Some(other) => place.wrong(format!("'{other}' is neither jwt nor opaque")),
    }
}

/// Every scope that is named somewhere has its words for the consent page.
pub(super) fn known(
    scopes: &Scope,
    policy: &Policy,
    place: &Place<'_>,
) -> Result<(), SettingsError> {
    match unknown_scope(scopes, policy) {
        Some(problem) => place.wrong(problem),
        None => Ok(()),
    }
}

/// What is wrong with a scope that does not exist.
pub(crate) fn unknown_scope(scopes: &Scope, policy: &Policy) -> Option<String> {
    let unknown = scopes.iter().find(|scope| policy.scope(scope).is_none())?;
    let nearest = nearest(unknown, policy.scopes.iter().map(|scope| scope.name.as_str()))?;
    Some(format!(
        "there is no scope '{unknown}' (the nearest is '{nearest}'); a [[scopes]] table in the \
         configuration file makes one"
    ))
}
