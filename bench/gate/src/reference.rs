//! A fixed piece of work on the bytes of events, by which processor time is told: what slows the machine down
//! slows it down as well. It stands on nothing that the service does, so that no change there moves it.

use std::hint::black_box;
use std::time::Duration;

use tidings_market::{Load, LoadOptions};

use crate::cpu_time;

const EVENTS: usize = 20_000;
const BYTES: usize = 206;

/// See the module.
pub(crate) struct Reference {
    events: Vec<u8>,
    copy: Vec<u8>,
}

impl Reference {
    pub(crate) fn new() -> Self {
        let mut load = Load::new(LoadOptions::DENSE);
        let mut events = Vec::with_capacity(EVENTS * BYTES);
        for _ in 0..EVENTS {
            events.extend_from_slice(load.next_event(tidings_event::Timestamp(0)).bytes);
        }
        Self { copy: vec![0; events.len()], events }
    }

    /// Processor time for one event: its checksum, a copy of it, a look at each of its bytes.
    pub(crate) fn run(&mut self) -> Duration {
        let before = cpu_time::used();
        let mut kept = 0u64;
        for (event, copy) in self.events.chunks(BYTES).zip(self.copy.chunks_mut(BYTES)) {
            copy.copy_from_slice(black_box(event));
            kept = kept.wrapping_add(u64::from(checksum(copy))).wrapping_add(varints(copy));
        }
        black_box(kept);
        (cpu_time::used() - before) / EVENTS as u32
    }
}

/// CRC-32C, a byte at a time: the same work on every processor.
fn checksum(bytes: &[u8]) -> u32 {
    let each = |crc: u32, &byte: &u8| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    !bytes.iter().fold(!0, each)
}

/// Reads the bytes as if they were varints.
fn varints(bytes: &[u8]) -> u64 {
    let (mut sum, mut value) = (0u64, 0u64);
    for &byte in bytes {
        value = value << 7 | u64::from(byte & 0x7F);
        if byte < 0x80 {
            sum = sum.wrapping_add(std::mem::take(&mut value));
        }
    }
    sum
}

static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use tidings_event::block::crc32c;

    use super::{Reference, checksum, varints};

    #[test]
    fn it_does_what_it_says() {
        assert_eq!(checksum(b"123456789"), crc32c(b"123456789"));
        assert_eq!(varints(&[0x81, 0x01, 0x05]), 0x81 + 5);
        assert!(Reference::new().run().as_nanos() > 0);
    }
}
