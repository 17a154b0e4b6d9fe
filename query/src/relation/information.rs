//! The schema `information_schema`: what relations and columns there are, as the SQL standard and
//! PostgreSQL tell it.
//!
//! *Invariant.* Types are named as PostgreSQL names them: clients choose by these names which
//! columns are times and which are numbers. A view that can hold nothing here is there and empty.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};

use super::{CATALOG, Relations, SCHEMA};
use crate::format::{type_name, udt_name};

/// The name of the schema.
pub(super) const INFORMATION: &str = "information_schema";

/// Who owns everything.
const OWNER: &str = "tacitus";

/// Views that are empty, with their columns.
const EMPTY: &[(&str, &[&str])] = &[
    ("applicable_roles", &["grantee", "role_name", "is_grantable"]),
    (
        "check_constraints",
        &["constraint_catalog", "constraint_schema", "constraint_name", "check_clause"],
    ),
    (
        "column_privileges",
        &[
            "grantor",
            "grantee",
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "privilege_type",
            "is_grantable",
        ],
    ),
    (
        "constraint_column_usage",
        &[
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
        ],
    ),
    (
        "domains",
        &[
            "domain_catalog",
            "domain_schema",
            "domain_name",
            "data_type",
            "domain_default",
            "udt_name",
        ],
    ),
    (
        "element_types",
        &[
            "object_catalog",
            "object_schema",
            "object_name",
            "object_type",
            "collection_type_identifier",
            "data_type",
            "udt_name",
        ],
    ),
    (
        "parameters",
        &[
            "specific_catalog",
            "specific_schema",
            "specific_name",
            "ordinal_position",
            "parameter_mode",
            "parameter_name",
            "data_type",
            "udt_name",
            "parameter_default",
        ],
    ),
    (
        "referential_constraints",
        &[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "unique_constraint_catalog",
            "unique_constraint_schema",
            "unique_constraint_name",
            "match_option",
            "update_rule",
            "delete_rule",
        ],
    ),
    (
        "role_table_grants",
        &[
            "grantor",
            "grantee",
            "table_catalog",
            "table_schema",
            "table_name",
            "privilege_type",
            "is_grantable",
            "with_hierarchy",
        ],
    ),
    (
        "routines",
        &[
            "specific_catalog",
            "specific_schema",
            "specific_name",
            "routine_catalog",
            "routine_schema",
            "routine_name",
            "routine_type",
            "data_type",
            "type_udt_name",
            "routine_body",
            "routine_definition",
            "external_language",
            "is_deterministic",
            "security_type",
        ],
    ),
    (
        "sequences",
        &[
            "sequence_catalog",
            "sequence_schema",
            "sequence_name",
            "data_type",
            "start_value",
            "minimum_value",
            "maximum_value",
            "increment",
            "cycle_option",
        ],
    ),
    (
        "triggers",
        &[
            "trigger_catalog",
            "trigger_schema",
            "trigger_name",
            "event_manipulation",
            "event_object_catalog",
            "event_object_schema",
            "event_object_table",
            "action_statement",
            "action_orientation",
            "action_timing",
        ],
    ),
    (
        "views",
        &[
            "table_catalog",
            "table_schema",
            "table_name",
            "view_definition",
            "check_option",
            "is_updatable",
            "is_insertable_into",
        ],
    ),
];

/// Views with rows.
const FILLED: [&str; 7] = [
    "character_sets",
    "columns",
    "enabled_roles",
    "key_column_usage",
    "schemata",
    "table_constraints",
    "tables",
];

/// The schema over the relations of one statement.
#[derive(Debug)]
pub(super) struct Information {
    relations: Relations,
}

