//! `[registration]`.

use keystile_authority::policy::{Policy, RegistrationMode, RegistrationPolicy};
use keystile_authority::records::GrantType;

use super::file;
use super::scopes;
use super::source::{Place, SettingsError};

/// What clients that register themselves may be.
pub(super) fn policy(
    table: &file::Registration,
    policy: &Policy,
    place: &Place<'_>,
) -> Result<RegistrationPolicy, SettingsError> {
    let default = RegistrationPolicy::default();
    Ok(RegistrationPolicy {
        mode: mode(table.mode.as_deref(), &place.key("mode"))?,
        scopes: scopes::of_tokens(&table.scopes, policy, &place.key("scopes"))?,
        grant_types: match &table.grant_types {
            None => default.grant_types,
            Some(names) => grant_types(names, &place.key("grant_types"))?,
        },
        redirect_hosts: names(&table.redirect_hosts, host, &place.key("redirect_hosts"))?,
        redirect_schemes: names(&table.redirect_schemes, scheme, &place.key("redirect_schemes"))?,
        require_pkce: table.require_pkce.unwrap_or(default.require_pkce),
        public_without_pkce: table.public_without_pkce,
        per_network: table.per_network.unwrap_or(default.per_network),
        unused_at_most: table.unused_at_most.unwrap_or(default.unused_at_most),
        client_id_metadata_documents: table.client_id_metadata_documents,
    })
}

fn mode(name: Option<&str>, place: &Place<'_>) -> Result<RegistrationMode, SettingsError> {
    match name {
        None | Some("off") => Ok(RegistrationMode::Off),
        Some("token") => Ok(RegistrationMode::Token),
        Some("open") => Ok(RegistrationMode::Open),
        Some(other) => place.wrong(format!("'{other}' is none of off, token and open")),
    }
}

fn grant_types(names: &[String], place: &Place<'_>) -> Result<Vec<GrantType>, SettingsError> {
    let known = |(index, name): (usize, &String)| {
        GrantType::from_name(name).map_or_else(
            || place.index(index).wrong(format!("'{name}' is no grant type of this server")),
            Ok,
        )
    };
    names.iter().enumerate().map(known).collect()
}

/// Hosts and schemes are compared with those of parsed URIs, which are in lower case and stand
/// alone.
fn names(
    names: &[String],
    check: fn(&str) -> Result<(), &'static str>,
    place: &Place<'_>,
) -> Result<Vec<String>, SettingsError> {
    let checked = |(index, name): (usize, &String)| match check(name) {
        Ok(()) => Ok(name.to_ascii_lowercase()),
        Err(what) => place.index(index).wrong(format!("'{name}' is not {what}")),
    };
    names.iter().enumerate().map(checked).collect()
}

fn host(name: &str) -> Result<(), &'static str> {
    let bare = name.strip_prefix("*.").unwrap_or(name);
    let good = url::Host::parse(bare).is_ok_and(|host| host.to_string().eq_ignore_ascii_case(bare));
    if good { Ok(()) } else { Err("a host, such as app.example or *.corp.example") }
}

fn scheme(name: &str) -> Result<(), &'static str> {
    let character = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(character);
    if good { Ok(()) } else { Err("a scheme, such as https or com.example.app") }
}
