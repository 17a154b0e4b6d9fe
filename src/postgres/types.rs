//! The types of PostgreSQL that stand for those of the engine, and back.
//!
//! *Invariant.* A column has one type for as long as its statement is known: what Describe says is
//! what the rows hold.

use std::sync::Arc;

use arrow_pg::datatypes::field_into_pg_type;
use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use pgwire::api::Type;

/// The type of a column.
pub(super) fn of_field(field: &Arc<Field>) -> Type {
    match field.data_type() {
        // What counts rows is bigint in PostgreSQL; nothing here counts beyond it.
        DataType::UInt64 => Type::INT8,
        DataType::Null => Type::TEXT,
        _ => match field_into_pg_type(field) {
            // A record has no shape that a client knows before the rows.
            Ok(kind) if kind == Type::UNKNOWN || kind.oid() == Type::RECORD.oid() => Type::TEXT,
            Ok(kind) => kind,
            Err(_unknown) => Type::TEXT,
        },
    }
}

/// The type of a parameter.
pub(super) fn of_parameter(kind: &DataType) -> Type {
    of_field(&Arc::new(Field::new("", kind.clone(), true)))
}

/// The type that a client declares by its number; `None` where the statement is to tell.
pub(super) fn declared(oid: u32) -> Option<DataType> {
    let list = |item: DataType| DataType::List(Arc::new(Field::new_list_field(item, true)));
    Some(match Type::from_oid(oid)? {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 | Type::OID | Type::REGCLASS | Type::REGTYPE => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 | Type::NUMERIC => DataType::Float64,
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::JSON
        | Type::JSONB
        | Type::CHAR
        | Type::UUID => DataType::Utf8View,
        Type::BYTEA => DataType::BinaryView,
        Type::TIMESTAMPTZ => moment(),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Nanosecond, None),
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Nanosecond),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        Type::BOOL_ARRAY => list(DataType::Boolean),
        Type::INT2_ARRAY => list(DataType::Int16),
        Type::INT4_ARRAY | Type::OID_ARRAY => list(DataType::Int32),
        Type::INT8_ARRAY => list(DataType::Int64),
        Type::FLOAT4_ARRAY => list(DataType::Float32),
        Type::FLOAT8_ARRAY | Type::NUMERIC_ARRAY => list(DataType::Float64),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY | Type::NAME_ARRAY => {
            list(DataType::Utf8View)
        }
        Type::TIMESTAMPTZ_ARRAY => list(moment()),
        _ => return None,
    })
}

/// The type of moments: that of the columns.
pub(super) fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

/// How many bytes a value takes, as RowDescription says it; −1 where it depends.
pub(super) fn size(kind: &Type) -> i16 {
    match *kind {
        Type::BOOL | Type::CHAR => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE | Type::OID => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::TIME => 8,
        Type::INTERVAL => 16,
        Type::NAME => 64,
        _ => -1,
    }
}
