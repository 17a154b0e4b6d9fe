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
