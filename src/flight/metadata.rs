//! What there is: catalogs, schemas, relations, and what this server can do.
//!
//! *Invariant.* Relations are those that SQL shows in `information_schema`, so that both ways of
//! looking agree.
//!
//! *Not here.* Keys: the relations have none that are declared, and the answers about them are
//! empty.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, RecordBatch};
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    Command, CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes,
    CommandGetTables, SqlInfo, SqlSupportedTransaction,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tacitus_query::{Connection, Plain, Plainness};
use tonic::Status;

use super::status::{fault, of_query};

/// The relations of all schemas.
const RELATIONS: &str = "SELECT table_catalog, table_schema, table_name, table_type \
     FROM information_schema.tables ORDER BY 1, 2, 3";

/// One relation.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Relation {
    catalog: String,
    schema: String,
    name: String,
    kind: &'static str,
}

/// Answers a question about what there is; `None` where the command is none.
pub(super) async fn answer(
    connection: &Connection,
    command: &Command,
) -> Option<Result<RecordBatch, Status>> {
    Some(match command {
        Command::CommandGetCatalogs(command) => catalogs(connection, *command).await,
        Command::CommandGetDbSchemas(command) => schemas(connection, command.clone()).await,
        Command::CommandGetTables(command) => tables(connection, command.clone()).await,
        Command::CommandGetTableTypes(command) => table_types(*command),
        Command::CommandGetSqlInfo(command) => sql_info(command.clone()),
        other => return columns(other).map(|columns| Ok(RecordBatch::new_empty(columns))),
    })
}

/// The columns of such an answer; `None` where the command is none.
pub(super) fn columns(command: &Command) -> Option<SchemaRef> {
    Some(match command {
        Command::CommandGetCatalogs(command) => command.into_builder().schema(),
        Command::CommandGetDbSchemas(command) => command.clone().into_builder().schema(),
        Command::CommandGetTables(command) => command.clone().into_builder().schema(),
        Command::CommandGetTableTypes(command) => command.into_builder().schema(),
        Command::CommandGetSqlInfo(_) => SQL_INFO.as_ref().ok()?.schema(),
        Command::CommandGetPrimaryKeys(_) => Arc::clone(&PRIMARY_KEYS),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => Arc::clone(&FOREIGN_KEYS),
        _ => return None,
    })
}

async fn catalogs(
    connection: &Connection,
    command: CommandGetCatalogs,
) -> Result<RecordBatch, Status> {
    let mut names: Vec<String> =
        relations(connection).await?.into_iter().map(|relation| relation.catalog).collect();
    names.sort();
    names.dedup();
    let mut builder = command.into_builder();
    names.into_iter().for_each(|name| builder.append(name));
    builder.build().map_err(|error| fault("the catalogs could not be listed", &error))
}

async fn schemas(
    connection: &Connection,
    command: CommandGetDbSchemas,
) -> Result<RecordBatch, Status> {
    let mut names: Vec<(String, String)> = relations(connection)
        .await?
        .into_iter()
        .map(|relation| (relation.catalog, relation.schema))
        .collect();
    names.sort();
    names.dedup();
    let mut builder = command.into_builder();
    names.iter().for_each(|(catalog, schema)| builder.append(catalog, schema));
    builder.build().map_err(|error| fault("the schemas could not be listed", &error))
}

async fn tables(connection: &Connection, command: CommandGetTables) -> Result<RecordBatch, Status> {
    let with_columns = command.include_schema;
    let mut builder = command.into_builder();
    for relation in relations(connection).await? {
        let Relation { catalog, schema, name, kind } = &relation;
        let columns = if with_columns {
            let text = format!("SELECT * FROM {}.{}", quoted(schema), quoted(name));
            let prepared = connection.prepare(&text, &[]).await;
            let prepared = prepared.map_err(|error| of_query(&error))?;
            Plain::new(prepared.columns(), Plainness::Arrow).schema().as_ref().clone()
        } else {
            Schema::empty()
        };
        builder
            .append(catalog, schema, name, kind, &columns)
            .map_err(|error| fault("the relations could not be listed", &error))?;
    }
    builder.build().map_err(|error| fault("the relations could not be listed", &error))
}

