//! Leases: work that one node does at a time, and another when that one is gone.

use keystile_authority::ports::Stored;
use keystile_protocol::Timestamp;

use crate::statements::{Statements, only_number, params};

/// What there are leases for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Deleting what has expired.
    Sweep,
    /// Making keys in their time, and taking them away.
    Keys,
}

impl Work {
    const fn name(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Keys => "keys",
        }
    }
}

/// One statement: of several nodes that come at once, one has it.
const TAKE: &str = "
    INSERT INTO leases (name, holder, ends_at) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends_at = excluded.ends_at
    WHERE leases.holder = excluded.holder OR leases.ends_at <= $4
    RETURNING ends_at";

/// Takes the lease until `ends_at`, or takes it again. False: another holder has it.
pub(crate) async fn take(
    db: &mut impl Statements,
    work: Work,
    holder: &[u8; 16],
    now: Timestamp,
    ends_at: Timestamp,
) -> Stored<bool> {
    let row = params![work.name(), holder, ends_at, now];
    Ok(db.row(TAKE, row, only_number::<i64>).await?.is_some())
}
