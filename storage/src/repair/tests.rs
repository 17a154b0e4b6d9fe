//! Damage costs what is damaged and nothing else, and the report says what that was.

#![expect(clippy::print_stdout, reason = "the counts are part of what the run shows")]

use std::collections::BTreeMap;

use tacitus_model::TagId;

use super::*;
use crate::chance::{Chance, SeededChance};
use crate::disk::{SimDisk, SimFaults, Survival};
use crate::golden::{self, Rows};
use crate::planted::plant;

const SALVAGE: RepairOptions = RepairOptions { salvage: true, log_file_bytes: 4096 };
const PLAIN: RepairOptions = RepairOptions { salvage: false, log_file_bytes: 4096 };

fn run(disk: &SimDisk, options: RepairOptions) -> Result<RepairReport, Error> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    repair(&disk, options)
}

fn rows_of(disk: &SimDisk) -> Rows {
    golden::rows(&golden::open(disk).unwrap()).unwrap()
}

fn names(disk: &SimDisk, own: fn(&str) -> Option<u64>) -> Vec<String> {
    disk.list().unwrap().into_iter().filter(|name| own(name).is_some()).collect()
}

/// What is in `before` and not in `after`; nothing else may differ.
fn lost(before: &Rows, after: &Rows) -> Result<Rows, String> {
    for (key, row) in after {
        if before.get(key) != Some(row) {
            return Err(format!("{key:?} has {row:?}, which was never there"));
        }
    }
    let gone = before.iter().filter(|(key, _)| !after.contains_key(key));
    Ok(gone.map(|(key, row)| (*key, row.clone())).collect())
}

/// Where a damage lies and what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cost {
    Harmless,
    Nothing,
    Pages,
    Frame,
    Table,
}

/// Damages a store in one place, repairs it, and compares the loss with the report.
fn damage_and_repair(
    store: &SimDisk,
    before: &Rows,
    chance: &SeededChance,
) -> Result<Cost, String> {
    let disk = store.fork();
    let files = disk.list().unwrap();
    let name = &files[usize::try_from(chance.next_u64()).unwrap() % files.len()];
    let size = disk.open(name).unwrap().size().unwrap();
    let at = usize::try_from(chance.next_u64() % size).unwrap();
    disk.flip(name, at, u8::try_from(chance.next_u64() % 8).unwrap());
    let report = run(&disk, SALVAGE).map_err(|error| format!("{name} {at}: {error}"))?;
    let lost = lost(before, &rows_of(&disk)).map_err(|what| format!("{name} {at}: {what}"))?;
    let fail = |what: &str| Err(format!("{name} {at}: {what}: {report:?}; lost {}", lost.len()));
    if !report.after.damages.is_empty() {
        return fail("it is still damaged");
    }
    if report.found.is_empty() {
        // The last frame of a log cannot be told from one that was never synced.
        let torn = Naming::log_number(name).is_some() && lost.len() <= 150;
        return if lost.is_empty() || torn { Ok(Cost::Harmless) } else { fail("unreported loss") };
    }
    if lost.is_empty() {
        return Ok(Cost::Nothing);
    }
    if Naming::log_number(name).is_some() {
        return if lost.len() <= 150 { Ok(Cost::Frame) } else { fail("more than a frame") };
    }
    let inside = |(tag, ts): &(u32, i64)| {
        report.found.iter().any(|damage| {
            damage.tag == Some(TagId(*tag))
                && damage.range.is_some_and(|range| range.contains(timestamp(*ts)))
        })
    };
    if lost.keys().all(inside) {
        let said: u64 = report.found.iter().map(|damage| damage.samples).sum();
        let fits = report.samples_lost == said && lost.len() as u64 <= said;
        return if fits { Ok(Cost::Pages) } else { fail("it does not say how many are lost") };
    }
    // The tables around the pages: what they lead to is lost with them, in this file alone.
    let table = |damage: &Damage| damage.file == *name && damage.tag.is_none();
    let known = report.samples_lost == 0 || lost.len() as u64 <= report.samples_lost;
    if known && report.found.iter().any(table) {
        return Ok(Cost::Table);
    }
    fail("a loss outside of what is damaged")
}

fn timestamp(ns: i64) -> tacitus_model::Timestamp {
    tacitus_model::Timestamp::from_nanos(ns)
}

/// A thousand damages, each in a store of its own.
fn thousand() -> Result<BTreeMap<Cost, u32>, String> {
    let store = golden::store();
    let before = rows_of(&store.fork());
    let chance = SeededChance::new(21);
    let mut costs = BTreeMap::new();
    for _ in 0..1000 {
        let cost = damage_and_repair(&store, &before, &chance)?;
        *costs.entry(cost).or_default() += 1;
    }
    Ok(costs)
}

#[test]
fn a_thousand_damages_cost_what_is_damaged_and_are_reported() {
    let costs = thousand().unwrap();
    println!("a thousand damages: {costs:?}");
    assert!(costs[&Cost::Pages] > 30, "{costs:?}");
    assert!(costs[&Cost::Frame] > 50, "{costs:?}");
}

