//! A token that is believed, with all that it says.

use serde_json::value::RawValue;

use crate::{AccessTokenClaims, AuthorizationDetails};

/// Claims, and the JSON that they were read from.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub(crate) claims: AccessTokenClaims,
    pub(crate) json: Box<RawValue>,
}

impl Verified {
    /// What is said to everybody and what is said to this API (RFC 9396 section 2.2: a detail with
    /// `locations` counts there alone).
    pub(crate) fn for_audience(
        mut claims: AccessTokenClaims,
        json: Box<RawValue>,
        audience: &str,
    ) -> Self {
        let here = |detail: &&keystile_protocol::authorization_details::Detail| {
            detail.locations().next().is_none() || detail.locations().any(|l| l == audience)
        };
        if !claims.authorization_details.iter().all(|detail| here(&detail)) {
            let kept = claims.authorization_details.iter().filter(here).cloned();
            claims.authorization_details = kept.collect::<AuthorizationDetails>();
        }
        Self { claims, json }
    }
}
