//! The words that many tags share, each kept once, and which tags have it.
//!
//! A term is a label, the presence of a label's key, a unit, a source, a retention class or a
//! kind. Tags hold the numbers of their terms; a term holds the ids of its tags.
//!
//! *Invariant.* A term keeps its number. The ids of a term are those of the tags that have it.

use std::hash::{BuildHasher, Hasher, RandomState};

use roaring::RoaringBitmap;

use crate::catalog::arena::{Arena, Place};
use crate::catalog::slots::{NUMBER_MAX, Slots};
use crate::cursor::{Cursor, put_text};

/// What a term says of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
    Label = 1,
    /// A label of that key.
    Key = 2,
    Unit = 3,
    Source = 4,
    Retention = 5,
    Kind = 6,
}

#[derive(Debug, Default)]
pub(super) struct Terms {
    texts: Arena,
    /// By number − 1.
    all: Vec<Term>,
    slots: Slots,
    hasher: RandomState,
}

#[derive(Debug)]
struct Term {
    place: Place,
    /// Of a label: the term of its key.
    key: u32,
    tags: Posting,
}

/// Ids of tags. Most terms have very many or very few.
#[derive(Debug, Default)]
enum Posting {
    #[default]
    None,
    One(u32),
    Few(Vec<u32>),
    Many(Box<RoaringBitmap>),
}

/// A list this long is no smaller than a bitmap.
const FEW_MAX: usize = 64;

impl Terms {
    /// The number of a term, a new one where needed; `None` where there is no room.
    pub(super) fn intern(&mut self, field: Field, key: &str, value: &str) -> Option<u32> {
        if let Some(term) = self.find(field, key, value) {
            return Some(term);
        }
        let key_term = if field == Field::Label { self.intern(Field::Key, key, "")? } else { 0 };
        let number = u32::try_from(self.all.len() + 1).ok().filter(|new| *new <= NUMBER_MAX)?;
        let mut text = vec![field as u8];
        put_text(&mut text, key);
        put_text(&mut text, value);
        let place = self.texts.push(&text)?;
        self.all.push(Term { place, key: key_term, tags: Posting::None });
        let Self { texts, all, slots, hasher } = self;
        slots.insert(hash(hasher, field as u8, key, value), number, |number, tell| {
            if let Some((field, key, value)) = read(texts, all, number) {
                tell(hash(hasher, field, key, value));
            }
        });
        Some(number)
    }

    /// The number of a term that some tag had.
    pub(super) fn find(&self, field: Field, key: &str, value: &str) -> Option<u32> {
        let wanted = Some((field as u8, key, value));
        self.slots.find(hash(&self.hasher, field as u8, key, value), |number| {
            read(&self.texts, &self.all, number) == wanted
        })
    }

    /// Key and value of a term; a term of one text has it as its value.
    pub(super) fn text(&self, number: u32) -> (&str, &str) {
        read(&self.texts, &self.all, number).map_or(("", ""), |(_, key, value)| (key, value))
    }

    /// Notes that a tag has a term, and with a label its key.
    pub(super) fn add(&mut self, number: u32, tag: u32) {
        let Some(term) = self.term_mut(number) else { return };
        term.tags.insert(tag);
        let key = term.key;
        if let Some(key) = self.term_mut(key) {
            key.tags.insert(tag);
        }
    }

    /// Notes that a tag no longer has a term. Whether it has another label of the key says
    /// [`Terms::add`].
    pub(super) fn remove(&mut self, number: u32, tag: u32) {
        let Some(term) = self.term_mut(number) else { return };
        term.tags.remove(tag);
        let key = term.key;
        if let Some(key) = self.term_mut(key) {
            key.tags.remove(tag);
        }
    }

    /// The ids of the tags that have a term.
    pub(super) fn tags(&self, field: Field, key: &str, value: &str) -> RoaringBitmap {
        let number = self.find(field, key, value).unwrap_or_default();
        self.term(number).map(|term| term.tags.ids()).unwrap_or_default()
    }

