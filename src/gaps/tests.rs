//! The ledger over a keeper in memory.

use super::*;
use crate::keeper::Shelf;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

#[tokio::test]
async fn what_a_kill_left_open_is_found_again_and_closed_by_its_source() {
    let shelf: Arc<dyn Keeper> = Arc::new(Shelf::default());
    let before = Gaps::new(Arc::clone(&shelf));
    let id = before.open("opcua:a", Some(vec!["t/x".into()]), at(10), Cause::Network);
    before.flush().await;

    let after = Gaps::new(shelf);
    let found = after.lasting("opcua:a");
    assert_eq!(found.iter().map(|gap| gap.id).collect::<Vec<_>>(), [id]);
    assert!(after.lasting("opcua:b").is_empty());
    after.close(id, at(20), Some(Cause::DeviceDown));
    assert!(after.lasting("opcua:a").is_empty());
    let missing = after.missing("opcua:a");
    assert_eq!(missing[0].to, Some(at(20)));
    assert_eq!(missing[0].cause, Cause::DeviceDown);
    // A number is never given twice.
    assert!(after.open("opcua:a", None, at(30), Cause::Network) > id);
}

#[tokio::test]
async fn every_word_of_an_entry_comes_back() {
    let shelf: Arc<dyn Keeper> = Arc::new(Shelf::default());
    let gaps = Gaps::new(Arc::clone(&shelf));
    for (cause, outcome) in [
        (Cause::CollectorDown, Outcome::BackFilled),
        (Cause::DeviceDown, Outcome::Lost),
        (Cause::Network, Outcome::Open),
        (Cause::BadQuality, Outcome::Open),
        (Cause::Overflow, Outcome::Lost),
    ] {
        let id = gaps.open("opcua:a", None, at(1), cause);
        gaps.close(id, at(9), None);
        gaps.progress(id, at(5), 7);
        gaps.settle(id, outcome);
    }
    gaps.flush().await;
    assert_eq!(Gaps::new(shelf).all(), gaps.all());
    let words: Vec<&str> = gaps.all().iter().map(|gap| gap.cause.name()).collect();
    assert_eq!(words, ["collector_down", "device_down", "network", "bad_quality", "overflow"]);
}

#[test]
fn missing_gaps_come_newest_first_and_settled_ones_not_at_all() {
    let gaps = Gaps::new(Arc::new(Shelf::default()));
    let closed = |from: i64, to: i64| {
        let id = gaps.open("s", None, at(from), Cause::Network);
        gaps.close(id, at(to), None);
        id
    };
    let (old, new, filled) = (closed(1, 2), closed(5, 6), closed(3, 4));
    gaps.settle(filled, Outcome::BackFilled);
    let missing: Vec<u64> = gaps.missing("s").iter().map(|gap| gap.id).collect();
    assert_eq!(missing, [new, old]);
    gaps.abandon("s", at(9));
    assert!(gaps.missing("s").is_empty());
    assert!(gaps.all().iter().all(|gap| gap.outcome != Outcome::Open));
}

#[test]
fn a_full_ledger_forgets_the_oldest_that_is_settled() {
    let gaps = Gaps::new(Arc::new(Shelf::default()));
    let first = gaps.open("s", None, at(0), Cause::Network);
    let second = gaps.open("s", None, at(1), Cause::Network);
    gaps.settle(second, Outcome::Lost);
    for second in 2..=i64::try_from(GAPS_MAX).unwrap() {
        gaps.open("s", None, at(second), Cause::Network);
    }
    assert_eq!(gaps.all().len(), GAPS_MAX);
    assert!(gaps.get(first).is_some());
    assert!(gaps.get(second).is_none());
}

#[test]
fn a_gap_of_very_many_tags_is_one_of_the_whole_source() {
    let gaps = Gaps::new(Arc::new(Shelf::default()));
    let tags = (0..=TAGS_NAMED_MAX).map(|number| number.to_string()).collect();
    let id = gaps.open("s", Some(tags), at(0), Cause::Overflow);
    assert_eq!(gaps.get(id).unwrap().tags, None);
}
