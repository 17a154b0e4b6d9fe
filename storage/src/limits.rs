//! Every bound of the store, with the reason for its number.

/// Samples in a page: the unit of statistics and random access. LIMIT: small enough to decode
/// for one edge of a query, large enough that its 96-byte record costs a tenth of a byte a sample.
pub const PAGE_ROWS_MAX: usize = 1024;

/// Rows in a block handed to a reader. LIMIT: one record batch of the query engine.
pub const BLOCK_ROWS_MAX: usize = 8192;

/// Tags in a store. LIMIT: the tables of the head are sized by it.
pub const TAGS_MAX: usize = 1 << 22;

/// Spare log files kept for reuse. LIMIT: two cover the roll while a seal is running; more would
/// only hold disk space.
pub const LOG_SPARES_MAX: usize = 2;

/// Catalog files in one manifest before they are merged. LIMIT: each is opened at start.
pub const CATALOG_FILES_MAX: usize = 16;

/// Segments in one manifest. LIMIT: each holds an open file and resident indexes.
pub const SEGMENTS_MAX: usize = 100_000;

/// Rows of the largest slab of one tag in the head. LIMIT: a slab is allocated at once.
pub const SLAB_ROWS_MAX: usize = 65_536;
