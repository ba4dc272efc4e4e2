//! Numbers that look random and are the same for the same seed (splitmix64), for drawing alone.

pub(super) struct Random(u64);

impl Random {
    /// FNV-1a over the parts.
    pub(super) fn seeded(parts: &[&str]) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in parts.iter().flat_map(|part| part.bytes().chain([0])) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(hash)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly between the two.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        let top = u16::try_from(self.next() >> 48).unwrap_or(0);
        low + (high - low) * f32::from(top) / f32::from(u16::MAX)
    }

    /// One of them. The slice is not empty.
    pub(super) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let len = u64::try_from(all.len()).unwrap_or(1).max(1);
        &all[usize::try_from(self.next() % len).unwrap_or(0)]
    }

    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.between(0.0, 1.0) < probability
    }
}
