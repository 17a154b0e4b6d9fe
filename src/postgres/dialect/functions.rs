//! PostgreSQL's functions about the server, the connection and its catalog.
//!
//! *Invariant.* What there is none of here (comments, triggers, privileges that are refused) is
//! answered as PostgreSQL answers for something that has none.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::arrow::array::{ArrayRef, AsArray as _, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use tacitus_query::{POSTGRES_VERSION, QueryError, Settings, SqlState};

/// What a connection knows of itself.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) user: String,
    pub(super) database: String,
    pub(super) pid: i32,
    pub(super) settings: RwLock<Settings>,
}

/// Functions that are null, whatever they are asked.
const NULLS: &[&str] = &[
    "col_description",
    "inet_client_addr",
    "json_build_object",
    "inet_server_addr",
    "obj_description",
    "pg_get_function_arguments",
    "pg_get_function_identity_arguments",
    "pg_get_function_arg_default",
    "pg_get_function_result",
    "pg_get_function_sqlbody",
    "pg_get_statisticsobjdef",
    "pg_get_functiondef",
    "pg_get_indexdef",
    "pg_get_ruledef",
    "pg_get_serial_sequence",
    "pg_get_triggerdef",
    "pg_get_viewdef",
    "pg_tablespace_location",
    "shobj_description",
    "to_regclass",
];

/// Functions that are true, whatever they are asked: everything is seen, and may be read.
const TRUES: &[&str] = &[
    "has_any_column_privilege",
    "has_column_privilege",
    "has_database_privilege",
    "has_function_privilege",
    "has_schema_privilege",
    "has_table_privilege",
    "has_type_privilege",
    "pg_collation_is_visible",
    "pg_conversion_is_visible",
    "pg_function_is_visible",
    "has_sequence_privilege",
    "has_tablespace_privilege",
    "pg_has_role",
    "pg_opclass_is_visible",
    "pg_operator_is_visible",
    "pg_type_is_visible",
];

/// Adds the functions.
pub(super) fn register(state: &mut SessionState, facts: &Arc<Facts>) -> Result<()> {
    let text = |text: &str| ScalarValue::Utf8View(Some(text.to_owned()));
    let version = format!(
        "PostgreSQL {POSTGRES_VERSION} (Tacitus {}) on {}-{}, compiled by rustc, 64-bit",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    );
    let mut constants: Vec<(&'static str, ScalarValue)> = vec![
        ("version", text(&version)),
        ("current_database", text(&facts.database)),
        ("current_catalog", text(&facts.database)),
        ("current_user", text(&facts.user)),
        ("session_user", text(&facts.user)),
        ("user", text(&facts.user)),
        ("pg_get_userbyid", text("tacitus")),
        ("pg_backend_pid", ScalarValue::Int32(Some(facts.pid))),
        ("pg_is_in_recovery", ScalarValue::Boolean(Some(false))),
        ("pg_is_wal_replay_paused", ScalarValue::Boolean(Some(false))),
        ("pg_encoding_to_char", text("UTF8")),
        ("pg_char_to_encoding", ScalarValue::Int32(Some(6))),
        ("txid_current", ScalarValue::Int64(Some(1))),
        ("inet_server_port", ScalarValue::Int32(None)),
        ("to_regtype", ScalarValue::Int32(None)),
        ("pg_my_temp_schema", ScalarValue::Int32(Some(0))),
        ("pg_is_other_temp_schema", ScalarValue::Boolean(Some(false))),
        ("pg_size_pretty", text("")),
        ("pg_table_size", ScalarValue::Int64(Some(0))),
        ("pg_indexes_size", ScalarValue::Int64(Some(0))),
        ("pg_database_size", ScalarValue::Int64(Some(0))),
        ("inet_client_port", ScalarValue::Int32(None)),
    ];
    constants.extend(NULLS.iter().map(|name| (*name, ScalarValue::Utf8View(None))));
    constants.extend(TRUES.iter().map(|name| (*name, ScalarValue::Boolean(Some(true)))));
    for (name, value) in constants {
        state.register_udf(Arc::new(ScalarUDF::from(Constant::new(name, value))))?;
    }
    state.register_udf(Arc::new(ScalarUDF::from(CurrentSetting::new(Arc::clone(facts)))))?;
    for (name, to) in [("quote_ident", quoted as fn(&str) -> String), ("pg_relation_name", bare)] {
        state.register_udf(Arc::new(ScalarUDF::from(OfText::new(name, to))))?;
    }
    state.register_udf(Arc::new(ScalarUDF::from(SetConfig::new())))?;
    Ok(())
}

/// A function that is always the same.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Constant {
    name: &'static str,
    value: ScalarValue,
    signature: Signature,
}

