//! Readers that take the rest are told exactly what is missing; all others get an error.

use tacitus_model::TimeRange;

use crate::disk::{Disk, SimDisk};
use crate::engine::Engine;
use crate::error::ErrorKind;
use crate::gaps::Gap;
use crate::golden::{self, Rows};
use crate::naming::Naming;
use crate::verify::verify;

/// All that can be read, and what is said to be missing.
fn rest(engine: &Engine) -> (Rows, Vec<Gap>) {
    let snapshot = engine.snapshot().allowing_gaps();
    let mut rows = Rows::new();
    for tag in snapshot.tags() {
        for block in snapshot.scan(tag.id, TimeRange::ALL) {
            let block = block.unwrap();
            for (row, ts) in block.times.iter().enumerate() {
                rows.insert((tag.id.0, *ts), (block.value(row), block.quality(row)));
            }
        }
    }
    (rows, snapshot.gaps().0)
}

fn first_segment(disk: &SimDisk) -> String {
    let names = disk.list().unwrap();
    names.into_iter().find(|name| Naming::segment_number(name).is_some()).unwrap()
}

#[test]
fn a_sound_store_has_no_gaps() {
    let engine = golden::open(&golden::store()).unwrap();
    assert_eq!(rest(&engine), (golden::rows(&engine).unwrap(), vec![]));
}

#[test]
fn every_byte_of_a_segment_may_be_damaged_and_the_rest_is_served_with_what_is_missing() {
    let store = golden::store();
    let name = first_segment(&store);
    let whole = golden::rows(&golden::open(&store.fork()).unwrap()).unwrap();
    let size = usize::try_from(store.open(&name).unwrap().size().unwrap()).unwrap();
    let mut partial = 0;
    for at in 0..size {
        let disk = store.fork();
        disk.flip(&name, at, u8::try_from(at % 8).unwrap());
        let engine = golden::open(&disk).unwrap();
        let (rows, gaps) = rest(&engine);
        let read = golden::rows(&engine);
        assert_eq!(read.is_err(), !gaps.is_empty(), "{at}: an error or a gap");
        for (key, row) in &rows {
            assert_eq!(whole.get(key), Some(row), "{at}: {key:?}");
        }
        let told = |(tag, ts): &(u32, i64)| {
            let ts = tacitus_model::Timestamp::from_nanos(*ts);
            gaps.iter().any(|gap| gap.tag.0 == *tag && gap.range.contains(ts))
        };
        let missing: Vec<_> = whole.keys().filter(|key| !rows.contains_key(key)).collect();
        assert!(missing.iter().all(|key| told(key)), "{at}: {gaps:?}");
        assert!(gaps.iter().all(|gap| gap.what.contains(&name)), "{at}: {gaps:?}");
        if let Err(error) = read {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{at}");
            assert!(!verify(&disk).unwrap().damages.is_empty(), "{at}");
            partial += 1;
        }
    }
    assert!(partial > 100, "{partial}");
}