    fn term(&self, number: u32) -> Option<&Term> {
        self.all.get((number as usize).checked_sub(1)?)
    }

    fn term_mut(&mut self, number: u32) -> Option<&mut Term> {
        self.all.get_mut((number as usize).checked_sub(1)?)
    }
}

fn hash(hasher: &RandomState, field: u8, key: &str, value: &str) -> u64 {
    let mut hash = hasher.build_hasher();
    hash.write_u8(field);
    hash.write_usize(key.len());
    hash.write(key.as_bytes());
    hash.write(value.as_bytes());
    hash.finish()
}

/// What the text of a term says; text that fields share lies in one arena.
fn read<'t>(texts: &'t Arena, all: &[Term], number: u32) -> Option<(u8, &'t str, &'t str)> {
    let term = all.get((number as usize).checked_sub(1)?)?;
    let mut from = Cursor::new(texts.get(term.place));
    Some((from.u8()?, from.text()?, from.text()?))
}

impl Posting {
    fn insert(&mut self, tag: u32) {
        match self {
            Self::None => *self = Self::One(tag),
            Self::One(own) if *own == tag => {}
            Self::One(own) => *self = Self::Few(vec![tag.min(*own), tag.max(*own)]),
            Self::Few(own) => {
                let Err(at) = own.binary_search(&tag) else { return };
                if own.len() < FEW_MAX {
                    own.reserve_exact(1 + own.len() / 4);
                    own.insert(at, tag);
                } else {
                    let mut many: RoaringBitmap = own.iter().copied().collect();
                    many.insert(tag);
                    *self = Self::Many(Box::new(many));
                }
            }
            Self::Many(own) => drop(own.insert(tag)),
        }
    }

    fn remove(&mut self, tag: u32) {
        match self {
            Self::None => {}
            Self::One(own) => {
                if *own == tag {
                    *self = Self::None;
                }
            }
            Self::Few(own) => own.retain(|own| *own != tag),
            Self::Many(own) => drop(own.remove(tag)),
        }
    }

    fn ids(&self) -> RoaringBitmap {
        match self {
            Self::None => RoaringBitmap::new(),
            Self::One(own) => RoaringBitmap::from_iter([*own]),
            Self::Few(own) => own.iter().copied().collect(),
            Self::Many(own) => (**own).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_has_one_number_and_its_text() {
        let mut terms = Terms::default();
        let label = terms.intern(Field::Label, "line", "1").unwrap();
        let unit = terms.intern(Field::Unit, "", "line").unwrap();
        assert_ne!(label, unit);
        assert_eq!(terms.intern(Field::Label, "line", "1"), Some(label));
        assert_eq!(terms.find(Field::Label, "lin", "e1"), None);
        assert_eq!((terms.text(label), terms.text(unit)), (("line", "1"), ("", "line")));
    }

    #[test]
    fn the_ids_of_a_term_are_those_added_and_not_removed_however_many() {
        for count in [0, 1, 2, 64, 65, 5_000] {
            let mut terms = Terms::default();
            let term = terms.intern(Field::Label, "line", "1").unwrap();
            (0..count).for_each(|tag| terms.add(term, tag * 3));
            (0..count).for_each(|tag| terms.add(term, tag * 3));
            let all: RoaringBitmap = (0..count).map(|tag| tag * 3).collect();
            assert_eq!(terms.tags(Field::Label, "line", "1"), all);
            assert_eq!(terms.tags(Field::Key, "line", ""), all, "the key of {count}");
            (0..count).step_by(2).for_each(|tag| terms.remove(term, tag * 3));
            let odd: RoaringBitmap = (1..count).step_by(2).map(|tag| tag * 3).collect();
            assert_eq!(terms.tags(Field::Label, "line", "1"), odd);
        }
    }
}
