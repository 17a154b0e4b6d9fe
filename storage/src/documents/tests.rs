//! Documents come back after a restart, however they were sealed; what is removed stays so.

use std::sync::Arc;

use tacitus_model::Batch;

use super::*;
use crate::chance::SeededChance;
use crate::clock::FixedClock;
use crate::disk::{Disk, SimDisk, Survival};
use crate::engine::{Parts, Settings};
use crate::limits::DOCUMENT_FILES_MAX;
use crate::naming::Naming;
use crate::repair::{RepairOptions, repair};
use crate::{Engine, verify};

const OWN: Collection = Collection(3);

fn open(disk: &SimDisk) -> Engine {
    let parts = Parts {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(FixedClock::default()),
        chance: Arc::new(SeededChance::new(1)),
    };
    let settings =
        Settings { log_file_bytes: 1 << 20, reserve_bytes: Some(0), ..Settings::default() };
    Engine::open(parts, settings).unwrap()
}

fn document(key: &str, body: Option<&str>) -> Document {
    let (key, body) = (key.as_bytes().to_vec(), body.map(|body| body.as_bytes().to_vec()));
    Document { collection: OWN, key, body }
}

fn put(engine: &Engine, key: &str, body: Option<&str>) {
    engine.commit_with(&[], &[document(key, body)]).unwrap();
}

fn all(engine: &Engine) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    engine.documents(OWN).iter().map(|(key, body)| (text(key), text(body))).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(key, body)| ((*key).to_owned(), (*body).to_owned())).collect()
}

fn files(disk: &SimDisk) -> Vec<u64> {
    let names = disk.list().unwrap();
    names.iter().filter_map(|name| Naming::documents_number(name)).collect()
}

#[test]
fn documents_outlive_a_power_cut_sealed_or_not() {
    for seals in [false, true] {
        let disk = SimDisk::new();
        let engine = open(&disk);
        put(&engine, "a", Some("1"));
        put(&engine, "b", Some("2"));
        if seals {
            engine.seal().unwrap();
        }
        put(&engine, "a", None);
        put(&engine, "b", Some("3"));
        drop(engine);
        let engine = open(&disk.crash(|_| Survival::Lost));
        assert_eq!(all(&engine), pairs(&[("b", "3")]), "sealed: {seals}");
        assert_eq!(engine.document(OWN, b"a"), None);
    }
}

#[test]
fn a_collection_is_given_by_key_and_has_nothing_of_its_neighbours() {
    let engine = open(&SimDisk::new());
    put(&engine, "b", Some("2"));
    put(&engine, "a", Some("1"));
    let other = Document { collection: Collection(4), ..document("c", Some("4")) };
    engine.commit_with(&[], &[other]).unwrap();
    assert_eq!(all(&engine), pairs(&[("a", "1"), ("b", "2")]));
}

#[test]
fn many_seals_leave_few_files_and_removed_documents_leave_none() {
    let disk = SimDisk::new();
    let engine = open(&disk);
    for n in 0..100 {
        put(&engine, &format!("key {}", n % 7), Some(&format!("{n}")));
        engine.seal().unwrap();
        assert!(files(&disk).len() <= DOCUMENT_FILES_MAX, "after {n} seals");
    }
    let before = all(&engine);
    drop(engine);
    let engine = open(&disk);
    assert_eq!((all(&engine), before.len()), (before, 7));
    let large = "x".repeat(3 << 19);
    put(&engine, "large", None);
    for _ in 0..4 {
        engine.commit_with(&[], &[document("large", Some(&large[..1000]))]).unwrap();
        engine.seal().unwrap();
    }
    assert_eq!(engine.document(OWN, b"large").unwrap().len(), 1000);
}

#[test]
fn files_of_which_most_is_gone_are_merged() {
    let disk = SimDisk::new();
    let engine = open(&disk);
    let large = "x".repeat(700 << 10);
    for n in 0..3 {
        put(&engine, &format!("{n}"), Some(&large));
        engine.seal().unwrap();
    }
    for n in 0..3 {
        put(&engine, &format!("{n}"), None);
    }
    engine.seal().unwrap();
    put(&engine, "small", Some("1"));
    engine.seal().unwrap();
    let bytes: u64 = files(&disk)
        .iter()
        .map(|number| disk.open(&Naming::documents(*number)).unwrap().size().unwrap())
        .sum();
    assert!(bytes < 1000, "{bytes} bytes of files for one byte of documents");
    drop(engine);
    assert_eq!(all(&open(&disk)), pairs(&[("small", "1")]));
}

#[test]
fn what_there_is_no_room_for_is_refused_and_removing_makes_room() {
    let engine = open(&SimDisk::new());
    let long = Document { key: vec![0; DOCUMENT_KEY_BYTES_MAX + 1], ..document("", Some("")) };
    let refused = engine.commit_with(&[], &[long]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let documents = Documents::default();
    documents.apply(document("a", None).address(), Some(vec![0; DOCUMENTS_BYTES_MAX].into()));
    let refused = documents.check(&[document("b", Some("1"))]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Busy);
    documents.check(&[document("a", None)]).unwrap();
    documents.apply(document("a", None).address(), None);
    documents.check(&[document("b", Some("1"))]).unwrap();
    assert_eq!(documents.size(), (0, 0));
}

#[test]
fn a_file_with_any_bit_flipped_is_named_and_given_up_only_if_asked() {
    let disk = SimDisk::new();
    let engine = open(&disk);
    put(&engine, "a", Some("1"));
    engine.seal().unwrap();
    put(&engine, "b", Some("2"));
    drop(engine);
    let name = Naming::documents(files(&disk)[0]);
    let bytes = usize::try_from(disk.open(&name).unwrap().size().unwrap()).unwrap();
    for bit in 0..bytes * 8 {
        let fork = disk.fork();
        fork.flip(&name, bit / 8, u8::try_from(bit % 8).unwrap());
        let damages = verify(&fork).unwrap().damages;
        assert_eq!(damages.iter().map(|own| own.file.as_str()).collect::<Vec<_>>(), [&name]);
    }
    disk.flip(&name, 0, 7);
    let parts: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = RepairOptions { salvage: false, log_file_bytes: 1 << 20 };
    assert_eq!(repair(&parts, options).unwrap_err().kind(), ErrorKind::Corrupt);
    repair(&parts, RepairOptions { salvage: true, ..options }).unwrap();
    assert_eq!(all(&open(&disk)), pairs(&[("b", "2")]));
}

#[test]
fn samples_and_documents_of_one_commit_have_sequences_of_their_own() {
    let engine = open(&SimDisk::new());
    let sequence = engine.commit_with(&[Batch::default()], &[document("a", Some("1"))]).unwrap();
    assert_eq!(sequence, 1);
    assert_eq!(engine.commit_with(&[], &[]).unwrap(), 1);
}
