//! A structure on the wire, by the description of its type: field after field, to its leaves.
//!
//! ```text
//! structure          field, field, …
//! optional fields    mask of those that are there, then these
//! union              number of the field that is there, from 1 on, then it; 0: none
//! subtyped values    as a structure; a field that may be a subtype names its type
//! ```
//! Part 6, 5.2.6 to 5.2.8. The description is the server's own, else that of the standard. What the
//! client library has read by itself is written again first, so that there is one way for all.
//!
//! *Invariant.* However the bytes lie, reading them ends: fields and elements are counted, whether
//! they cost bytes or not. What does not fit its description is refused whole: nothing of it can be
//! trusted.

use std::io::Read as _;
use std::sync::Arc;

use opcua::types::custom::{ParsedStructureField, StructTypeInfo};
use opcua::types::type_loader::ByteStringBody;
use opcua::types::{
    BinaryDecodable, ContextOwned, DataTypeId, DecodingOptions, ExtensionObject, NamespaceMap,
    NodeId, StructureType, Variant, VariantScalarTypeId,
};

use super::leaf::{Tree, below, place};
use super::{Refusal, standard};

/// The bytes of a structure that are not read yet.
struct Body<'b> {
    rest: &'b [u8],
    context: &'b ContextOwned,
}

impl Body<'_> {
    /// A value of a built-in type, which is on the wire without its type.
    fn value(&mut self, kind: VariantScalarTypeId) -> Result<Variant, Refusal> {
        let kind = [kind.encoding_mask()];
        let mut stream = kind.as_slice().chain(&mut self.rest);
        Variant::decode(&mut stream, &self.context.context()).or(Err(Refusal::Malformed))
    }

    fn number(&mut self) -> Result<i32, Refusal> {
        i32::decode(&mut self.rest, &self.context.context()).or(Err(Refusal::Malformed))
    }

    /// A length, or a size of an array: 0 and below is nothing.
    fn length(&mut self) -> Result<usize, Refusal> {
        Ok(usize::try_from(self.number()?).unwrap_or(0))
    }
}

impl Tree<'_> {
    /// The leaves of a structure; none where there is nothing in it.
    pub(super) fn add_structure(
        &mut self,
        path: &str,
        object: &ExtensionObject,
        depth: usize,
    ) -> Result<(), Refusal> {
        let Some(encoded) = &object.body else { return Ok(()) };
        let mut written = Vec::new();
        let (bytes, about) = if let Some(raw) = object.inner_as::<ByteStringBody>() {
            let bytes = raw.raw_body().value.as_deref().unwrap_or_default();
            (bytes, self.encoded_as(raw.encoding_id()))
        } else {
            let whole = encoded.encode_binary(&mut written, &context(usize::MAX).context());
            whole.or(Err(Refusal::Structure))?;
            (written.as_slice(), self.structure(&encoded.data_type_id().node_id))
        };
        let about = about.ok_or(Refusal::Structure)?;
        let mut body = Body { rest: bytes, context: &context(bytes.len()) };
        self.add_body(path, &about, &mut body, depth)?;
        if body.rest.is_empty() { Ok(()) } else { Err(Refusal::Malformed) }
    }

    /// The description of a data type.
    fn structure(&self, data_type: &NodeId) -> Option<Arc<StructTypeInfo>> {
        let own = self.types.and_then(|types| types.get_struct_type(data_type));
        own.or_else(|| standard::structure(data_type)).cloned()
    }

    /// The description of what is encoded so.
    fn encoded_as(&self, encoding: &NodeId) -> Option<Arc<StructTypeInfo>> {
        let data_type = self.types?.encoding_to_data_type().get(encoding);
        self.structure(data_type.unwrap_or(encoding))
    }

    fn add_body(
        &mut self,
        path: &str,
        about: &StructTypeInfo,
        body: &mut Body<'_>,
        depth: usize,
    ) -> Result<(), Refusal> {
        self.visit(depth)?;
        let subtyped = matches!(
            about.structure_type,
            StructureType::StructureWithSubtypedValues | StructureType::UnionWithSubtypedValues
        );
        let present = present(about, body)?;
        for (field, there) in about.fields.iter().zip(present) {
            // A name is one level of a path.
            let path = below(path, &field.name.replace('/', "_"));
            let is_value =
                field.value_rank <= 0 && field.scalar_type != VariantScalarTypeId::ExtensionObject;
            if there {
                self.add_field(path, field, subtyped && field.is_optional, body, depth)?;
            } else if is_value {
                self.add(path, &Variant::Empty, depth)?;
            }
        }
        Ok(())
    }

    fn add_field(
        &mut self,
        path: String,
        field: &ParsedStructureField,
        names_type: bool,
        body: &mut Body<'_>,
        depth: usize,
    ) -> Result<(), Refusal> {
        let dimensions = match field.value_rank {
            ..=0 => return self.add_one(path, field, names_type, body, depth),
            1 => vec![body.length()?],
            _ => {
                // LIMIT: a matrix has few dimensions, whatever is said here.
                let count = body.length()?.min(self.count_max);
                (0..count).map(|_| body.length()).collect::<Result<_, _>>()?
            }
        };
        let count = dimensions.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        let count = count.filter(|count| *count <= self.count_max).ok_or(Refusal::Array)?;
        for index in 0..count {
            let path = below(&path, &place(index, &dimensions));
            self.add_one(path, field, names_type, body, depth)?;
        }
        Ok(())
    }

    fn add_one(
        &mut self,
        path: String,
        field: &ParsedStructureField,
        names_type: bool,
        body: &mut Body<'_>,
        depth: usize,
    ) -> Result<(), Refusal> {
        self.visit(depth)?;
        let kind = match field.scalar_type {
            VariantScalarTypeId::ExtensionObject if names_type => field.scalar_type,
            VariantScalarTypeId::ExtensionObject => match self.structure(&field.type_id) {
                Some(about) if !about.is_abstract => {
                    return self.add_body(&path, &about, body, depth + 1);
                }
                None if field.type_id != DataTypeId::Structure => return Err(Refusal::Structure),
                _ => field.scalar_type,
            },
            _ if names_type => VariantScalarTypeId::Variant,
            kind => kind,
        };
        let value = body.value(kind)?;
        self.add(path, &value, depth + 1)
    }
}

/// Which of its fields a structure has.
fn present(about: &StructTypeInfo, body: &mut Body<'_>) -> Result<Vec<bool>, Refusal> {
    let count = about.fields.len();
    Ok(match about.structure_type {
        StructureType::Structure | StructureType::StructureWithSubtypedValues => vec![true; count],
        StructureType::StructureWithOptionalFields => {
            let mut mask = body.number()?;
            let bit = |field: &ParsedStructureField| {
                let there = !field.is_optional || mask & 1 == 1;
                mask >>= u32::from(field.is_optional);
                there
            };
            about.fields.iter().map(bit).collect()
        }
        StructureType::Union | StructureType::UnionWithSubtypedValues => {
            let chosen = body.length()?;
            if chosen > count {
                return Err(Refusal::Malformed);
            }
            (1..=count).map(|number| number == chosen).collect()
        }
    })
}

/// What reading a structure of so many bytes takes: nothing in it is longer than itself.
fn context(bytes: usize) -> ContextOwned {
    let limits = DecodingOptions {
        max_string_length: bytes,
        max_byte_string_length: bytes,
        max_array_length: bytes,
        ..DecodingOptions::default()
    };
    ContextOwned::new_default(NamespaceMap::new(), limits)
}

#[cfg(test)]
mod tests;
