//! The suite's configuration for this client, which is registered there in no other way.

use std::error::Error;

use keystile_client::protocol::jose::JwkSet;
use serde_json::json;

use crate::settings::Settings;

/// In JSON.
pub(crate) fn of(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let app_url = &settings.app_url;
    let mut client = json!({
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "client_name": "Keystile",
        "redirect_uri": format!("{app_url}/callback"),
        "post_logout_redirect_uri": format!("{app_url}/"),
        "backchannel_logout_uri": format!("{app_url}/backchannel-logout"),
        "scope": settings.scope.as_deref().unwrap_or("openid accounts"),
    });
    if let Some(key) = &settings.key {
        client["jwks"] = serde_json::to_value(JwkSet { keys: vec![key.public().clone()] })?;
    }
    let config = json!({
        "alias": settings.alias,
        "description": "keystile-client",
        "client": client,
        "waitTimeoutSeconds": 2,
    });
    Ok(serde_json::to_string_pretty(&config)?)
}
