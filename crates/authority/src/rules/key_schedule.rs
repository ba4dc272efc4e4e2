//! When a key of the server is published, is used, and goes. Time alone moves it from one stage to
//! the next, on every node alike; what is written is its birth, and its end.
//!
//! "The signer can begin using a new key by introducing it in its JWK Set, and then signing with
//! it" (OpenID Connect Core 1.0 section 10.1.1). Who keeps our key set may keep it for as long as
//! `Cache-Control` says, so a key is in the set for longer than that before it signs.

use std::time::Duration;

use keystile_protocol::Timestamp;

use crate::decisions::KeyChange;
use crate::mint::RESPONSE_LIFETIME;
use crate::policy::Policy;
use crate::rules::logout_message::TOKEN_LIFE;

/// Clocks differ, and nodes look every other second.
const SLACK: Duration = Duration::from_secs(300);
/// What is encrypted to us is a request object or a hint that is used at once; FAPI allows request
/// objects an hour (FAPI 2.0 Message Signing section 5.3.1).
const ENCRYPTED_LIFE: Duration = Duration::from_secs(3600);
/// Keys of one algorithm at once: more are a mistake, and everybody has to fetch them.
const KEYS_AT_MOST: usize = 20;

/// How long each stage of a key lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// A new key is in the key set for this long before it is used.
    pub publish_for: Duration,
    /// A key that has been used for this long gets a successor; nothing leaves that to the operator.
    pub rotate_after: Option<Duration>,
    /// A key that is used no more stays in the key set for this long.
    pub published_for: Duration,
    /// It is still good for what comes back to us for this long.
    pub good_for: Duration,
}

impl Schedule {
    /// Of keys that sign. They are published until the last token is out of date that they signed,
    /// and good for hints, which may be older than that (OpenID Connect Core 1.0 section 3.1.2.1),
    /// until the last session of their time is over.
    pub fn signing(policy: &Policy) -> Self {
        let lives = &policy.lifetimes;
        let signed = [lives.id_token, lives.access_token, RESPONSE_LIFETIME, TOKEN_LIFE];
        let published_for = signed.into_iter().max().unwrap_or_default() + SLACK;
        Self {
            publish_for: policy.keys.publish_for,
            rotate_after: policy.keys.rotate_after,
            published_for,
            good_for: published_for.max(lives.session + SLACK),
        }
    }

    /// Of keys that decrypt. Clients may use one as soon as they see it, so that each is good at
    /// once; the one before leaves the key set when the new one has been there long enough, and
    /// decrypts for as long as somebody may still have it.
    pub fn decrypting(policy: &Policy) -> Self {
        let publish_for = policy.keys.publish_for;
        let good_for = publish_for + ENCRYPTED_LIFE + SLACK;
        Self { published_for: Duration::ZERO, good_for, ..Self::signing(policy) }
    }
}

/// A key, as far as time is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyTimes<'a> {
    /// From when on it is the one that is used.
    pub used_from: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its name.
    pub kid: &'a str,
    /// Since when it is not used although no other took its place: its algorithm is off.
    pub unused_since: Option<Timestamp>,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In the key set; signs nothing until then.
    Waiting(Timestamp),
    /// The one that signs, or that others are to encrypt to.
    Used,
    /// Used no more; in the key set until then.
    Published(Timestamp),
    /// In the key set no more; good for what comes back until then.
    Good(Timestamp),
    /// Nothing needs it.
    Over,
}

impl Stage {
    /// In the key set.
    pub fn is_public(self) -> bool {
        matches!(self, Self::Waiting(_) | Self::Used | Self::Published(_))
    }

    /// When it ends by itself.
    pub fn ends_at(self) -> Option<Timestamp> {
        match self {
            Self::Waiting(at) | Self::Published(at) | Self::Good(at) => Some(at),
            Self::Used | Self::Over => None,
        }
    }

    /// As a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting(_) => "waiting",
            Self::Used => "used",
            Self::Published(_) => "published",
            Self::Good(_) => "withdrawn",
            Self::Over => "over",
        }
    }
}

