//! Damage of every file is found, named and placed; a sound store is sound.

use super::*;
use crate::disk::SimDisk;
use crate::golden;

fn damages(disk: &SimDisk) -> Vec<Damage> {
    verify(disk).unwrap().damages
}

fn names(disk: &SimDisk, suffix: &str) -> Vec<String> {
    disk.list().unwrap().into_iter().filter(|name| name.ends_with(suffix)).collect()
}

#[test]
fn a_sound_store_is_read_whole_and_found_sound() {
    let disk = golden::store();
    let report = verify(&disk).unwrap();
    assert_eq!(report.damages, []);
    let engine = golden::open(&disk).unwrap();
    assert_eq!((report.samples, report.sequence), {
        let status = engine.status();
        (status.samples, status.sequence)
    });
    assert_eq!(damages(&SimDisk::new()), [], "an empty directory is no damaged store");
}

#[test]
fn a_damaged_page_is_named_with_its_tag_times_and_samples() {
    let disk = golden::store();
    let name = names(&disk, ".seg")[0].clone();
    disk.flip(&name, 164, 0);
    let found = damages(&disk);
    let [damage] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&*damage.file, damage.offset, damage.tag), (&*name, 160, Some(TagId(1))));
    assert_eq!(damage.path.as_deref(), Some("float"));
    let range = damage.range.unwrap();
    assert_eq!((range.first.nanos(), range.last.nanos(), damage.samples), (0, 1023, 1024));
}

/// Where the frames of a log file begin.
fn frames(disk: &SimDisk, name: &str) -> Vec<usize> {
    let (_, bytes) = crate::publish::read_whole(disk, name).unwrap();
    (512..bytes.len()).step_by(8).filter(|at| bytes[*at..].starts_with(b"TFRM")).collect()
}

#[test]
fn a_damaged_frame_is_a_gap_of_known_place_and_sequence_and_the_rest_is_read() {
    let disk = golden::store();
    let logs = names(&disk, ".log");
    let checkpoint = Manifest::load(&disk).unwrap().unwrap().checkpoint;
    let whole = verify(&disk).unwrap();
    let all: Vec<(&String, usize)> = logs
        .iter()
        .flat_map(|name| frames(&disk, name).into_iter().map(move |at| (name, at)))
        .collect();
    let (torn, inner) = all.split_last().unwrap();
    let mut missing = Vec::new();
    for (name, at) in inner {
        let damaged = disk.fork();
        damaged.flip(name, at + 40, 0);
        let report = verify(&damaged).unwrap();
        let [damage] = &report.damages[..] else { panic!("{name} {at}: {report:?}") };
        assert_eq!((&damage.file, damage.offset), (*name, *at as u64));
        assert_eq!(report.sequence, whole.sequence, "what follows is read");
        let sequence = damage
            .what
            .split("sequence ")
            .nth(1)
            .map(|rest| rest.trim_end_matches(" is missing").parse::<u64>().unwrap());
        missing.extend(sequence);
        assert_eq!(sequence.is_some(), report.samples < whole.samples, "{}", damage.what);
    }
    assert!(missing.iter().copied().eq(checkpoint + 1..whole.sequence), "{missing:?}");
    disk.flip(torn.0, torn.1 + 40, 0);
    assert_eq!(damages(&disk), [], "the last frame looks like one that was never synced");
}

#[test]
fn every_file_that_is_missing_is_named() {
    let disk = golden::store();
    for name in disk.list().unwrap() {
        let without = disk.fork();
        without.remove(&name).unwrap();
        let found = damages(&without);
        let last_log = names(&disk, ".log").last() == Some(&name);
        let marks = name == Naming::MARKS || Naming::spare_number(&name).is_some();
        assert_eq!(found.is_empty(), marks || last_log, "without {name}: {found:?}");
    }
}

#[test]
fn a_log_file_that_is_missing_in_the_middle_is_named_and_the_rest_is_read() {
    let disk = golden::store();
    let logs = names(&disk, ".log");
    disk.remove(&logs[0]).unwrap();
    let found = damages(&disk);
    assert!(found.iter().any(|damage| damage.file == logs[0]), "{found:?}");
}
