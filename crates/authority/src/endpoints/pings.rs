//! Delivering pings (OpenID Connect CIBA Core 1.0 section 10.2). Whoever drives this waits between
//! two calls; nobody's request does.

use serde_json::json;

use super::Authority;
use super::at_once::all;
use crate::ping::{Ping, PingCall, PingClaim};
use crate::ports::StoreError;
use crate::rules::ping::{Attempt, LEASE, settle};
use crate::sealed::FORMAT;

/// What one round of deliveries did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PingRound {
    /// What became of each ping that was due: to whom it was, and what happened, in words.
    pub tried: Vec<(String, String)>,
}

impl Authority {
    /// Takes up to `limit` pings that are due and tries them all at once, so that a slow client
    /// holds nobody up for longer than a request may take.
    pub async fn deliver_pings(&self, limit: u32) -> Result<PingRound, StoreError> {
        let now = self.clock.now();
        let claim = PingClaim { now, lease_until: now.plus(LEASE), limit };
        let claimed = self.store.claim_pings(claim).await?;
        let tried = all(claimed.iter().map(|ping| self.deliver_ping(ping))).await;
        Ok(PingRound { tried: tried.into_iter().collect::<Result<_, _>>()? })
    }

    async fn deliver_ping(&self, ping: &Ping) -> Result<(String, String), StoreError> {
        let attempt = self.try_ping(ping).await?;
        let settled = settle(ping, &attempt, self.clock.now());
        let told = (ping.client.to_string(), settled.outcome.clone());
        self.store.settle_ping(settled).await?;
        Ok(told)
    }

    async fn try_ping(&self, ping: &Ping) -> Result<Attempt, StoreError> {
        let client = self.store.client(&ping.client, false).await?;
        let client = client.filter(|client| client.enabled);
        let endpoint = client.as_ref().and_then(|it| it.ciba.delivery.notification_endpoint());
        let Some(endpoint) = endpoint else { return Ok(Attempt::NobodyThere) };
        let call: Option<PingCall> = self.open(ping.call.as_str());
        let Some(call) = call.filter(|call| call.format == FORMAT) else {
            return Ok(Attempt::Unreadable);
        };
        let body = json!({ "auth_req_id": call.auth_req_id.expose() });
        let posted = self.outbound.post_json(endpoint, &call.token, &body).await;
        Ok(Attempt::Posted(posted))
    }
}
