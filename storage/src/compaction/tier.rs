//! What is left of samples whose time is over: their statistics by minute or by hour.
//!
//! A tier is a segment whose pages have statistics and no rows. Windows are answered from it as
//! from any other; one narrower than a minute, or an hour, gets the whole of it where it begins.
//!
//! *Invariant.* The statistics of a minute are those of the samples that were in it; those of an
//! hour the merged ones of its minutes.

use std::sync::Arc;

use roaring::RoaringBitmap;
use tacitus_model::{TagId, TimeRange};

use crate::block::Block;
use crate::codec::Level;
use crate::compaction::Workshop;
use crate::error::Error;
use crate::manifest::{SegmentRecord, Tier};
use crate::merge::{Merge, Part, Source};
use crate::segment::{Finished, PageReader, Segment, SegmentWriter, TagEntry, WriteOptions};
use crate::statistics::Statistics;
use crate::visibility::Visibility;

const MINUTE_NS: i64 = 60_000_000_000;

/// Replaces segments of one class and partition by statistics of the samples that hold; `None`
/// where there are none. Segments that have statistics already come one at a time.
pub(crate) fn summarise(
    workshop: &Workshop<'_>,
    inputs: &[Arc<Segment>],
    tier: Tier,
) -> Result<Option<Arc<Segment>>, Error> {
    let Some(like) = inputs.last().map(|input| input.record().clone()) else { return Ok(None) };
    let sequences = || inputs.iter().map(|input| input.record().file);
    let first_sequence = sequences().map(|file| file.first_sequence).min().unwrap_or(0);
    let last_sequence = sequences().map(|file| file.last_sequence).max().unwrap_or(0);
    let applied = workshop.deletions.iter().map(|deletion| deletion.sequence).max().unwrap_or(0);
    let options = WriteOptions {
        number: workshop.next_number(),
        level: Level::Cold,
        tier,
        replaced: false,
        class: like.class.clone(),
        first_sequence,
        last_sequence,
        // What is left out already must not hide the rest of its minute.
        history: last_sequence.max(applied),
    };
    let writer = SegmentWriter::begin(&**workshop.disk, &workshop.store, options)?;
    let mut summary = Summary { writer, tier };
    let tags = inputs.iter().fold(RoaringBitmap::new(), |all, input| all | input.tag_set());
    for id in tags {
        workshop.check_halted()?;
        summary.tag(workshop, inputs, TagId(id))?;
    }
    let Some(finished) = summary.writer.finish()? else { return Ok(None) };
    let Finished { file, first_ns, last_ns, samples } = finished;
    let made_ns = workshop.now_ns;
    let record = SegmentRecord { file, tier, first_ns, last_ns, samples, made_ns, applied, ..like };
    workshop.open(record).map(Some)
}

/// Statistics under way.
#[derive(Debug)]
struct Summary<'a> {
    writer: SegmentWriter<'a>,
    tier: Tier,
}

impl Summary<'_> {
    fn tag(
        &mut self,
        workshop: &Workshop<'_>,
        inputs: &[Arc<Segment>],
        id: TagId,
    ) -> Result<(), Error> {
        let seen =
            Arc::new(Visibility { as_of: u64::MAX, after: 0, deleted: workshop.deleted(id) });
        let mut sources = Vec::new();
        let mut like: Option<TagEntry> = None;
        for input in inputs {
            let Some(entry) = input.tag(id)? else { continue };
            let bound = like.as_ref().map_or(0.0, |like| like.error_bound);
            like = Some(TagEntry { error_bound: bound.max(entry.error_bound), ..entry });
            sources.push(Source::pages(input, entry, TimeRange::ALL, &seen, false, None)?);
        }
        let Some(like) = like else { return Ok(()) };
        let mut merge = Merge::new(like.kind, sources);
        let mut window = None;
        while let Some(part) = merge.next_part()? {
            match part {
                Part::Rows(block) => self.rows(&like, &mut window, &block)?,
                Part::Pages(run) => {
                    let mut reader = PageReader::default();
                    for page in run.pages.clone() {
                        if reader.place(&run.segment, page)?.is_bare() {
                            let known = reader.statistics(&run.segment, page)?;
                            self.add(&like, &mut window, known)?;
                        } else {
                            self.rows(&like, &mut window, &run.read(page, false)?)?;
                        }
                    }
                }
            }
        }
        match window {
            Some((_, whole)) => self.writer.add_statistics(&like, whole),
            None => Ok(()),
        }
    }

    fn rows(
        &mut self,
        like: &TagEntry,
        window: &mut Option<(i64, Statistics)>,
        block: &Block,
    ) -> Result<(), Error> {
        let mut from = 0;
        while let Some(ts) = block.times.get(from) {
            let number = ts.div_euclid(self.width_ns());
            let same = |ts: &i64| ts.div_euclid(self.width_ns()) == number;
            let rest = block.times.get(from..).unwrap_or_default();
            let to = from + rest.partition_point(same);
            self.add(like, window, Statistics::of(block.run(from..to, like.step)))?;
            from = to;
        }
        Ok(())
    }

    /// Adds statistics to those of their window; writes these where it is over.
    fn add(
        &mut self,
        like: &TagEntry,
        window: &mut Option<(i64, Statistics)>,
        part: Statistics,
    ) -> Result<(), Error> {
        let number = part.first_ns.div_euclid(self.width_ns());
        match window {
            Some((own, whole)) if *own == number => whole.absorb(&part, like.step),
            _ => {
                if let Some((_, whole)) = window.replace((number, part)) {
                    self.writer.add_statistics(like, whole)?;
                }
            }
        }
        Ok(())
    }

    fn width_ns(&self) -> i64 {
        if self.tier == Tier::Hour { 60 * MINUTE_NS } else { MINUTE_NS }
    }
}
