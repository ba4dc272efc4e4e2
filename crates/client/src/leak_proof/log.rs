use std::io::{self, Write};

use super::leak::Place;
use super::proof::{Allowed, LeakProof, Watch};

/// Of a line with a secret in it, that many bytes at most are shown, from its beginning.
const SHOWN_AT_MOST: usize = 120;

/// Writes a log on, and watches it: see [`LeakProof::log`].
pub struct WatchedLog<W> {
    proof: LeakProof,
    inner: W,
    watch: Watch,
    /// How the line begins that is being written.
    line: Vec<u8>,
    number: u64,
}

impl<W> WatchedLog<W> {
    pub(super) fn new(proof: LeakProof, inner: W) -> Self {
        let watch = Watch::new(proof.clone(), Allowed::Nowhere);
        let number = proof.lines_written(0);
        Self { proof, inner, watch, line: Vec::new(), number }
    }

    fn look(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let room = SHOWN_AT_MOST - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            let (number, line) = (self.number, &self.line);
            // What stands before the first secret has none in it.
            self.watch.feed(piece, |at| {
                let shown = usize::try_from(at).unwrap_or(SHOWN_AT_MOST).min(line.len());
                let beginning = String::from_utf8_lossy(&line[..shown]).into_owned();
                Place::Log { line: number, beginning }
            });
            if piece.ends_with(b"\n") {
                self.watch.begin_again();
                self.line.clear();
                self.number = self.proof.lines_written(1);
            }
        }
    }
}

impl<W: Write> Write for WatchedLog<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.look(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
