//! What the catalog knows of a tag, by its name: `label(tag, key)` and `glob(tag, pattern)`.
//!
//! - `label(tag, 'area')`: the tag's label of that key; null where there is none, or no such tag.
//! - `glob(tag, 'site/*/temp')`: whether the tag's path matches: `*` any characters of a level,
//!   `**` any characters, `?` one character, `{a,b}` either. False for what is not a tag.
//!
//! Both read the tag alone, so that a condition on them selects tags before anything is read, and
//! groups by them are groups of tags.
//!
//! *Invariant.* They answer as the statement's snapshot does.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, StringViewArray, StringViewBuilder};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::cast::as_string_view_array;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use tacitus_storage::{Snapshot, TagQuery};

use crate::error::{QueryError, SqlState};

/// The names of the two functions.
pub(crate) const LABEL: &str = "label";
pub(crate) const GLOB: &str = "glob";

/// The functions over a snapshot.
pub(crate) fn of_tags(snapshot: &Snapshot) -> [ScalarUDF; 2] {
    [LABEL, GLOB].map(|name| ScalarUDF::from(OfTag::new(name, snapshot.clone())))
}

/// One of the two functions.
#[derive(Debug)]
struct OfTag {
    name: &'static str,
    snapshot: Snapshot,
    signature: Signature,
}

impl PartialEq for OfTag {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.snapshot.sequence() == other.snapshot.sequence()
    }
}

impl Eq for OfTag {}

impl Hash for OfTag {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl OfTag {
    fn new(name: &'static str, snapshot: Snapshot) -> Self {
        let text = vec![DataType::Utf8View, DataType::Utf8View];
        Self { name, snapshot, signature: Signature::exact(text, Volatility::Stable) }
    }

    fn labels(&self, tags: &StringViewArray, key: &str) -> ArrayRef {
        let mut known: HashMap<&str, Option<String>> = HashMap::new();
        let mut labels = StringViewBuilder::with_capacity(tags.len());
        for tag in tags {
            let label = tag.and_then(|tag| {
                known.entry(tag).or_insert_with(|| self.label(tag, key)).as_deref()
            });
            labels.append_option(label);
        }
        Arc::new(labels.finish())
    }

    fn label(&self, tag: &str, key: &str) -> Option<String> {
        let tag = self.snapshot.find(tag)?;
        let labels = &tag.definition.labels;
        labels.iter().find(|(own, _)| own == key).map(|(_, value)| value.clone())
    }

    fn matches(&self, tags: &StringViewArray, pattern: &str) -> Result<ArrayRef> {
        let query = TagQuery::Glob(pattern.to_owned());
        let found = self.snapshot.select(&query).map_err(|error| {
            QueryError::new(SqlState::INVALID_PARAMETER_VALUE, error.to_string())
        })?;
        let paths: HashSet<&str> = found.iter().map(|tag| tag.definition.path.as_str()).collect();
        let facts = tags.iter().map(|tag| tag.map(|tag| paths.contains(tag)));
        Ok(Arc::new(facts.collect::<BooleanArray>()))
    }
}

impl ScalarUDFImpl for OfTag {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.name == LABEL { DataType::Utf8View } else { DataType::Boolean })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let kind = args.return_field.data_type();
        let [tags, ColumnarValue::Scalar(ScalarValue::Utf8View(word))] = args.args.as_slice()
        else {
            let message = format!("the second argument of {} must be one text", self.name);
            return Err(QueryError::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .with_hint("label(tag, 'area'), glob(tag, 'site/*/temperature')")
                .into());
        };
        let Some(word) = word else {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(kind)?));
        };
        let tags = tags.to_array(args.number_rows)?;
        let tags = as_string_view_array(&tags)?;
        Ok(ColumnarValue::Array(if self.name == LABEL {
            self.labels(tags, word)
        } else {
            self.matches(tags, word)?
        }))
    }
}
