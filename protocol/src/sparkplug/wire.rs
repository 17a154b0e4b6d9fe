//! The messages of Sparkplug B as protobuf lays them out.
//!
//! The field numbers are facts of the specification (3.0, chapter 6); the types carry exactly the
//! fields that are defined there, extensions left out.
//!
//! *Invariant.* [`decode`] needs memory in proportion to its input: what could multiply is counted
//! before it is built.

use std::io::Read as _;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::limits::{SPARKPLUG_BYTES_MAX, SPARKPLUG_METRICS_MAX};

/// One message of a node or device.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Payload {
    /// When it was sent, in milliseconds UTC.
    #[prost(uint64, optional, tag = "1")]
    pub timestamp: Option<u64>,
    /// What it says.
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
    /// Its place in the node's sequence, 0 to 255.
    #[prost(uint64, optional, tag = "3")]
    pub seq: Option<u64>,
    /// A schema or other name for `body`.
    #[prost(string, optional, tag = "4")]
    pub uuid: Option<String>,
    /// Bytes of the application's own.
    #[prost(bytes = "vec", optional, tag = "5")]
    pub body: Option<Vec<u8>>,
}

/// One value, or in a birth its definition too.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metric {
    /// Its name, with a `/` between folders; may be left out where there is an alias.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// A number for the name, unique within the node and its devices.
    #[prost(uint64, optional, tag = "2")]
    pub alias: Option<u64>,
    /// When it was so, in milliseconds UTC.
    #[prost(uint64, optional, tag = "3")]
    pub timestamp: Option<u64>,
    /// The number of its type.
    #[prost(uint32, optional, tag = "4")]
    pub datatype: Option<u32>,
    /// Whether it is of the past and says nothing of now.
    #[prost(bool, optional, tag = "5")]
    pub is_historical: Option<bool>,
    /// Whether it is not to be kept.
    #[prost(bool, optional, tag = "6")]
    pub is_transient: Option<bool>,
    /// Whether there is no value.
    #[prost(bool, optional, tag = "7")]
    pub is_null: Option<bool>,
    /// What is known of bytes and files.
    #[prost(message, optional, boxed, tag = "8")]
    pub metadata: Option<Box<MetaData>>,
    /// Properties: quality, unit, range and whatever else.
    #[prost(message, optional, boxed, tag = "9")]
    pub properties: Option<Box<PropertySet>>,
    /// The value.
    #[prost(oneof = "MetricValue", tags = "10, 11, 12, 13, 14, 15, 16, 17, 18")]
    pub value: Option<MetricValue>,
}

/// The value of a metric.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum MetricValue {
    /// Integers up to 32 bits, signed ones as two's complement.
    #[prost(uint32, tag = "10")]
    Int(u32),
    /// Integers of 64 bits and times.
    #[prost(uint64, tag = "11")]
    Long(u64),
    /// A binary32.
    #[prost(float, tag = "12")]
    Float(f32),
    /// A binary64.
    #[prost(double, tag = "13")]
    Double(f64),
    /// A boolean.
    #[prost(bool, tag = "14")]
    Boolean(bool),
    /// A text.
    #[prost(string, tag = "15")]
    Text(String),
    /// Bytes, files and arrays.
    #[prost(bytes, tag = "16")]
    Bytes(Vec<u8>),
    /// A table.
    #[prost(message, tag = "17")]
    DataSet(DataSet),
    /// A structure.
    #[prost(message, tag = "18")]
    Template(Template),
}

/// What is known of a metric beside its value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MetaData {
    /// Whether the value comes in several parts.
    #[prost(bool, optional, tag = "1")]
    pub is_multi_part: Option<bool>,
    /// Its media type.
    #[prost(string, optional, tag = "2")]
    pub content_type: Option<String>,
    /// Its size in bytes.
    #[prost(uint64, optional, tag = "3")]
    pub size: Option<u64>,
    /// The number of this part.
    #[prost(uint64, optional, tag = "4")]
    pub seq: Option<u64>,
    /// The name of the file.
    #[prost(string, optional, tag = "5")]
    pub file_name: Option<String>,
    /// The type of the file.
    #[prost(string, optional, tag = "6")]
    pub file_type: Option<String>,
    /// Its MD5.
    #[prost(string, optional, tag = "7")]
    pub md5: Option<String>,
    /// What it is.
    #[prost(string, optional, tag = "8")]
    pub description: Option<String>,
}

