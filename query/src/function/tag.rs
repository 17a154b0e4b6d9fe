//! What is known of a tag, by its name: `label(tag, key)`, `asset(tag)`; and `glob(path, pattern)`.
//!
//! - `label(tag, 'area')`: the tag's label of that key; null where there is none, or no such tag.
//! - `asset(tag)`: the path of the asset that it belongs to ([`Places`]); null where there is none.
//! - `glob(tag, 'site/*/temp')`: whether all of a path, or any text, matches: `*` any characters of
//!   a level, `**` any characters, `?` one character, `{a,b}` either.
//!
//! They read the tag alone, so that a condition on them selects tags before anything is read, and
//! groups by them are groups of tags.
//!
//! *Invariant.* They answer as the statement's snapshot does.

use std::collections::HashMap;
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
use tacitus_storage::Glob;

use crate::error::{QueryError, SqlState};
use crate::plant::Places;

/// The names of the functions.
pub(crate) const LABEL: &str = "label";
pub(crate) const GLOB: &str = "glob";
pub(crate) const ASSET: &str = "asset";

/// The functions, as a statement sees the plant.
pub(crate) fn of_tags(places: &Places) -> [ScalarUDF; 3] {
    [LABEL, GLOB, ASSET].map(|name| ScalarUDF::from(OfTag::new(name, places.clone())))
}

/// The function that tells the asset of a tag.
pub(crate) fn asset_of(places: &Places) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(OfTag::new(ASSET, places.clone())))
}

/// One of the functions.
#[derive(Debug)]
struct OfTag {
    name: &'static str,
    places: Places,
    signature: Signature,
}

impl PartialEq for OfTag {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.places.snapshot().sequence() == other.places.snapshot().sequence()
    }
}

impl Eq for OfTag {}

impl Hash for OfTag {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl OfTag {
    fn new(name: &'static str, places: Places) -> Self {
        let texts = if name == ASSET { 1 } else { 2 };
        let texts = vec![DataType::Utf8View; texts];
        Self { name, places, signature: Signature::exact(texts, Volatility::Stable) }
    }

    fn assets(&self, tags: &StringViewArray) -> ArrayRef {
        let mut known: HashMap<&str, Option<&str>> = HashMap::new();
        let mut assets = StringViewBuilder::with_capacity(tags.len());
        for tag in tags {
            let asset = tag.and_then(|tag| {
                let find = || self.places.of_path(tag).map(|asset| asset.path.as_str());
                *known.entry(tag).or_insert_with(find)
            });
            assets.append_option(asset);
        }
        Arc::new(assets.finish())
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
        let tag = self.places.snapshot().find(tag)?;
        let labels = &tag.definition.labels;
        labels.iter().find(|(own, _)| own == key).map(|(_, value)| value.clone())
    }
}

/// Which texts match a glob.
fn matches(texts: &StringViewArray, pattern: &str) -> Result<ArrayRef> {
    let glob = Glob::new(pattern).map_err(|error| {
        QueryError::new(SqlState::INVALID_PARAMETER_VALUE, error.to_string())
            .with_hint(error.hint())
    })?;
    // Texts mostly come in runs of equal ones.
    let mut last: Option<(&str, bool)> = None;
    let facts = texts.iter().map(|text| {
        let text = text?;
        let fact = match last {
            Some((known, fact)) if known == text => fact,
            _ => glob.matches(text),
        };
        last = Some((text, fact));
        Some(fact)
    });
    Ok(Arc::new(facts.collect::<BooleanArray>()))
}

impl ScalarUDFImpl for OfTag {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.name == GLOB { DataType::Boolean } else { DataType::Utf8View })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let kind = args.return_field.data_type();
        if let [tags] = args.args.as_slice() {
            let tags = tags.to_array(args.number_rows)?;
            return Ok(ColumnarValue::Array(self.assets(as_string_view_array(&tags)?)));
        }
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
            matches(tags, word)?
        }))
    }
}
