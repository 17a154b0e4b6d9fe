//! The tags as an OPC UA address space, answered from the catalog and the store.
//!
//! *Invariant.* No node is held in memory: every answer is made when it is asked for, so that a
//! tag is there as soon as its first sample, and gone by no other way than its own.
//!
//! *Invariant.* Nothing waits for the disk on the threads of the network.

use std::sync::Arc;

use async_trait::async_trait;
use opcua::nodes::DefaultTypeTree;
use opcua::server::diagnostics::NamespaceMetadata;
use opcua::server::node_manager::{
    BrowseNode, BrowsePathItem, ExternalReferenceRequest, HistoryNode, MonitoredItemRef,
    NodeManager, ReadNode, RequestContext, ServerContext, impl_translate_browse_paths_using_browse,
};
use opcua::server::{ContinuationPoint, CreateMonitoredItem};
use opcua::types::{
    AttributeId, DataValue, DateTime, IdType, NodeId, ReadAtTimeDetails, ReadProcessedDetails,
    ReadRawModifiedDetails, StatusCode, TimestampsToReturn,
};
use tacitus_model::Tag;
use tacitus_storage::Engine;
use tokio::sync::Semaphore;

use super::attributes::Attributes;
use super::history::{Asked, History, Outcome};
use super::paths::Paths;
use super::place::Place;
use super::watched::{Watched, said};
use super::{NAMESPACE, capability};
use crate::live::Feed;

/// LIMIT: reads of histories that run at the same time, over all clients. More wait in line.
const HISTORY_READS_MAX: usize = 4;

/// The tags, as the OPC UA server sees them.
pub(super) struct Tags {
    pub(super) engine: Arc<Engine>,
    pub(super) feed: Arc<Feed>,
    pub(super) paths: Arc<Paths>,
    pub(super) watched: Arc<Watched>,
    pub(super) namespace: u16,
    reads: Arc<Semaphore>,
}

impl Tags {
    pub(super) fn new(
        engine: Arc<Engine>,
        feed: Arc<Feed>,
        watched: Arc<Watched>,
        namespace: u16,
    ) -> Self {
        Self {
            paths: Arc::new(Paths::new(Arc::clone(&engine))),
            engine,
            feed,
            watched,
            namespace,
            reads: Arc::new(Semaphore::new(HISTORY_READS_MAX)),
        }
    }

    /// How often what is known of tags had to be looked at anew.
    pub(super) fn resets(&self) -> u64 {
        self.feed.watch().borrow().resets
    }

    /// The place of one of our nodes, with names looked up; `None` where there is none.
    pub(super) fn place(&self, node: &NodeId) -> Option<Place> {
        if node.namespace != self.namespace {
            return None;
        }
        let place = match Place::of(node)? {
            Place::Named(path) => Place::Tag(self.engine.catalog().find(&path)?.id),
            place => place,
        };
        let exists = match &place {
            Place::Folder(path) => self.paths.is_folder(path, self.resets()),
            Place::Tag(id) | Place::Part(id, _) => self.engine.catalog().get(*id).is_some(),
            Place::Named(_) => false,
        };
        exists.then_some(place)
    }

    /// The tag of one of our nodes, where it is that of a tag.
    fn tag(&self, node: &NodeId) -> Option<Arc<Tag>> {
        match self.place(node)? {
            Place::Tag(id) => self.engine.catalog().get(id),
            _ => None,
        }
    }

    /// The latest sample of a tag.
    pub(super) fn latest(&self, tag: &Tag) -> DataValue {
        match self.engine.snapshot().latest(tag.id) {
            Some(sample) => DataValue {
                server_timestamp: Some(DateTime::now()),
                ..said(tag, sample.ts, &sample.value, sample.quality)
            },
            None => DataValue {
                status: Some(StatusCode::BadWaitingForInitialData),
                server_timestamp: Some(DateTime::now()),
                ..DataValue::default()
            },
        }
    }

    /// Reads histories on a thread where waiting for the disk blocks nobody.
    async fn read_histories(
        &self,
        asked: Asked,
        nodes: &mut [&mut HistoryNode],
    ) -> Result<(), StatusCode> {
        let count = nodes.len();
        let wishes: Vec<_> = nodes
            .iter()
            .map(|node| {
                let place = node.continuation_point().and_then(ContinuationPoint::get).cloned();
                (self.tag(node.node_id()), place, node.continuation_point().is_some())
            })
            .collect();
        let turn = Arc::clone(&self.reads).acquire_owned().await;
        let turn = turn.map_err(|_closed| StatusCode::BadShutdown)?;
        let engine = Arc::clone(&self.engine);
        let work = move || {
            let _turn = turn;
            let history = History { snapshot: engine.snapshot(), engine, count };
            let each = wishes.into_iter().enumerate();
            each.map(|(index, (tag, place, continues))| match tag {
                None => Outcome::refused(StatusCode::BadNodeIdUnknown),
                Some(_) if continues && place.is_none() => {
                    Outcome::refused(StatusCode::BadContinuationPointInvalid)
                }
                Some(tag) => history.read(&asked, index, tag, place.as_ref()),
            })
            .collect::<Vec<Outcome>>()
        };
        let outcomes = tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!(%error, "a read of a history ended badly");
            StatusCode::BadInternalError
        })?;
        for (node, outcome) in nodes.iter_mut().zip(outcomes) {
            outcome.give(node);
        }
        Ok(())
    }
}

