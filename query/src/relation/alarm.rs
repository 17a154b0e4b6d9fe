//! The relations `alarms` and `alarm_journal`: how each condition is, and how it came to be so.
//!
//! Both are worked out of the events that are stored as texts of tags labelled
//! [`EVENTS_LABEL`], tag by tag.
//!
//! *Invariant.* They show what the statement's snapshot holds: an event that comes late or is
//! corrected changes them, and a snapshot of the past shows the alarms of then. Nothing is read
//! that is later than the statement asks for.

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use tacitus_model::{Kind, Tag, TimeRange, Timestamp, Value};
use tacitus_storage::{Block, TagQuery, TagScan};

use super::landscape::{text, texts};
use super::moment;
use super::window::Asked;
use crate::alarm::{AlarmState, Condition, Conditions, EVENTS_LABEL, Report, Transition, retained};
use crate::error::{QueryError, SqlState};
use crate::history::{Made, Piece, Producer, Rows};
use crate::limits::CONDITIONS_MAX;
use crate::plant::Places;

/// The columns of `alarms`.
pub(super) static ALARMS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        text("source", false),
        text("condition", false),
        text("state", false),
        Field::new("active", DataType::Boolean, false),
        Field::new("acknowledged", DataType::Boolean, false),
        Field::new("severity", DataType::Int64, true),
        text("message", false),
        Field::new("since_ts", moment(), false),
        Field::new("raised_ts", moment(), true),
        text("acknowledged_by", true),
        text("comment", true),
        text("asset", true),
        text("tag", false),
    ]))
});

/// The columns of `alarm_journal`.
pub(super) static ALARM_JOURNAL: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("ts", moment(), false),
        text("source", false),
        text("condition", false),
        text("state_before", true),
        text("state", false),
        Field::new("severity", DataType::Int64, true),
        text("message", false),
        text("user_name", true),
        text("acknowledged_by", true),
        text("comment", true),
        text("asset", true),
        text("tag", false),
    ]))
});

/// Which of the two relations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AlarmRelation {
    Now,
    Journal,
}

/// One of the two relations.
#[derive(Debug)]
pub(super) struct Alarms {
    relation: AlarmRelation,
    places: Places,
}

impl Alarms {
    pub(super) fn new(relation: AlarmRelation, places: Places) -> Self {
        Self { relation, places }
    }

    /// The tags whose texts are events.
    fn tags(&self) -> Result<Vec<Arc<Tag>>> {
        let (key, value) = EVENTS_LABEL;
        let label = TagQuery::Label { key: key.to_owned(), value: value.to_owned() };
        let query = TagQuery::AllOf(vec![label, TagQuery::Kind(Kind::Text)]);
        let tags = self.places.snapshot().select(&query);
        let mut tags = tags.map_err(|error| {
            QueryError::new(SqlState::INTERNAL_ERROR, error.to_string()).with_hint(error.hint())
        })?;
        tags.sort_unstable_by(|a, b| a.definition.path.cmp(&b.definition.path));
        Ok(tags)
    }
}

#[async_trait]
impl TableProvider for Alarms {
    fn schema(&self) -> SchemaRef {
        Arc::clone(match self.relation {
            AlarmRelation::Now => &ALARMS,
            AlarmRelation::Journal => &ALARM_JOURNAL,
        })
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let asked = Asked::of(filters);
        let wanted = asked.texts("tag");
        let mut tags = self.tags()?;
        tags.retain(|tag| {
            wanted.as_ref().is_none_or(|wanted| wanted.contains(tag.definition.path.as_str()))
        });
        let range = match self.relation {
            AlarmRelation::Now => TimeRange::ALL,
            AlarmRelation::Journal => asked.times("ts"),
        };
        let courses = Courses { relation: self.relation, places: self.places.clone(), tags, range };
        Made(Arc::new(courses)).scan(session, projection, &[], limit).await
    }
}

/// The courses of all conditions, tag by tag.
#[derive(Debug)]
struct Courses {
    relation: AlarmRelation,
    places: Places,
    tags: Vec<Arc<Tag>>,
    range: TimeRange,
}

impl fmt::Display for Courses {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.relation {
            AlarmRelation::Now => "AlarmsExec",
            AlarmRelation::Journal => "AlarmJournalExec",
        };
        write!(out, "{name}: tags={}", self.tags.len())
    }
}

impl Producer for Courses {
    fn schema(&self) -> SchemaRef {
        Arc::clone(match self.relation {
            AlarmRelation::Now => &ALARMS,
            AlarmRelation::Journal => &ALARM_JOURNAL,
        })
    }

    fn parts(&self) -> usize {
        self.tags.len()
    }

