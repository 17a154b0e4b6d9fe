//! The schema `pg_catalog`, by which tools find their way around.
//!
//! *Invariant.* The numbers of relations and types stay the same as long as the server runs.

use std::sync::{Arc, LazyLock, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, BooleanArray, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::context::{SessionContext, SessionState};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableType};
use datafusion::prelude::{SessionConfig, ident, lit};
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;
use datafusion_pg_catalog::pg_catalog::{
    PgCatalogSchemaProvider, PgCatalogStaticTables, setup_pg_catalog,
};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use tacitus_query::{CATALOG, SCHEMA, SETTINGS, Setting, relations};

use super::functions::Facts;

/// The name of the schema.
pub(super) const PG_CATALOG: &str = "pg_catalog";

/// The tables, made once.
static TABLES: LazyLock<Option<Arc<dyn SchemaProvider>>> = LazyLock::new(|| {
    let tables = PgCatalogStaticTables::try_new()
        .and_then(|tables| {
            PgCatalogSchemaProvider::try_new(Listing, Arc::new(tables), EmptyContextProvider)
        })
        .inspect_err(|error| tracing::error!(%error, "the Postgres catalog cannot be made"));
    tables.ok().map(|tables| Arc::new(tables) as _)
});

/// What rewrites questions of tools.
static REWRITER: LazyLock<PostgresCompatibilityParser> =
    LazyLock::new(PostgresCompatibilityParser::new);

/// The functions of the catalog, made once.
static FUNCTIONS: LazyLock<Option<SessionState>> = LazyLock::new(|| {
    let config = SessionConfig::new().with_default_catalog_and_schema(CATALOG, SCHEMA);
    let context = SessionContext::new_with_config(config);
    setup_pg_catalog(&context, CATALOG, EmptyContextProvider)
        .inspect_err(|error| tracing::error!(%error, "the Postgres functions cannot be made"))
        .ok()?;
    Some(context.state())
});

/// The tables of the schema, as one connection sees them.
pub(super) fn schema(facts: &Arc<Facts>) -> Option<Arc<dyn SchemaProvider>> {
    let tables = TABLES.clone()?;
    Some(Arc::new(Tables { tables, facts: Arc::clone(facts) }))
}

/// Adds the functions of the catalog and the names of its types.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    let Some(made) = FUNCTIONS.as_ref() else { return Ok(()) };
    for (name, function) in made.scalar_functions() {
        if !state.scalar_functions().contains_key(name) {
            state.register_udf(Arc::clone(function))?;
        }
    }
    for name in ["pg_get_keywords", "generate_series", "range"] {
        if let Some(function) = made.table_functions().get(name) {
            state.register_udtf(name, Arc::clone(function.function()));
        }
    }
    *state = SessionStateBuilder::new_from_existing(state.clone())
        .with_type_planner(Arc::new(PgOidTypePlanner))
        .build();
    Ok(())
}

/// Writes a question of a tool as the query engine takes it.
pub(super) fn rewrite(statement: Statement) -> Statement {
    REWRITER.rewrite(statement)
}

/// What relations there are, for the tables that list them.
#[derive(Debug, Clone)]
struct Listing;

#[async_trait]
impl CatalogInfo for Listing {
    async fn catalog_names(&self) -> Result<Vec<String>> {
        Ok(vec![CATALOG.to_owned()])
    }

    async fn schema_names(&self, catalog: &str) -> Result<Option<Vec<String>>> {
        let names = [SCHEMA, "information_schema", PG_CATALOG];
        Ok((catalog == CATALOG).then(|| names.map(str::to_owned).to_vec()))
    }

    async fn table_names(&self, _: &str, schema: &str) -> Result<Option<Vec<String>>> {
        let own = || relations().iter().map(|(name, _)| (*name).to_owned()).collect();
        Ok(Some(if schema == SCHEMA { own() } else { Vec::new() }))
    }

