//! What documents of the store hold: the collectors with the ledger of gaps and trust, the plant.
//!
//! *Invariant.* What the ledger knows when collecting stops is on disk before the store closes.

use std::path::Path;
use std::sync::Arc;

use tacitus_query::Session;
use tacitus_storage::{Clock, Engine};
use tokio::task::JoinHandle;

use super::collected::Collected;
use super::kept::Kept;
use super::landscape::Around;
use crate::chance::SystemChance;
use crate::collect::opcua::Trust;
use crate::collect::{Collector, Collectors, Parts, Store};
use crate::forward::{self, Forwards};
use crate::gaps::Gaps;
use crate::ingest::Ingest;
use crate::keeper::Keeper;
use crate::plant::Plants;

/// Collectors at work.
#[derive(Debug)]
pub(super) struct Collecting {
    pub(super) collectors: Arc<Collectors>,
    pub(super) gaps: Arc<Gaps>,
    pub(super) trust: Arc<Trust>,
    pub(super) plants: Arc<Plants>,
    keeper: Arc<dyn Keeper>,
    ledger: JoinHandle<()>,
}

impl Collecting {
    /// Starts the collectors of the configuration and those that were defined.
    pub(super) fn start(
        configured: Vec<Arc<dyn Collector>>,
        dir: &Path,
        engine: &Arc<Engine>,
        ingest: &Ingest,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (engine, ingest) = (Arc::clone(engine), ingest.clone());
        let store: Arc<dyn Store> =
            Arc::new(Collected { engine: Arc::clone(&engine), ingest: ingest.clone() });
        let keeper: Arc<dyn Keeper> = Arc::new(Kept { engine, ingest });
        let gaps = Arc::new(Gaps::new(Arc::clone(&keeper)));
        let trust = Arc::new(Trust::new(Arc::clone(&keeper)));
        let plants = Arc::new(Plants::new(Arc::clone(&keeper)));
        let parts = Parts {
            store,
            clock: Arc::clone(clock),
            gaps: Arc::clone(&gaps),
            trust: Arc::clone(&trust),
            pki_dir: dir.join("pki"),
        };
        let ledger = tokio::spawn(Arc::clone(&gaps).keep());
        let collectors = Arc::new(Collectors::start(configured, parts, Arc::clone(&keeper)));
        Self { collectors, gaps, trust, plants, keeper, ledger }
    }

    /// Starts the forwarders of the configuration and those that were defined.
    pub(super) async fn forward(
        &self,
        configured: Vec<forward::Settings>,
        engine: &Arc<Engine>,
        clock: &Arc<dyn Clock>,
    ) -> Arc<Forwards> {
        let parts = forward::Parts {
            engine: Arc::clone(engine),
            keeper: Arc::clone(&self.keeper),
            gaps: Arc::clone(&self.gaps),
            clock: Arc::clone(clock),
            chance: Arc::new(SystemChance),
            identity: forward::identity(engine),
        };
        Arc::new(Forwards::start(configured, parts).await)
    }

    /// Shows collectors, gaps, forwarders and the clocks of sources to SQL.
    pub(super) fn show(&self, session: &Session, ingest: &Ingest, forwards: &Arc<Forwards>) {
        session.surround(Arc::new(Around {
            collectors: Arc::clone(&self.collectors),
            gaps: Arc::clone(&self.gaps),
            plants: Arc::clone(&self.plants),
            forwards: Arc::clone(forwards),
            ingest: ingest.clone(),
        }));
    }

    /// Stops the collectors, and writes down what they left.
    pub(super) async fn stop(self) {
        self.collectors.stop().await;
        self.ledger.abort();
        self.gaps.flush().await;
    }
}
