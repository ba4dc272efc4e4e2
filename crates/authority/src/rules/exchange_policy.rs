//! What a client may exchange tokens for (RFC 8693), as it is registered. Without a word of the
//! operator it is as little as can be: tokens that are meant for it, for the APIs that they are for
//! already, and always with its own name in them.

use keystile_protocol::ClientId;
use serde::{Deserialize, Serialize};

use crate::records::{Client, GrantType};
use crate::rules::registration::{ClientMetadata, MetadataError, wrong};

/// A client's part in exchanges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExchangePolicy {
    /// The APIs that it may get tokens for, beside those that the exchanged token is for.
    pub audiences: Vec<String>,
    /// The clients whose tokens it may exchange, beside its own and those for its `apis`.
    pub subject_clients: Vec<ClientId>,
    /// Whether what it gets says that it acts for somebody.
    pub mode: ExchangeMode,
    /// The one client that may act for this client's users with its tokens (section 4.4).
    pub may_act: Option<ClientId>,
}

/// Whether somebody may come with an ID token of this client: it says then which grant it is of.
/// Nobody else is shown a claim that is not the standard's.
pub fn may_be_exchanged(client: &Client) -> bool {
    client.may_use(GrantType::TokenExchange) || client.token_exchange.may_act.is_some()
}

/// Whether an exchanged token says who acts (section 1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeMode {
    /// It does: the actor token's subject, or the client itself.
    #[default]
    Delegation,
    /// It does not.
    Impersonation,
    /// It does where an actor token came.
    Both,
}

/// `token_exchange` in a client's metadata.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "as in ExchangePolicy")]
pub struct ExchangeMetadata {
    pub audiences: Vec<String>,
    pub subject_clients: Vec<String>,
    pub mode: Option<ExchangeMode>,
    pub may_act: Option<String>,
}

const MEMBER: &str = "token_exchange";
/// A list with more entries is refused.
const ENTRIES_AT_MOST: usize = 100;

pub(super) fn register(
    metadata: &ClientMetadata,
    grant_types: &[GrantType],
) -> Result<ExchangePolicy, MetadataError> {
    let Some(given) = &metadata.token_exchange else { return Ok(ExchangePolicy::default()) };
    let asks =
        !given.audiences.is_empty() || !given.subject_clients.is_empty() || given.mode.is_some();
    if asks && !grant_types.contains(&GrantType::TokenExchange) {
        let problem = format!(
            "audiences, subject_clients and mode are for a client with the grant type '{}'",
            GrantType::TokenExchange.as_str()
        );
        return wrong(MEMBER, problem);
    }
    if given.audiences.len().max(given.subject_clients.len()) > ENTRIES_AT_MOST {
        return wrong(MEMBER, format!("a list has more than {ENTRIES_AT_MOST} entries"));
    }
    Ok(ExchangePolicy {
        audiences: given.audiences.clone(),
        subject_clients: given.subject_clients.iter().map(named).collect::<Result<_, _>>()?,
        mode: given.mode.unwrap_or_default(),
        may_act: given.may_act.as_ref().map(named).transpose()?,
    })
}

fn named(id: &String) -> Result<ClientId, MetadataError> {
    ClientId::new(id).or_else(|problem| wrong(MEMBER, format!("'{id}' is no client_id: {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::SECRET;
    use crate::rules::registration::register;

    fn with(
        grant_type: &str,
        exchange: ExchangeMetadata,
        change: impl FnOnce(&mut ClientMetadata),
    ) -> Result<ExchangePolicy, &'static str> {
        let mut metadata = ClientMetadata {
            client_id: "api".into(),
            client_secret: Some(SECRET.into()),
            grant_types: Some(vec![grant_type.to_owned()]),
            token_exchange: Some(exchange),
            ..ClientMetadata::default()
        };
        change(&mut metadata);
        register(&metadata, false).map(|client| client.token_exchange).map_err(|e| e.member)
    }

    #[test]
    fn a_policy_is_narrow_unless_it_says_more_and_only_for_who_may_exchange() {
        let (exchange, other) = (GrantType::TokenExchange.as_str(), "client_credentials");
        let nothing = || ExchangeMetadata::default();
        assert_eq!(with(exchange, nothing(), |_| {}), Ok(ExchangePolicy::default()));
        assert_eq!(ExchangePolicy::default().mode, ExchangeMode::Delegation);
        let more = || ExchangeMetadata {
            audiences: vec!["https://mail.example".into()],
            subject_clients: vec!["app".into()],
            mode: Some(ExchangeMode::Both),
            may_act: None,
        };
        let policy = with(exchange, more(), |_| {}).expect("good");
        assert_eq!((policy.subject_clients.len(), policy.mode), (1, ExchangeMode::Both));
        assert_eq!(with(other, more(), |_| {}), Err("token_exchange"));
        let may_act = ExchangeMetadata { may_act: Some("api".into()), ..nothing() };
        assert!(with(other, may_act, |_| {}).expect("good").may_act.is_some());
        let broken = ExchangeMetadata { subject_clients: vec![String::new()], ..nothing() };
        assert_eq!(with(exchange, broken, |_| {}), Err("token_exchange"));
        let long = ExchangeMetadata { audiences: vec!["a".into(); 101], ..nothing() };
        assert_eq!(with(exchange, long, |_| {}), Err("token_exchange"));
        let public = |m: &mut ClientMetadata| {
            m.client_secret = None;
            m.token_endpoint_auth_method = Some("none".into());
        };
        assert_eq!(with(exchange, nothing(), public), Err("grant_types"));
    }
}