#[test]
fn a_repair_that_forgets_a_tag_is_found() {
    plant(Some(Bug::ForgetTag));
    let found = thousand();
    plant(None);
    assert!(found.is_err(), "{found:?}");
}

#[test]
fn a_sound_store_is_left_alone() {
    let disk = golden::store();
    let names = disk.list().unwrap();
    let report = run(&disk, SALVAGE).unwrap();
    assert_eq!((report.written.len(), report.put_aside.len()), (0, 0));
    assert_eq!(disk.list().unwrap(), names);
}

#[test]
fn a_lost_or_damaged_manifest_is_made_up_and_nothing_is_lost() {
    let store = golden::store();
    let before = rows_of(&store.fork());
    let name = names(&store, Naming::manifest_number)[0].clone();
    let (missing, damaged) = (store.fork(), store.fork());
    missing.remove(&name).unwrap();
    damaged.flip(&name, 50, 2);
    for disk in [missing, damaged] {
        assert_eq!(golden::open(&disk).unwrap_err().kind(), ErrorKind::Corrupt);
        let report = run(&disk, PLAIN).unwrap();
        assert_eq!(report.after.damages, []);
        assert_eq!(rows_of(&disk), before);
    }
}

#[test]
fn a_manifest_is_not_made_up_where_segments_contradict_each_other() {
    let disk = golden::store();
    let files = names(&disk, Naming::segment_number);
    disk.remove(&names(&disk, Naming::manifest_number)[0]).unwrap();
    for part in frame_of(&disk, &files[0]) {
        disk.flip(&files[0], part.start + 20, 1);
    }
    let listed = disk.list().unwrap();
    assert_eq!(run(&disk, SALVAGE).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(disk.list().unwrap(), listed);
}

#[test]
fn a_gap_in_the_log_is_salvaged_only_when_asked_for_and_costs_its_frame() {
    let disk = golden::store();
    let before = rows_of(&disk.fork());
    // The second frame of the last but one file, behind everything sealed.
    let logs = names(&disk, Naming::log_number);
    let name = &logs[logs.len() - 3];
    let (_, bytes) = crate::publish::read_whole(&disk, name).unwrap();
    let mut places = (512..bytes.len()).step_by(8);
    let at = places.rfind(|at| bytes[*at..].starts_with(b"TFRM")).unwrap();
    disk.flip(name, at + 40, 0);
    let listed = disk.list().unwrap();
    let refused = run(&disk, PLAIN).unwrap_err();
    assert_eq!((refused.kind(), disk.list().unwrap()), (ErrorKind::Corrupt, listed));
    assert!(refused.hint().contains("--salvage"));
    let report = run(&disk, SALVAGE).unwrap();
    assert_eq!(report.after.damages, []);
    let lost = lost(&before, &rows_of(&disk)).unwrap();
    assert_eq!(lost.len(), 150, "one frame of 150 samples");
    assert_eq!(golden::open(&disk).unwrap().status().sequence, report.after.sequence);
    let again = golden::open(&disk).unwrap();
    again.commit(&[golden::batch(TagId(1), tacitus_model::Kind::Float, 9000..9010)]).unwrap();
}

#[test]
fn lost_definitions_get_stand_ins_and_no_sample_is_lost() {
    let disk = golden::store();
    let before = rows_of(&disk.fork());
    disk.flip(&names(&disk, Naming::catalog_number)[0], 60, 0);
    assert_eq!(run(&disk, PLAIN).unwrap_err().kind(), ErrorKind::Corrupt);
    run(&disk, SALVAGE).unwrap();
    assert_eq!(rows_of(&disk), before);
    let engine = golden::open(&disk).unwrap();
    assert!(engine.catalog().find("lost/tag-1").is_some());
    assert!(engine.catalog().find("late").is_some(), "what is defined elsewhere stays");
}

#[test]
fn a_repair_that_is_cut_off_anywhere_is_completed_by_the_next() {
    let store = golden::store();
    for name in store.list().unwrap() {
        let damaged = store.fork();
        damaged.flip(&name, 600, 0);
        let whole = damaged.fork();
        let first = whole.operations();
        if run(&whole, SALVAGE).unwrap().found.is_empty() {
            continue;
        }
        let wanted = rows_of(&whole.fork());
        for at in first + 1..=whole.operations() {
            for mask in [0, 1, u64::MAX, 0x5555_5555, 0xAAAA_AAAA] {
                let disk = damaged.fork();
                disk.set_faults(SimFaults { dies_at: Some(at), ..SimFaults::default() });
                assert!(run(&disk, SALVAGE).is_err());
                let keeps = |unit: usize| mask >> (unit % 64) & 1 == 1;
                let fate = |unit| if keeps(unit) { Survival::Kept } else { Survival::Lost };
                let survivor = disk.crash(fate);
                let report = run(&survivor, SALVAGE).unwrap();
                assert_eq!(report.after.damages, [], "{name} cut at {at}");
                assert_eq!(rows_of(&survivor), wanted, "{name} cut at {at}");
            }
        }
    }
}

#[test]
fn a_damaged_record_of_changes_is_named_and_given_up_only_if_asked() {
    let disk = golden::store();
    let engine = golden::open(&disk).unwrap();
    let range = tacitus_model::TimeRange { first: timestamp(0), last: timestamp(2005) };
    engine.delete(&[TagId(1)], range, "anna", "test").unwrap();
    engine.seal().unwrap();
    drop(engine);
    let before = rows_of(&disk);
    let [name] = &names(&disk, Naming::audit_number)[..] else { panic!("one audit file") };
    let size = disk.open(name).unwrap().size().unwrap();
    for at in 0..usize::try_from(size).unwrap() {
        let damaged = disk.fork();
        damaged.flip(name, at, 3);
        let found = verify(&damaged).unwrap().damages;
        assert!(found.iter().any(|damage| damage.file == *name), "byte {at}");
        assert_eq!(run(&damaged, PLAIN).unwrap_err().kind(), ErrorKind::Corrupt, "byte {at}");
        let report = run(&damaged, SALVAGE).unwrap();
        assert_eq!(report.put_aside, [Naming::bad(name)], "byte {at}");
        assert_eq!(report.after.damages, []);
        assert_eq!(rows_of(&damaged), before, "what was deleted stays deleted");
    }
}

#[test]
fn one_of_several_segments_of_an_import_is_repaired() {
    let disk = golden::store();
    let engine = golden::open(&disk).unwrap();
    let mut block = crate::block::Block::empty(tacitus_model::Kind::Float);
    for month in 0..3 {
        for n in 0..1500 {
            let ts = timestamp(month * 30 * 86_400_000_000_000 + n * 1000);
            let value = tacitus_model::Value::Float(0.5);
            block.push(crate::block::Row::of(ts, &value, tacitus_model::Quality::GOOD));
        }
    }
    engine.import(std::iter::once(Ok((TagId(1), block)))).unwrap();
    drop(engine);
    let segments = names(&disk, Naming::segment_number);
    let mut repaired = 0;
    for name in &segments {
        let damaged = disk.fork();
        damaged.flip(name, 164, 3);
        let report = run(&damaged, PLAIN).unwrap();
        repaired += report.found.len();
        assert_eq!(report.after.damages, [], "{name}");
        golden::rows(&golden::open(&damaged).unwrap()).unwrap();
    }
    assert!(repaired >= 3, "{repaired}");
}

/// Where header and roots of a segment lie.
fn frame_of(disk: &SimDisk, name: &str) -> [std::ops::Range<usize>; 3] {
    let file = disk.open(name).unwrap();
    let size = usize::try_from(file.size().unwrap()).unwrap();
    let mut root_bytes = [0; 8];
    file.read_at(80, &mut root_bytes).unwrap();
    let root_bytes = usize::try_from(u64::from_le_bytes(root_bytes)).unwrap();
    [0..160, size - 2 * root_bytes..size - root_bytes, size - root_bytes..size]
}

#[test]
fn a_damaged_header_or_root_costs_nothing_is_named_and_written_anew() {
    let store = golden::store();
    let before = rows_of(&store.fork());
    for name in names(&store, Naming::segment_number) {
        for part in frame_of(&store, &name) {
            for at in part.clone().step_by(7) {
                let disk = store.fork();
                disk.flip(&name, at, 3);
                assert_eq!(rows_of(&disk.fork()), before, "{name} {at}");
                let damages = verify(&disk).unwrap().damages;
                let [damage] = &damages[..] else { panic!("{name} {at}: {damages:?}") };
                assert!(part.contains(&usize::try_from(damage.offset).unwrap()), "{damage:?}");
                assert_eq!((damage.file.as_str(), damage.samples), (name.as_str(), 0));
            }
            let disk = store.fork();
            disk.flip(&name, part.start, 3);
            let report = run(&disk, PLAIN).unwrap();
            assert_eq!((report.samples_lost, report.after.damages.len()), (0, 0));
            assert_eq!(rows_of(&disk), before, "{name}");
        }
    }
}

#[test]
fn a_segment_with_both_roots_damaged_is_refused_and_given_up_by_a_repair() {
    let store = golden::store();
    let before = rows_of(&store.fork());
    let name = &names(&store, Naming::segment_number)[0];
    let disk = store.fork();
    for part in &frame_of(&store, name)[1..] {
        disk.flip(name, part.start, 3);
    }
    assert_eq!(golden::open(&disk.fork()).unwrap_err().kind(), ErrorKind::Corrupt);
    run(&disk, PLAIN).unwrap();
    assert!(!lost(&before, &rows_of(&disk)).unwrap().is_empty());
}
