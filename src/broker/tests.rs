//! The broker over real sockets, with a store in memory that can be held up and can fail.

mod client;
mod ending;
mod fanout;
mod history;
mod hostile;
mod interoperability;
mod keeping;
mod lines;
mod remembering;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tacitus_model::Timestamp;
use tacitus_storage::{Collection, Document, FixedClock};
use tokio::sync::watch;

use super::{
    Broker, Counters, Door, Incoming, Intake, Remembered, Settings, Span, StoreError, Story,
    StoryError, Told,
};

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the store does with a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Keep,
    Wait,
    Refuse(StoreError),
}

/// Documents by collection and key.
type Bodies = BTreeMap<(Collection, Vec<u8>), Vec<u8>>;

/// What is told of one span, in pieces.
type Pieces = VecDeque<Result<Vec<Told>, StoryError>>;

#[derive(Debug)]
struct Store {
    mood: watch::Sender<Mood>,
    groups: Mutex<Vec<Vec<Incoming>>>,
    documents: Mutex<Bodies>,
    asked: watch::Sender<usize>,
    /// What was asked to be told, and what is told.
    spans: Mutex<Vec<Span>>,
    tales: Mutex<VecDeque<Pieces>>,
}

/// A past made up.
struct Tale(VecDeque<Result<Vec<Told>, StoryError>>);

#[async_trait::async_trait]
impl Story for Tale {
    async fn next(&mut self) -> Result<Vec<Told>, StoryError> {
        self.0.pop_front().unwrap_or(Ok(Vec::new()))
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            mood: watch::channel(Mood::Keep).0,
            groups: Mutex::default(),
            documents: Mutex::default(),
            asked: watch::channel(0).0,
            spans: Mutex::default(),
            tales: Mutex::default(),
        }
    }
}

#[async_trait::async_trait]
impl Intake for Store {
    async fn store(&self, group: &[Incoming], documents: Vec<Document>) -> Result<(), StoreError> {
        if !group.is_empty() {
            self.asked.send_modify(|asked| *asked += 1);
        }
        let mood = *self.mood.subscribe().wait_for(|mood| *mood != Mood::Wait).await.unwrap();
        if let Mood::Refuse(error) = mood {
            return Err(error);
        }
        if !group.is_empty() {
            self.groups.lock().unwrap().push(group.to_vec());
        }
        let mut kept = self.documents.lock().unwrap();
        for Document { collection, key, body } in documents {
            match body {
                Some(body) => drop(kept.insert((collection, key), body)),
                None => drop(kept.remove(&(collection, key))),
            }
        }
        Ok(())
    }

    fn tell(&self, span: &Span) -> Result<Box<dyn Story>, StoryError> {
        self.spans.lock().unwrap().push(span.clone());
        Ok(Box::new(Tale(self.tales.lock().unwrap().pop_front().unwrap_or_default())))
    }

    fn documents(&self, collection: Collection) -> Vec<Remembered> {
        let kept = self.documents.lock().unwrap();
        let own = kept.iter().filter(|((other, _), _)| *other == collection);
        own.map(|((_, key), body)| (key.as_slice().into(), body.as_slice().into())).collect()
    }
}

impl Store {
    fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    fn kept(&self) -> Vec<(String, Bytes)> {
        let groups = self.groups.lock().unwrap();
        groups.iter().flatten().map(|one| (one.topic.to_string(), one.payload.clone())).collect()
    }

    /// Waits until the store was asked this many times.
    async fn asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        let waiting = asked.wait_for(|asked| *asked >= times);
        tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    }
}

/// A broker with its store, on a free port.
struct House {
    broker: Broker,
    store: Arc<Store>,
    counters: Arc<Counters>,
    clock: Arc<FixedClock>,
    shutdown: watch::Sender<bool>,
}

impl House {
    async fn open() -> Self {
        Self::open_with(Settings { sys_every: None, ..Settings::default() }).await
    }

    async fn open_with(settings: Settings) -> Self {
        Self::open_on(settings, Arc::default()).await
    }

    /// A broker that finds what an earlier one left in the store.
    async fn open_on(settings: Settings, store: Arc<Store>) -> Self {
        let (shutdown, stop) = watch::channel(false);
        let settings = Settings { listen: ([127, 0, 0, 1], 0).into(), ..settings };
        let clock = Arc::new(FixedClock::at(Timestamp::from_nanos(1)));
        let time = Arc::clone(&clock);
        let intake: Arc<dyn Intake> = Arc::clone(&store) as Arc<dyn Intake>;
        let door = Door::open(&settings).unwrap();
        let broker = Broker::start(settings, door, intake, clock, stop).await.unwrap();
        let counters = broker.counters();
        Self { broker, store, counters, clock: time, shutdown }
    }

    /// Ends this broker as a kill would, and starts another on what it left in the store. The store
    /// is what the engine is to the server: what it answered for is there.
    async fn reopen(self, settings: Settings) -> Self {
        let store = self.store;
        // Nothing is written any more: what the first broker still does is lost.
        let left = Arc::new(Store::default());
        left.documents.lock().unwrap().clone_from(&store.documents.lock().unwrap());
        left.groups.lock().unwrap().clone_from(&store.groups.lock().unwrap());
        store.set(Mood::Refuse(StoreError::Failed));
        drop(self.shutdown);
        Self::open_on(settings, left).await
    }

    /// Waits until a counter has at least this value.
    async fn counted(
        &self,
        counter: impl Fn(&Counters) -> &std::sync::atomic::AtomicU64,
        value: u64,
    ) {
        self.until(|counters| counter(counters).load(Ordering::Relaxed) >= value).await;
    }

    /// Waits until the counters fulfil a condition.
    async fn until(&self, condition: impl Fn(&Counters) -> bool) {
        let waiting = async {
            while !condition(&self.counters) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    }
}