impl Constant {
    fn new(name: &'static str, value: ScalarValue) -> Self {
        let any = datafusion::logical_expr::TypeSignature::VariadicAny;
        let none = datafusion::logical_expr::TypeSignature::Nullary;
        Self { name, value, signature: Signature::one_of(vec![any, none], Volatility::Stable) }
    }
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}

/// `current_setting(name [, missing_ok])`
#[derive(Debug)]
struct CurrentSetting {
    facts: Arc<Facts>,
    signature: Signature,
}

impl CurrentSetting {
    fn new(facts: Arc<Facts>) -> Self {
        let signature = Signature::variadic_any(Volatility::Stable);
        Self { facts, signature }
    }
}

impl PartialEq for CurrentSetting {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.facts, &other.facts)
    }
}

impl Eq for CurrentSetting {}

impl Hash for CurrentSetting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.facts).hash(state);
    }
}

impl ScalarUDFImpl for CurrentSetting {
    fn name(&self) -> &'static str {
        "current_setting"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let lenient = matches!(
            arguments.args.get(1),
            Some(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))))
        );
        let settings = self.facts.settings.read().unwrap_or_else(PoisonError::into_inner);
        map_text(&arguments, |name| match settings.get(name) {
            Some(value) => Ok(Some(value.to_owned())),
            None if lenient => Ok(None),
            None => Err(QueryError::new(
                SqlState::UNDEFINED_OBJECT,
                format!("unrecognized configuration parameter \"{name}\""),
            )
            .into()),
        })
    }
}

/// `set_config(name, value, is_local)`: the value; what is to be set is set by SET.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SetConfig {
    signature: Signature,
}

impl SetConfig {
    fn new() -> Self {
        Self { signature: Signature::any(3, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for SetConfig {
    fn name(&self) -> &'static str {
        "set_config"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.get(1) {
            Some(value) => value.cast_to(&DataType::Utf8View, None),
            None => Ok(ColumnarValue::Scalar(ScalarValue::Utf8View(None))),
        }
    }
}

/// A function that makes a text of a text.
#[derive(Debug)]
struct OfText {
    name: &'static str,
    to: fn(&str) -> String,
    signature: Signature,
}

impl OfText {
    fn new(name: &'static str, to: fn(&str) -> String) -> Self {
        Self { name, to, signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl PartialEq for OfText {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for OfText {}

impl Hash for OfText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// The name of a relation without its schema and without quotes.
fn bare(name: &str) -> String {
    let mut last = String::new();
    let mut quoted = false;
    for letter in name.trim().chars() {
        match letter {
            '"' => quoted = !quoted,
            '.' if !quoted => last.clear(),
            letter if quoted => last.push(letter),
            letter if letter.is_whitespace() => {}
            letter => last.extend(letter.to_lowercase()),
        }
    }
    last
}

/// Words that are no names without quotes.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "interval",
    "into",
    "leading",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "placing",
    "primary",
    "references",
    "returning",
    "select",
    "session_user",
    "some",
    "table",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "when",
    "where",
    "window",
    "with",
];

fn quoted(name: &str) -> String {
    let mut letters = name.chars();
    let plain = letters.next().is_some_and(|letter| letter.is_ascii_lowercase() || letter == '_')
        && letters.all(|letter| {
            letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '_' | '$')
        });
    if plain && !RESERVED.contains(&name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

impl ScalarUDFImpl for OfText {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        map_text(&arguments, |name| Ok(Some((self.to)(name))))
    }
}

/// The first argument, text by text.
fn map_text(
    arguments: &ScalarFunctionArgs,
    to: impl Fn(&str) -> Result<Option<String>>,
) -> Result<ColumnarValue> {
    let Some(first) = arguments.args.first() else {
        return Err(QueryError::new(SqlState::UNDEFINED_FUNCTION, "an argument is missing").into());
    };
    let scalar = matches!(first, ColumnarValue::Scalar(_));
    let rows = if scalar { 1 } else { arguments.number_rows };
    let texts = cast(&first.to_array(rows)?, &DataType::Utf8View)?;
    let mapped: Result<StringViewArray> =
        texts.as_string_view().iter().map(|text| text.map_or(Ok(None), &to)).collect();
    let mapped: ArrayRef = Arc::new(mapped?);
    if scalar {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&mapped, 0)?));
    }
    Ok(ColumnarValue::Array(mapped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_where_it_must_be() {
        for (name, want) in [
            ("samples", "samples"),
            ("value_int", "value_int"),
            ("MixedCase", "\"MixedCase\""),
            ("a b", "\"a b\""),
            ("user", "\"user\""),
            ("q\"x", "\"q\"\"x\""),
            ("1a", "\"1a\""),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(name), want);
        }
        for (name, want) in
            [("\"public\" . \"My Table\"", "My Table"), ("public.Samples", "samples")]
        {
            assert_eq!(bare(name), want);
        }
    }
}
