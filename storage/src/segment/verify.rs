//! Checking a segment part by part: for `verify`, and for the scrub a little at a time.
//!
//! ```text
//! part 0 … P−1        the pages, by number
//! part P … P+B−1      the blocks of tables: pages, tags, rolls, great rolls, states
//! part P+B            header and roots, of which the file can do without some
//! ```
//!
//! *Invariant.* Parts are independent: a tour can stop and go on anywhere, and a damage costs its
//! part alone. Times that several pages share are checked with each of them.

use std::collections::HashSet;
use std::ops::Range;

use tacitus_model::{Kind, TagId, TimeRange, Timestamp};

use crate::block::Block;
use crate::codec::Level;
use crate::disk::Disk;
use crate::error::Error;
use crate::log::StoreId;
use crate::manifest::{FileRecord, SegmentRecord};
use crate::naming::Naming;
use crate::segment::entry::Span;
use crate::segment::table::{BLOCK_RECORDS, Directory};
use crate::segment::{PageReader, Place, Segment, TagEntry, layout, reader};
use crate::statistics::Statistics;
use crate::verify::Damage;

/// What cannot be read of one tag in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) tag: TagId,
    pub(crate) range: TimeRange,
    pub(crate) samples: u64,
}

impl Segment {
    /// The first and the last sequence in it.
    pub(crate) fn sequences_of_file(&self) -> (u64, u64) {
        (self.header.first_sequence, self.header.last_sequence)
    }

    /// How its pages are written.
    pub(crate) fn level(&self) -> Level {
        if self.header.level == 0 { Level::Hot } else { Level::Cold }
    }

