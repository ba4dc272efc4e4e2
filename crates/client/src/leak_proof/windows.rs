//! Eight bytes at a time of a stream, as it stands and as it is once decoded.

/// A byte of a text, and where in the stream it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) byte: u8,
    pub(super) at: u64,
    /// Whether it stood there as an escape.
    pub(super) unescaped: bool,
}

/// Eight bytes, the last in the lowest place, and where the first of them begins.
pub(super) type Run = (u64, u64);

impl Symbol {
    pub(super) const fn new(byte: u8, at: u64) -> Self {
        Self { byte, at, unescaped: false }
    }
}

/// Where the last symbols began.
#[derive(Clone, Copy, Default)]
struct Starts {
    at: [u64; 16],
    count: usize,
}

impl Starts {
    fn push(&mut self, at: u64) {
        self.at[self.count % 16] = at;
        self.count += 1;
    }

    /// Where the one began that is so many before the next; nothing if there were not so many.
    fn before(&self, many: usize) -> Option<u64> {
        Some(self.at[self.count.checked_sub(many)? % 16])
    }
}

/// The bytes as they are.
#[derive(Clone, Copy, Default)]
pub(super) struct Bytes {
    register: u64,
    starts: Starts,
    /// How many of the coming runs have something unescaped in them.
    unescaped: usize,
}

impl Bytes {
    pub(super) fn push(&mut self, symbol: Symbol) -> Option<Run> {
        self.register = self.register << 8 | u64::from(symbol.byte);
        self.starts.push(symbol.at);
        self.starts.before(8).map(|at| (self.register, at))
    }

    /// The same, but for runs that stood there without an escape: those were looked at before.
    pub(super) fn push_unescaped(&mut self, symbol: Symbol) -> Option<Run> {
        let run = self.push(symbol);
        self.unescaped = if symbol.unescaped { 8 } else { self.unescaped };
        let new = self.unescaped > 0;
        self.unescaped = self.unescaped.saturating_sub(1);
        run.filter(|_| new)
    }
}

/// Base64 and base64url (RFC 4648 sections 4 and 5), wherever in it the secret begins.
#[derive(Clone, Copy, Default)]
pub(super) struct Base64 {
    register: u128,
    starts: Starts,
}

impl Base64 {
    /// A character ends up to three bytes, by where the first of its text stood. Eight bytes that
    /// end with its last bit, two before or four before need so many characters.
    const ENDS: [(u32, usize); 3] = [(0, 11), (2, 11), (4, 12)];

    pub(super) fn push(&mut self, symbol: Symbol) -> [Option<Run>; 3] {
        let Some(sextet) = sextet(symbol.byte) else {
            // Lines of PEM and of mail go on.
            if !matches!(symbol.byte, b'\r' | b'\n') {
                *self = Self::default();
            }
            return [None; 3];
        };
        self.register = self.register << 6 | u128::from(sextet);
        self.starts.push(symbol.at);
        Self::ENDS.map(|(unused, characters)| {
            let run = low_half(self.register >> unused);
            self.starts.before(characters).map(|at| (run, at))
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
pub(super) const fn low_half(wide: u128) -> u64 {
    wide as u64
}

const fn sextet(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Hexadecimal digits.
#[derive(Clone, Copy, Default)]
pub(super) struct Hexadecimal {
    register: u64,
    starts: Starts,
}

impl Hexadecimal {
    pub(super) fn push(&mut self, symbol: Symbol) -> Option<Run> {
        let Some(digit) = char::from(symbol.byte).to_digit(16) else {
            *self = Self::default();
            return None;
        };
        self.register = self.register << 4 | u64::from(digit);
        self.starts.push(symbol.at);
        self.starts.before(16).map(|at| (self.register, at))
    }
}

/// Numbers with commas between them, as `Debug` and JSON show bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Numbers {
    register: u64,
    starts: Starts,
    current: Option<(u16, u64)>,
}

impl Numbers {
    pub(super) fn push(&mut self, symbol: Symbol) -> Option<Run> {
        match (symbol.byte, self.current) {
            (digit @ b'0'..=b'9', current) => {
                let (number, at) = current.unwrap_or((0, symbol.at));
                let number = number.saturating_mul(10).saturating_add((digit - b'0').into());
                self.current = Some((number, at));
                None
            }
            (b' ' | b'\n', None) => None,
            (b',' | b']', Some((number, at))) if number <= 0xff => {
                self.current = None;
                self.register = self.register << 8 | u64::from(number);
                self.starts.push(at);
                self.starts.before(8).map(|at| (self.register, at))
            }
            _ => {
                *self = Self::default();
                None
            }
        }
    }
}