/// Properties by name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PropertySet {
    /// The names.
    #[prost(string, repeated, tag = "1")]
    pub keys: Vec<String>,
    /// The values, one for each name.
    #[prost(message, repeated, tag = "2")]
    pub values: Vec<PropertyValue>,
}

/// The value of a property.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PropertyValue {
    /// The number of its type.
    #[prost(uint32, optional, tag = "1")]
    pub datatype: Option<u32>,
    /// Whether there is none.
    #[prost(bool, optional, tag = "2")]
    pub is_null: Option<bool>,
    /// The value.
    #[prost(oneof = "PropertyScalar", tags = "3, 4, 5, 6, 7, 8, 9, 10")]
    pub value: Option<PropertyScalar>,
}

/// What a property can be.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum PropertyScalar {
    /// Integers up to 32 bits.
    #[prost(uint32, tag = "3")]
    Int(u32),
    /// Integers of 64 bits and times.
    #[prost(uint64, tag = "4")]
    Long(u64),
    /// A binary32.
    #[prost(float, tag = "5")]
    Float(f32),
    /// A binary64.
    #[prost(double, tag = "6")]
    Double(f64),
    /// A boolean.
    #[prost(bool, tag = "7")]
    Boolean(bool),
    /// A text.
    #[prost(string, tag = "8")]
    Text(String),
    /// Properties of the property.
    #[prost(message, tag = "9")]
    Set(PropertySet),
    /// A list of such.
    #[prost(message, tag = "10")]
    Sets(PropertySetList),
}

/// Several sets of properties.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PropertySetList {
    /// The sets.
    #[prost(message, repeated, tag = "1")]
    pub sets: Vec<PropertySet>,
}

/// A table.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DataSet {
    /// How many columns it has.
    #[prost(uint64, optional, tag = "1")]
    pub num_of_columns: Option<u64>,
    /// Their names.
    #[prost(string, repeated, tag = "2")]
    pub columns: Vec<String>,
    /// The numbers of their types.
    #[prost(uint32, repeated, packed = "false", tag = "3")]
    pub types: Vec<u32>,
    /// The rows.
    #[prost(message, repeated, tag = "4")]
    pub rows: Vec<Row>,
}

/// A row of a table.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Row {
    /// A value for each column.
    #[prost(message, repeated, tag = "1")]
    pub elements: Vec<Element>,
}

/// A cell of a table.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Element {
    /// The value.
    #[prost(oneof = "ElementValue", tags = "1, 2, 3, 4, 5, 6")]
    pub value: Option<ElementValue>,
}

/// What a cell can be.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ElementValue {
    /// Integers up to 32 bits.
    #[prost(uint32, tag = "1")]
    Int(u32),
    /// Integers of 64 bits and times.
    #[prost(uint64, tag = "2")]
    Long(u64),
    /// A binary32.
    #[prost(float, tag = "3")]
    Float(f32),
    /// A binary64.
    #[prost(double, tag = "4")]
    Double(f64),
    /// A boolean.
    #[prost(bool, tag = "5")]
    Boolean(bool),
    /// A text.
    #[prost(string, tag = "6")]
    Text(String),
}

/// A structure: its definition, or one that was made by it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Template {
    /// The version of the definition.
    #[prost(string, optional, tag = "1")]
    pub version: Option<String>,
    /// Its members.
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
    /// Its parameters.
    #[prost(message, repeated, tag = "3")]
    pub parameters: Vec<Parameter>,
    /// The name of its definition.
    #[prost(string, optional, tag = "4")]
    pub template_ref: Option<String>,
    /// Whether this is a definition.
    #[prost(bool, optional, tag = "5")]
    pub is_definition: Option<bool>,
}

