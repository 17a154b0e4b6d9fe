//! The rows of `oee` and `iso22400`: an asset at a time, machine by machine.
//!
//! *Invariant.* A piece of work reads one block of samples at most.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use tacitus_model::{Kind, Tag};
use tacitus_storage::TagScan;

use super::super::argument::Arguments;
use super::super::producer::{Piece, Producer, Rows, rows_between, stored};
use super::super::raw::Nothing;
use super::super::series::{TagSamples, point};
use super::bucket::{self, By};
use super::column::Table;
use super::course::{CourseReading, Known};
use super::held::{Held, cycle, product};
use super::machine::{Machine, machines, select};
use super::{Ground, span, tag, too_much};
use crate::aggregate::Point;
use crate::error::{QueryError, SqlState};
use crate::format::rfc3339;
use crate::limits::OEE_BUCKETS_MAX;
use crate::oee::{
    Counted, Counter, CycleRule, PlannedTime, Sheet, Timeline, TooManyProducts, Window,
};
use crate::relation::GapRow;

/// A call of `oee` or `iso22400`.
#[derive(Debug)]
struct Effectiveness {
    ground: Ground,
    table: Table,
    by: By,
    from: i64,
    to: i64,
    gaps: Arc<[GapRow]>,
    /// The assets, and the machines behind each.
    assets: Vec<(String, Vec<Machine>)>,
}

/// Reads the arguments of a call.
pub(super) fn call(
    ground: &Ground,
    arguments: &Arguments,
    table: Table,
) -> Result<Arc<dyn Producer>> {
    let (from, to) = span(arguments)?;
    let by = By::of(arguments)?;
    let plant = ground.places.plant();
    let named = select(plant, &arguments.texts("asset")?)?.into_iter();
    let assets: Result<Vec<(String, Vec<Machine>)>> = named
        .map(|asset| machines(plant, &asset, from, to).map(|machines| (asset, machines)))
        .collect();
    let (ground, gaps, assets) = (ground.clone(), ground.gaps(), assets?);
    Ok(Arc::new(Effectiveness { ground, table, by, from, to, gaps, assets }))
}

/// The tags of some machines.
pub(super) fn tags_of<'a>(
    ground: &Ground,
    machines: impl Iterator<Item = &'a Machine>,
) -> Vec<Arc<Tag>> {
    let snapshot = ground.places.snapshot();
    let of = |own: &Machine| {
        let names = own.model.tags();
        names.filter_map(|name| tag(snapshot, &own.asset, name)).collect::<Vec<_>>()
    };
    machines.flat_map(of).collect()
}

impl fmt::Display for Effectiveness {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.table {
            Table::Oee => "OeeExec",
            Table::Iso22400 => "Iso22400Exec",
        };
        let (from, to) = (rfc3339(self.from), rfc3339(self.to));
        write!(out, "{name}: assets={}, from={from}, to={to}", self.assets.len())
    }
}

impl Producer for Effectiveness {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn parts(&self) -> usize {
        self.assets.len()
    }

    fn open(&self, part: usize) -> Result<Box<dyn Rows>> {
        let Some((asset, machines)) = self.assets.get(part) else { return Ok(Box::new(Nothing)) };
        let plant = self.ground.places.plant();
        Ok(Box::new(AssetRows {
            ground: self.ground.clone(),
            table: self.table,
            asset: asset.clone(),
            gaps: Arc::clone(&self.gaps),
            sheet: bucket::sheet(plant, asset, self.by, (self.from, self.to))?,
            machines: machines.iter().cloned().collect(),
            work: None,
            done: false,
        }))
    }

    fn rows_estimate(&self) -> Option<usize> {
        let machines = self.assets.iter().flat_map(|(_, machines)| machines);
        let tags = tags_of(&self.ground, machines);
        rows_between(self.ground.places.snapshot(), &tags, self.from, self.to)
    }

    fn order(&self) -> Vec<(&'static str, bool)> {
        vec![("asset", false), ("start_ts", false)]
    }
}

