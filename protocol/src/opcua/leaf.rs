//! The leaves of arrays and structures: elements by number, fields by name.
//!
//! ```text
//! [1.5, 2.5]                      0 = 1.5, 1 = 2.5
//! {Speed: 3.0, Axis: [7, 8]}      Speed = 3.0, Axis/0 = 7, Axis/1 = 8
//! ```
//! A matrix has one number a dimension: `0/1`. An array that changes its length has other leaves.
//! A field that a structure may have and does not is a leaf without a value.
//!
//! *Invariant.* Names of fields become one level of a path each: a `/` in one is a `_`. A value has
//! at most as many leaves as the caller allows, or none.

use opcua::types::custom::DataTypeTree;
use opcua::types::{Array, Variant};

use super::Refusal;

/// LIMIT: arrays and structures within each other. Real ones have two or three levels.
const DEPTH_MAX: usize = 16;

/// LIMIT: fields and elements looked at, for each leaf that a value may have: elements without
/// fields cost no bytes, and structures that hold nothing no leaf.
const VISITS_PER_LEAF: usize = DEPTH_MAX;

/// A leaf: its path below the value, and what it holds.
pub type Leaf = (String, Variant);

/// The leaves of an array or a structure. `types` are the structures that the server describes;
/// those of the standard are known.
///
/// # Errors
/// Why it has none.
pub fn leaves(
    value: &Variant,
    types: Option<&DataTypeTree>,
    count_max: usize,
) -> Result<Vec<Leaf>, Refusal> {
    let mut tree = Tree { types, count_max, visits: 0, leaves: Vec::new() };
    tree.add(String::new(), value, 0)?;
    Ok(tree.leaves)
}

/// The leaves of a value, as they are found.
pub(super) struct Tree<'t> {
    pub(super) types: Option<&'t DataTypeTree>,
    pub(super) count_max: usize,
    visits: usize,
    leaves: Vec<Leaf>,
}

impl Tree<'_> {
    /// Counts a value that is looked at.
    pub(super) fn visit(&mut self, depth: usize) -> Result<(), Refusal> {
        self.visits += 1;
        let visits_max = self.count_max.saturating_mul(VISITS_PER_LEAF);
        let within = depth <= DEPTH_MAX && self.visits <= visits_max;
        if within { Ok(()) } else { Err(Refusal::Array) }
    }

    pub(super) fn add(
        &mut self,
        path: String,
        value: &Variant,
        depth: usize,
    ) -> Result<(), Refusal> {
        self.visit(depth)?;
        match value {
            Variant::Array(array) => self.add_elements(&path, array, depth),
            Variant::ExtensionObject(object) => self.add_structure(&path, object, depth + 1),
            Variant::Variant(inner) => self.add(path, inner, depth + 1),
            scalar if self.leaves.len() < self.count_max => {
                self.leaves.push((path, scalar.clone()));
                Ok(())
            }
            _ => Err(Refusal::Array),
        }
    }

    fn add_elements(&mut self, path: &str, array: &Array, depth: usize) -> Result<(), Refusal> {
        let dimensions = array.dimensions.iter().flatten();
        let dimensions: Vec<usize> =
            dimensions.map(|size| usize::try_from(*size).unwrap_or(usize::MAX)).collect();
        for (index, element) in array.values.iter().enumerate() {
            self.add(below(path, &place(index, &dimensions)), element, depth + 1)?;
        }
        Ok(())
    }
}

/// The numbers of an element, one a dimension.
pub(super) fn place(index: usize, dimensions: &[usize]) -> String {
    let mut rest = index;
    let mut numbers = Vec::new();
    for size in dimensions.iter().skip(1).rev() {
        let size = (*size).max(1);
        numbers.push((rest % size).to_string());
        rest /= size;
    }
    numbers.push(rest.to_string());
    numbers.reverse();
    numbers.join("/")
}

pub(super) fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::VariantScalarTypeId;

    fn of(value: impl Into<Variant>) -> Vec<(String, f64)> {
        let leaves = leaves(&value.into(), None, 100).unwrap();
        leaves.into_iter().map(|(path, value)| (path, value.as_f64().unwrap())).collect()
    }

    #[test]
    fn elements_are_numbered() {
        assert_eq!(of(vec![1.5_f64, 2.5]), [("0".to_owned(), 1.5), ("1".to_owned(), 2.5)]);
        assert_eq!(of(Vec::<f64>::new()), []);
    }

    #[test]
    fn a_matrix_has_a_number_for_each_dimension() {
        let values: Vec<Variant> = (0..6).map(|n| Variant::from(f64::from(n))).collect();
        let matrix = Array::new_multi(VariantScalarTypeId::Double, values, vec![2_u32, 3]).unwrap();
        let paths: Vec<String> =
            of(Variant::from(matrix)).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["0/0", "0/1", "0/2", "1/0", "1/1", "1/2"]);
    }

    #[test]
    fn too_many_leaves_are_none() {
        let long = Variant::from(vec![0_u8; 101]);
        assert_eq!(leaves(&long, None, 100), Err(Refusal::Array));
    }
}