    /// The tags in it whose entries can be read, and what kind they had when it was written.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (TagId, Kind)> {
        let entries = (0..self.tables.tags.records).filter_map(|at| self.tag_at(at).ok());
        entries.map(|entry| (entry.tag, entry.kind))
    }

    /// Everything that is not as it was written.
    pub(crate) fn verify(&self) -> Vec<Damage> {
        (0_u64..)
            .map_while(|part| self.check_part(part))
            .filter_map(Result::err)
            .map(|damage| *damage)
            .collect()
    }

    /// Checks one part: its bytes, or what is wrong with it; `None` behind the last.
    pub(crate) fn check_part(&self, part: u64) -> Option<Result<u64, Box<Damage>>> {
        let part = usize::try_from(part).ok()?;
        let Some(block) = part.checked_sub(self.pages()) else {
            return Some(self.check_page(part));
        };
        let blocks = self.directories().iter().map(|(_, table)| table.blocks.len()).sum();
        if block == blocks { Some(self.check_frame()) } else { self.check_block(block) }
    }

    /// Checks header and roots. Nothing is lost where one of them is damaged: the segment is
    /// open.
    fn check_frame(&self) -> Result<u64, Box<Damage>> {
        let size = self.record.file.bytes;
        let whole = |error: &Error| Box::new(Damage::whole(&self.name, error));
        let flaws = layout::flaws(&self.store, &self.header, size, &reader(&*self.file))
            .map_err(|source| whole(&Error::io("read", &self.name, source)))?;
        let Some(flaw) = flaws.first() else {
            return Ok(layout::HEADER_BYTES as u64 + 2 * self.header.root_bytes);
        };
        let what = format!("{}; a copy of it is whole, and repair writes both anew", flaw.what);
        Err(Box::new(Damage::at(&self.name, flaw.offset, flaw.bytes, &what)))
    }

    fn check_page(&self, page: usize) -> Result<u64, Box<Damage>> {
        let whole = |error: &Error| Damage::whole(&self.name, error);
        // Where the tables cannot be read their block is the damage, and is named once, as a part
        // of its own.
        let Ok(entry) = self.owner(page) else { return Ok(0) };
        let Ok(block) = self.page_block(page / BLOCK_RECORDS) else { return Ok(0) };
        let at = page % BLOCK_RECORDS;
        let (Some(place), Some(statistics)) = (block.places.get(at), block.statistics.get(at))
        else {
            return Ok(0);
        };
        let read = self.read(&entry, page, true);
        let what = match &read {
            Err(error) => error.to_string(),
            Ok(_) if place.values.len == 0 => return Ok(0),
            Ok(rows) => match disagreement(rows, statistics, place) {
                Some(what) => whole(&self.damaged(&format!("page {page}: {what}"))).what,
                None => return Ok(u64::from(place.values.len) + u64::from(place.times.len)),
            },
        };
        let Span { offset, len } = self.damaged_span(place);
        Err(Box::new(Damage {
            tag: Some(entry.tag),
            range: Some(range_of(statistics)),
            samples: statistics.rows,
            ..Damage::at(&self.name, offset, u64::from(len), &what)
        }))
    }

    /// The first piece of a page whose checksum is wrong; the values where all are right.
    fn damaged_span(&self, place: &Place) -> Span {
        let pieces = [place.times, place.meta, place.values, place.sequences];
        let wrong = |span: &Span| span.len > 0 && !matches!(self.piece(*span), Ok(Some(_)));
        pieces.into_iter().find(wrong).unwrap_or(place.values)
    }

    /// The tag that a page belongs to.
    fn owner(&self, page: usize) -> Result<TagEntry, Error> {
        let (mut low, mut high) = (0, self.tables.tags.records);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.tag_at(middle)?.pages().end <= page { low = middle + 1 } else { high = middle }
        }
        let entry = self.tag_at(low)?;
        entry.pages().contains(&page).then_some(entry).ok_or_else(|| self.damaged("a page's tag"))
    }

    /// Checks the n-th block of all tables, from the file and not from the cache.
    fn check_block(&self, mut at: usize) -> Option<Result<u64, Box<Damage>>> {
        for (name, table) in self.directories() {
            let Some(place) = table.blocks.get(at) else {
                at -= table.blocks.len();
                continue;
            };
            let span = Span { offset: place.offset, len: place.len };
            let sound = self.piece(span).is_ok_and(|bytes| bytes.is_some())
                && self.decodes(name, at, table.records_of(at));
            if sound {
                return Some(Ok(u64::from(place.len)));
            }
            let lost = self.lost_with(name, at);
            let what = self.damaged(&format!("block {at} of the table of {name}")).to_string();
            let mut damage = Damage::at(&self.name, place.offset, u64::from(place.len), &what);
            damage.samples = lost.iter().map(|lost| lost.samples).sum();
            if let [lost] = &lost[..] {
                (damage.tag, damage.range) = (Some(lost.tag), Some(lost.range));
            }
            return Some(Err(Box::new(damage)));
        }
        None
    }

    fn directories(&self) -> [(&'static str, &Directory); 5] {
        let tables = &self.tables;
        [
            ("pages", &tables.pages),
            ("tags", &tables.tags),
            ("rolls", &tables.rolls),
            ("great rolls", &tables.great_rolls),
            ("states", &tables.states),
        ]
    }

    /// Whether a block whose checksum is right makes sense too.
    fn decodes(&self, name: &str, block: usize, records: usize) -> bool {
        match name {
            "pages" => self.page_block(block).is_ok_and(|block| block.places.len() == records),
            "tags" => self.tag_at(block * BLOCK_RECORDS).is_ok(),
            "rolls" => self.roll(block * BLOCK_RECORDS).is_ok(),
            "great rolls" => self.great_roll(block * BLOCK_RECORDS).is_ok(),
            _ => true,
        }
    }

    /// What cannot be found any more when a block of a table is gone: of a block of pages what
    /// their tags had in them, of a block of tags all that cannot be told from what is left.
    fn lost_with(&self, name: &str, block: usize) -> Vec<Lost> {
        if name != "pages" {
            return Vec::new();
        }
        let gone = block * BLOCK_RECORDS..(block + 1) * BLOCK_RECORDS;
        let entries = (0..self.tables.tags.records).filter_map(|at| self.tag_at(at).ok());
        entries.filter_map(|entry| self.lost_of(&entry, &gone)).collect()
    }

    /// What of a tag lies in pages whose places are gone.
    fn lost_of(&self, entry: &TagEntry, gone: &Range<usize>) -> Option<Lost> {
        let pages = entry.pages();
        let (from, to) = (pages.start.max(gone.start), pages.end.min(gone.end));
        if from >= to {
            return None;
        }
        let statistics = |page: usize| {
            let block = self.page_block(page / BLOCK_RECORDS).ok()?;
            block.statistics.get(page % BLOCK_RECORDS).copied()
        };
        let rest = pages.filter(|page| !gone.contains(page)).filter_map(statistics);
        let kept: u64 = rest.map(|page| page.rows).sum();
        Some(Lost {
            tag: entry.tag,
            range: range_of(&entry.statistics),
            samples: entry.statistics.rows.saturating_sub(kept),
        })
    }

    /// The statistics of a page of which nothing else was kept.
    pub(crate) fn only_statistics(&self, page: usize) -> Result<Option<Statistics>, Error> {
        let mut reader = PageReader::default();
        let bare = reader.place(self, page)?.values.len == 0;
        if bare { reader.statistics(self, page).map(Some) } else { Ok(None) }
    }

    /// What the file has of each tag, by page, for a repair that copies what can be read.
    pub(crate) fn intact(&self) -> impl Iterator<Item = (TagEntry, Vec<usize>)> {
        let damaged: HashSet<usize> =
            (0..self.pages()).filter(|page| self.check_page(*page).is_err()).collect();
        let readable = move |page: &usize| {
            !damaged.contains(page) && self.page_block(page / BLOCK_RECORDS).is_ok()
        };
        let entries = (0..self.tables.tags.records).filter_map(|at| self.tag_at(at).ok());
        entries.map(move |entry| {
            let pages = entry.pages().filter(|page| readable(page)).collect();
            (entry, pages)
        })
    }
}

