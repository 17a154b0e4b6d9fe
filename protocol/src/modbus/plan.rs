//! Many values in few reads.
//!
//! *Invariant.* All registers of one value are in one read, so that no value is torn; a read stays
//! within what the device takes.

use super::{Address, Area};

/// What a device takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Registers of one read, 125 at most.
    pub registers_max: u16,
    /// Bits of one read, 2000 at most.
    pub bits_max: u16,
    /// Registers or bits nobody asked for that a read may include to reach the next.
    pub gap_max: u16,
}

/// One read, and which values it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The table.
    pub area: Area,
    /// The first register or bit.
    pub first: u16,
    /// How many.
    pub count: u16,
    /// The values: their place in the list that was planned.
    pub values: Vec<usize>,
}

impl Bounds {
    const fn most(self, area: Area) -> u16 {
        if area.is_bits() { self.bits_max } else { self.registers_max }
    }
}

/// Reads for all these places, each of so many registers or bits.
#[must_use]
pub fn plan(places: &[(Address, u16)], bounds: Bounds) -> Vec<Read> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|at| places.get(*at));
    let mut reads: Vec<Read> = Vec::new();
    for at in order {
        let Some((Address { area, number }, count)) = places.get(at).copied() else { continue };
        let end = number.saturating_add(count);
        if let Some(last) = reads.last_mut() {
            let reached = last.first.saturating_add(last.count);
            let near = number <= reached.saturating_add(bounds.gap_max);
            let whole = end.max(reached) - last.first;
            if last.area == area && near && whole <= bounds.most(area) {
                last.count = whole;
                last.values.push(at);
                continue;
            }
        }
        reads.push(Read { area, first: number, count: end - number, values: vec![at] });
    }
    reads
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { registers_max: 10, bits_max: 2000, gap_max: 2 };

    fn at(area: Area, number: u16) -> Address {
        Address { area, number }
    }

    #[test]
    fn neighbours_come_together_and_what_is_far_or_too_long_does_not() {
        let holding = |number| at(Area::Holding, number);
        let places = [
            (holding(14), 4),
            (holding(0), 2),
            (holding(4), 2),
            (holding(9), 2),
            (at(Area::Input, 0), 1),
        ];
        let reads = plan(&places, BOUNDS);
        let spans: Vec<_> = reads.iter().map(|read| (read.area, read.first, read.count)).collect();
        assert_eq!(
            spans,
            [
                (Area::Input, 0, 1),
                (Area::Holding, 0, 6),
                (Area::Holding, 9, 2),
                (Area::Holding, 14, 4)
            ]
        );
        assert_eq!(reads[1].values, [1, 2]);
    }

    proptest! {
        #[test]
        fn every_value_is_whole_in_one_read(
            places in prop::collection::vec((0_u8..4, 0_u16..60_000, 1_u16..5), 0..40),
        ) {
            let area = [Area::Coil, Area::Discrete, Area::Input, Area::Holding];
            let places: Vec<_> = places
                .into_iter()
                .map(|(own, number, count)| (at(area[usize::from(own)], number), count))
                .collect();
            let reads = plan(&places, BOUNDS);
            let mut seen = vec![0; places.len()];
            for read in &reads {
                prop_assert!(read.count <= BOUNDS.most(read.area));
                for value in &read.values {
                    let (address, count) = places[*value];
                    seen[*value] += 1;
                    prop_assert_eq!(address.area, read.area);
                    prop_assert!(address.number >= read.first);
                    prop_assert!(address.number + count <= read.first + read.count);
                }
            }
            prop_assert!(seen.iter().all(|count| *count == 1));
        }
    }
}