/// The rows of one asset.
struct AssetRows {
    ground: Ground,
    table: Table,
    asset: String,
    gaps: Arc<[GapRow]>,
    sheet: Sheet,
    machines: VecDeque<Machine>,
    work: Option<Work>,
    done: bool,
}

impl Rows for AssetRows {
    fn piece(&mut self) -> Result<Piece> {
        if self.done {
            return Ok(Piece::End);
        }
        if let Some(work) = self.work.take() {
            self.work = work.step(&self.ground, &self.gaps, &mut self.sheet)?;
            return Ok(Piece::More);
        }
        if let Some(machine) = self.machines.pop_front() {
            self.work = Some(Work::open(&self.ground, machine)?);
            return Ok(Piece::More);
        }
        self.done = true;
        Ok(Piece::Rows(self.table.batch(&self.asset, &self.sheet)?))
    }
}

/// What is known of a machine while it is worked on.
struct Work {
    machine: Machine,
    products: Timeline<Option<Arc<str>>>,
    cycles: Timeline<Option<f64>>,
    planned: PlannedTime,
    step: Step,
}

/// What is being read.
enum Step {
    Products(Held<Arc<str>>),
    Cycles(Held<f64>),
    Course(Box<CourseReading>),
    /// The count of this position in the model.
    Count(usize, Option<Counting>),
}

impl Work {
    fn open(ground: &Ground, machine: Machine) -> Result<Self> {
        let samples = |name: &str| samples(ground, &machine, name);
        let span = (machine.from, machine.to);
        let definition = machine.model.definition();
        let named = definition.product.as_ref().and_then(|own| samples(&own.tag));
        let step = match named {
            Some(samples) => Step::Products(Held::open(samples, span, product)?),
            None => Self::cycles(ground, &machine)?,
        };
        let (products, cycles) = (Timeline::default(), Timeline::default());
        Ok(Self { machine, products, cycles, planned: PlannedTime::default(), step })
    }

    /// What comes after the products.
    fn cycles(ground: &Ground, machine: &Machine) -> Result<Step> {
        if let Some(CycleRule::Tag { tag, unit }) = machine.model.cycle()
            && let Some(samples) = samples(ground, machine, tag)
        {
            let span = (machine.from, machine.to);
            return Ok(Step::Cycles(Held::open(samples, span, cycle(*unit))?));
        }
        Ok(Step::Course(Box::new(CourseReading::open(ground, machine)?)))
    }

    /// Does a piece of work; what is left to do.
    fn step(mut self, ground: &Ground, gaps: &[GapRow], sheet: &mut Sheet) -> Result<Option<Self>> {
        let mut step = std::mem::replace(&mut self.step, Step::Count(0, None));
        let more = match &mut step {
            Step::Products(held) => held.step()?,
            Step::Cycles(held) => held.step()?,
            Step::Course(reading) => reading.step()?,
            Step::Count(at, Some(counting)) => self.count(counting, *at, sheet)?,
            Step::Count(_, None) => false,
        };
        if more {
            self.step = step;
            return Ok(Some(self));
        }
        self.step = match step {
            Step::Products(held) => {
                self.products = held.finish();
                Self::cycles(ground, &self.machine)?
            }
            Step::Cycles(held) => {
                self.cycles = held.finish();
                Step::Course(Box::new(CourseReading::open(ground, &self.machine)?))
            }
            Step::Course(reading) => {
                let known = reading.finish(ground, gaps, watermark(ground, &self.machine))?;
                self.rate();
                self.add_time(sheet, known)?;
                Step::Count(0, None)
            }
            Step::Count(at, Some(_)) => Step::Count(at + 1, None),
            Step::Count(at, None) => {
                let Some(rule) = self.machine.model.counts().get(at) else { return Ok(None) };
                match samples(ground, &self.machine, &rule.tag) {
                    Some(samples) => {
                        Step::Count(at, Some(Counting::open(&samples, &self.machine, at)?))
                    }
                    None => Step::Count(at + 1, None),
                }
            }
        };
        Ok(Some(self))
    }

