//! `[[clients]]`.

use keystile_authority::policy::Policy;
use keystile_authority::records::Client;
use keystile_authority::rules::registration::{ClientMetadata, register};
use keystile_authority::rules::{mutual_tls, signing};

use super::source::{Place, SettingsError};
use super::{details, scopes};

/// The clients, each by the rules of registration, with scopes and APIs that exist.
pub(super) fn clients(
    metadata: &[ClientMetadata],
    policy: &Policy,
    root: &Place<'_>,
) -> Result<Vec<Client>, SettingsError> {
    let mut clients: Vec<Client> = Vec::new();
    for (index, metadata) in metadata.iter().enumerate() {
        let place = root.key("clients").index(index);
        let client = client(metadata, policy, &place)?;
        if clients.iter().any(|earlier| earlier.id == client.id) {
            return place.key("client_id").wrong(format!("there are two clients '{}'", client.id));
        }
        clients.push(client);
    }
    Ok(clients)
}

fn client(
    metadata: &ClientMetadata,
    policy: &Policy,
    place: &Place<'_>,
) -> Result<Client, SettingsError> {
    if metadata.client_id.is_empty() {
        return place.key("client_id").wrong("it is missing; any short name will do");
    }
    let client = register(metadata, policy.issuer.is_development())
        .or_else(|error| place.key(error.member).wrong(error.problem))?;
    mutual_tls::is_offered(&client, policy)
        .and_then(|()| signing::is_on(&client, policy))
        .or_else(|error| place.key(error.member).wrong(error.problem))?;
    scopes::known(&client.scope, policy, &place.key("scope"))?;
    if let Some(problem) = details::unknown_type(&client.authorization_details_types, policy) {
        return place.key("authorization_details_types").wrong(problem);
    }
    if let Some((member, problem)) = unknown_api(&client, policy) {
        return place.key(member).wrong(problem);
    }
    Ok(client)
}

/// What is wrong with a client that names an API which does not exist, and in which member.
pub(crate) fn unknown_api(client: &Client, policy: &Policy) -> Option<(&'static str, String)> {
    let named = [("apis", &client.apis), ("token_exchange", &client.token_exchange.audiences)];
    named.into_iter().find_map(|(member, apis)| {
        let unknown = apis.iter().find(|api| policy.api(api).is_none())?;
        Some((
            member,
            format!(
                "there is no API '{unknown}'; an [[apis]] table with that audience in the \
                 configuration file makes one"
            ),
        ))
    })
}
