//! Values that the tables beside the rules share.

use keystile_protocol::messages::Metadata;
use keystile_protocol::{ClientId, Issuer, Scope, Timestamp};
use serde_json::json;

use super::{AuthorizationRequest, PendingLogin, ReturnTo};

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub(super) fn issuer() -> Issuer {
    Issuer::try_from("https://login.example").expect("an issuer")
}

pub(super) fn metadata() -> Metadata {
    serde_json::from_value(json!({
        "issuer": "https://login.example",
        "authorization_endpoint": "https://login.example/authorize",
        "token_endpoint": "https://login.example/token",
    }))
    .expect("metadata")
}

pub(super) fn random(seed: u8) -> [u8; 96] {
    std::array::from_fn(|at| u8::try_from(at).expect("small").wrapping_mul(seed))
}

pub(super) fn pending() -> PendingLogin {
    let client_id = ClientId::new("photo-printer").expect("valid");
    let scope = Scope::try_from("openid").expect("valid");
    let redirect_uri = "https://app.example/callback";
    let request = AuthorizationRequest::new(&client_id, redirect_uri, &scope);
    request.begin(&metadata(), ReturnTo::default(), 0, NOW, random(3)).expect("valid").pending
}
