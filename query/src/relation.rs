//! The relations a statement can read: samples and tags, the plant around them, and what happened.
//!
//! *Invariant.* All relations of one statement read the same [`Snapshot`], so that a join of two
//! of them never sees a sample in one and not in the other. None can be written or replaced.
//!
//! *Not here.* What only one wire shows: its [`Dialect`].

mod added;
mod alarm;
mod asset;
mod audit;
mod information;
mod landscape;
mod occurrence;
mod rows;
mod samples;
mod shift;
mod window;

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use tacitus_model::Batch;
use tacitus_storage::Snapshot;

use crate::dialect::Dialect;
use crate::error::{QueryError, SqlState};
use crate::plant::Places;
use alarm::{ALARM_JOURNAL, ALARMS, AlarmRelation, Alarms};
use asset::ASSETS;
use audit::AUDIT;
use information::{INFORMATION, Information};
use landscape::{COLLECTORS, FORWARDS, GAPS, REFUSALS, SOURCES};
pub use landscape::{CollectorRow, ForwardRow, GapRow, Landscape, RefusalRow, SourceRow};
use occurrence::{ANNOTATIONS, Annotations, EVENTS, Events};
pub use occurrence::{AnnotationRow, EventRow};
use rows::{RowsTable, TagRelation};
use samples::SamplesTable;
use shift::SHIFTS;
use window::Window;

/// The catalog of every statement.
pub const CATALOG: &str = "tacitus";
/// The schema of the relations, named as PostgreSQL names its default.
pub const SCHEMA: &str = "public";

/// The relations that say how things are now.
const OF_NOW: [&str; 9] = [
    "annotations",
    "assets",
    "collectors",
    "events",
    "forwards",
    "gaps",
    "refusals",
    "shifts",
    "sources",
];

/// The relation of all tags.
pub(crate) const TAGS_NAME: &str = "tags";

/// The type of every moment: nanoseconds, UTC.
pub(crate) fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

/// A column of `samples`, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SampleColumn {
    Tag,
    Ts,
    Value,
    ValueInt,
    Text,
    Quality,
    Good,
}

impl SampleColumn {
    /// Every column, in the order of the relation.
    pub(crate) const ALL: [Self; 7] =
        [Self::Tag, Self::Ts, Self::Value, Self::ValueInt, Self::Text, Self::Quality, Self::Good];

    /// The column's name in SQL.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Ts => "ts",
            Self::Value => "value",
            Self::ValueInt => "value_int",
            Self::Text => "text",
            Self::Quality => "quality",
            Self::Good => "good",
        }
    }

    /// The column's name, type and nullability.
    pub(crate) fn field(self) -> Field {
        let (kind, nullable) = match self {
            Self::Tag => (DataType::Utf8View, false),
            Self::Ts => (moment(), false),
            Self::Value => (DataType::Float64, true),
            Self::ValueInt | Self::Quality => (DataType::Int64, self == Self::ValueInt),
            Self::Text => (DataType::Utf8View, true),
            Self::Good => (DataType::Boolean, false),
        };
        Field::new(self.name(), kind, nullable)
    }
}

/// The columns of `samples`.
pub(crate) static SAMPLES: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(SampleColumn::ALL.map(SampleColumn::field).to_vec())));

/// The columns of `latest`: those of `samples`, and the age.
static LATEST: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = SampleColumn::ALL.map(SampleColumn::field).to_vec();
    fields.push(Field::new("age", DataType::Float64, false));
    Arc::new(Schema::new(fields))
});

/// The columns of `tags`.
static TAGS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8View, false),
        Field::new("kind", DataType::Utf8View, false),
        Field::new("unit", DataType::Utf8View, false),
        Field::new("description", DataType::Utf8View, false),
        Field::new("step", DataType::Boolean, false),
        Field::new("labels", DataType::Utf8View, false),
        Field::new("states", DataType::Utf8View, true),
        Field::new("range_low", DataType::Float64, true),
        Field::new("range_high", DataType::Float64, true),
        Field::new("asset", DataType::Utf8View, true),
        Field::new("source", DataType::Utf8View, false),
        Field::new("first_ts", moment(), true),
        Field::new("last_ts", moment(), true),
    ]))
});