/// A cell of a view.
#[derive(Debug, Clone)]
enum Cell {
    Null,
    Text(String),
    Number(i32),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A row: columns by name; what a row leaves out is null.
type Row = Vec<(&'static str, Cell)>;

impl Information {
    pub(super) fn new(relations: Relations) -> Self {
        Self { relations }
    }

    fn rows(&self, view: &str) -> Vec<Row> {
        match view {
            "character_sets" => vec![vec![
                ("character_set_name", "UTF8".into()),
                ("character_repertoire", "UCS".into()),
                ("form_of_use", "UTF8".into()),
                ("default_collate_catalog", CATALOG.into()),
                ("default_collate_schema", "pg_catalog".into()),
                ("default_collate_name", "C".into()),
            ]],
            "enabled_roles" => vec![vec![("role_name", OWNER.into())]],
            "schemata" => self.relations.schemas().iter().map(|name| schema_row(name)).collect(),
            "tables" => table_rows(),
            "columns" => column_rows(),
            "table_constraints" => Relations::NAMES
                .iter()
                .filter(|table| !key(table).is_empty())
                .map(|table| {
                    let mut row = constraint(table);
                    row.extend([
                        ("constraint_type", "PRIMARY KEY".into()),
                        ("is_deferrable", "NO".into()),
                        ("initially_deferred", "NO".into()),
                        ("enforced", "YES".into()),
                    ]);
                    row
                })
                .collect(),
            "key_column_usage" => Relations::NAMES
                .iter()
                .flat_map(|table| {
                    (1..).zip(key(table)).map(move |(position, column)| {
                        let mut row = constraint(table);
                        row.extend([
                            ("column_name", (*column).into()),
                            ("ordinal_position", Cell::Number(position)),
                        ]);
                        row
                    })
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    fn view(&self, name: &str) -> Result<Option<RecordBatch>> {
        if let Some((_, columns)) = EMPTY.iter().find(|(view, _)| *view == name) {
            let fields: Vec<Field> = columns.iter().map(|column| text_field(column)).collect();
            return Ok(Some(RecordBatch::new_empty(Arc::new(Schema::new(fields)))));
        }
        if FILLED.contains(&name) { batch(&self.rows(name)).map(Some) } else { Ok(None) }
    }
}

fn table_rows() -> Vec<Row> {
    let row = |schema: &str, name: &str, kind: &str| -> Row {
        vec![
            ("table_catalog", CATALOG.into()),
            ("table_schema", schema.into()),
            ("table_name", name.into()),
            ("table_type", kind.into()),
            ("self_referencing_column_name", Cell::Null),
            ("reference_generation", Cell::Null),
            ("user_defined_type_name", Cell::Null),
            ("is_insertable_into", "NO".into()),
            ("is_typed", "NO".into()),
            ("commit_action", Cell::Null),
        ]
    };
    let own = Relations::NAMES.iter().map(|name| row(SCHEMA, name, "BASE TABLE"));
    let views = views().map(|name| row(INFORMATION, name, "VIEW"));
    own.chain(views).collect()
}

fn column_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for table in Relations::NAMES {
        let Some(schema) = Relations::columns(table) else { continue };
        for (position, field) in (1..).zip(schema.fields()) {
            rows.push(column_row(table, position, field));
        }
    }
    rows
}

fn views() -> impl Iterator<Item = &'static str> {
    EMPTY.iter().map(|(name, _)| *name).chain(FILLED)
}

/// The columns that identify a row of a relation.
pub(super) fn key(table: &str) -> &'static [&'static str] {
    match table {
        "tags" => &["id"],
        "samples" => &["tag", "ts"],
        "latest" => &["tag"],
        _ => &[],
    }
}

fn constraint(table: &str) -> Row {
    vec![
        ("constraint_catalog", CATALOG.into()),
        ("constraint_schema", SCHEMA.into()),
        ("constraint_name", Cell::Text(format!("{table}_pkey"))),
        ("table_catalog", CATALOG.into()),
        ("table_schema", SCHEMA.into()),
        ("table_name", table.into()),
    ]
}

fn schema_row(name: &str) -> Row {
    vec![
        ("catalog_name", CATALOG.into()),
        ("schema_name", name.into()),
        ("schema_owner", OWNER.into()),
        ("default_character_set_catalog", Cell::Null),
        ("default_character_set_schema", Cell::Null),
        ("default_character_set_name", Cell::Null),
        ("sql_path", Cell::Null),
    ]
}

fn column_row(table: &str, position: i32, field: &Field) -> Row {
    let kind = field.data_type();
    let [precision, radix, scale] = match kind {
        DataType::Int16 => [Some(16), Some(2), Some(0)],
        DataType::Int32 => [Some(32), Some(2), Some(0)],
        DataType::Int64 => [Some(64), Some(2), Some(0)],
        DataType::Float32 => [Some(24), Some(2), None],
        DataType::Float64 => [Some(53), Some(2), None],
        _ => [None, None, None],
    };
    let datetime = matches!(kind, DataType::Timestamp(..)).then_some(6);
    let number = |value: Option<i32>| value.map_or(Cell::Null, Cell::Number);
    let type_name = type_name(kind);
    let standard = if type_name.ends_with("[]") { "ARRAY" } else { &type_name };
    vec![
        ("table_catalog", CATALOG.into()),
        ("table_schema", SCHEMA.into()),
        ("table_name", table.into()),
        ("column_name", field.name().as_str().into()),
        ("ordinal_position", Cell::Number(position)),
        ("column_default", Cell::Null),
        ("is_nullable", if field.is_nullable() { "YES" } else { "NO" }.into()),
        ("data_type", standard.into()),
        ("character_maximum_length", number(None)),
        ("character_octet_length", number(None)),
        ("numeric_precision", number(precision)),
        ("numeric_precision_radix", number(radix)),
        ("numeric_scale", number(scale)),
        ("datetime_precision", number(datetime)),
        ("interval_type", Cell::Null),
        ("character_set_name", Cell::Null),
        ("collation_name", Cell::Null),
        ("domain_name", Cell::Null),
        ("udt_catalog", CATALOG.into()),
        ("udt_schema", "pg_catalog".into()),
        ("udt_name", Cell::Text(udt_name(kind))),
        ("is_self_referencing", "NO".into()),
        ("is_identity", "NO".into()),
        ("identity_generation", Cell::Null),
        ("is_generated", "NEVER".into()),
        ("generation_expression", Cell::Null),
        ("is_updatable", "NO".into()),
    ]
}

fn text_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8View, true)
}

/// Columns that hold numbers, also where all are null.
const NUMBERS: [&str; 7] = [
    "ordinal_position",
    "character_maximum_length",
    "character_octet_length",
    "numeric_precision",
    "numeric_precision_radix",
    "numeric_scale",
    "datetime_precision",
];

/// Rows of the same columns as a batch.
fn batch(rows: &[Row]) -> Result<RecordBatch> {
    let names: Vec<&str> =
        rows.first().map(|row| row.iter().map(|(name, _)| *name).collect()).unwrap_or_default();
    let cell = |row: &Row, at: usize| row.get(at).map_or(Cell::Null, |(_, cell)| cell.clone());
    let columns = names.iter().enumerate().map(|(at, name)| {
        let (field, column): (Field, ArrayRef) = if NUMBERS.contains(name) {
            let numbers: Int32Array = rows
                .iter()
                .map(
                    |row| {
                        if let Cell::Number(number) = cell(row, at) { Some(number) } else { None }
                    },
                )
                .collect();
            (Field::new(*name, DataType::Int32, true), Arc::new(numbers))
        } else {
            let texts: StringViewArray = rows
                .iter()
                .map(|row| if let Cell::Text(text) = cell(row, at) { Some(text) } else { None })
                .collect();
            (text_field(name), Arc::new(texts))
        };
        (field, column)
    });
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

#[async_trait]
impl SchemaProvider for Information {
    fn table_names(&self) -> Vec<String> {
        views().map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some(batch) = self.view(name)? else { return Ok(None) };
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        Ok(Some(Arc::new(table)))
    }

    fn table_exist(&self, name: &str) -> bool {
        views().any(|view| view == name)
    }
}
