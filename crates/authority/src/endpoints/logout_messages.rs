//! Delivering logout messages (OpenID Connect Back-Channel Logout 1.0 section 2.5). Whoever drives
//! this waits between two calls; nobody's request does.

use keystile_protocol::Timestamp;

use super::Authority;
use super::at_once::all;
use crate::logout_message::{Claim, LogoutMessage, logout_token};
use crate::ports::StoreError;
use crate::rules::logout_message::{Attempt, LEASE, REMEMBERED_FOR, TRIED_FOR, settle};

/// What one round of deliveries did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogoutRound {
    /// What became of each message that was due: to whom it was, and what happened, in words.
    pub tried: Vec<(String, String)>,
}

impl Authority {
    /// Takes up to `limit` messages that are due and tries them all at once, so that a slow client
    /// holds nobody up for longer than a request may take.
    pub async fn deliver_logout_messages(&self, limit: u32) -> Result<LogoutRound, StoreError> {
        let now = self.clock.now();
        let claim =
            Claim { now, lease_until: now.plus(LEASE), give_up_at: now.plus(TRIED_FOR), limit };
        let claimed = self.store.claim_logout_messages(claim).await?;
        let tried = all(claimed.iter().map(|message| self.deliver(message))).await;
        Ok(LogoutRound { tried: tried.into_iter().collect::<Result<_, _>>()? })
    }

    /// Forgets what the log no longer needs, up to `limit` messages.
    pub async fn forget_logout_messages(&self, limit: u32) -> Result<(), StoreError> {
        let before = self.clock.now().minus(REMEMBERED_FOR);
        self.store.forget_logout_messages(before, limit).await
    }

    async fn deliver(&self, message: &LogoutMessage) -> Result<(String, String), StoreError> {
        let attempt = self.attempt(message, self.clock.now()).await?;
        let settled = settle(message, &attempt, self.clock.now());
        let told = (message.client.to_string(), settled.outcome.clone());
        self.store.settle_logout_message(settled).await?;
        Ok(told)
    }

    async fn attempt(
        &self,
        message: &LogoutMessage,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        let client = self.store.client(&message.client, false).await?;
        let Some(client) = client.filter(|client| client.enabled) else {
            return Ok(Attempt::NobodyThere);
        };
        let Some(uri) = client.logout.backchannel_uri.as_deref() else {
            return Ok(Attempt::NobodyThere);
        };
        let jti = self.entropy.bytes();
        let (issuer, keys) = (&self.policy.issuer, self.keys());
        let subject = match self.subject(&message.account, &client) {
            Ok(subject) => subject,
            Err(fault) => return Ok(Attempt::NotSigned(fault.to_string())),
        };
        let token =
            logout_token(message, subject, client.id_token_algorithm, jti, issuer, &keys, now);
        let token = match token {
            Ok(token) => {
                let encryption = client.encryption.id_token;
                self.nested(token, encryption, Some(issuer), &client, now).await
            }
            Err(error) => return Ok(Attempt::NotSigned(error.to_string())),
        };
        Ok(match token {
            Err(error) => Attempt::NotSigned(error.error_description),
            Ok(token) => {
                let fields = [("logout_token", token.as_str())];
                Attempt::Posted(self.outbound.post_form(uri, &fields).await)
            }
        })
    }
}