/// The name and the columns of every relation.
pub fn relations() -> Vec<(&'static str, SchemaRef)> {
    let columns = |name| Some((name, Arc::clone(Relations::columns(name)?)));
    Relations::NAMES.into_iter().filter_map(columns).collect()
}

/// The relations over one snapshot: list of catalogs, catalog and schema in one.
#[derive(Debug, Clone)]
pub(crate) struct Relations {
    places: Places,
    dialect: Option<Arc<dyn Dialect>>,
    /// The samples, where they are not those of the snapshot.
    samples: Option<Arc<MemTable>>,
    /// What is around the store.
    landscape: Option<Arc<dyn Landscape>>,
    /// Whether the snapshot is of an earlier sequence.
    past: bool,
}

impl Relations {
    /// The relations as `snapshot` shows them.
    pub(crate) fn new(snapshot: Snapshot, dialect: Option<Arc<dyn Dialect>>) -> Self {
        let places = Places::new(Arc::default(), snapshot);
        Self { places, dialect, samples: None, landscape: None, past: false }
    }

    /// The same among what is around the store.
    pub(crate) fn among(self, landscape: Option<Arc<dyn Landscape>>) -> Self {
        let plant = landscape.as_ref().map(|around| around.plant()).unwrap_or_default();
        let places = Places::new(plant, self.places.snapshot().clone());
        Self { places, landscape, ..self }
    }

    /// The same where the snapshot is of an earlier sequence: what is known of now only is refused.
    pub(crate) fn of_the_past(self) -> Self {
        Self { past: true, ..self }
    }

    /// The same with these samples in place of the stored ones.
    pub(crate) fn over(self, batches: &[Arc<Batch>]) -> Result<Self, QueryError> {
        let rows = added::rows(self.places.snapshot(), batches).map_err(DataFusionError::from);
        let table = rows.and_then(|rows| MemTable::try_new(Arc::clone(&SAMPLES), vec![vec![rows]]));
        let table = table.map_err(|error| QueryError::classify(&error, ""))?;
        Ok(Self { samples: Some(Arc::new(table)), ..self })
    }

    /// The columns of a relation.
    fn columns(name: &str) -> Option<&'static SchemaRef> {
        match name {
            "samples" => Some(&SAMPLES),
            "latest" => Some(&LATEST),
            TAGS_NAME => Some(&TAGS),
            "alarms" => Some(&ALARMS),
            "alarm_journal" => Some(&ALARM_JOURNAL),
            "annotations" => Some(&ANNOTATIONS),
            "assets" => Some(&ASSETS),
            "audit" => Some(&AUDIT),
            "collectors" => Some(&COLLECTORS),
            "events" => Some(&EVENTS),
            "forwards" => Some(&FORWARDS),
            "gaps" => Some(&GAPS),
            "refusals" => Some(&REFUSALS),
            "shifts" => Some(&SHIFTS),
            "sources" => Some(&SOURCES),
            _ => None,
        }
    }

    /// The names of all schemas.
    fn schemas(&self) -> Vec<String> {
        let mut names = vec![SCHEMA.to_owned(), INFORMATION.to_owned()];
        names.extend(self.dialect.iter().flat_map(|dialect| dialect.schema_names()));
        names
    }

    /// The plant, and the moment of the store that all relations show.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// What is around the store.
    pub(crate) fn around(&self) -> Option<&Arc<dyn Landscape>> {
        self.landscape.as_ref()
    }

    /// The relations that a plan may be kept of.
    pub(crate) const KEPT: [&'static str; 3] = ["latest", "samples", TAGS_NAME];

    /// One of [`Self::KEPT`].
    pub(crate) fn kept(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        let places = self.places.clone();
        Some(match name {
            "samples" => Arc::new(SamplesTable::new(places.snapshot().clone())),
            "latest" => Arc::new(RowsTable::new(places, TagRelation::Latest)),
            TAGS_NAME => Arc::new(RowsTable::new(places, TagRelation::Tags)),
            _ => return None,
        })
    }

    /// Whether plans over these relations may be kept.
    pub(crate) fn are_of_the_store(&self) -> bool {
        self.samples.is_none()
    }

    /// The names of the relations, for hints.
    pub(crate) const NAMES: [&'static str; 15] = [
        "alarm_journal",
        "alarms",
        "annotations",
        "assets",
        "audit",
        "collectors",
        "events",
        "forwards",
        "gaps",
        "latest",
        "refusals",
        "samples",
        "shifts",
        "sources",
        TAGS_NAME,
    ];

    /// The names of all columns of all relations, for hints.
    pub(crate) fn column_names() -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter_map(Self::columns).flat_map(|schema| {
            let schema: &'static Schema = schema;
            schema.fields().iter().map(|field| field.name().as_str())
        })
    }
}