/// The stage of each key. The keys are of one algorithm, or of one type for decryption, in order.
pub fn stages(keys: &[KeyTimes<'_>], schedule: &Schedule, now: Timestamp) -> Vec<Stage> {
    // With a clock that went back the first signs before its time: somebody has to.
    let used = keys.iter().rposition(|key| key.used_from <= now).unwrap_or(0);
    let stage = |(at, key): (usize, &KeyTimes<'_>)| match keys.get(at + 1) {
        _ if at > used => Stage::Waiting(key.used_from),
        Some(next) if at < used => after(next.used_from, schedule, now),
        _ => key.unused_since.map_or(Stage::Used, |since| after(since, schedule, now)),
    };
    keys.iter().enumerate().map(stage).collect()
}

fn after(relieved_at: Timestamp, schedule: &Schedule, now: Timestamp) -> Stage {
    let withdrawn = relieved_at.plus(schedule.published_for);
    let over = relieved_at.plus(schedule.good_for);
    if now < withdrawn {
        Stage::Published(withdrawn)
    } else if now < over {
        Stage::Good(over)
    } else {
        Stage::Over
    }
}

/// Whether a key has to be made now.
pub fn is_due(keys: &[KeyTimes<'_>], schedule: &Schedule, now: Timestamp) -> bool {
    match (keys.last(), schedule.rotate_after) {
        (None, _) => true,
        (Some(newest), Some(age)) => newest.used_from.plus(age) <= now,
        (Some(_), None) => false,
    }
}

/// From when on a new key is used: the first at once, since there is no other.
pub fn used_from(keys: &[KeyTimes<'_>], schedule: &Schedule, now: Timestamp) -> Timestamp {
    if keys.is_empty() { now } else { now.plus(schedule.publish_for) }
}

/// Whether there is room for one more by the operator's word.
pub fn has_room(keys: &[KeyTimes<'_>]) -> bool {
    keys.len() < KEYS_AT_MOST
}

/// The keys that nothing needs any more are taken away.
pub fn sweep(keys: &[KeyTimes<'_>], schedule: &Schedule, now: Timestamp) -> KeyChange {
    let stages = stages(keys, schedule, now).into_iter();
    let over = keys.iter().zip(stages).filter(|(_, stage)| *stage == Stage::Over);
    KeyChange { removed: over.map(|(key, _)| key.kid.to_owned()).collect(), ..KeyChange::nothing() }
}

/// What is to be noted of a key whose algorithm the operator has switched off, or on again. A server
/// reads that once, when it starts: whoever finds the algorithm off signs nothing with the key. Where
/// two servers differ, the time is noted anew until they agree.
pub fn switched(
    kid: &str,
    stage: Stage,
    noted: Option<Timestamp>,
    is_on: bool,
    now: Timestamp,
) -> KeyChange {
    let unused_since = match noted {
        Some(_) if is_on => None,
        None if !is_on && stage == Stage::Used => Some(now),
        _ => return KeyChange::nothing(),
    };
    KeyChange { unused_since: vec![(kid.to_owned(), unused_since)], ..KeyChange::nothing() }
}

/// What becomes of a key that the operator retires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retirement {
    /// It was never used and is gone.
    NeverUsed(KeyChange),
    /// Its successor is used from now on; it stays in the key set until then, and then goes.
    HandedOver(KeyChange, Timestamp),
    /// It is used no more as it is, and goes by itself then.
    GoesByItself(Timestamp),
    /// It is gone at once, and what it signed with it. Without that it would have lived until then.
    Gone(KeyChange, Timestamp),
}

/// Why a key is not retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetireError {
    /// No such key.
    #[error("there is no key of that name")]
    Unknown,
    /// Nothing would sign.
    #[error("it is the one that is used, and no other is there to take its place")]
    NoSuccessor,
}

/// Retires the key `kid`. One that may be in other hands (`compromised`) goes at once.
pub fn retire(
    keys: &[KeyTimes<'_>],
    kid: &str,
    compromised: bool,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<Retirement, RetireError> {
    let at = keys.iter().position(|key| key.kid == kid).ok_or(RetireError::Unknown)?;
    let gone = |change| KeyChange { removed: vec![kid.to_owned()], ..change };
    let relieved = now.plus(schedule.published_for);
    Ok(match stages(keys, schedule, now)[at] {
        Stage::Waiting(_) => Retirement::NeverUsed(gone(KeyChange::nothing())),
        Stage::Used => {
            let next = keys.get(at + 1).ok_or(RetireError::NoSuccessor)?;
            let used_from = vec![(next.kid.to_owned(), now)];
            let change = KeyChange { used_from, ..KeyChange::nothing() };
            if compromised {
                Retirement::Gone(gone(change), relieved)
            } else {
                Retirement::HandedOver(change, relieved)
            }
        }
        Stage::Published(until) | Stage::Good(until) if compromised => {
            Retirement::Gone(gone(KeyChange::nothing()), until)
        }
        Stage::Published(until) | Stage::Good(until) => Retirement::GoesByItself(until),
        Stage::Over => Retirement::Gone(gone(KeyChange::nothing()), now),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000).plus(Duration::from_secs(seconds))
    }

    const SCHEDULE: Schedule = Schedule {
        publish_for: Duration::from_secs(3600),
        rotate_after: Some(Duration::from_secs(90 * DAY)),
        published_for: Duration::from_secs(900),
        good_for: Duration::from_secs(14 * DAY),
    };

    /// Keys that are used from these seconds on, made an hour before.
    fn keys(from: &[u64]) -> Vec<KeyTimes<'static>> {
        let names = ["a", "b", "c", "d"];
        let key = |(&from, kid)| KeyTimes {
            used_from: at(from),
            created_at: at(from).minus(Duration::from_secs(3600)),
            kid,
            unused_since: None,
        };
        from.iter().zip(names).map(key).collect()
    }

    #[test]
    fn core_10_1_1_a_key_is_published_before_it_signs_and_after() {
        use Stage::{Good, Over, Published, Used, Waiting};
        let day = DAY;
        let table: &[(&str, &[u64], u64, &[Stage])] = &[
            ("none", &[], 0, &[]),
            ("the first", &[0], 0, &[Used]),
            ("it has no end by itself", &[0], 1000 * day, &[Used]),
            ("one waits", &[0, 3600], 3599, &[Used, Waiting(at(3600))]),
            ("and signs", &[0, 3600], 3600, &[Published(at(4500)), Used]),
            ("tokens are still out", &[0, 3600], 4499, &[Published(at(4500)), Used]),
            ("they have expired", &[0, 3600], 4500, &[Good(at(3600 + 14 * day)), Used]),
            ("sessions too", &[0, 3600], 3600 + 14 * day, &[Over, Used]),
            (
                "two wait, one after the other",
                &[0, 3600, 4000],
                3700,
                &[Published(at(4500)), Used, Waiting(at(4000))],
            ),
            (
                "each has its own end",
                &[0, 3600, 4000],
                4600,
                &[Good(at(3600 + 14 * day)), Published(at(4900)), Used],
            ),
            ("two at once: the later counts", &[0, 0], 1, &[Published(at(900)), Used]),
            ("a clock that went back", &[100, 3600], 50, &[Used, Waiting(at(3600))]),
        ];
        for (name, from, now, expected) in table {
            assert_eq!(stages(&keys(from), &SCHEDULE, at(*now)), *expected, "{name}");
        }
    }

    #[test]
    fn a_key_whose_algorithm_is_off_goes_when_nothing_that_it_signed_is_left() {
        use Stage::{Good, Over, Published, Used, Waiting};
        let end = at(1000 + 14 * DAY);
        let table: &[(&str, &[u64], u64, &[Stage])] = &[
            ("switched off just now", &[0], 1000, &[Published(at(1900))]),
            ("what it signed is still out", &[0], 1899, &[Published(at(1900))]),
            ("it has expired", &[0], 1900, &[Good(end)]),
            ("sessions too", &[0], 1000 + 14 * DAY, &[Over]),
            ("with one that waited", &[0, 3600], 1500, &[Published(at(1900)), Waiting(at(3600))]),
        ];
        for (name, from, now, expected) in table {
            let mut keys = keys(from);
            keys[0].unused_since = Some(at(1000));
            assert_eq!(stages(&keys, &SCHEDULE, at(*now)), *expected, "{name}");
        }
        let mut last = keys(&[0]);
        last[0].unused_since = Some(at(1000));
        assert_eq!(sweep(&last, &SCHEDULE, at(1000 + 14 * DAY)).removed, ["a"]);
        // Stage, what was noted, whether the algorithm is on, and what is noted now.
        let table = [
            ("on, as ever", Used, None, true, None),
            ("switched off", Used, None, false, Some(Some(at(5)))),
            ("off for a while", Published(at(900)), Some(at(1)), false, None),
            ("off, and over", Over, Some(at(1)), false, None),
            ("on again", Used, Some(at(1)), true, Some(None)),
            ("off, and relieved before that", Published(at(900)), None, false, None),
            ("off, and waiting", Waiting(at(900)), None, false, None),
        ];
        for (name, stage, noted, is_on, expected) in table {
            let change = switched("a", stage, noted, is_on, at(5));
            let expected: Vec<_> =
                expected.map(|since| ("a".to_owned(), since)).into_iter().collect();
            assert_eq!(change.unused_since, expected, "{name}");
        }
    }

    #[test]
    fn a_successor_is_made_in_time_and_only_one() {
        let never = Schedule { rotate_after: None, ..SCHEDULE };
        let table: &[(&str, Schedule, &[u64], u64, bool)] = &[
            ("the first", SCHEDULE, &[], 0, true),
            ("the first, also without rotation", never, &[], 0, true),
            ("young", SCHEDULE, &[0], 90 * DAY - 1, false),
            ("of age", SCHEDULE, &[0], 90 * DAY, true),
            ("one waits", SCHEDULE, &[0, 90 * DAY + 3600], 90 * DAY, false),
            ("one took over", SCHEDULE, &[0, 90 * DAY + 3600], 91 * DAY, false),
            ("and is of age", SCHEDULE, &[0, 90 * DAY], 180 * DAY, true),
            ("switched off", never, &[0], 1000 * DAY, false),
        ];
        for (name, schedule, from, now, due) in table {
            assert_eq!(is_due(&keys(from), schedule, at(*now)), *due, "{name}");
        }
        assert_eq!(used_from(&[], &SCHEDULE, at(5)), at(5));
        assert_eq!(used_from(&keys(&[0]), &SCHEDULE, at(5)), at(3605));
        assert!(has_room(&keys(&[0])));
        assert!(!has_room(&keys(&[0]).repeat(20)));
    }

    #[test]
    fn what_is_over_goes_and_nothing_else() {
        let table: &[(&[u64], u64, &[&str])] = &[
            (&[0], 1000 * DAY, &[]),
            (&[0, 3600], 14 * DAY, &[]),
            (&[0, 3600], 15 * DAY, &["a"]),
            (&[0, 3600, 4000], 15 * DAY, &["a", "b"]),
        ];
        for (from, now, gone) in table {
            let change = sweep(&keys(from), &SCHEDULE, at(*now));
            assert_eq!(
                (change.removed.as_slice(), change.used_from.len()),
                (gone.iter().map(|&kid| kid.to_owned()).collect::<Vec<_>>().as_slice(), 0)
            );
        }
    }

    /// Name, keys, the one that is retired, whether it is compromised, when, and what becomes of it.
    type Retiring<'a> = (&'a str, &'a [u64], &'a str, bool, u64, Result<Retirement, RetireError>);

    #[test]
    fn a_retired_key_has_a_successor_and_a_compromised_one_goes_at_once() {
        let change = |used_from: Option<&str>, removed: &[&str], now: u64| KeyChange {
            used_from: used_from.map(|kid| (kid.to_owned(), at(now))).into_iter().collect(),
            removed: removed.iter().map(|&kid| kid.to_owned()).collect(),
            ..KeyChange::nothing()
        };
        let end = 3600 + 14 * DAY;
        let table: &[Retiring<'_>] = &[
            ("unknown", &[0], "x", true, 5, Err(RetireError::Unknown)),
            ("the last", &[0], "a", false, 5, Err(RetireError::NoSuccessor)),
            ("the last, stolen", &[0], "a", true, 5, Err(RetireError::NoSuccessor)),
            (
                "the newest has none before it",
                &[0, 9],
                "b",
                true,
                10,
                Err(RetireError::NoSuccessor),
            ),
            (
                "the next waits",
                &[0, 3600],
                "a",
                false,
                5,
                Ok(Retirement::HandedOver(change(Some("b"), &[], 5), at(905))),
            ),
            (
                "stolen",
                &[0, 3600],
                "a",
                true,
                5,
                Ok(Retirement::Gone(change(Some("b"), &["a"], 5), at(905))),
            ),
            (
                "the one that waits",
                &[0, 3600],
                "b",
                false,
                5,
                Ok(Retirement::NeverUsed(change(None, &["b"], 5))),
            ),
            ("used no more", &[0, 3600], "a", false, 3700, Ok(Retirement::GoesByItself(at(4500)))),
            (
                "used no more, stolen",
                &[0, 3600],
                "a",
                true,
                3700,
                Ok(Retirement::Gone(change(None, &["a"], 0), at(4500))),
            ),
            (
                "withdrawn, stolen",
                &[0, 3600],
                "a",
                true,
                5000,
                Ok(Retirement::Gone(change(None, &["a"], 0), at(end))),
            ),
            (
                "over",
                &[0, 3600],
                "a",
                false,
                end,
                Ok(Retirement::Gone(change(None, &["a"], 0), at(end))),
            ),
        ];
        for (name, from, kid, compromised, now, answer) in table {
            let got = retire(&keys(from), kid, *compromised, &SCHEDULE, at(*now));
            assert_eq!(got, *answer, "{name}");
        }
    }

    #[test]
    fn a_key_stays_for_the_longest_of_what_it_signed() {
        let mut policy = Policy::new("https://login.example".try_into().expect("good"));
        assert_eq!(Schedule::signing(&policy).published_for, Duration::from_secs(600 + 300));
        policy.lifetimes.access_token = Duration::from_secs(7200);
        assert_eq!(Schedule::signing(&policy).published_for, Duration::from_secs(7200 + 300));
        assert_eq!(Schedule::signing(&policy).good_for, Duration::from_secs(14 * DAY + 300));
        policy.lifetimes.session = Duration::from_secs(60);
        assert_eq!(Schedule::signing(&policy).good_for, Duration::from_secs(7200 + 300));
        let decrypting = Schedule::decrypting(&policy);
        assert_eq!(decrypting.published_for, Duration::ZERO);
        assert!(decrypting.good_for > policy.keys.publish_for + Duration::from_secs(3600));
    }
}
