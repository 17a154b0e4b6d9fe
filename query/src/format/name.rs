//! The names of types, as PostgreSQL spells them.
//!
//! *Invariant.* The same type has the same name on every wire.

use arrow::datatypes::DataType;

/// The name of a type; of one that PostgreSQL does not have, Arrow's.
pub fn type_name(kind: &DataType) -> String {
    use DataType as T;
    match kind {
        T::Boolean => "boolean".to_owned(),
        T::Int8 | T::Int16 | T::UInt8 => "smallint".to_owned(),
        T::Int32 | T::UInt16 => "integer".to_owned(),
        T::Int64 | T::UInt32 => "bigint".to_owned(),
        T::UInt64 => "numeric(20,0)".to_owned(),
        T::Decimal128(digits, scale) | T::Decimal256(digits, scale) => {
            format!("numeric({digits},{scale})")
        }
        T::Float16 | T::Float32 => "real".to_owned(),
        T::Float64 => "double precision".to_owned(),
        T::Utf8 | T::LargeUtf8 | T::Utf8View => "text".to_owned(),
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => "bytea".to_owned(),
        T::Timestamp(_, Some(_)) => "timestamp with time zone".to_owned(),
        T::Timestamp(_, None) => "timestamp without time zone".to_owned(),
        T::Date32 | T::Date64 => "date".to_owned(),
        T::Time32(_) | T::Time64(_) => "time without time zone".to_owned(),
        T::Interval(_) | T::Duration(_) => "interval".to_owned(),
        T::Dictionary(_, value) => type_name(value),
        T::List(field) | T::LargeList(field) | T::FixedSizeList(field, _) => {
            format!("{}[]", type_name(field.data_type()))
        }
        other => other.to_string(),
    }
}

/// The short name of a type, as PostgreSQL's catalog has it.
pub(crate) fn udt_name(kind: &DataType) -> String {
    use DataType as T;
    let name = match kind {
        T::Boolean => "bool",
        T::Int8 | T::Int16 | T::UInt8 => "int2",
        T::Int32 | T::UInt16 => "int4",
        T::Int64 | T::UInt32 => "int8",
        T::UInt64 | T::Decimal128(..) | T::Decimal256(..) => "numeric",
        T::Float16 | T::Float32 => "float4",
        T::Float64 => "float8",
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => "bytea",
        T::Timestamp(_, Some(_)) => "timestamptz",
        T::Timestamp(_, None) => "timestamp",
        T::Date32 | T::Date64 => "date",
        T::Time32(_) | T::Time64(_) => "time",
        T::Interval(_) | T::Duration(_) => "interval",
        T::Dictionary(_, value) => return udt_name(value),
        T::List(field) | T::LargeList(field) | T::FixedSizeList(field, _) => {
            return format!("_{}", udt_name(field.data_type()));
        }
        _ => "text",
    };
    name.to_owned()
}