impl CatalogProviderList for Relations {
    fn register_catalog(
        &self,
        _name: String,
        _catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| Arc::new(self.clone()) as Arc<dyn CatalogProvider>)
    }
}

impl CatalogProvider for Relations {
    fn schema_names(&self) -> Vec<String> {
        self.schemas()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let own = || Arc::new(self.clone()) as Arc<dyn SchemaProvider>;
        match name {
            SCHEMA => Some(own()),
            INFORMATION => Some(Arc::new(Information::new(self.clone()))),
            other => self.dialect.as_ref()?.schema(other, &own()),
        }
    }
}

#[async_trait]
impl SchemaProvider for Relations {
    fn table_names(&self) -> Vec<String> {
        Self::NAMES.map(str::to_owned).to_vec()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let (places, snapshot) = (self.places.clone(), self.places.snapshot().clone());
        if self.past && OF_NOW.contains(&name) {
            let what = format!("\"{name}\" is of now, and cannot be read as of a sequence");
            let refusal = QueryError::new(SqlState::FEATURE_NOT_SUPPORTED, what)
                .with_hint("ask without a sequence");
            return Err(refusal.into());
        }
        if let Some(samples) = self.samples.as_ref().filter(|_| name == "samples") {
            return Ok(Some(Arc::clone(samples) as Arc<dyn TableProvider>));
        }
        Ok(match name {
            "samples" => Some(Arc::new(SamplesTable::new(snapshot))),
            "latest" => Some(Arc::new(RowsTable::new(places, TagRelation::Latest))),
            TAGS_NAME => Some(Arc::new(RowsTable::new(places, TagRelation::Tags))),
            "alarms" => Some(Arc::new(Alarms::new(AlarmRelation::Now, places))),
            "alarm_journal" => Some(Arc::new(Alarms::new(AlarmRelation::Journal, places))),
            "assets" => Some(asset::assets(places.plant())?),
            "audit" => Some(audit::audit(&snapshot)?),
            "collectors" => Some(landscape::collectors(self.landscape.as_deref())?),
            "events" => Some(Window::over(Events(self.landscape.clone()))),
            "annotations" => {
                Some(Window::over(Annotations { around: self.landscape.clone(), places }))
            }
            "forwards" => Some(landscape::forwards(self.landscape.as_deref())?),
            "gaps" => Some(landscape::gaps(self.landscape.as_deref())?),
            "refusals" => Some(landscape::refusals(self.landscape.as_deref())?),
            "sources" => Some(landscape::sources(self.landscape.as_deref())?),
            "shifts" => Some(Window::over(shift::Shifts(Arc::clone(places.plant())))),
            _ => None,
        })
    }

    fn table_exist(&self, name: &str) -> bool {
        Self::NAMES.contains(&name)
    }
}