    fn open(&self, part: usize) -> Result<Box<dyn Rows>> {
        let Some(tag) = self.tags.get(part) else {
            return datafusion::common::internal_err!("there is no tag {part}");
        };
        // What a condition was before is known from all that was before.
        let upto = TimeRange { first: Timestamp::MIN, last: self.range.last };
        Ok(Box::new(Course {
            relation: self.relation,
            asset: self.places.of_tag(tag).map(|asset| asset.path.clone()),
            tag: Arc::clone(tag),
            range: self.range,
            scan: self.places.snapshot().scan(tag.id, upto),
            conditions: Conditions::default(),
            over: false,
        }))
    }

    fn rows_estimate(&self) -> Option<usize> {
        None
    }

    fn order(&self) -> Vec<(&'static str, bool)> {
        Vec::new()
    }
}

/// The courses of the conditions of one tag.
struct Course {
    relation: AlarmRelation,
    tag: Arc<Tag>,
    asset: Option<String>,
    range: TimeRange,
    scan: TagScan,
    conditions: Conditions,
    over: bool,
}

impl Rows for Course {
    fn piece(&mut self) -> Result<Piece> {
        if self.over {
            return Ok(Piece::End);
        }
        let Some(block) = self.scan.next() else {
            self.over = true;
            return match self.relation {
                AlarmRelation::Now => Ok(Piece::Rows(self.now()?)),
                AlarmRelation::Journal => Ok(Piece::End),
            };
        };
        let block =
            block.map_err(|error| datafusion::error::DataFusionError::External(Box::new(error)))?;
        let transitions = self.follow(&block)?;
        match self.relation {
            AlarmRelation::Journal if !transitions.is_empty() => {
                Ok(Piece::Rows(self.journal(&transitions)?))
            }
            _ => Ok(Piece::More),
        }
    }
}

impl Course {
    /// Takes the reports of a block; the transitions in the range, where they are asked for.
    fn follow(&mut self, block: &Block) -> Result<Vec<Transition>> {
        let mut transitions = Vec::new();
        for (row, at) in block.times.iter().enumerate() {
            let Value::Text(text) = block.value(row) else { continue };
            let new = match (Report::of_event(&text), retained(&text)) {
                (Some(report), _) => self.conditions.take(*at, report).into_iter().collect(),
                (None, Some(retained)) => self.conditions.keep_only(*at, &retained),
                (None, None) => continue,
            };
            let asked = self.range.contains(Timestamp::from_nanos(*at));
            if asked && self.relation == AlarmRelation::Journal {
                transitions.extend(new);
            }
            if self.conditions.len() > CONDITIONS_MAX {
                let path = &self.tag.definition.path;
                let what = format!("\"{path}\" tells of more than {CONDITIONS_MAX} conditions");
                return Err(QueryError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, what)
                    .with_hint("name its conditions by what they watch, not by when they were")
                    .into());
            }
        }
        Ok(transitions)
    }

    fn now(&self) -> Result<RecordBatch> {
        let all: Vec<&Condition> = self.conditions.iter().collect();
        let facts = |of: fn(&Condition) -> bool| -> ArrayRef {
            Arc::new(all.iter().map(|own| Some(of(own))).collect::<BooleanArray>())
        };
        let columns = vec![
            texts(all.iter().map(|own| Some(&*own.report.source))),
            texts(all.iter().map(|own| Some(&*own.report.condition))),
            texts(all.iter().map(|own| Some(own.state.name()))),
            facts(|own| own.report.active),
            facts(|own| own.report.acknowledged),
            Arc::new(all.iter().map(|own| own.report.severity).collect::<Int64Array>()),
            texts(all.iter().map(|own| Some(&*own.report.message))),
            moments(all.iter().map(|own| Some(own.since))),
            moments(all.iter().map(|own| own.raised)),
            texts(all.iter().map(|own| said(&own.acknowledged_by))),
            texts(all.iter().map(|own| said(&own.report.comment))),
            texts(all.iter().map(|_| self.asset.as_deref())),
            texts(all.iter().map(|_| Some(self.tag.definition.path.as_str()))),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&ALARMS), columns)?)
    }

    fn journal(&self, all: &[Transition]) -> Result<RecordBatch> {
        let columns = vec![
            moments(all.iter().map(|own| Some(own.at))),
            texts(all.iter().map(|own| Some(&*own.after.report.source))),
            texts(all.iter().map(|own| Some(&*own.after.report.condition))),
            texts(all.iter().map(|own| own.before.map(AlarmState::name))),
            texts(all.iter().map(|own| Some(own.after.state.name()))),
            Arc::new(all.iter().map(|own| own.after.report.severity).collect::<Int64Array>()),
            texts(all.iter().map(|own| Some(&*own.after.report.message))),
            texts(all.iter().map(|own| said(&own.after.report.user))),
            texts(all.iter().map(|own| said(&own.after.acknowledged_by))),
            texts(all.iter().map(|own| said(&own.after.report.comment))),
            texts(all.iter().map(|_| self.asset.as_deref())),
            texts(all.iter().map(|_| Some(self.tag.definition.path.as_str()))),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&ALARM_JOURNAL), columns)?)
    }
}

/// A text that says something.
fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn moments(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
}