/// A name as SQL takes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn table_types(command: CommandGetTableTypes) -> Result<RecordBatch, Status> {
    let mut builder = command.into_builder();
    ["SYSTEM VIEW", "TABLE", "VIEW"].iter().for_each(|kind| builder.append(kind));
    builder.build().map_err(|error| fault("the kinds of relations could not be listed", &error))
}

fn sql_info(command: CommandGetSqlInfo) -> Result<RecordBatch, Status> {
    let failed = |error: &dyn std::fmt::Display| fault("what is supported is unknown", error);
    let data = SQL_INFO.as_ref().map_err(|error| failed(error))?;
    command.into_builder(data).build().map_err(|error| failed(&error))
}

async fn relations(connection: &Connection) -> Result<Vec<Relation>, Status> {
    let mut answer = connection.run(RELATIONS, &[]).await.map_err(|error| of_query(&error))?;
    let mut relations = Vec::new();
    while let Some(batch) = answer.next().await {
        let batch = batch.map_err(|error| of_query(&error))?;
        let text = |at: usize| {
            cast(batch.column(at), &DataType::Utf8)
                .map_err(|error| fault("the relations could not be read", &error))
        };
        let columns = [text(0)?, text(1)?, text(2)?, text(3)?];
        for row in 0..batch.num_rows() {
            let [catalog, schema, name, kind] = columns.each_ref().map(|column| {
                let column = column.as_string::<i32>();
                if column.is_null(row) { String::new() } else { column.value(row).to_owned() }
            });
            let system = ["information_schema", "pg_catalog"].contains(&schema.as_str());
            let kind = match kind.as_str() {
                _ if system => "SYSTEM VIEW",
                "VIEW" => "VIEW",
                _ => "TABLE",
            };
            relations.push(Relation { catalog, schema, name, kind });
        }
    }
    Ok(relations)
}

static SQL_INFO: LazyLock<Result<SqlInfoData, arrow_flight::error::FlightError>> =
    LazyLock::new(|| {
        let mut facts = SqlInfoDataBuilder::new();
        facts.append(SqlInfo::FlightSqlServerName, "Tacitus");
        facts.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
        facts.append(SqlInfo::FlightSqlServerArrowVersion, "1.5");
        // Samples come in by bulk ingestion; statements only read.
        facts.append(SqlInfo::FlightSqlServerReadOnly, false);
        facts.append(SqlInfo::FlightSqlServerSql, true);
        facts.append(SqlInfo::FlightSqlServerSubstrait, false);
        facts.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
        facts.append(SqlInfo::FlightSqlServerCancel, true);
        facts.append(SqlInfo::FlightSqlServerBulkIngestion, true);
        facts.append(SqlInfo::FlightSqlServerIngestTransactionsSupported, false);
        facts.append(SqlInfo::SqlDdlCatalog, false);
        facts.append(SqlInfo::SqlDdlSchema, false);
        facts.append(SqlInfo::SqlDdlTable, false);
        facts.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
        facts.append(SqlInfo::SqlSchemaTerm, "schema");
        facts.append(SqlInfo::SqlCatalogTerm, "database");
        facts.build()
    });

/// Of primary keys (`CommandGetPrimaryKeys` of Flight SQL's protocol).
static PRIMARY_KEYS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("catalog_name", DataType::Utf8, true),
        Field::new("db_schema_name", DataType::Utf8, true),
        Field::new("table_name", DataType::Utf8, false),
        Field::new("column_name", DataType::Utf8, false),
        Field::new("key_name", DataType::Utf8, true),
        Field::new("key_sequence", DataType::Int32, false),
    ]))
});

/// Of foreign keys (`CommandGetExportedKeys` and its like).
static FOREIGN_KEYS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("pk_catalog_name", DataType::Utf8, true),
        Field::new("pk_db_schema_name", DataType::Utf8, true),
        Field::new("pk_table_name", DataType::Utf8, false),
        Field::new("pk_column_name", DataType::Utf8, false),
        Field::new("fk_catalog_name", DataType::Utf8, true),
        Field::new("fk_db_schema_name", DataType::Utf8, true),
        Field::new("fk_table_name", DataType::Utf8, false),
        Field::new("fk_column_name", DataType::Utf8, false),
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("fk_key_name", DataType::Utf8, true),
        Field::new("pk_key_name", DataType::Utf8, true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
});
