//! Backups: exact, incremental, refused when damaged, and of no effect on the store.

use std::sync::Arc;

use tacitus_model::{Kind, TagId};

use super::*;
use crate::clock::FixedClock;
use crate::disk::SimDisk;
use crate::engine::Engine;
use crate::golden::{self, Rows};

fn back_up(engine: &Engine, to: &SimDisk) -> BackupReport {
    engine.backup(to, BackupOptions::default()).unwrap()
}

fn restored(from: &SimDisk, generation: Option<u64>) -> Result<(SimDisk, RestoreReport), Error> {
    let disk = SimDisk::new();
    let to: Arc<dyn Disk> = Arc::new(disk.clone());
    let report = restore(from, &to, RestoreOptions { generation, log_file_bytes: 4096 })?;
    Ok((disk, report))
}

fn rows_of(disk: &SimDisk) -> Rows {
    golden::rows(&golden::open(disk).unwrap()).unwrap()
}

fn append(engine: &Engine, first: i64) {
    engine.commit(&[golden::batch(TagId(1), Kind::Float, first..first + 50)]).unwrap();
}

#[test]
fn a_restored_backup_holds_exactly_what_was_there_at_its_sequence() {
    let engine = golden::open(&golden::store()).unwrap();
    let (to, then) = (SimDisk::new(), golden::rows(&engine).unwrap());
    let report = back_up(&engine, &to);
    append(&engine, 9000);
    assert_eq!(report.sequence + 1, engine.status().sequence);
    let (disk, restored) = restored(&to, None).unwrap();
    assert_eq!((restored.sequence, restored.files), (report.sequence, report.files));
    let copy = golden::open(&disk).unwrap();
    assert_eq!(copy.status().sequence, report.sequence);
    assert_eq!(golden::rows(&copy).unwrap(), then);
    append(&copy, 9000);
    assert_eq!(copy.status().sequence, report.sequence + 1, "the copy goes on where it ends");
}

#[test]
fn a_second_backup_copies_only_what_is_new() {
    let engine = golden::open(&golden::store()).unwrap();
    let to = SimDisk::new();
    let first = back_up(&engine, &to);
    assert_eq!(first.files_copied, first.files);
    let same = back_up(&engine, &to);
    assert_eq!((same.files_copied, same.sequence), (0, first.sequence));
    append(&engine, 9000);
    let third = back_up(&engine, &to);
    assert_eq!((third.files, third.files_copied), (first.files + 1, 1));
    assert_eq!(to.list().unwrap().len() as u64, third.files + 1, "one list, no leftovers");
    let (disk, _) = restored(&to, None).unwrap();
    assert_eq!(rows_of(&disk), golden::rows(&engine).unwrap());
}

#[test]
fn files_are_shared_where_the_directory_is_on_the_same_medium_and_copied_where_asked() {
    let disk = golden::store();
    let engine = golden::open(&disk).unwrap();
    for (links, linked) in [(true, true), (false, false)] {
        let to = disk.folder(&format!("backup-{links}"));
        let report = engine.backup(&to, BackupOptions { links, generations: 1 }).unwrap();
        assert_eq!(report.files_linked, if linked { report.files } else { 0 });
        assert_eq!(report.files_copied, if linked { 0 } else { report.files });
        let (copy, _) = restored(&to, None).unwrap();
        assert_eq!(rows_of(&copy), golden::rows(&engine).unwrap());
    }
}

#[test]
fn older_backups_stay_as_many_as_asked_for_and_can_be_restored() {
    let engine = golden::open(&golden::store()).unwrap();
    let to = SimDisk::new();
    let mut states = Vec::new();
    for round in 0..4 {
        append(&engine, 9000 + round * 100);
        let options = BackupOptions { generations: 2, ..BackupOptions::default() };
        let report = engine.backup(&to, options).unwrap();
        states.push((report.generation, golden::rows(&engine).unwrap()));
    }
    for (generation, rows) in &states[2..] {
        assert_eq!(rows_of(&restored(&to, Some(*generation)).unwrap().0), *rows);
    }
    assert!(restored(&to, Some(states[1].0)).is_err(), "it was dropped");
}

#[test]
fn every_damaged_bit_of_a_backup_is_refused_and_found() {
    let engine = golden::open(&golden::store()).unwrap();
    let to = SimDisk::new();
    back_up(&engine, &to);
    for name in to.list().unwrap() {
        let size = usize::try_from(to.open(&name).unwrap().size().unwrap()).unwrap();
        for at in 0..size {
            let damaged = to.fork();
            damaged.flip(&name, at, u8::try_from(at % 8).unwrap());
            let refused = restored(&damaged, None).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Corrupt, "{name} {at}: {refused}");
            if at % 16 == 0 {
                let report = crate::verify::verify(&damaged).unwrap();
                assert_eq!(report.damages[0].file, name, "{at}");
            }
        }
    }
    assert_eq!(crate::verify::verify(&to).unwrap().damages, []);
}

