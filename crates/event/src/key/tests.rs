//! The published vectors of docs/spec/key-hash.md, and the two ways of hashing agree.

use super::*;

/// `(venue, instrument, hash, partition of 16)`, as published.
const VECTORS: &[(&str, &str, u64, u32)] = &[
    ("XNAS", "AAPL", 0x1cf8_433c_8a55_6d7d, 13),
    ("XNAS", "MSFT", 0x3467_5cd5_03c5_9ea3, 3),
    ("XNYS", "IBM", 0x4754_eaf4_bc89_6e1d, 13),
    ("", "BTC-PERP", 0x04a2_ca89_297c_5d71, 1),
    ("XXXX", "BTC-PERP", 0x04a2_ca89_297c_5d71, 1),
    ("XXXX", "EUR/USD", 0xb592_e4a3_0907_92f4, 4),
    ("XCME", "6EH4", 0x5fd3_ca4b_268d_0dcb, 11),
    ("XXXX", "A:B", 0x7a04_7044_c0ce_1fd1, 1),
    ("XXXX", "é", 0x68fa_2341_14c9_4f46, 6),
];

#[test]
fn the_published_vectors() {
    for &(venue, instrument, hash, partition) in VECTORS {
        let key = KeyHash::of_instrument(venue, instrument);
        assert_eq!((key, key.partition(16).0), (KeyHash(hash), partition), "{venue} {instrument}");
    }
    let key = KeyHash::of_matrix("sp500-30d");
    assert_eq!((key, key.partition(16).0), (KeyHash(0x8b0e_be15_9890_c21f), 15));
}

#[test]
fn a_long_key_hashes_like_a_short_one() {
    let long = "x".repeat(200);
    let whole = [b"XNAS".as_slice(), &[SEPARATOR], long.as_bytes()].concat();
    assert_eq!(KeyHash::of_instrument("XNAS", &long), KeyHash(xxh3_64(&whole)));
    let short = [b"XXXX".as_slice(), &[SEPARATOR], b"AAPL"].concat();
    assert_eq!(KeyHash::of_instrument("", "AAPL"), KeyHash(xxh3_64(&short)));
}

#[test]
fn one_partition_holds_everything() {
    assert_eq!(KeyHash(u64::MAX).partition(1), PartitionId(0));
    assert_eq!(KeyHash(7).partition(0), PartitionId(0));
}
