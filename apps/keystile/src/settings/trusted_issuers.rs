//! `[[trusted_issuers]]`.

use keystile_authority::policy::{Policy, SubjectIs, TrustedIssuer};
use keystile_authority::records::KeySource;
use keystile_authority::rules::client_keys::verifying_keys;
use keystile_authority::rules::registration;
use keystile_protocol::{ClientId, Scope};

use super::source::{Place, SettingsError, Source};
use super::{file, scopes};

/// A file of keys that is longer is refused, in bytes.
const FILE_AT_MOST: u64 = 256 * 1024;

/// Adds the issuers whose assertions about users count. Scopes have to be there already.
pub(super) fn add(
    policy: &mut Policy,
    issuers: &[file::TrustedIssuer],
    source: &Source,
) -> Result<(), SettingsError> {
    for (index, given) in issuers.iter().enumerate() {
        let place = source.root().key("trusted_issuers").index(index);
        let trusted = trusted(given, policy, source, &place)?;
        if policy.trusted_issuers.iter().any(|earlier| earlier.issuer == trusted.issuer) {
            let problem = format!("there are two trusted issuers '{}'", trusted.issuer);
            return place.key("issuer").wrong(problem);
        }
        policy.trusted_issuers.push(trusted);
    }
    Ok(())
}

fn trusted(
    given: &file::TrustedIssuer,
    policy: &Policy,
    source: &Source,
    place: &Place<'_>,
) -> Result<TrustedIssuer, SettingsError> {
    if given.issuer.is_empty() {
        return place.key("issuer").wrong("it is missing: what stands in 'iss' of its assertions");
    }
    if given.issuer == policy.issuer.as_str() {
        return place.key("issuer").wrong("it is this server itself; see token exchange instead");
    }
    if given.clients.is_empty() {
        return place.key("clients").wrong("name the clients that may bring its assertions");
    }
    let client = |id: &String| {
        let wrong = |problem| place.key("clients").wrong(format!("'{id}': {problem}"));
        ClientId::new(id).or_else(wrong)
    };
    Ok(TrustedIssuer {
        issuer: given.issuer.clone(),
        keys: keys(given, policy, source, place)?,
        audience: given.audience.clone(),
        subject_claim: given.subject_claim.clone().unwrap_or_else(|| "sub".to_owned()),
        subject_is: subject_is(given.subject_is.as_deref(), &place.key("subject_is"))?,
        clients: given.clients.iter().map(client).collect::<Result<_, _>>()?,
        scope: scope(&given.scope, policy, &place.key("scope"))?,
    })
}

fn keys(
    given: &file::TrustedIssuer,
    policy: &Policy,
    source: &Source,
    place: &Place<'_>,
) -> Result<KeySource, SettingsError> {
    let (member, set) = match (&given.jwks, &given.jwks_file, &given.jwks_uri) {
        (Some(set), None, None) => ("jwks", verifying_keys(set)),
        (None, None, Some(uri)) => {
            let development = policy.issuer.is_development();
            registration::called_uri("jwks_uri", uri, development)
                .or_else(|error| place.key("jwks_uri").wrong(error.problem))?;
            return Ok(KeySource::Remote(uri.clone()));
        }
        (None, Some(path), None) => {
            let path = source.beside(path);
            let set = read(&path).and_then(|text| {
                let set =
                    serde_json::from_str(&text).map_err(|e| format!("it is not JSON: {e}"))?;
                verifying_keys(&set)
            });
            ("jwks_file", set.map_err(|problem| format!("{}: {problem}", path.display())))
        }
        _ => {
            return place
                .key("jwks")
                .wrong("give its public keys, in jwks, in jwks_file, or where they are: jwks_uri");
        }
    };
    set.map(KeySource::Inline).or_else(|problem| place.key(member).wrong(problem))
}

fn read(path: &std::path::Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > FILE_AT_MOST {
        return Err(format!("it has {length} bytes, at most {FILE_AT_MOST} are read"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

fn subject_is(name: Option<&str>, place: &Place<'_>) -> Result<SubjectIs, SettingsError> {
    match name {
        None | Some("sub") => Ok(SubjectIs::Sub),
        Some("username") => Ok(SubjectIs::Username),
        Some(other) => place.wrong(format!("'{other}' is neither sub nor username")),
    }
}

fn scope(
    tokens: &file::Tokens,
    policy: &Policy,
    place: &Place<'_>,
) -> Result<Scope, SettingsError> {
    let scope = tokens.scope().or_else(|problem| place.wrong(problem))?;
    if scope.is_empty() {
        return place.wrong("name the scopes that clients may get for its assertions");
    }
    scopes::known(&scope, policy, place)?;
    Ok(scope)
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::{Algorithm, SigningKey};
    use serde_json::json;

    use super::*;
    use crate::settings::testing::Folder;

    #[test]
    fn keys_come_from_a_file_beside_and_what_is_not_said_is_narrow() {
        let folder = Folder::new();
        let key = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let set = json!({ "keys": [key.public()] });
        std::fs::write(folder.join("idp.json"), set.to_string()).expect("written");
        let text = "issuer = \"https://login.example\"\n[[trusted_issuers]]\n\
                    issuer = \"https://idp.example\"\njwks_file = \"idp.json\"\n\
                    clients = [\"app\"]\nscope = \"openid\"";
        let settings = folder.settings(text).unwrap_or_else(|error| panic!("{error}"));
        let trusted = &settings.policy.trusted_issuers[0];
        let KeySource::Inline(keys) = &trusted.keys else { panic!("they are here") };
        assert_eq!(keys.keys[0].kid.as_deref(), Some(key.kid()));
        assert_eq!((trusted.subject_claim.as_str(), trusted.subject_is), ("sub", SubjectIs::Sub));
        assert_eq!(trusted.audience, None);
        std::fs::write(folder.join("idp.json"), "{").expect("written");
        assert!(folder.settings(text).is_err());
        let no_scope = text.replace("scope = \"openid\"", "");
        assert!(folder.settings(&no_scope).is_err());
    }
}
