//! Whether a master key is still needed: for what is kept under it, or for what is out in the
//! world and comes back.

use std::time::Duration;

use keystile_protocol::Timestamp;

use crate::policy::Lifetimes;

/// Nodes note so often that they make new things with a master key.
pub const NOTED_EVERY: Duration = Duration::from_secs(3600);

/// What the store knows about a master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMasterKey {
    /// Its id.
    pub id: u8,
    /// By which processes see that they have the same; see `MasterKeys::proof`.
    pub proof: [u8; 32],
    /// When something was last made with it, up to [`NOTED_EVERY`] too early; nothing: it never
    /// was.
    pub sealed_at: Option<Timestamp>,
}

/// What a master key is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It makes new things.
    Seals,
    /// That many keys in the store are encrypted under it.
    KeysAtRest(usize),
    /// Refresh tokens, or at first codes and waiting logins, that were made with it may come back
    /// until then.
    Outstanding(Timestamp),
    /// Nothing.
    Nothing,
}

/// What the key is needed for. `seals`: it is the first. `kept`: keys at rest under it.
pub fn need(
    sealed_at: Option<Timestamp>,
    seals: bool,
    kept: usize,
    lifetimes: &Lifetimes,
    now: Timestamp,
) -> Need {
    match sealed_at {
        _ if seals => Need::Seals,
        _ if kept > 0 => Need::KeysAtRest(kept),
        Some(sealed_at) if now < outstanding_until(sealed_at, lifetimes) => {
            Need::Outstanding(outstanding_until(sealed_at, lifetimes))
        }
        _ => Need::Nothing,
    }
}

fn outstanding_until(sealed_at: Timestamp, lifetimes: &Lifetimes) -> Timestamp {
    let lives = [
        lifetimes.refresh,
        lifetimes.access_token,
        lifetimes.id_token,
        lifetimes.page,
        lifetimes.backchannel_request,
        lifetimes.device_code,
    ];
    let longest = lives.into_iter().max().unwrap_or_default();
    sealed_at.plus(NOTED_EVERY).plus(longest)
}

/// The id of a new key: the lowest that nobody has used.
pub fn new_id(used: impl IntoIterator<Item = u8>) -> Option<u8> {
    let mut free = [true; 256];
    for id in used {
        free[usize::from(id)] = false;
    }
    (1..=u8::MAX).chain([0]).find(|id| free[usize::from(*id)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn finding_6_an_old_key_is_needed_for_as_long_as_a_refresh_token_lives() {
        let lifetimes = Lifetimes::default();
        let end = 3600 + lifetimes.refresh.as_secs();
        let table = [
            ("the first", Some(at(0)), true, 0, end, Need::Seals),
            ("the first, new", None, true, 0, 0, Need::Seals),
            ("keys under it", Some(at(0)), false, 4, 2 * end, Need::KeysAtRest(4)),
            ("just replaced", Some(at(0)), false, 0, 0, Need::Outstanding(at(end))),
            ("tokens still live", Some(at(0)), false, 0, end - 1, Need::Outstanding(at(end))),
            ("none lives", Some(at(0)), false, 0, end, Need::Nothing),
            ("never used", None, false, 0, 0, Need::Nothing),
        ];
        for (name, sealed_at, seals, kept, now, expected) in table {
            assert_eq!(need(sealed_at, seals, kept, &lifetimes, at(now)), expected, "{name}");
        }
    }

    #[test]
    fn an_id_is_not_used_twice() {
        assert_eq!(new_id([]), Some(1));
        assert_eq!(new_id([1, 2, 4]), Some(3));
        assert_eq!(new_id(1..=255), Some(0));
        assert_eq!(new_id(0..=255), None);
    }
}
