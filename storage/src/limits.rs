//! Every bound of the store, with the reason for its number.

/// Samples in a page: the unit of statistics and random access. LIMIT: small enough to decode
/// for one edge of a query, large enough that its 96-byte record costs a tenth of a byte a sample.
pub(crate) const PAGE_ROWS_MAX: usize = 1024;

/// Rows in a block handed to a reader. LIMIT: one record batch of the query engine.
pub const BLOCK_ROWS_MAX: usize = 8192;

/// Tags in a store. LIMIT: the tables of the head are sized by it.
pub const TAGS_MAX: usize = 1 << 22;

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

/// States of one page whose times are noted. LIMIT: pages with more are decoded.
pub(crate) const PAGE_STATES_MAX: usize = 8;

/// Bytes of times and sequences that a segment under way remembers to share. LIMIT: one scan
/// group's worth; forgetting them only costs bytes.
pub(crate) const SHARED_BYTES_MAX: usize = 8 << 20;