/// What the statistics say of the times that the rows do not say.
fn disagreement(rows: &Block, statistics: &Statistics, place: &Place) -> Option<&'static str> {
    let ends = [rows.times.first(), rows.times.last()];
    if rows.len() as u64 != statistics.rows {
        return Some("it has other rows than its statistics");
    }
    if ends != [Some(&statistics.first_ns), Some(&statistics.last_ns)] {
        return Some("it has other times than its statistics");
    }
    if !rows.times.is_sorted_by(|a, b| a < b) {
        return Some("its times do not rise");
    }
    let known = place.first_sequence..=place.last_sequence;
    let mut sequences = rows.sequences.iter().flatten();
    if !sequences.all(|sequence| known.contains(sequence)) {
        return Some("it has other sequences than its entry");
    }
    None
}

fn range_of(statistics: &Statistics) -> TimeRange {
    TimeRange {
        first: Timestamp::from_nanos(statistics.first_ns),
        last: Timestamp::from_nanos(statistics.last_ns),
    }
}

/// What a segment says of itself, for a manifest that has to be made up.
pub(crate) fn record_of(
    disk: &dyn Disk,
    store: &StoreId,
    number: u64,
) -> Result<SegmentRecord, Error> {
    let name = Naming::segment(number);
    let open = || disk.open(&name).and_then(|file| Ok((file.size()?, file)));
    let io = |source| Error::io("read", &name, source);
    let (bytes, file) = open().map_err(io)?;
    let read = reader(&*file);
    let header =
        match layout::decode_header(store, number, &read(0, layout::HEADER_BYTES).map_err(io)?) {
            Ok(header) => Ok(header),
            Err(_) => {
                layout::read_frame(store, number, bytes, &read).map_err(io)?.map(|(own, _)| own)
            }
        };
    let header = header.map_err(|what| Error::corrupt(&name, what))?;
    let layout::Header { first_sequence, last_sequence, first_ns, last_ns, .. } = header;
    Ok(SegmentRecord {
        file: FileRecord { number, bytes, first_sequence, last_sequence },
        level: header.level,
        tier: header.tier,
        replaced: header.replaced,
        class: header.class,
        first_ns,
        last_ns,
        samples: header.samples,
        made_ns: 0,
        applied: 0,
    })
}
