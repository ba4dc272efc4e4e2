//! The machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use keystile_authority::ports::Clock;
use keystile_protocol::Timestamp;

/// What time it is, by this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::default().plus(since_1970)
    }
}
