//! What the properties of a metric say of its tag and its value.
//!
//! The specification names one property, `Quality`. Units and ranges go by the names that
//! gateways use; Ignition's are `engUnit`, `engLow`, `engHigh`, `documentation`.
//!
//! *Invariant.* A property of a name that is not known here changes nothing.

use tacitus_model::Quality;

use super::wire::{Metric, PropertyScalar, PropertyValue};

/// What properties say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Properties {
    pub(super) unit: String,
    pub(super) range: Option<(f64, f64)>,
    pub(super) description: String,
    pub(super) quality: Option<Quality>,
}

pub(super) fn read(metric: &Metric) -> Properties {
    let mut said = Properties::default();
    if let Some(description) = metric.metadata.as_ref().and_then(|data| data.description.clone()) {
        said.description = description;
    }
    let Some(set) = &metric.properties else { return said };
    let (mut low, mut high) = (None, None);
    for (key, value) in set.keys.iter().zip(&set.values) {
        let plain: String = key
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        match plain.as_str() {
            "quality" => said.quality = number(value).map(quality),
            "engunit" | "engunits" | "engineeringunit" | "engineeringunits" | "unit" | "units"
            | "uom" => text(value, &mut said.unit),
            "documentation" | "description" | "doc" => text(value, &mut said.description),
            "englow" | "low" | "rangelow" | "min" | "minimum" | "eulow" => low = number(value),
            "enghigh" | "high" | "rangehigh" | "max" | "maximum" | "euhigh" => high = number(value),
            _ => {}
        }
    }
    said.range =
        low.zip(high).filter(|(low, high)| low.is_finite() && high.is_finite() && low < high);
    said
}

fn text(value: &PropertyValue, to: &mut String) {
    if let Some(PropertyScalar::Text(text)) = &value.value {
        to.clone_from(text);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a range is for people and trends")]
fn number(value: &PropertyValue) -> Option<f64> {
    match value.value.as_ref()? {
        PropertyScalar::Int(number) => Some(number.cast_signed().into()),
        PropertyScalar::Long(number) => Some(number.cast_signed() as f64),
        PropertyScalar::Float(number) => Some((*number).into()),
        PropertyScalar::Double(number) => Some(*number),
        _ => None,
    }
}

/// 0 bad, 192 good, 500 stale; other numbers as OPC DA has them.
fn quality(code: f64) -> Quality {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    crate::payload::opc_quality(code as u32)
}
