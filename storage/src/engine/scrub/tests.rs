//! The tour: at its pace, to its end, over a restart, and with every finding named.

use std::sync::Arc;

use tacitus_model::Timestamp;

use super::*;
use crate::chance::{Chance, SeededChance};
use crate::clock::FixedClock;
use crate::disk::Disk;
use crate::engine::Progress;
use crate::golden;
use crate::manifest::FileName;

fn tour(engine: &Engine, piece: u64) -> Vec<Damage> {
    let mut damages = Vec::new();
    loop {
        let progress = engine.scrub_step(piece);
        damages.extend(progress.damages);
        if progress.finished {
            return damages;
        }
    }
}

#[test]
fn a_tour_in_small_steps_reads_everything_and_finds_a_sound_store_sound() {
    let engine = golden::open(&golden::store()).unwrap();
    assert_eq!(tour(&engine, 1), []);
    assert_eq!(engine.status().scrub_tours, 1);
    assert_eq!(tour(&engine, 1 << 20), []);
    assert_eq!(engine.status().scrub_tours, 2);
}

#[test]
fn every_damage_that_verify_finds_in_an_open_store_one_tour_finds() {
    let chance = SeededChance::new(11);
    let mut planted = 0;
    while planted < 1000 {
        let disk = golden::store();
        let engine = golden::open(&disk).unwrap();
        let files: Vec<String> = disk
            .list()
            .unwrap()
            .into_iter()
            .filter(|name| FileName::parse(name).is_some())
            .collect();
        let name = &files[usize::try_from(chance.next_u64()).unwrap() % files.len()];
        let size = disk.open(name).unwrap().size().unwrap();
        let at = usize::try_from(chance.next_u64() % size).unwrap();
        disk.flip(name, at, u8::try_from(chance.next_u64() % 8).unwrap());
        let wanted = crate::verify::verify(&disk).unwrap().damages;
        if wanted.is_empty() {
            // A byte that means nothing.
            continue;
        }
        planted += 1;
        let found = tour(&engine, 4096);
        assert_eq!(found.len(), wanted.len(), "{name} {at}: {wanted:?}");
        assert_eq!(found[0].file, *name);
        assert_eq!(engine.damages(), found);
        assert_eq!(engine.status().damages, found.len() as u64);
    }
}

#[test]
fn a_tour_goes_on_behind_a_restart() {
    let disk = golden::store();
    let clock = Arc::new(FixedClock::default());
    let engine = golden::open_at(&disk, &clock).unwrap();
    let mut read = engine.scrub_step(1).bytes;
    (0..3).for_each(|_| read += engine.scrub_step(1).bytes);
    for _ in 0..1000 {
        clock.advance_ns(4_000_000_000);
    }
    while engine.step().unwrap() == Progress::Did {}
    drop(engine);
    let engine = golden::open(&disk).unwrap();
    let rest = engine.scrub_step(u64::MAX);
    assert!(rest.finished);
    let whole = engine.scrub_step(u64::MAX);
    assert_eq!(read + rest.bytes, whole.bytes);
}

#[test]
fn steps_keep_the_pace_of_one_tour_in_two_weeks() {
    let clock = Arc::new(FixedClock::at(Timestamp::from_nanos(0)));
    let disk = golden::store();
    let engine = golden::open_at(&disk, &clock).unwrap();
    let day = |days: u32| {
        for _ in 0..days * 24 * 900 {
            clock.advance_ns(4_000_000_000);
        }
        while engine.step().unwrap() == Progress::Did {}
        engine.status().scrub_tours
    };
    day(0);
    assert_eq!(day(13), 0);
    assert_eq!(day(2), 1);
}
