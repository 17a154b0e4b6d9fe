//! `quality_text(code)`: a StatusCode in words, and `quality_class(code)`: `good`, `uncertain` or
//! `bad`.
//!
//! The text is the code's name in OPC UA, or its class and number where it has none here, and the
//! historian bits it carries: `UncertainDataSubNormal, Interpolated, Partial`.
//!
//! *Source.* OPC 10000-4, 7.39; names and numbers: `StatusCode.csv` of OPC 10000-6, annex A.
//!
//! *Invariant.* A number that is no StatusCode (negative, or beyond 32 bits) gives null.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringViewBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use tacitus_model::Quality;

/// Codes that plants meet, by their upper half.
const NAMES: [(u16, &str); 45] = [
    (0x0000, "Good"),
    (0x002D, "GoodSubscriptionTransferred"),
    (0x002E, "GoodCompletesAsynchronously"),
    (0x002F, "GoodOverload"),
    (0x0030, "GoodClamped"),
    (0x0096, "GoodLocalOverride"),
    (0x00A2, "GoodEntryInserted"),
    (0x00A3, "GoodEntryReplaced"),
    (0x00A5, "GoodNoData"),
    (0x00A6, "GoodMoreData"),
    (0x00EB, "GoodDataIgnored"),
    (0x4000, "Uncertain"),
    (0x408F, "UncertainNoCommunicationLastUsableValue"),
    (0x4090, "UncertainLastUsableValue"),
    (0x4091, "UncertainSubstituteValue"),
    (0x4092, "UncertainInitialValue"),
    (0x4093, "UncertainSensorNotAccurate"),
    (0x4094, "UncertainEngineeringUnitsExceeded"),
    (0x4095, "UncertainSubNormal"),
    (0x40A4, "UncertainDataSubNormal"),
    (0x8000, "Bad"),
    (0x8001, "BadUnexpectedError"),
    (0x8002, "BadInternalError"),
    (0x8005, "BadCommunicationError"),
    (0x800A, "BadTimeout"),
    (0x8031, "BadNoCommunication"),
    (0x8032, "BadWaitingForInitialData"),
    (0x8033, "BadNodeIdInvalid"),
    (0x8034, "BadNodeIdUnknown"),
    (0x803A, "BadNotReadable"),
    (0x803C, "BadOutOfRange"),
    (0x8074, "BadTypeMismatch"),
    (0x8089, "BadConfigurationError"),
    (0x808A, "BadNotConnected"),
    (0x808B, "BadDeviceFailure"),
    (0x808C, "BadSensorFailure"),
    (0x808D, "BadOutOfService"),
    (0x809B, "BadNoData"),
    (0x80AB, "BadInvalidArgument"),
    (0x80D4, "BadAggregateListMismatch"),
    (0x80D5, "BadAggregateNotSupported"),
    (0x80D6, "BadAggregateInvalidInputs"),
    (0x80D7, "BadBoundNotFound"),
    (0x80D8, "BadDataLost"),
    (0x80DA, "BadAggregateConfigurationRejected"),
];

/// Whether a code as SQL has it is good.
pub(super) fn is_good(code: i64) -> bool {
    quality(code).is_some_and(Quality::is_good)
}

fn quality(code: i64) -> Option<Quality> {
    u32::try_from(code).ok().map(Quality)
}

/// `good`, `uncertain` or `bad`.
fn class(quality: Quality) -> &'static str {
    if quality.is_good() {
        "good"
    } else if quality.is_uncertain() {
        "uncertain"
    } else {
        "bad"
    }
}

/// A code in words.
fn words(quality: Quality) -> String {
    const VALID: u32 = 0x0400;
    const INFO_TYPE: u32 = 0x0C00;
    let upper = quality.0 >> 16;
    let name = NAMES.iter().find(|(code, _)| u32::from(*code) == upper);
    let mut words = name.map_or_else(|| quality.to_string(), |(_, name)| (*name).to_owned());
    if quality.0 & INFO_TYPE != VALID {
        return words;
    }
    let origin = match quality.0 & 3 {
        1 => Some("Calculated"),
        2 => Some("Interpolated"),
        _ => None,
    };
    let more = [(0x04, "Partial"), (0x08, "ExtraData"), (0x10, "MultiValue")];
    let more = more.iter().filter(|(bit, _)| quality.0 & bit != 0).map(|(_, word)| *word);
    for word in origin.into_iter().chain(more) {
        words.push_str(", ");
        words.push_str(word);
    }
    words
}

/// One of the functions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct QualityWords {
    whole: bool,
    signature: Signature,
}

impl QualityWords {
    /// `quality_text`.
    pub(super) fn text() -> Self {
        Self::new(true)
    }

    /// `quality_class`.
    pub(super) fn class() -> Self {
        Self::new(false)
    }

    fn new(whole: bool) -> Self {
        let signature = Signature::exact(vec![DataType::Int64], Volatility::Immutable);
        Self { whole, signature }
    }
}

impl ScalarUDFImpl for QualityWords {
    fn name(&self) -> &str {
        if self.whole { "quality_text" } else { "quality_class" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns: Vec<ArrayRef> = ColumnarValue::values_to_arrays(&args.args)?;
        let mut texts = StringViewBuilder::new();
        for codes in &columns {
            for code in codes.as_primitive::<Int64Type>() {
                match (code.and_then(quality), self.whole) {
                    (None, _) => texts.append_null(),
                    (Some(quality), true) => texts.append_value(words(quality)),
                    (Some(quality), false) => texts.append_value(class(quality)),
                }
            }
        }
        Ok(ColumnarValue::Array(Arc::new(texts.finish())))
    }
}
