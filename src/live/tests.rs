//! The feed, and a follower beside writers, deletions and new tags: it ends with exactly what
//! the store has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tacitus_model::{Batch, Quality, Sample, TagChange, TagId, TimeRange, Timestamp, Value};
use tacitus_protocol::Point;
use tacitus_storage::{Clock, Engine, FixedClock, Parts, SeededChance, SimDisk, TagQuery};

use super::latest::{Latest, Refusal, TAGS_MAX, Update, UpdateKind};
use super::replay::{Broken, Replay};
use super::{FEED_BYTES_MAX, Feed, Lagged, Mark};
use crate::ingest::{Committer, Ingest, Settings};

/// No step of a test takes longer on a machine that is merely busy.
const DEADLINE: Duration = Duration::from_mins(1);

struct Store {
    engine: Arc<Engine>,
    ingest: Ingest,
    _committer: Committer,
}

fn store() -> Store {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::at(Timestamp::from_nanos(1_000_000_000)));
    let parts = Parts {
        disk: Arc::new(SimDisk::new()),
        clock: Arc::clone(&clock),
        chance: Arc::new(SeededChance::new(7)),
    };
    let settings = tacitus_storage::Settings {
        reserve_bytes: Some(0),
        ..tacitus_storage::Settings::default()
    };
    let engine = Arc::new(Engine::open(parts, settings).unwrap());
    let started = Ingest::start(Arc::clone(&engine), clock, &Settings::default());
    let (ingest, committer) = started.unwrap();
    Store { engine, ingest, _committer: committer }
}

impl Store {
    async fn write(&self, path: &str, ts: i64, value: f64) -> u64 {
        let point = Point::new(path, Value::Float(value)).at(Some(Timestamp::from_nanos(ts)));
        let resolved = self.ingest.resolve(vec![point], "test");
        self.ingest.write(resolved.batch).await.unwrap()
    }

    fn follow(&self, query: TagQuery, position: Option<u64>) -> Result<Latest, Refusal> {
        let feed = Arc::clone(self.ingest.feed());
        Latest::new(Arc::clone(&self.engine), feed, query, position)
    }

    fn id(&self, path: &str) -> TagId {
        self.engine.catalog().find(path).unwrap().id
    }

    /// What the store has of all tags under a prefix.
    fn latest(&self, prefix: &str) -> BTreeMap<TagId, Sample> {
        let snapshot = self.engine.snapshot();
        let ids = snapshot.select_ids(&TagQuery::Prefix(prefix.to_owned())).unwrap();
        ids.into_iter().filter_map(|id| Some((id, snapshot.latest(id)?))).collect()
    }
}

async fn next(latest: &mut Latest) -> Update {
    tokio::time::timeout(DEADLINE, latest.next()).await.expect("no update came").unwrap()
}

/// What a client makes of an update.
fn apply(state: &mut BTreeMap<TagId, Sample>, update: Update) {
    if update.kind == UpdateKind::Snapshot {
        state.clear();
    }
    for (tag, sample) in update.values {
        match sample {
            Some(sample) => drop(state.insert(tag, sample)),
            None => drop(state.remove(&tag)),
        }
    }
}

