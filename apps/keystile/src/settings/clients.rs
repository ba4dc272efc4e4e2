//! `[[clients]]`.

use keystile_authority::policy::Policy;
use keystile_authority::records::Client;
use keystile_authority::rules::mutual_tls;
use keystile_authority::rules::registration::{ClientMetadata, register};

use super::scopes;
use super::source::{Place, SettingsError};

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
        .or_else(|error| place.key(error.member).wrong(error.problem))?;
    scopes::known(&client.scope, policy, &place.key("scope"))?;
    if let Some(unknown) = client.apis.iter().find(|api| policy.api(api).is_none()) {
        return place.key("apis").wrong(format!(
            "there is no API '{unknown}'; an [[apis]] table with that audience makes one"
        ));
    }
    Ok(client)
}
