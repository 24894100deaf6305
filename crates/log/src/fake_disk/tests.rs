//! That the fake disk loses exactly what a disk may lose, and no more.

use std::collections::BTreeSet;

use rand::SeedableRng;

use super::*;

fn path(name: &str) -> PathBuf {
    Path::new("/data").join(name)
}

fn disk() -> FakeDisk {
    let disk = FakeDisk::new();
    disk.create_dir_all(Path::new("/data")).unwrap();
    disk
}

fn create(disk: &FakeDisk, name: &str) -> Arc<dyn DiskFile> {
    disk.open(&path(name), OpenMode::CreateNew).unwrap()
}

fn write(file: &Arc<dyn DiskFile>, at: u64, bytes: &[u8]) {
    file.write_all_at(&[IoSlice::new(bytes)], at).unwrap();
}

/// The bytes of a file; `None` when it has no name.
fn content(disk: &FakeDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(&path(name), OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

/// What 200 crashes leave of a file.
fn outcomes(disk: &FakeDisk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    let rngs = (0..200).map(StdRng::seed_from_u64);
    rngs.map(|mut rng| content(&disk.crash(&mut rng), name)).collect()
}

#[test]
fn what_is_synced_survives_every_crash() {
    let disk = disk();
    let file = create(&disk, "f");
    write(&file, 0, &[7; 5000]);
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/data")).unwrap();
    assert_eq!(outcomes(&disk, "f"), BTreeSet::from([Some(vec![7; 5000])]));
}

#[test]
fn unsynced_pages_may_be_lost_apart_from_each_other() {
    let disk = disk();
    let file = create(&disk, "f");
    write(&file, 0, &[1; 8192]);
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/data")).unwrap();
    write(&file, 0, &[2; 8192]);
    let pages: BTreeSet<_> = outcomes(&disk, "f")
        .into_iter()
        .map(|bytes| bytes.unwrap())
        .map(|bytes| (bytes[0], bytes[4095], bytes[4096], bytes[8191]))
        .collect();
    for whole in [(1, 1, 1, 1), (1, 1, 2, 2), (2, 2, 1, 1), (2, 2, 2, 2)] {
        assert!(pages.contains(&whole), "{whole:?}");
    }
    assert!(pages.len() > 4, "some are torn: {pages:?}");
}

#[test]
fn a_name_without_its_directory_synced_may_be_lost_and_a_removal_undone() {
    let disk = disk();
    create(&disk, "kept");
    disk.sync_dir(Path::new("/data")).unwrap();
    create(&disk, "new").sync_data().unwrap();
    disk.remove(&path("kept")).unwrap();
    let both = BTreeSet::from([None, Some(vec![])]);
    assert_eq!(outcomes(&disk, "new"), both);
    assert_eq!(outcomes(&disk, "kept"), both);
}

#[test]
fn a_rename_moves_all_or_nothing() {
    let disk = disk();
    for (name, byte) in [("old", 1), ("new", 2)] {
        let file = create(&disk, name);
        write(&file, 0, &[byte]);
        file.sync_data().unwrap();
    }
    disk.sync_dir(Path::new("/data")).unwrap();
    disk.rename(&path("new"), &path("old")).unwrap();
    assert_eq!(outcomes(&disk, "old"), BTreeSet::from([Some(vec![1]), Some(vec![2])]));
}

#[test]
fn the_length_may_grow_without_the_bytes() {
    let disk = disk();
    let file = create(&disk, "f");
    disk.sync_dir(Path::new("/data")).unwrap();
    write(&file, 0, &[9; 4096]);
    let left = outcomes(&disk, "f");
    assert!(left.contains(&Some(vec![])) && left.contains(&Some(vec![0; 4096])));
    assert!(left.contains(&Some(vec![9; 4096])));
}

#[test]
fn the_explorer_goes_through_every_moment() {
    let disk = disk();
    let file = create(&disk, "f");
    write(&file, 0, &[3; 10]);
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/data")).unwrap();
    let mut explorer = disk.explore();
    let mut steps = 0;
    while explorer.step().is_some() {
        steps += 1;
        let left = content(&explorer.crash(&mut StdRng::seed_from_u64(1)), "f");
        assert!(explorer.done() == steps && (steps < 5 || left == Some(vec![3; 10])));
    }
    assert_eq!((steps, explorer.len()), (5, disk.operations()));
}

#[test]
fn the_nth_call_fails_and_a_failed_sync_never_counts() {
    let disk = disk();
    let file = create(&disk, "f");
    disk.sync_dir(Path::new("/data")).unwrap();
    disk.fail(Call::Sync, 1, EIO);
    file.sync_data().unwrap();
    write(&file, 0, &[5]);
    assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(EIO));
    file.sync_data().unwrap();
    assert!(outcomes(&disk, "f").contains(&Some(vec![0])));
}

#[test]
fn a_full_disk_stores_what_fits_and_frees_what_is_removed() {
    let disk = disk();
    let file = create(&disk, "f");
    disk.limit(6000);
    let error = file.write_all_at(&[IoSlice::new(&[1; 9000])], 0).unwrap_err();
    assert_eq!((error.raw_os_error(), file.len().unwrap()), (Some(ENOSPC), 6000));
    assert_eq!(disk.space(Path::new("/data")).unwrap(), (0, 6000));
    disk.remove(&path("f")).unwrap();
    assert_eq!(disk.space(Path::new("/data")).unwrap(), (6000, 6000));
}

/// Every content that a model's crashes now leave of a file.
fn all_left(disk: &FakeDisk, model: Model, name: &str) -> Vec<Option<Vec<u8>>> {
    let (mut explorer, mut left) = (disk.explore(), Vec::new());
    explorer.until(usize::MAX);
    let mut rng = StdRng::seed_from_u64(1);
    let whole = explorer.each_left(model, (1000, &mut rng), |one| {
        left.push(content(&one.disk, name));
        Ok::<(), ()>(())
    });
    assert_eq!(whole, Ok(true));
    left
}

#[test]
fn all_crashes_of_a_moment_are_gone_through_once() {
    let disk = disk();
    let file = create(&disk, "f");
    write(&file, 0, &[1; 2 * 4096]);
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/data")).unwrap();
    // Two sectors of one page, the first of them twice; and one of a new page.
    write(&file, 0, &[2; 512]);
    write(&file, 0, &[3; 1024]);
    write(&file, 2 * 4096, &[4; 100]);
    let any = all_left(&disk, Model::Anything, "f");
    // Of the new page: not there, there, and as long in both cases.
    assert_eq!((any.len(), BTreeSet::from_iter(&any).len()), (3 * 2 * 2 * 2, 3 * 2 * 3));
    let ordered = all_left(&disk, Model::Ordered, "f");
    assert_eq!((ordered.len(), BTreeSet::from_iter(&ordered).len()), (3 * 2 * 2, 3 * 2 * 2));
    assert!(ordered.iter().all(|left| any.contains(left)));
}

#[test]
fn names_reach_an_ordered_disk_in_their_order_and_any_disk_in_any() {
    let disk = disk();
    for name in ["a", "b"] {
        create(&disk, name).sync_data().unwrap();
    }
    let both = |model| {
        let left = all_left(&disk, model, "b").into_iter().zip(all_left(&disk, model, "a"));
        left.filter(|(b, a)| b.is_some() && a.is_none()).count()
    };
    assert_eq!((both(Model::Anything), both(Model::Ordered)), (1, 0));
}
