//! What the system's disk does with slices, names and locks.

use std::io::IoSlice;

use super::*;

#[test]
fn many_slices_are_written_whole_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    SystemDisk.create_dir_all(&path).unwrap();
    let file = SystemDisk.open(&path.join("f"), OpenMode::CreateNew).unwrap();
    let bytes: Vec<u8> = (0..5000u32).map(|i| (i % 251) as u8).collect();
    let slices: Vec<IoSlice<'_>> = bytes.chunks(2).map(IoSlice::new).collect();
    file.write_all_at(&slices, 7).unwrap();
    file.sync_data().unwrap();
    let mut got = vec![0; bytes.len()];
    file.read_exact_at(&mut got, 7).unwrap();
    assert_eq!(got, bytes);
    assert_eq!(file.len().unwrap(), 5007);
    assert_eq!(
        file.read_exact_at(&mut got, 8).unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );
    assert_eq!(SystemDisk.list(&path).unwrap(), [path.join("f")]);
}

#[test]
fn a_lock_is_exclusive_until_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("LOCK");
    let guard = SystemDisk.lock(&path).unwrap();
    let refused = SystemDisk.lock(&path).map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
    drop(guard);
    assert!(SystemDisk.lock(&path).is_ok());
}