#[async_trait]
impl NodeManager for Tags {
    fn owns_node(&self, id: &NodeId) -> bool {
        id.namespace == self.namespace || capability(id).is_some()
    }

    fn name(&self) -> &'static str {
        "tags"
    }

    fn namespaces_for_user(&self, _: &RequestContext) -> Vec<NamespaceMetadata> {
        vec![NamespaceMetadata {
            namespace_uri: NAMESPACE.to_owned(),
            namespace_index: self.namespace,
            is_namespace_subset: Some(false),
            static_node_id_types: Some(vec![IdType::Numeric]),
            ..NamespaceMetadata::default()
        }]
    }

    async fn init(&self, _: &mut DefaultTypeTree, _: ServerContext) {}

    async fn resolve_external_references(
        &self,
        _: &RequestContext,
        items: &mut [&mut ExternalReferenceRequest],
    ) {
        for item in items {
            let known = self.place(item.node_id()).and_then(|place| self.metadata(&place));
            if let Some(known) = known {
                item.set(known);
            }
        }
    }

    async fn read(
        &self,
        _: &RequestContext,
        _max_age: f64,
        timestamps: TimestampsToReturn,
        nodes: &mut [&mut ReadNode],
    ) -> Result<(), StatusCode> {
        let attributes = Attributes { tags: self, timestamps };
        for node in nodes {
            attributes.read(node);
        }
        Ok(())
    }

    async fn browse(
        &self,
        context: &RequestContext,
        nodes: &mut [BrowseNode],
    ) -> Result<(), StatusCode> {
        for node in nodes {
            self.browse_node(context, node);
        }
        Ok(())
    }

    #[expect(elided_lifetimes_in_paths, reason = "the trait is declared without them")]
    async fn translate_browse_paths_to_node_ids(
        &self,
        context: &RequestContext,
        nodes: &mut [&mut BrowsePathItem],
    ) -> Result<(), StatusCode> {
        impl_translate_browse_paths_using_browse(self, context, nodes).await
    }

    async fn history_read_raw_modified(
        &self,
        _: &RequestContext,
        details: &ReadRawModifiedDetails,
        nodes: &mut [&mut HistoryNode],
        _: TimestampsToReturn,
    ) -> Result<(), StatusCode> {
        self.read_histories(Asked::Raw(details.clone()), nodes).await
    }

    async fn history_read_processed(
        &self,
        _: &RequestContext,
        details: &ReadProcessedDetails,
        nodes: &mut [&mut HistoryNode],
        _: TimestampsToReturn,
    ) -> Result<(), StatusCode> {
        self.read_histories(Asked::Processed(details.clone()), nodes).await
    }

    async fn history_read_at_time(
        &self,
        _: &RequestContext,
        details: &ReadAtTimeDetails,
        nodes: &mut [&mut HistoryNode],
        _: TimestampsToReturn,
    ) -> Result<(), StatusCode> {
        self.read_histories(Asked::AtTime(details.clone()), nodes).await
    }

    async fn create_monitored_items(
        &self,
        _: &RequestContext,
        items: &mut [&mut CreateMonitoredItem],
    ) -> Result<(), StatusCode> {
        for item in items {
            let wanted = item.item_to_monitor();
            let (node, attribute) = (wanted.node_id.clone(), wanted.attribute_id);
            let tag = self.tag(&node);
            match (tag, attribute) {
                (Some(tag), AttributeId::Value) => {
                    // Watched first: what is committed now is told, if twice.
                    self.watched.add(tag.id, &node);
                    item.set_initial_value(self.latest(&tag));
                    item.set_status(StatusCode::Good);
                }
                (None, _) if self.place(&node).is_none() => {
                    item.set_status(StatusCode::BadNodeIdUnknown);
                }
                _ => item.set_status(StatusCode::BadAttributeIdInvalid),
            }
        }
        Ok(())
    }

    async fn delete_monitored_items(&self, _: &RequestContext, items: &[&MonitoredItemRef]) {
        for item in items {
            if item.attribute() == AttributeId::Value
                && let Some(tag) = self.tag(item.node_id())
            {
                self.watched.remove(tag.id, item.node_id());
            }
        }
    }
}
