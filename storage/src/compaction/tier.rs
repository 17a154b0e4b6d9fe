//! What is left of samples whose time is over: their statistics by minute or by hour.
//!
//! A tier is a segment whose pages have statistics and no rows. Windows are answered from it as
//! from any other; one narrower than a minute, or an hour, gets the whole of it where it begins.
//!
//! *Invariant.* The statistics of a minute are those of the samples that were in it; those of an
//! hour the merged ones of its minutes.

use std::sync::Arc;

use crate::codec::Level;
use crate::compaction::Workshop;
use crate::error::Error;
use crate::manifest::{SegmentRecord, Tier};
use crate::segment::{Finished, PageReader, Segment, SegmentWriter, WriteOptions};
use crate::statistics::Statistics;

const MINUTE_NS: i64 = 60_000_000_000;

/// Replaces a segment by statistics of its samples; `None` where it has none.
pub(crate) fn summarise(
    workshop: &Workshop<'_>,
    input: &Arc<Segment>,
    tier: Tier,
) -> Result<Option<Arc<Segment>>, Error> {
    let width_ns = if tier == Tier::Hour { 60 * MINUTE_NS } else { MINUTE_NS };
    let file = input.record().file;
    let options = WriteOptions {
        number: workshop.next_number(),
        level: Level::Cold,
        tier,
        replaced: false,
        class: input.record().class.clone(),
        first_sequence: file.first_sequence,
        last_sequence: file.last_sequence,
        history: file.last_sequence,
    };
    let disk = &**workshop.disk;
    let mut writer = SegmentWriter::begin(disk, &workshop.store, options)?;
    for tag in input.tags() {
        let Some(entry) = input.tag(tag)? else { continue };
        let mut reader = PageReader::default();
        let mut window: Option<(i64, Statistics)> = None;
        for page in entry.pages() {
            let mut parts = Vec::new();
            if reader.place(input, page)?.is_bare() {
                parts.push(reader.statistics(input, page)?);
            } else {
                let block = input.read(&entry, page, false)?;
                let mut from = 0;
                while let Some(ts) = block.times.get(from) {
                    let number = ts.div_euclid(width_ns);
                    let same = |ts: &i64| ts.div_euclid(width_ns) == number;
                    let rest = block.times.get(from..).unwrap_or_default();
                    let to = from + rest.partition_point(same);
                    parts.push(Statistics::of(block.run(from..to, entry.step)));
                    from = to;
                }
            }
            for part in parts {
                let number = part.first_ns.div_euclid(width_ns);
                match &mut window {
                    Some((own, whole)) if *own == number => whole.absorb(&part, entry.step),
                    _ => {
                        if let Some((_, whole)) = window.replace((number, part)) {
                            writer.add_statistics(&entry, whole)?;
                        }
                    }
                }
            }
        }
        if let Some((_, whole)) = window {
            writer.add_statistics(&entry, whole)?;
        }
    }
    let Some(finished) = writer.finish()? else { return Ok(None) };
    let Finished { file, first_ns, last_ns, samples } = finished;
    let record = SegmentRecord {
        file,
        tier,
        first_ns,
        last_ns,
        samples,
        made_ns: workshop.now_ns,
        ..input.record().clone()
    };
    workshop.open(record).map(Some)
}
