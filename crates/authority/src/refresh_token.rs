//! The form of refresh tokens: a grant's key and a counter under a MAC. The store keeps nothing
//! that could be used as one, and a list of grant ids with the MAC key forges nothing: the row's
//! salt goes into the MAC.

use keystile_protocol::encoding::{base64url, equal_in_constant_time, from_base64url};
use keystile_protocol::seal::Seals;
use keystile_protocol::{ClientId, Issuer, Secret, Timestamp};

use crate::ids::GrantId;

const VERSION: u8 = 1;
const MAC: usize = 16;
const LENGTH: usize = 1 + 1 + 2 + 16 + 4 + MAC;
const PURPOSE: &str = "refresh";
/// Keys change each year (of 365 days, since 1970).
const PERIOD_DAYS: i64 = 365;

/// A refresh token whose MAC has not been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedRefreshToken {
    /// The grant that it claims to be of.
    pub grant: GrantId,
    /// Its counter.
    pub generation: u32,
    bytes: [u8; LENGTH],
}

/// What a MAC is made over besides the token itself.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// Who issued it.
    pub issuer: &'a Issuer,
    /// Who may use it.
    pub client: &'a ClientId,
    /// The grant's own.
    pub salt: &'a [u8; 16],
}

/// Makes the token of that generation. The same arguments give the same token.
pub fn issue(
    seals: &Seals,
    grant: &GrantId,
    generation: u32,
    binding: Binding<'_>,
    born_at: Timestamp,
) -> Option<Secret> {
    let master = seals.masters().current()?;
    let period = u16::try_from(born_at.day() / PERIOD_DAYS).ok()?;
    let mut bytes = [0; LENGTH];
    bytes[0] = VERSION;
    bytes[1] = master;
    bytes[2..4].copy_from_slice(&period.to_be_bytes());
    bytes[4..20].copy_from_slice(grant.as_bytes());
    bytes[20..24].copy_from_slice(&generation.to_be_bytes());
    let mac = mac(seals, &bytes, binding)?;
    bytes[LENGTH - MAC..].copy_from_slice(&mac);
    Some(Secret::new(base64url(bytes)))
}

impl PresentedRefreshToken {
    /// Takes a token apart; nothing if it does not have the form.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != LENGTH * 4 / 3 + usize::from(!(LENGTH * 4).is_multiple_of(3)) {
            return None;
        }
        let bytes: [u8; LENGTH] = from_base64url(text)?.try_into().ok()?;
        if bytes[0] != VERSION {
            return None;
        }
        Some(Self {
            grant: GrantId::from_bytes(bytes[4..20].try_into().ok()?),
            generation: u32::from_be_bytes(bytes[20..24].try_into().ok()?),
            bytes,
        })
    }

    /// Whether the MAC is ours, for this client and this grant's salt.
    pub fn is_authentic(&self, seals: &Seals, binding: Binding<'_>) -> bool {
        mac(seals, &self.bytes, binding)
            .is_some_and(|mac| equal_in_constant_time(&mac, &self.bytes[LENGTH - MAC..]))
    }
}

fn mac(seals: &Seals, bytes: &[u8; LENGTH], binding: Binding<'_>) -> Option<[u8; MAC]> {
    let period = u16::from_be_bytes([bytes[2], bytes[3]]);
    let client = binding.client.as_str().as_bytes();
    let length = u32::try_from(client.len()).ok()?.to_be_bytes();
    let issuer = binding.issuer.as_str().as_bytes();
    let parts = [&bytes[..LENGTH - MAC], binding.salt, &length, client, issuer];
    let mac = seals.mac(PURPOSE, bytes[1], period, &parts)?;
    mac[..MAC].try_into().ok()
}

#[cfg(test)]
mod tests {
    use keystile_protocol::seal::MasterKey;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn seals(id: u8) -> Seals {
        Seals::new("https://login.example", vec![MasterKey { id, secret: [id; 32] }])
    }

    #[test]
    fn a_refresh_token_is_bound_to_client_issuer_grant_generation_and_salt() {
        let issuer = Issuer::try_from("https://login.example").expect("good");
        let other_issuer = Issuer::try_from("https://other.example").expect("good");
        let client = ClientId::new("app").expect("good");
        let other_client = ClientId::new("other").expect("good");
        let binding = Binding { issuer: &issuer, client: &client, salt: &[7; 16] };
        let grant = GrantId::from_bytes([5; 16]);
        let token = issue(&seals(1), &grant, 3, binding, NOW).expect("issued");
        let presented = PresentedRefreshToken::parse(token.expose()).expect("its form");
        assert_eq!((presented.grant, presented.generation), (grant, 3));
        assert!(presented.is_authentic(&seals(1), binding));
        assert!(!presented.is_authentic(&seals(2), binding), "another master key");
        assert!(!presented.is_authentic(&seals(1), Binding { client: &other_client, ..binding }));
        assert!(!presented.is_authentic(&seals(1), Binding { issuer: &other_issuer, ..binding }));
        assert!(!presented.is_authentic(&seals(1), Binding { salt: &[8; 16], ..binding }));
    }

    #[test]
    fn every_altered_character_is_noticed() {
        let issuer = Issuer::try_from("https://login.example").expect("good");
        let client = ClientId::new("app").expect("good");
        let binding = Binding { issuer: &issuer, client: &client, salt: &[7; 16] };
        let grant = GrantId::from_bytes([5; 16]);
        let token = issue(&seals(1), &grant, 3, binding, NOW).expect("issued");
        for at in 0..token.expose().len() {
            let mut other = token.expose().to_owned().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).expect("ASCII");
            let good = PresentedRefreshToken::parse(&other)
                .is_some_and(|presented| presented.is_authentic(&seals(1), binding));
            assert!(!good, "at {at}");
        }
        for text in ["", "a", &"A".repeat(54), &"A".repeat(10_000)] {
            assert_eq!(PresentedRefreshToken::parse(text), None);
        }
    }
}