fn under(prefix: &str) -> TagQuery {
    TagQuery::Prefix(prefix.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_written_meanwhile_the_follower_ends_with_what_the_store_has() {
    let store = Arc::new(store());
    for tag in 0..20 {
        store.write(&format!("a/{tag}"), 0, 0.0).await;
    }
    let mut latest = store.follow(under("a/"), None).unwrap();
    let writers = (0..3_u32).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for step in 0..200_u32 {
                // Late, repeated and newer samples, of old and new tags, and of some nobody follows.
                let tag = (step * 7 + writer) % 30;
                let place = if step % 5 == 0 { "b" } else { "a" };
                let ts = i64::from((step * 13) % 101);
                let value = f64::from(step * 10 + writer);
                store.write(&format!("{place}/{tag}"), ts, value).await;
                if step % 67 == 66 {
                    let range = TimeRange { first: Timestamp::MIN, last: Timestamp::MAX };
                    let tags = [store.id("a/3")];
                    let deleted = store.engine.delete(&tags, range, "test", "test").unwrap();
                    store.ingest.feed().reset(deleted);
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let ending = Arc::clone(&store);
    let ended = tokio::spawn(async move {
        for writer in writers {
            writer.await.unwrap();
        }
        // The end is known by a last value that nobody overwrites.
        ending.write("a/0", 1_000_000, -1.0).await;
    });
    let end = store.id("a/0");
    let (mut state, mut sequence) = (BTreeMap::new(), 0);
    while state.get(&end).is_none_or(|sample: &Sample| sample.value != Value::Float(-1.0)) {
        let update = next(&mut latest).await;
        assert!(update.sequence >= sequence, "sequences never fall");
        sequence = update.sequence;
        apply(&mut state, update);
    }
    ended.await.unwrap();
    assert_eq!(state, store.latest("a/"));
}

#[tokio::test]
async fn the_snapshot_comes_first_and_then_only_what_changed() {
    let store = store();
    store.write("a/1", 1, 1.0).await;
    store.write("a/2", 1, 2.0).await;
    let mut latest = store.follow(under("a/"), None).unwrap();
    let first = next(&mut latest).await;
    assert_eq!((first.kind, first.values.len()), (UpdateKind::Snapshot, 2));
    store.write("b/1", 1, 1.0).await;
    store.write("a/2", 0, 9.0).await;
    store.write("a/1", 2, 3.0).await;
    let changed = next(&mut latest).await;
    let tags: Vec<TagId> = changed.values.iter().map(|(tag, _)| *tag).collect();
    assert_eq!((changed.kind, tags), (UpdateKind::Changes, vec![store.id("a/1")]));
}

#[tokio::test]
async fn who_comes_back_gets_what_changed_meanwhile() {
    let store = store();
    store.write("a/1", 1, 1.0).await;
    let position = store.write("a/2", 1, 2.0).await;
    store.write("a/2", 2, 3.0).await;
    let mut latest = store.follow(under("a/"), Some(position)).unwrap();
    let update = next(&mut latest).await;
    let tags: Vec<TagId> = update.values.iter().map(|(tag, _)| *tag).collect();
    assert_eq!((update.kind, tags), (UpdateKind::Changes, vec![store.id("a/2")]));

    store.ingest.feed().reset(position + 1);
    let mut lagged = store.follow(under("a/"), Some(position)).unwrap();
    let update = next(&mut lagged).await;
    assert_eq!((update.kind, update.values.len()), (UpdateKind::Snapshot, 2));
}

#[tokio::test]
async fn a_change_of_tags_is_followed() {
    let store = store();
    store.write("a/1", 1, 1.0).await;
    let label = TagQuery::Label { key: "line".into(), value: "1".into() };
    let mut latest = store.follow(label, None).unwrap();
    assert!(next(&mut latest).await.values.is_empty());
    let labels = TagChange::Labels(vec![("line".into(), "1".into())]);
    store.engine.catalog().redefine(store.id("a/1"), [labels]).unwrap();
    store.ingest.feed().reset(store.engine.commit(&[]).unwrap());
    let update = next(&mut latest).await;
    let good = Some((store.id("a/1"), Quality::GOOD));
    let got = update.values.first().map(|(tag, sample)| (*tag, sample.as_ref().unwrap().quality));
    assert_eq!(got, good);
}

#[tokio::test]
async fn too_many_tags_are_refused() {
    let store = store();
    let points: Vec<Point> = (0..=TAGS_MAX)
        .map(|tag| Point::new(format!("a/{tag}"), Value::Float(0.0)).at(Some(Timestamp::MIN)))
        .collect();
    let resolved = store.ingest.resolve(points, "test");
    store.ingest.write(resolved.batch).await.unwrap();
    assert!(matches!(store.follow(under("a/"), None), Err(Refusal::TooMany(_))));
    assert!(store.follow(under("a/1"), None).is_ok());
}

fn batch(ts: i64, rows: usize) -> Batch {
    let sample = Sample {
        tag: TagId(1),
        ts: Timestamp::from_nanos(ts),
        value: Value::Float(0.0),
        quality: Quality::GOOD,
    };
    std::iter::repeat_n(sample, rows).collect()
}

fn sequences(feed: &Feed, position: u64) -> Result<Vec<u64>, Lagged> {
    Ok(feed.after(position)?.iter().map(|entry| entry.sequence).collect())
}

#[test]
fn batches_have_the_sequences_the_commit_gave_them() {
    let feed = Feed::new(10);
    // Sequence 11 was a definition; the empty batch got none.
    feed.publish(13, 0, [batch(1, 1), Batch::default(), batch(2, 1)]);
    assert_eq!(sequences(&feed, 10), Ok(vec![12, 13]));
    assert_eq!(sequences(&feed, 12), Ok(vec![13]));
    assert_eq!(sequences(&feed, 9), Err(Lagged));
    assert_eq!(*feed.watch().borrow(), Mark { sequence: 13, resets: 0 });
    // Sequence 15 was that of documents.
    feed.publish(15, 1, [batch(3, 1)]);
    assert_eq!(sequences(&feed, 13), Ok(vec![14]));
    assert_eq!(feed.watch().borrow().sequence, 15);
}

#[test]
fn who_asks_for_what_is_gone_lags() {
    let feed = Feed::new(0);
    let rows = FEED_BYTES_MAX / batch(0, 1).size_bytes() / 2;
    for sequence in 1..=3 {
        feed.publish(sequence, 0, [batch(0, rows)]);
    }
    assert_eq!(sequences(&feed, 0), Err(Lagged));
    assert_eq!(sequences(&feed, 1), Ok(vec![2, 3]));
    feed.reset(3);
    assert_eq!(sequences(&feed, 2), Err(Lagged));
    assert_eq!(sequences(&feed, 3), Ok(vec![]));
}

/// Reads a replay until this value of `a/0` was told.
async fn tell_until(replay: &mut Replay, end: f64) -> Vec<(String, i64, f64)> {
    let mut all = Vec::new();
    loop {
        let told = tokio::time::timeout(DEADLINE, replay.next()).await.expect("nothing told");
        for (tag, sample) in told.unwrap() {
            let Value::Float(value) = sample.value else { panic!("{sample:?}") };
            all.push((tag.definition.path.as_str().to_owned(), sample.ts.nanos(), value));
            if value.to_bits() == end.to_bits() {
                return all;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_tells_every_sample_once_whatever_is_written_meanwhile() {
    let store = Arc::new(store());
    let minute = 60_000_000_000;
    for step in 0..300 {
        store.write(&format!("a/{}", step % 3), i64::from(step) * minute, f64::from(step)).await;
        store.write("b/0", i64::from(step), 0.0).await;
    }
    let writing = Arc::clone(&store);
    let writer = tokio::spawn(async move {
        for step in 300..600 {
            // Also tags that are new, and times before the last that was told.
            let ts = i64::from(step) * minute - i64::from(step % 7) * 10 * minute - 1;
            writing.write(&format!("a/{}", step % 5), ts, f64::from(step)).await;
        }
        writing.write("a/0", i64::MAX, -1.0).await;
    });
    let first = Timestamp::from_nanos(10 * minute);
    let range = TimeRange { first, last: Timestamp::MAX };
    let selects = || Box::new(|path: &str| path.starts_with("a/"));
    let feed = || Arc::clone(store.ingest.feed());
    let mut replay =
        Replay::open(Arc::clone(&store.engine), feed(), selects(), range, true).unwrap();
    let all = tell_until(&mut replay, -1.0).await;
    writer.await.unwrap();
    let mut values: Vec<f64> = all.iter().map(|(_, _, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let want: Vec<f64> = [-1].into_iter().chain(10..600).map(f64::from).collect();
    assert_eq!(values, want);
    let past: Vec<i64> = all.iter().map(|(_, ts, _)| *ts).take(290).collect();
    assert!(past.is_sorted(), "the past is told in the order of time");

    let last = Timestamp::from_nanos(20 * minute);
    let bounded = TimeRange { first, last };
    let mut replay =
        Replay::open(Arc::clone(&store.engine), feed(), selects(), bounded, false).unwrap();
    let mut count = 0;
    loop {
        let told = replay.next().await.unwrap();
        if told.is_empty() {
            break;
        }
        count += told.len();
    }
    assert_eq!(count, 11);
}

#[tokio::test]
async fn a_replay_that_is_not_read_lags() {
    let store = store();
    store.write("a/0", 0, 0.0).await;
    let range = TimeRange { first: Timestamp::MIN, last: Timestamp::MAX };
    let (engine, feed) = (Arc::clone(&store.engine), Arc::clone(store.ingest.feed()));
    let selects = Box::new(|_: &str| true);
    let mut replay = Replay::open(engine, Arc::clone(&feed), selects, range, true).unwrap();
    assert_eq!(replay.next().await.unwrap().len(), 1);
    let rows = FEED_BYTES_MAX / batch(0, 1).size_bytes();
    let mut sequence = feed.watch().borrow().sequence;
    for _ in 0..3 {
        sequence += 1;
        feed.publish(sequence, 0, [batch(0, rows)]);
    }
    assert!(matches!(replay.next().await, Err(Broken::Lagged)));
}
