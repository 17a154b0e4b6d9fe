//! Every bound of the store, with the reason for its number.

/// Samples in a page: the unit of statistics and random access. LIMIT: small enough to decode
/// for one edge of a query, large enough that its 96-byte record costs a tenth of a byte a sample.
pub(crate) const PAGE_ROWS_MAX: usize = 1024;

/// Rows in a block handed to a reader. LIMIT: one record batch of the query engine.
pub const BLOCK_ROWS_MAX: usize = 8192;

/// Tags in a store. LIMIT: the tables of the head are sized by it.
pub const TAGS_MAX: usize = 1 << 22;

/// Names a tag may have had; of the released ones the oldest are forgotten for new ones. LIMIT: all
/// stand in every record of the tag.
pub(crate) const TAG_NAMES_MAX: usize = 64;

/// Tags whose paths are not in the sorted index yet, before a part of it is made of them. LIMIT:
/// each search looks at them one by one.
pub(crate) const FRESH_PATHS_MAX: usize = 4096;

/// Paths that one step of background work puts into the sorted index. LIMIT: some ten milliseconds.
pub(crate) const INDEX_STEP_PATHS: usize = 32_768;

/// The longest glob or regular expression, in bytes. LIMIT: what it compiles to grows with it.
pub const PATTERN_BYTES_MAX: usize = 1024;

/// What a pattern may compile to, in bytes. LIMIT: many queries run at once.
pub(crate) const AUTOMATON_BYTES_MAX: usize = 1 << 20;

/// Conditions of one tag query together. LIMIT: each takes a bitmap of all tags.
pub const TAG_CONDITIONS_MAX: usize = 256;

/// Conditions of a tag query within each other. LIMIT: each takes a part of the stack.
pub const TAG_CONDITIONS_DEEP_MAX: usize = 16;

/// Spare log files kept for reuse. LIMIT: two cover the roll while a seal is running; more would
/// only hold disk space.
pub(crate) const LOG_SPARES_MAX: usize = 2;

/// Catalog files in one manifest before they are merged. LIMIT: each is opened at start.
pub(crate) const CATALOG_FILES_MAX: usize = 16;

/// Rows of the largest slab of one tag in the head. LIMIT: a slab is allocated at once.
pub(crate) const SLAB_ROWS_MAX: usize = 65_536;

/// The smallest log file. LIMIT: a tag's definition and a sample with the longest text must fit a
/// frame in real settings; tests use this one.
pub(crate) const LOG_FILE_BYTES_MIN: u64 = 4096;

/// How often the free space of the disk is asked for. LIMIT: at 1 GB/s a disk loses less than the
/// default reserve meanwhile.
pub(crate) const SPACE_ASKED_EVERY_NS: u64 = 200_000_000;

/// How far the time of day may be from what is trusted before retention stops. LIMIT: longer than
/// any mistake about time zones, shorter than a retention anyone sets.
pub(crate) const CLOCK_JUMP_NS_MAX: u64 = 24 * 3_600_000_000_000;

/// How often the marks are written. LIMIT: after a kill the high water is at most this old, far
/// less than the jump that is tolerated; a scrub repeats at most this much of its tour.
pub(crate) const MARKS_KEPT_EVERY_NS: u64 = 3_600_000_000_000;

/// The least that is kept free where no reserve is set. LIMIT: room for a seal of the largest
/// head while writes are refused.
pub(crate) const RESERVE_BYTES_MIN: u64 = 256 << 20;

/// The part of the medium that is kept free where no reserve is set, in percent. LIMIT: file
/// systems become slow when they are nearly full.
pub(crate) const RESERVE_PERCENT: u64 = 2;

/// Bytes that a copy of a file reads at once. LIMIT: one buffer a backup; larger ones are no
/// faster.
pub(crate) const COPY_BYTES: usize = 256 * 1024;

/// Damaged places that are remembered. LIMIT: whoever has that many needs a restore, not a list.
pub(crate) const FINDINGS_MAX: usize = 1000;

/// Bytes that a step of the scrub reads. LIMIT: a step must not keep a seal waiting; a disk reads
/// this in a few milliseconds.
pub(crate) const SCRUB_BYTES: u64 = 1 << 20;

/// States of one page whose times are noted. LIMIT: pages with more are decoded.
pub(crate) const PAGE_STATES_MAX: usize = 8;

/// Bytes of times and sequences that a segment under way remembers to share. LIMIT: one scan
/// group's worth; forgetting them only costs bytes.
pub(crate) const SHARED_BYTES_MAX: usize = 8 << 20;

/// Files of documents in one manifest before they are merged. LIMIT: each is opened at start.
pub(crate) const DOCUMENT_FILES_MAX: usize = 8;

/// Bytes of documents in files, beyond twice those that count, before all files are merged. LIMIT:
/// so much is read and written by one seal.
pub(crate) const DOCUMENTS_DEAD_BYTES_MAX: u64 = 1 << 20;

/// Documents together, in bytes. LIMIT: all are in memory.
pub(crate) const DOCUMENTS_BYTES_MAX: usize = 256 << 20;

/// The key of a document, in bytes. LIMIT: a client's name and the longest topic fit.
pub(crate) const DOCUMENT_KEY_BYTES_MAX: usize = 256 << 10;

/// Edits and deletions on record. LIMIT: they are kept in memory and in one file.
pub(crate) const AUDIT_ENTRIES_MAX: usize = 1 << 18;

/// User, reason and tags of one of them, in bytes. LIMIT: it fits the smallest log frame that is
/// used in earnest.
pub(crate) const AUDIT_TEXT_BYTES_MAX: usize = 64 * 1024;

/// Segments in one rewriting. LIMIT: each is open with a chunk in memory.
pub(crate) const COMPACTION_INPUTS_MAX: usize = 64;

/// Bytes of the inputs of one rewriting, beyond which only one is taken. LIMIT: the outputs need
/// as much free space, and readers of the inputs hold theirs meanwhile.
pub(crate) const COMPACTION_BYTES_MAX: u64 = 4 << 30;

/// The name of a retention class, in bytes. LIMIT: it has its place in a segment's header.
pub(crate) const CLASS_BYTES_MAX: usize = 64;

/// Partitions that one import may touch. LIMIT: each has a segment under way.
pub(crate) const IMPORT_PARTITIONS_MAX: usize = 1024;
/// Blocks of tables that a check of files keeps. LIMIT: those of the segment under way; the cache of
/// the readers is left alone.
pub(crate) const CHECK_CACHE_BYTES: usize = 4 << 20;

/// Gaps that a reader is told one by one. LIMIT: whoever meets that many needs a repair, not a list.
pub(crate) const GAPS_MAX: usize = 1000;
