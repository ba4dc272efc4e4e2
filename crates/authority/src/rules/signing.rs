//! What the server signs with: the operator may switch algorithms off.

use keystile_protocol::jose::Algorithm;
use keystile_protocol::{ErrorCode, ProtocolError};

use crate::mint::ACCESS_TOKEN_ALGORITHM;
use crate::policy::Policy;
use crate::records::Client;
use crate::rules::registration::{MetadataError, wrong};

/// What cannot be switched off, and why.
const NEEDED: [(Algorithm, &str); 2] = [
    (ACCESS_TOKEN_ALGORITHM, "access tokens are signed with it"),
    (Algorithm::RS256, "it \"MUST be included\" (OpenID Connect Discovery 1.0 section 3)"),
];

/// The algorithms of these names, the one to prefer first.
pub fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, String> {
    if let Some(other) = names.iter().find(|name| Algorithm::from_name(name).is_none()) {
        return Err(format!("'{other}' is none of {}", listed(&Algorithm::ALL)));
    }
    let wanted = |algorithm: &Algorithm| names.iter().any(|name| name == algorithm.as_str());
    if let Some((algorithm, why)) = NEEDED.iter().find(|(algorithm, _)| !wanted(algorithm)) {
        return Err(format!("{algorithm} is missing: {why}"));
    }
    Ok(Algorithm::ALL.into_iter().filter(wanted).collect())
}

/// Whether the server signs all that is for this client as its registration says.
pub fn is_on(client: &Client, policy: &Policy) -> Result<(), MetadataError> {
    let named = [
        ("id_token_signed_response_alg", Some(client.id_token_algorithm)),
        ("userinfo_signed_response_alg", client.openid.userinfo_algorithm),
        ("introspection_signed_response_alg", client.introspection_algorithm),
        ("authorization_signed_response_alg", client.authorization_response_algorithm),
    ];
    let on = &policy.signing_algorithms;
    for (member, algorithm) in named {
        if let Some(off) = algorithm.filter(|algorithm| !on.contains(algorithm)) {
            let problem = format!("{off} is switched off at this server; use {}", listed(on));
            return wrong(member, problem);
        }
    }
    Ok(())
}

/// The same for a client that comes: its algorithm may have been switched off since it was
/// registered. It "is not authorized" to get anything (RFC 6749 sections 4.1.2.1 and 5.2) until it
/// is registered anew.
pub fn is_on_still(client: &Client, policy: &Policy) -> Result<(), ProtocolError> {
    is_on(client, policy).map_err(|error| {
        let words = format!("the client's registration has to be changed: {error}");
        ProtocolError::new(ErrorCode::UnauthorizedClient, words)
    })
}

fn listed(algorithms: &[Algorithm]) -> String {
    let names: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use keystile_protocol::Params;

    use super::*;
    use crate::fixtures;
    use crate::records::GrantType;
    use crate::rules::{ciba, device, request};

    #[test]
    fn what_tokens_and_discovery_need_cannot_be_switched_off_oidc_discovery_3() {
        let of = |names: &[&str]| {
            algorithms(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        let all = of(&["RS256", "PS256", "EdDSA", "ES256"]);
        assert_eq!(all, Ok(Algorithm::ALL.to_vec()), "in the order of preference");
        assert_eq!(of(&["RS256", "ES256"]), Ok(vec![Algorithm::ES256, Algorithm::RS256]));
        for (names, said) in [
            (&["PS256", "RS256"][..], "ES256 is missing"),
            (&["ES256"], "RS256 is missing"),
            (&[], "ES256 is missing"),
            (&["ES256", "RS256", "none"], "'none' is none of"),
            (&["ES256", "RS256", "HS256"], "'HS256' is none of"),
            (&["es256", "RS256"], "'es256' is none of"),
        ] {
            let problem = of(names).expect_err(said);
            assert!(problem.contains(said), "{problem}");
        }
    }

    type Set = fn(&mut Client, Algorithm);

    #[test]
    fn a_client_is_refused_whatever_it_wants_signed_with_what_is_off() {
        let signing_algorithms = vec![Algorithm::ES256, Algorithm::RS256];
        let policy = Policy { signing_algorithms, ..fixtures::policy() };
        let off = Algorithm::EdDSA;
        let cases: [(&str, Set); 4] = [
            ("id_token_signed_response_alg", |c, alg| c.id_token_algorithm = alg),
            ("userinfo_signed_response_alg", |c, alg| c.openid.userinfo_algorithm = Some(alg)),
            ("introspection_signed_response_alg", |c, alg| c.introspection_algorithm = Some(alg)),
            ("authorization_signed_response_alg", |c, alg| {
                c.authorization_response_algorithm = Some(alg);
            }),
        ];
        for (member, set) in cases {
            let mut client = fixtures::client();
            set(&mut client, Algorithm::RS256);
            assert_eq!(is_on_still(&client, &policy), Ok(()), "{member}");
            set(&mut client, off);
            assert_eq!(is_on(&client, &fixtures::policy()), Ok(()), "{member}: all are on");
            let error = is_on(&client, &policy).expect_err(member);
            assert_eq!(error.member, member);
            assert_eq!(error.problem, "EdDSA is switched off at this server; use ES256, RS256");
            let error = is_on_still(&client, &policy).expect_err(member).error;
            assert_eq!(error, ErrorCode::UnauthorizedClient);
        }
        // Nobody is asked to allow what would end in a refusal.
        let client = Client {
            id_token_algorithm: off,
            grant_types: GrantType::ALL.to_vec(),
            ..fixtures::client()
        };
        let params: Params = [("scope", "openid"), ("login_hint", "ada")].into_iter().collect();
        for refused in [
            request::check(&params, &client, &policy).map(drop),
            device::check(None, &[], &params, &client, &policy).map(drop),
            ciba::check(&params, &client, &policy).map(drop),
        ] {
            let words = refused.expect_err("it wants what is off").error_description;
            assert!(words.contains("EdDSA is switched off"), "{words}");
        }
        // What clients sign themselves is another matter.
        let client = Client { request_object_algorithm: Some(off), ..fixtures::client() };
        assert_eq!(is_on(&client, &policy), Ok(()));
    }
}
