//! Which server it is, and which stretch of its life.

/// A database cluster and its timeline. A promotion begins a new timeline; a database that was
/// restored elsewhere is in another cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) system: i64,
    pub(crate) timeline: i64,
}

impl Identity {
    /// Reads what the server says: its identifier and the name of the file that it writes its log
    /// to, which begins with the timeline in eight digits. (What `pg_control_checkpoint` says is
    /// old until the first checkpoint after a promotion.)
    pub(crate) fn read(system: Option<&str>, log_file: Option<&str>) -> Option<Self> {
        let timeline = i64::from_str_radix(log_file?.get(..8)?, 16).ok()?;
        Some(Self { system: system?.parse().ok()?, timeline })
    }

    /// Whether it is an earlier time of the same server's life: one that was primary once.
    pub(crate) fn is_before(self, other: Self) -> bool {
        self.system == other.system && self.timeline < other.timeline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeline_is_the_first_eight_digits() {
        let read = |file| Identity::read(Some("7312345678901234567"), file);
        let at = |timeline| Some(Identity { system: 7_312_345_678_901_234_567, timeline });
        assert_eq!(read(Some("000000010000000000000003")), at(1));
        assert_eq!(read(Some("0000001F0000000000000003")), at(31));
        for bad in [None, Some(""), Some("0000001"), Some("0000000x0000000000000003")] {
            assert_eq!(read(bad), None);
        }
        assert_eq!(Identity::read(None, Some("000000010000000000000003")), None);
    }
}