    fn window(&self) -> Window<'_> {
        Window { from: self.machine.from, to: self.machine.to, products: &self.products }
    }

    /// Ideal cycles that no tag says.
    fn rate(&mut self) {
        match self.machine.model.cycle() {
            Some(CycleRule::Seconds(seconds)) => self.cycles = Timeline::always(Some(*seconds)),
            Some(CycleRule::ByProduct { products, otherwise }) => {
                self.cycles = Timeline::always(*otherwise);
                for (at, name) in self.products.changes() {
                    let known = name.as_ref().and_then(|name| products.get(&**name));
                    self.cycles.push(*at, known.copied().or(*otherwise));
                }
            }
            Some(CycleRule::Tag { .. }) | None => {}
        }
    }

    fn add_time(&mut self, sheet: &mut Sheet, known: Known) -> Result<()> {
        let model = Arc::clone(&self.machine.model);
        let setup_is_loss = model.definition().setup_is_loss;
        let Known { course, causes, open_from } = known;
        let window = self.window();
        sheet.add_course(&course, &causes, &window, setup_is_loss).map_err(too_many_products)?;
        sheet.lacks(&window, model.counts().is_empty(), model.cycle().is_none());
        sheet.is_open_from(open_from);
        self.planned = course.planned;
        Ok(())
    }

    /// Counts the samples of a block; whether there are more.
    fn count(&self, counting: &mut Counting, at: usize, sheet: &mut Sheet) -> Result<bool> {
        let Some(rule) = self.machine.model.counts().get(at) else { return Ok(false) };
        let Some(block) = counting.scan.next() else { return Ok(false) };
        let block = block.map_err(stored)?;
        let window = self.window();
        for row in 0..block.len() {
            let Some(own) = point(&block, row).filter(counts) else { continue };
            let pieces =
                if rule.counts_up { counting.counter.count(own.number) } else { own.number };
            let counted = Counted {
                total: rule.to_total * pieces,
                good: rule.to_good * pieces,
                is_scheduled: self.planned.is_scheduled(own.ts),
                cycle_s: self.cycles.at(own.ts).0.copied().flatten(),
            };
            sheet.add_count(own.ts, &window, counted).map_err(too_many_products)?;
        }
        Ok(true)
    }
}

/// A counter that is being read.
struct Counting {
    scan: TagScan,
    counter: Counter,
}

impl Counting {
    fn open(samples: &TagSamples, machine: &Machine, at: usize) -> Result<Self> {
        let definition = &samples.tag.definition;
        if definition.kind == Kind::Text {
            let what = format!("\"{}\" has texts, and cannot count", definition.path);
            return Err(QueryError::new(SqlState::DATATYPE_MISMATCH, what)
                .with_hint("name a tag with numbers in the OEE definition")
                .into());
        }
        let rule = machine.model.counts().get(at);
        let before = samples.last(machine.from, &counts).map_err(stored)?;
        let most = rule.and_then(|rule| rule.rollover_max);
        let counter = Counter::new(most, before.map(|point| point.number));
        Ok(Self { scan: samples.scan(machine.from, machine.to - 1), counter })
    }
}

/// Whether a sample says a number.
fn counts(point: &Point) -> bool {
    !point.quality.is_bad() && point.number.is_finite()
}

/// The samples of a tag that a definition names.
fn samples(ground: &Ground, machine: &Machine, name: &str) -> Option<TagSamples> {
    let snapshot = ground.places.snapshot();
    let tag = tag(snapshot, &machine.asset, name)?;
    Some(TagSamples::new(snapshot.clone(), tag))
}

/// The time of the last sample of a machine.
pub(super) fn watermark(ground: &Ground, machine: &Machine) -> Option<i64> {
    let snapshot = ground.places.snapshot();
    let tags = tags_of(ground, std::iter::once(machine)).into_iter();
    tags.filter_map(|tag| snapshot.extent(tag.id)).map(|extent| extent.last.nanos()).max()
}

fn too_many_products(_: TooManyProducts) -> datafusion::error::DataFusionError {
    let what = format!("one asset made more than {OEE_BUCKETS_MAX} products");
    too_much(what, "ask for a shorter time").into()
}
