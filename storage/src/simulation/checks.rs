//! Every way to read the store, compared with the map.
//!
//! *Not here.* What may be missing: `book.rs` says so.

use tacitus_model::{Kind, TagId, TimeRange, Timestamp};

use crate::aggregate::Edges;
use crate::block::{Block, Row};
use crate::error::Error;
use crate::simulation::book::{Book, Class, DAY_NS, Expiry, HOUR_NS, Rows};
use crate::simulation::dice::Dice;
use crate::snapshot::Snapshot;
use crate::statistics::Statistics;

/// What came of reading.
#[derive(Debug)]
pub(super) enum Unread {
    /// The store said that it could not.
    Refused(Error),
    /// It gave what no store may give.
    Wrong(String),
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<String> for Unread {
    fn from(what: String) -> Self {
        Self::Wrong(what)
    }
}

/// Everything a snapshot sees.
pub(super) fn rows_of(snapshot: &Snapshot) -> Result<Rows, Unread> {
    let mut rows = Rows::new();
    for tag in snapshot.tags() {
        rows_of_tag(snapshot, tag.id, &mut rows)?;
    }
    Ok(rows)
}

pub(super) fn rows_of_tag(snapshot: &Snapshot, tag: TagId, rows: &mut Rows) -> Result<(), Unread> {
    let mut before = None;
    for block in snapshot.scan(tag, TimeRange::ALL) {
        let block = block?;
        for (row, ts) in block.times.iter().enumerate() {
            if before.is_some_and(|before| before >= *ts) {
                return Err(format!("tag {} goes from {before:?} to {ts}", tag.0).into());
            }
            before = Some(*ts);
            rows.insert((tag.0, *ts), (block.value(row), block.quality(row)));
        }
    }
    Ok(())
}

/// The rows hold one of the states.
pub(super) fn check_states(
    found: &Rows,
    states: &[std::rc::Rc<Rows>],
    expiry: &Expiry,
) -> Result<usize, String> {
    let mut said = String::new();
    for (at, state) in states.iter().enumerate().rev() {
        match expiry.agree(found, state) {
            Ok(()) => return Ok(at),
            Err(what) => said = what,
        }
    }
    Err(format!("none of {} states fits; of the oldest, {said}", states.len()))
}

/// Windows, totals and latest samples say of each tag what its rows say.
pub(super) fn check_tags(
    snapshot: &Snapshot,
    found: &Rows,
    book: &Book,
    expiry: &Expiry,
    dice: &Dice,
) -> Result<(), Unread> {
    for tag in snapshot.tags() {
        let (id, definition) = (tag.id, &tag.definition);
        let class = expiry.class(id.0);
        let within = |rows: &Rows, from: i64, last: i64| {
            let mut block = Block::empty(definition.kind);
            for ((_, ts), (value, quality)) in rows.range((id.0, from)..=(id.0, last)) {
                block.push(Row::of(Timestamp::from_nanos(*ts), value, *quality));
            }
            block
        };
        let own = |rows: &Rows, from: i64, to: i64| within(rows, from, to - 1);
        let all = within(found, i64::MIN, i64::MAX);
        let from = if class == Class::Ever { i64::MIN } else { expiry.certain_ns() };
        let edges = edges(dice, &own(found, from, i64::MAX).times, from);
        let windows = snapshot.aggregate(id, &edges, Edges::Exact)?;
        for (window, pair) in windows.statistics.iter().zip(edges.array_windows::<2>()) {
            let block = own(found, pair[0], pair[1]);
            let wanted = Statistics::of(block.run(0..block.len(), definition.step));
            same(window, &wanted).map_err(|what| format!("tag {} {pair:?}: {what}", id.0))?;
        }
        if class == Class::Chain && !book.blurred.contains(&id.0) {
            let edges: Vec<i64> = hours(expiry.now_ns).collect();
            let windows = snapshot.aggregate(id, &edges, Edges::Exact)?;
            for (window, pair) in windows.statistics.iter().zip(edges.array_windows::<2>()) {
                let block = own(book.sure(), pair[0], pair[1]);
                let wanted = Statistics::of(block.run(0..block.len(), definition.step));
                same_but_times(window, &wanted)
                    .map_err(|what| format!("tag {} hour {}: {what}", id.0, pair[0]))?;
            }
        }
        check_latest(snapshot, id, class, &all, found)?;
        let totals = snapshot.totals(id, TimeRange::ALL)?;
        let known = (0..all.len()).filter(|row| all.value(*row).as_number().is_some()).count();
        if class == Class::Ever && totals.rows != known {
            return Err(format!("tag {}: {} values of {known}", id.0, totals.rows).into());
        }
    }
    Ok(())
}

fn check_latest(
    snapshot: &Snapshot,
    id: TagId,
    class: Class,
    rows: &Block,
    found: &Rows,
) -> Result<(), String> {
    if class != Class::Ever {
        return Ok(());
    }
    let latest = snapshot.latest(id).map(|own| (own.ts.nanos(), (own.value, own.quality)));
    let last = rows.times.last().map(|ts| (*ts, found[&(id.0, *ts)].clone()));
    let extent = snapshot.extent(id).map(|extent| extent.first.nanos());
    if latest != last || extent != rows.times.first().copied() {
        let first = rows.times.first();
        return Err(format!(
            "tag {}: latest {latest:?}, not {last:?}; first {extent:?}, not {first:?}",
            id.0
        ));
    }
    Ok(())
}

/// Edges at, beside and between samples.
fn edges(dice: &Dice, times: &[i64], from: i64) -> Vec<i64> {
    let mut edges = vec![from.max(i64::MIN + 2)];
    for _ in 0..dice.between(1, 12) {
        let at = if times.is_empty() { dice.between(-9, 9) } else { *dice.pick(times) };
        edges.push(at.saturating_add(dice.between(-2, 2)));
    }
    edges.retain(|edge| *edge >= from);
    edges.push(i64::MAX);
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The hours of the last ninety days.
fn hours(now_ns: i64) -> impl Iterator<Item = i64> {
    let last = now_ns.div_euclid(HOUR_NS) + 24;
    (last - 90 * (DAY_NS / HOUR_NS)..=last).map(|hour| hour * HOUR_NS)
}

fn same(found: &Statistics, wanted: &Statistics) -> Result<(), String> {
    same_but_times(found, wanted)?;
    let near = |own: f64, other: f64| {
        let scale = wanted.max.abs().max(wanted.min.abs()).max(1.0) * 1e6;
        // Sums of numbers of this size may leave what a float holds.
        scale > 1e280 || (own - other).abs() <= 1e-9 * other.abs().max(scale)
    };
    if found.good_ns != wanted.good_ns || !near(found.integral, wanted.integral) {
        return Err(format!("{found:?}, not {wanted:?}"));
    }
    Ok(())
}

fn same_but_times(found: &Statistics, wanted: &Statistics) -> Result<(), String> {
    let whole = |of: &Statistics| {
        let counts = [of.rows, of.good, of.bad, of.values];
        (counts, [of.first_ns, of.last_ns, of.min_ns, of.max_ns], of.rounded)
    };
    let numbers = |of: &Statistics| {
        [of.first, of.last, of.min, of.max].map(|own| {
            // Of a NaN it counts that it is one; 0 and −0 are one value.
            if own.is_nan() { f64::NAN.to_bits() } else { (own + 0.0).to_bits() }
        })
    };
    let scale = wanted.max.abs().max(wanted.min.abs()).max(1.0) * 100.0;
    let near = (found.sum - wanted.sum).abs() <= 1e-9 * wanted.sum.abs().max(scale);
    let sums = near || scale > 1e280;
    if whole(found) != whole(wanted) || numbers(found) != numbers(wanted) || !sums {
        return Err(format!("{found:?}, not {wanted:?}"));
    }
    Ok(())
}

/// A value of this kind, odd ones among them.
pub(super) fn value(dice: &Dice, kind: Kind) -> tacitus_model::Value {
    use tacitus_model::Value;
    if dice.one_in(12) {
        return Value::Null;
    }
    let small = i32::try_from(dice.below(4000)).unwrap();
    match kind {
        Kind::Float if dice.one_in(8) => Value::Float(f64::from_bits(dice.bits())),
        Kind::Float => Value::Float(f64::from(small) / 8.0),
        Kind::Int if dice.one_in(8) => Value::Int(dice.bits().cast_signed()),
        Kind::Int => Value::Int(i64::from(small)),
        Kind::Bool => Value::Bool(small % 2 == 0),
        Kind::State => Value::State(u32::try_from(small % 3).unwrap()),
        Kind::Text => Value::Text(format!("n{}", small % 50).into()),
    }
}
