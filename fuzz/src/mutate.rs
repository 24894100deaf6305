//! Inputs that are almost right: good ones, cut, spliced and bent.

use rand::rngs::StdRng;
use rand::{Rng, RngExt};

/// Inputs grow no further than this.
const BYTES_MAX: usize = 64 << 10;

/// Pieces that mean something to one parser or another.
const WORDS: &[&[u8]] = &[
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"[[",
    b"{\"",
    b"\\u0000",
    b"\\ud800",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\0",
    b"-0",
    b"1e400",
    b"9007199254740993",
    b"NaN",
    b"\"\"",
    b",",
    b":",
    b"/",
    b"**",
    b"..",
    b"-",
    b"%2f",
    b"\r\n",
    b"\xe2\x80\xae",
    b"\x0a\x00",
    b"\x0a\xff\xff\xff\x7f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"2026-02-30T25:61:61Z",
    b"1mo",
    b"p1-0-0-0-0",
    b"id",
    b"kind",
];

/// Makes inputs out of a corpus.
#[derive(Debug)]
pub struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
}

impl<'a> Mutator<'a> {
    /// Mutations of these; of nothing when there are none.
    #[must_use]
    pub fn new(corpus: &'a [Vec<u8>]) -> Self {
        Self { corpus }
    }

    /// Writes a new input: one of the corpus, bent so many times.
    pub fn make(&mut self, rng: &mut StdRng, steps: usize, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.pick(rng));
        for _ in 0..steps {
            self.bend(rng, out);
        }
        out.truncate(BYTES_MAX);
    }

    fn pick(&self, rng: &mut StdRng) -> &'a [u8] {
        if self.corpus.is_empty() {
            return &[];
        }
        &self.corpus[rng.random_range(0..self.corpus.len())]
    }

    fn bend(&self, rng: &mut StdRng, out: &mut Vec<u8>) {
        let at = rng.random_range(0..=out.len());
        let end = rng.random_range(at..=out.len().min(at + 64));
        match rng.random_range(0..9) {
            0 if at < out.len() => out[at] ^= 1 << rng.random_range(0..8),
            1 if at < out.len() => out[at] = rng.random(),
            2 => out.truncate(at),
            3 => drop(out.drain(at..end)),
            4 => insert(out, at, WORDS[rng.random_range(0..WORDS.len())]),
            5 => {
                let copy = out[at..end].to_vec();
                let to = rng.random_range(0..=out.len());
                insert(out, to, &copy);
            }
            6 => {
                let other = self.pick(rng);
                let from = rng.random_range(0..=other.len());
                out.truncate(at);
                out.extend_from_slice(&other[from..]);
            }
            7 => {
                let mut noise = [0; 8];
                rng.fill_bytes(&mut noise);
                insert(out, at, &noise[..rng.random_range(1..=8)]);
            }
            _ => out[at..end].fill(rng.random()),
        }
    }
}

fn insert(out: &mut Vec<u8>, at: usize, piece: &[u8]) {
    drop(out.splice(at..at, piece.iter().copied()));
}
