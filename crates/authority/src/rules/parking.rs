//! What is too large to travel: pushed requests (RFC 9126) and codes. They wait in the store, in a
//! room of bounded size, and a sealed reference travels instead.

use std::time::Duration;

use keystile_protocol::{ErrorCode, Params, ProtocolError, Timestamp};

use crate::decisions::Park;
use crate::ids::ParkedId;
use crate::policy::{Lifetimes, Policy};
use crate::records::Client;
use crate::rules::pushed_request;

/// Longest code, in characters: an address has to carry it, and more beside it.
pub const CODE_AT_MOST: usize = 1024;
/// Longest request that waits for login and consent in a page, form encoded, in bytes. Whatever is
/// longer has to be pushed.
const TRAVELS_AT_MOST: usize = 10 * 1024;
/// A code stays for a while after its life, so that one that comes late can still end its grant.
const CODE_STAYS: Duration = Duration::from_secs(300);

/// Whether a request that was not pushed can wait in a page.
pub fn travels(params: &Params) -> Result<String, ProtocolError> {
    let encoded = params.encode();
    if encoded.len() <= TRAVELS_AT_MOST {
        return Ok(encoded);
    }
    Err(ProtocolError::new(
        ErrorCode::InvalidRequest,
        format!(
            "the request has {} bytes, at most {TRAVELS_AT_MOST} pass; push it (RFC 9126)",
            encoded.len()
        ),
    ))
}

/// A pushed request, which stays as long as a page of it may. Whoever pushes without proving who
/// it is shares the room of its network, and leaves half of the whole to those who do.
pub fn request(
    id: ParkedId,
    content: String,
    client: &Client,
    network: &str,
    policy: &Policy,
    now: Timestamp,
) -> Park {
    let lifetimes = &policy.lifetimes;
    let expires_at = now.plus(pushed_request::LIFETIME).plus(lifetimes.page);
    let in_all = policy.parking.in_all;
    let (owner, in_all) = if client.is_public() {
        (format!("network {network}"), in_all / 2)
    } else {
        (of_client(client), in_all)
    };
    Park { id, owner, content, expires_at, at: now, per_owner: policy.parking.per_client, in_all }
}

/// A code, whose user is known.
pub fn code(
    id: ParkedId,
    content: String,
    client: &Client,
    policy: &Policy,
    now: Timestamp,
) -> Park {
    let Lifetimes { code, .. } = policy.lifetimes;
    let expires_at = now.plus(code).plus(CODE_STAYS);
    let (per_owner, in_all) = (policy.parking.per_client, policy.parking.in_all);
    Park { id, owner: of_client(client), content, expires_at, at: now, per_owner, in_all }
}

fn of_client(client: &Client) -> String {
    format!("client {}", client.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::records::ClientKind;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn id() -> ParkedId {
        ParkedId::new(NOW, [1; 10])
    }

    #[test]
    fn strangers_share_a_room_by_network_and_leave_half_to_others_finding_13() {
        let policy = fixtures::policy();
        let all = policy.parking.in_all;
        let owner = |client: &Client, network: &str| {
            let park = request(id(), String::new(), client, network, &policy, NOW);
            (park.owner, park.in_all)
        };
        let app = fixtures::client();
        assert_eq!(owner(&app, "192.0.2.0/24"), ("client app".into(), all));
        assert_eq!(owner(&app, "198.51.100.0/24"), ("client app".into(), all));
        let public = Client { kind: ClientKind::Public { native: false }, ..app };
        assert_eq!(owner(&public, "192.0.2.0/24"), ("network 192.0.2.0/24".into(), all / 2));
        let other = Client { id: fixtures::client_id("other"), ..public.clone() };
        assert_eq!(owner(&other, "192.0.2.0/24"), owner(&public, "192.0.2.0/24"));
        let code = code(id(), String::new(), &public, &policy, NOW);
        assert_eq!((code.owner, code.in_all), ("client app".into(), all), "somebody signed in");
    }

    #[test]
    fn what_is_parked_stays_as_long_as_somebody_may_come_back_for_it() {
        let (policy, client) = (fixtures::policy(), fixtures::client());
        let request = request(id(), String::new(), &client, "n", &policy, NOW);
        assert_eq!(request.expires_at, NOW.plus(Duration::from_secs(60 + 900)));
        let code = code(id(), String::new(), &client, &policy, NOW);
        assert_eq!(code.expires_at, NOW.plus(Duration::from_secs(60 + 300)));
    }

    #[test]
    fn a_request_that_no_page_can_carry_has_to_be_pushed_rfc_9126_1() {
        let of = |length: usize| {
            let value = "x".repeat(length);
            travels(&[("a", value.as_str())].into_iter().collect()).map_err(|error| error.error)
        };
        assert!(of(TRAVELS_AT_MOST - 2).is_ok());
        assert_eq!(of(TRAVELS_AT_MOST - 1), Err(ErrorCode::InvalidRequest));
    }
}