/// A parameter of a template.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Parameter {
    /// Its name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// The number of its type.
    #[prost(uint32, optional, tag = "2")]
    pub datatype: Option<u32>,
    /// The value.
    #[prost(oneof = "ParameterValue", tags = "3, 4, 5, 6, 7, 8")]
    pub value: Option<ParameterValue>,
}

/// What a parameter can be.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ParameterValue {
    /// Integers up to 32 bits.
    #[prost(uint32, tag = "3")]
    Int(u32),
    /// Integers of 64 bits and times.
    #[prost(uint64, tag = "4")]
    Long(u64),
    /// A binary32.
    #[prost(float, tag = "5")]
    Float(f32),
    /// A binary64.
    #[prost(double, tag = "6")]
    Double(f64),
    /// A boolean.
    #[prost(bool, tag = "7")]
    Boolean(bool),
    /// A text.
    #[prost(string, tag = "8")]
    Text(String),
}

/// Why bytes are no payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// More bytes than a payload may have.
    #[error("the payload has {0} bytes, more than {SPARKPLUG_BYTES_MAX}")]
    TooLong(usize),
    /// More metrics than a payload may have.
    #[error("the payload has more than {SPARKPLUG_METRICS_MAX} metrics")]
    TooMany,
    /// The bytes break the rules of protobuf.
    #[error("the payload is not Sparkplug B: {0}")]
    Broken(String),
    /// A packed payload that cannot be unpacked.
    #[error("the packed payload cannot be unpacked: {0}")]
    Packed(String),
}

/// What a payload calls itself whose body is another payload, packed.
const PACKED: &str = "SPBV1.0_COMPRESSED";

/// Reads a payload; one that is packed, as Eclipse Tahu does it on demand, as what it was before.
///
/// # Errors
/// What keeps the bytes from being one.
pub fn decode(bytes: &[u8]) -> Result<Payload, Undecodable> {
    let outer = decode_plain(bytes)?;
    if outer.uuid.as_deref() != Some(PACKED) {
        return Ok(outer);
    }
    let inner = decode_plain(&unpacked(outer.body.as_deref().unwrap_or_default())?)?;
    let (timestamp, seq) = (inner.timestamp.or(outer.timestamp), inner.seq.or(outer.seq));
    Ok(Payload { timestamp, seq, ..inner })
}

/// GZIP or DEFLATE, which here has the frame of zlib; the first byte tells which.
fn unpacked(body: &[u8]) -> Result<Vec<u8>, Undecodable> {
    // LIMIT: a packed kilobyte can unpack to a megabyte.
    let most = SPARKPLUG_BYTES_MAX as u64 + 1;
    let mut bytes = Vec::new();
    let read = if body.first() == Some(&0x1f) {
        MultiGzDecoder::new(body).take(most).read_to_end(&mut bytes)
    } else {
        ZlibDecoder::new(body).take(most).read_to_end(&mut bytes)
    };
    read.map_err(|error| Undecodable::Packed(error.to_string()))?;
    Ok(bytes)
}

fn decode_plain(bytes: &[u8]) -> Result<Payload, Undecodable> {
    if bytes.len() > SPARKPLUG_BYTES_MAX {
        return Err(Undecodable::TooLong(bytes.len()));
    }
    let broken = |error: prost::DecodeError| Undecodable::Broken(error.to_string());
    if metrics(bytes).map_err(broken)? > SPARKPLUG_METRICS_MAX {
        return Err(Undecodable::TooMany);
    }
    Payload::decode(bytes).map_err(broken)
}

/// How many metrics there are. LIMIT: an empty one takes two bytes here and hundreds in memory.
fn metrics(mut bytes: &[u8]) -> Result<usize, prost::DecodeError> {
    let mut count = 0;
    while !bytes.is_empty() {
        let (tag, wire) = decode_key(&mut bytes)?;
        let length = match wire {
            WireType::Varint => {
                decode_varint(&mut bytes)?;
                0
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => decode_varint(&mut bytes)?,
            // Groups are of another protobuf; the decoder says so.
            WireType::StartGroup | WireType::EndGroup => return Ok(count),
        };
        count += usize::from(tag == 2);
        // What is cut off is for the decoder to name.
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(count)
}
