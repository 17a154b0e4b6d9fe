//! The upstream's side: what another Tacitus forwards becomes tags and samples here.
//!
//! *Invariant.* A message is answered after the sync that covers its rows; its deletions come
//! before these. A row that does not fit is refused alone and told. Nothing is taken that this
//! server itself sent on its way: a tag whose way leads through here is refused.
//!
//! *Not here.* HTTP: `http/forward.rs`.

use std::sync::Arc;

use tacitus_model::{Tag, TagChange, TagDefinition, TagId};
use tacitus_storage::{Engine, Error};

use super::limits::REASONS_MAX;
use super::message::{About, Header, Line, VIA, decode};
use crate::ingest::{Ingest, Listed, Resolved};

/// Who takes what is forwarded.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    engine: Arc<Engine>,
    ingest: Ingest,
    /// The identity of this server.
    pub(crate) identity: String,
}

/// Why a message is not taken.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// It is not what it should be.
    Wrong(String),
    /// It comes from this server itself.
    Own,
    /// It has rows of so many tags that it does not describe and that are not here.
    Unknown(usize),
    /// What it deletes could not be deleted.
    Undeleted(Error),
}

/// What became of a message.
#[derive(Debug)]
pub(crate) struct Taken {
    /// What is to be written.
    pub(crate) resolved: Resolved,
    /// Why rows were refused, the first few.
    pub(crate) reasons: Vec<String>,
}

impl Receiver {
    /// The upstream's side of this server.
    pub(crate) fn new(engine: &Arc<Engine>, ingest: &Ingest) -> Self {
        let identity = super::identity(engine);
        Self { engine: Arc::clone(engine), ingest: ingest.clone(), identity }
    }

    /// Reads a message, defines its tags, deletes what it deletes. Waits for the disk.
    pub(crate) fn take(&self, bytes: &[u8]) -> Result<Taken, Unfit> {
        let (header, rows) = decode(bytes).map_err(Unfit::Wrong)?;
        if header.from == self.identity {
            return Err(Unfit::Own);
        }
        let mut has_rows = vec![false; header.tags.len()];
        for tag in rows.tags() {
            if let Some(has_rows) = has_rows.get_mut(tag.0 as usize) {
                *has_rows = true;
            }
        }
        let catalog = self.engine.catalog();
        let is_known = |line: &Line| line.about.is_some() || catalog.find(&line.path).is_some();
        let unknown = header.tags.iter().zip(&has_rows);
        let unknown = unknown.filter(|(line, has_rows)| **has_rows && !is_known(line)).count();
        if unknown > 0 {
            return Err(Unfit::Unknown(unknown));
        }
        self.delete(&header).map_err(Unfit::Undeleted)?;
        let list: Vec<Listed> = header.tags.iter().map(|line| self.listed(line)).collect();
        let resolved = self.ingest.resolve_listed(&rows, &list, &source(&header));
        let mut reasons: Vec<String> = Vec::new();
        for refused in &resolved.refused {
            let reason = format!("\"{}\": {}", refused.path, refused.reason);
            if reasons.len() < REASONS_MAX && !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        Ok(Taken { resolved, reasons })
    }

    /// Deletes what was deleted where the message comes from.
    fn delete(&self, header: &Header) -> Result<(), Error> {
        for deletion in &header.deletions {
            let line = |number: &u32| header.tags.get(*number as usize);
            let find = |line: &Line| self.engine.catalog().find(&line.path);
            let tags: Vec<TagId> =
                deletion.tags.iter().filter_map(|tag| Some(find(line(tag)?)?.id)).collect();
            if tags.is_empty() || deletion.range().is_empty() {
                continue;
            }
            let user = format!("{} ({})", deletion.user, source(header));
            let done = self.engine.delete(&tags, deletion.range(), &user, &deletion.reason)?;
            self.ingest.feed().reset(done);
        }
        Ok(())
    }

    /// The tag of a line, made or changed as the line says.
    fn listed(&self, line: &Line) -> Listed {
        let tag = self.tag(line);
        Listed { path: line.path.clone(), states: line.states.clone(), tag }
    }

    fn tag(&self, line: &Line) -> Result<Arc<Tag>, String> {
        let known = self.engine.catalog().find(&line.path);
        let Some(about) = &line.about else {
            return known.ok_or_else(|| "the tag is not known".to_owned());
        };
        if about.via.contains(&self.identity) {
            return Err("it came from this server: forwarding goes round in a circle".to_owned());
        }
        let wanted = about.definition(line)?;
        let Some(known) = known else { return self.ingest.define(wanted) };
        self.adopt(&known, wanted, about)
    }

    /// Brings a tag that was made by forwarding up to date; one that has another origin stays.
    fn adopt(
        &self,
        known: &Arc<Tag>,
        wanted: TagDefinition,
        about: &About,
    ) -> Result<Arc<Tag>, String> {
        if known.definition.labels.iter().all(|(key, _)| key != VIA) {
            return Ok(Arc::clone(known));
        }
        if known.definition.kind != wanted.kind {
            let (here, there) = (known.definition.kind.name(), &about.kind);
            return Err(format!("the tag is {here} here and {there} where it comes from"));
        }
        let changes = changes(&known.definition, wanted);
        if changes.is_empty() {
            return Ok(Arc::clone(known));
        }
        let changed = self.engine.catalog().redefine(known.id, changes);
        changed.map_err(|error| error.to_string())
    }
}

/// What stands in refusals and in the audit as the source of a message.
fn source(header: &Header) -> String {
    let name: String = header.name.chars().take(64).collect();
    format!("forward:{name}")
}

/// What makes one definition another. Labels that were given here stay.
fn changes(known: &TagDefinition, wanted: TagDefinition) -> Vec<TagChange> {
    let mut labels = wanted.labels;
    let is_new = |key: &String| labels.iter().all(|(own, _)| own != key);
    let mut kept: Vec<_> = known.labels.iter().filter(|(key, _)| is_new(key)).cloned().collect();
    labels.append(&mut kept);
    labels.sort();
    let mut changes = Vec::new();
    if known.unit != wanted.unit {
        changes.push(TagChange::Unit(wanted.unit));
    }
    if known.description != wanted.description {
        changes.push(TagChange::Description(wanted.description));
    }
    if known.labels != labels {
        changes.push(TagChange::Labels(labels));
    }
    if known.step != wanted.step {
        changes.push(TagChange::Step(wanted.step));
    }
    if known.range != wanted.range {
        changes.push(TagChange::Range(wanted.range));
    }
    if known.quantum_ns != wanted.quantum_ns {
        changes.push(TagChange::QuantumNs(wanted.quantum_ns));
    }
    let is_further = |state: &String| !known.states.contains(state);
    let states: Vec<String> = wanted.states.into_iter().filter(is_further).collect();
    if !states.is_empty() {
        changes.push(TagChange::AppendStates(states));
    }
    changes
}