    async fn table_schema(&self, _: &str, schema: &str, table: &str) -> Result<Option<SchemaRef>> {
        let mut own = relations().into_iter().filter(|_| schema == SCHEMA);
        Ok(own.find(|(name, _)| *name == table).map(|(_, columns)| columns))
    }

    async fn table_type(&self, _: &str, schema: &str, table: &str) -> Result<Option<TableType>> {
        let known = schema == SCHEMA && relations().iter().any(|(name, _)| *name == table);
        Ok(known.then_some(TableType::Base))
    }
}

/// The tables, with those that say something of this server.
#[derive(Debug)]
struct Tables {
    tables: Arc<dyn SchemaProvider>,
    facts: Arc<Facts>,
}

/// The version of TimescaleDB whose `time_bucket` is meant: Grafana then groups by it.
const TIMESCALE: &str = "2.17.2";

fn extensions() -> Result<RecordBatch> {
    let batch = RecordBatch::try_from_iter([
        ("oid", Arc::new(Int32Array::from(vec![13_000, 16_000])) as _),
        ("extname", Arc::new(StringArray::from(vec!["plpgsql", "timescaledb"])) as _),
        ("extowner", Arc::new(Int32Array::from(vec![10, 10])) as _),
        ("extnamespace", Arc::new(Int32Array::from(vec![11, 2200])) as _),
        ("extrelocatable", Arc::new(BooleanArray::from(vec![false, false])) as _),
        ("extversion", Arc::new(StringArray::from(vec!["1.0", TIMESCALE])) as _),
        ("extconfig", Arc::new(StringArray::from(vec![None::<&str>, None])) as _),
        ("extcondition", Arc::new(StringArray::from(vec![None::<&str>, None])) as _),
    ]);
    Ok(batch?)
}

impl Tables {
    /// A table with columns that it lacks.
    async fn with_nulls(
        &self,
        name: &str,
        more: &[&str],
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(table) = self.tables.table(name).await? else { return Ok(None) };
        let mut columns: Vec<Expr> =
            table.schema().fields().iter().map(|field| ident(field.name())).collect();
        for column in more.iter().filter(|column| table.schema().index_of(column).is_err()) {
            columns.push(lit(ScalarValue::Utf8(None)).alias(*column));
        }
        let plan = LogicalPlanBuilder::scan(name, provider_as_source(table), None)?
            .project(columns)?
            .build()?;
        Ok(Some(Arc::new(ViewTable::new(plan, None))))
    }
}

fn settings(facts: &Facts) -> Result<RecordBatch> {
    let own = facts.settings.read().unwrap_or_else(PoisonError::into_inner);
    let column = |of: &dyn Fn(&Setting) -> Option<String>| -> ArrayRef {
        Arc::new(SETTINGS.iter().map(of).collect::<StringArray>())
    };
    let now = |one: &Setting| own.get(one.name).map(str::to_owned);
    let said = |text: &'static str| move |_: &Setting| Some(text.to_owned());
    let default = |one: &Setting| Some(one.default.to_owned());
    let context = |one: &Setting| Some(if one.settable { "user" } else { "internal" }.to_owned());
    Ok(RecordBatch::try_from_iter([
        ("name", column(&|one| Some(one.name.to_owned()))),
        ("setting", column(&now)),
        ("unit", column(&|_| None)),
        ("category", column(&said("Tacitus"))),
        ("short_desc", column(&|one| Some(one.description.to_owned()))),
        ("extra_desc", column(&|_| None)),
        ("context", column(&context)),
        ("vartype", column(&said("string"))),
        ("source", column(&said("default"))),
        ("min_val", column(&|_| None)),
        ("max_val", column(&|_| None)),
        ("enumvals", column(&|_| None)),
        ("boot_val", column(&default)),
        ("reset_val", column(&default)),
    ])?)
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        self.tables.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let batch = match name {
            "pg_extension" => extensions()?,
            "pg_settings" => settings(&self.facts)?,
            "pg_class" => return self.with_nulls(name, &["relacl", "reloptions"]).await,
            _ => return self.tables.table(name).await,
        };
        Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.table_exist(name)
    }
}
