//! Whether this node's clock agrees with the database's, and so with other nodes'. A code lives for
//! 60 seconds by the clock of the node that looks at it (RFC 6749 section 4.1.2 asks for a short
//! life), and has no leeway: a node whose clock is wrong refuses good ones, or takes old ones.

use std::fmt;
use std::time::Duration;

use keystile_protocol::Timestamp;

/// By how much they may differ. A code may come from as far in the future.
pub const BOUND: Duration = Duration::from_secs(5);

/// One look at the database's clock, between two at our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    /// When it was asked, by our clock.
    pub asked: Timestamp,
    /// What it said.
    pub database: Timestamp,
    /// When its answer was here, by our clock.
    pub answered: Timestamp,
}

/// How far our clock is from the database's, at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ClocksDiffer {
    by: Duration,
    ours_is_ahead: bool,
}

impl fmt::Display for ClocksDiffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, ours_is_ahead } = self;
        let (seconds, tenths) = (by.as_secs(), by.subsec_millis() / 100);
        let side = if *ours_is_ahead { "ahead of" } else { "behind" };
        write!(
            f,
            "this machine's clock is {seconds}.{tenths} s {side} the database's; they may differ by \
             {} s: is the time synchronised (NTP) on both?",
            BOUND.as_secs()
        )
    }
}

/// Whether they agree. The answer may have taken its time, so that only what differs for certain
/// counts.
pub fn agree(looked: Looked) -> Result<(), ClocksDiffer> {
    let Looked { asked, database, answered } = looked;
    // Our own may have been set back in between.
    let (first, last) = (asked.min(answered), asked.max(answered));
    let ours_is_ahead = database < first;
    let by = if ours_is_ahead { first.since(database) } else { database.since(last) };
    if by > BOUND { Err(ClocksDiffer { by, ours_is_ahead }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(NOON.millis() + millis)
    }

    #[test]
    fn finding_23_a_clock_may_differ_from_the_databases_by_five_seconds() {
        let differ = |millis, ours_is_ahead| {
            Err(ClocksDiffer { by: Duration::from_millis(millis), ours_is_ahead })
        };
        // Asked and answered by our clock, and what the database's said.
        let table = [
            ("they agree", (0, 10), 5, Ok(())),
            ("the database is ahead, within the bound", (0, 10), 5_010, Ok(())),
            ("and beyond it", (0, 10), 5_011, differ(5_001, false)),
            ("the database is behind, within the bound", (0, 10), -5_000, Ok(())),
            ("and beyond it", (0, 10), -5_001, differ(5_001, true)),
            ("by hours", (0, 10), -7_200_000, differ(7_200_000, true)),
            ("a slow answer says less", (0, 4_000), 8_000, Ok(())),
            ("a slow answer, and certain all the same", (0, 4_000), 9_500, differ(5_500, false)),
            ("ours was set back meanwhile", (3_000, -3_000), 0, Ok(())),
            ("ours was set back, and differs", (3_000, -3_000), 9_000, differ(6_000, false)),
        ];
        for (name, (asked, answered), database, expected) in table {
            let looked =
                Looked { asked: at(asked), database: at(database), answered: at(answered) };
            assert_eq!(agree(looked), expected, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let looked = Looked { asked: at(7_250), database: at(0), answered: at(7_260) };
        let words = agree(looked).expect_err("it differs").to_string();
        assert!(words.contains("7.2 s ahead of the database's"), "{words}");
    }
}
