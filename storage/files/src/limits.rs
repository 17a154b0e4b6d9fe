//! The bounds on what a file can make this crate hold, each with its reason.

/// The longest line, also of one that goes on over line ends in quotes. LIMIT: a quote that is
/// never closed would otherwise read the whole file into memory; a row of 100,000 columns fits.
pub const LINE_BYTES_MAX: usize = 4 << 20;

/// How many wrong rows are named one by one. LIMIT: nobody reads more; the rest is counted.
pub const FAULTS_NAMED_MAX: usize = 20;

/// Rows in a block. LIMIT: what the store takes at once.
pub(crate) const BLOCK_ROWS_MAX: usize = tacitus_storage::BLOCK_ROWS_MAX;

/// Rows that a Parquet reader decodes at once. LIMIT: times the columns of a wide file, this is
/// what lies in memory.
pub(crate) const BATCH_ROWS_MAX: usize = 4096;

/// Rows of a row group of a Parquet file that is written. LIMIT: a group lies in memory until it
/// is whole.
pub(crate) const GROUP_ROWS_MAX: usize = 1 << 20;

/// Bytes read at once from each spilled run. LIMIT: there is a buffer for each run.
pub(crate) const RUN_READ_BYTES: usize = 64 << 10;

/// The least memory a sort is given. LIMIT: with less it would write runs of a few rows.
pub(crate) const SORT_BYTES_MIN: usize = 1 << 20;