#[test]
fn a_backup_with_a_missing_file_is_refused() {
    let engine = golden::open(&golden::store()).unwrap();
    let to = SimDisk::new();
    back_up(&engine, &to);
    for name in to.list().unwrap() {
        let damaged = to.fork();
        damaged.remove(&name).unwrap();
        assert!(restored(&damaged, None).is_err(), "without {name}");
    }
}

#[test]
fn a_store_is_not_restored_over_anything() {
    let engine = golden::open(&golden::store()).unwrap();
    let from = SimDisk::new();
    back_up(&engine, &from);
    let notes = SimDisk::new();
    drop(notes.create("notes.txt").unwrap());
    for disk in [golden::store(), notes] {
        let names = disk.list().unwrap();
        let to: Arc<dyn Disk> = Arc::new(disk.clone());
        let options = RestoreOptions { generation: None, log_file_bytes: 4096 };
        assert_eq!(restore(&from, &to, options).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(disk.list().unwrap(), names);
    }
}

#[test]
fn a_damaged_store_is_not_backed_up_and_the_former_backup_stays() {
    let disk = golden::store();
    let to = SimDisk::new();
    let engine = golden::open(&disk).unwrap();
    back_up(&engine, &to);
    let then = golden::rows(&engine).unwrap();
    append(&engine, 9000);
    engine.seal().unwrap();
    let newest = disk
        .list()
        .unwrap()
        .into_iter()
        .rfind(|name| Naming::segment_number(name).is_some())
        .unwrap();
    disk.flip(&newest, 164, 3);
    let refused = engine.backup(&to, BackupOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert_eq!(rows_of(&restored(&to, None).unwrap().0), then);
}

#[test]
fn rot_in_a_file_that_was_backed_up_before_does_not_reach_the_backup() {
    let disk = golden::store();
    let to = SimDisk::new();
    let engine = golden::open(&disk).unwrap();
    back_up(&engine, &to);
    let then = golden::rows(&engine).unwrap();
    let oldest = disk
        .list()
        .unwrap()
        .into_iter()
        .find(|name| Naming::segment_number(name).is_some())
        .unwrap();
    disk.flip(&oldest, 164, 3);
    back_up(&engine, &to);
    assert_eq!(rows_of(&restored(&to, None).unwrap().0), then);
}

#[test]
fn directories_of_something_else_are_refused() {
    let engine = golden::open(&golden::store()).unwrap();
    let refuse = |to: &SimDisk| engine.backup(to, BackupOptions::default()).unwrap_err().kind();
    assert_eq!(refuse(&golden::store()), ErrorKind::Invalid, "a store");
    let to = SimDisk::new();
    back_up(&engine, &to);
    let other = Engine::open(
        crate::engine::Parts {
            disk: Arc::new(SimDisk::new()),
            clock: Arc::new(FixedClock::default()),
            chance: Arc::new(crate::chance::SeededChance::new(9)),
        },
        golden::settings(),
    );
    let refused = other.unwrap().backup(&to, BackupOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "the backup of another store");
}

#[test]
fn a_copy_that_went_its_own_way_needs_a_directory_of_its_own() {
    let engine = golden::open(&golden::store()).unwrap();
    let to = SimDisk::new();
    back_up(&engine, &to);
    let copy = golden::open(&restored(&to, None).unwrap().0).unwrap();
    append(&engine, 9000);
    append(&copy, 8000);
    back_up(&engine, &to);
    let refused = copy.backup(&to, BackupOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert_eq!(rows_of(&restored(&to, None).unwrap().0), golden::rows(&engine).unwrap());
}

#[test]
fn a_restored_store_deletes_nothing_for_its_age_until_the_clock_is_confirmed() {
    let engine = golden::open(&golden::store()).unwrap();
    let to = SimDisk::new();
    back_up(&engine, &to);
    let (disk, _) = restored(&to, None).unwrap();
    let year_later = Timestamp::from_nanos(365 * 24 * 3_600_000_000_000);
    let copy = golden::open_at(&disk, &Arc::new(FixedClock::at(year_later))).unwrap();
    assert!(copy.clock_suspect());
    copy.confirm_clock().unwrap();
    assert_eq!(copy.retention_now(), Some(year_later));
}
