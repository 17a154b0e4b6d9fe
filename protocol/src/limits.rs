//! The bounds on what a sender can make this crate hold, each with its reason.
//!
//! *Invariant.* A decoder needs memory in proportion to its input, never more.

/// The longest MQTT payload that is decoded, in bytes. LIMIT: a decoded JSON tree takes several
/// times its text; what plants send is far smaller (UMH also stops at 1 MiB).
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// How deep JSON may nest. LIMIT: decoding recurses, and the stack is not ours to grow.
pub const JSON_DEPTH_MAX: usize = 64;

/// How many JSON values (leaves and containers) one payload may hold. LIMIT: each leaf may become
/// a tag, and a tag lives as long as the store.
pub const JSON_VALUES_MAX: usize = 10_000;

/// How many JSON values one row of a list of samples may hold. LIMIT: a row has four members; the
/// rest is room for members that are ignored.
pub const SAMPLE_VALUES_MAX: usize = 64;

/// How many refused lines of one line-protocol body are named one by one. LIMIT: an answer that
/// lists more is read by nobody; the rest is counted.
pub const LINES_NAMED_MAX: usize = 100;

/// How many topic rules, and how many include or exclude filters, a configuration may have.
/// LIMIT: the first message of each topic tries them in order.
pub const TOPIC_RULES_MAX: usize = 1_000;

/// How large one compiled topic pattern may grow, in bytes. LIMIT: a repeated group such as
/// `(a{1000}){1000}` would otherwise compile to gigabytes.
pub const TOPIC_PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// The longest payload of Sparkplug, in bytes. LIMIT: a birth lists all that a node has, some
/// 50 bytes a metric; what is decoded takes several times that.
pub const SPARKPLUG_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The most metrics of one payload. LIMIT: each takes some 200 bytes once decoded.
pub const SPARKPLUG_METRICS_MAX: usize = 100_000;

/// The most elements, cells or members of one metric. LIMIT: each is a tag.
pub const SPARKPLUG_LEAVES_MAX: usize = 10_000;

/// The most nodes a host knows. LIMIT: each holds the table of its metrics.
pub const SPARKPLUG_NODES_MAX: usize = 10_000;

/// The most metrics a host knows, of all nodes. LIMIT: some 300 bytes each in memory, 50 in the store.
pub const SPARKPLUG_KNOWN_MAX: usize = 1_000_000;

/// The most messages of one node that wait for one that is missing. LIMIT: as many as sequence
/// numbers; the oldest gap is given up then.
pub const SPARKPLUG_WAITING_MAX: usize = 128;

/// The longest series of a remote write request, in bytes. LIMIT: one is in memory at a time, some
/// ten times as large.
pub const REMOTE_SERIES_BYTES_MAX: usize = 1024 * 1024;

/// The most symbols of a remote write request. LIMIT: they are in memory while it is read.
pub const REMOTE_SYMBOLS_MAX: usize = 1_000_000;

/// The most buckets of a native histogram of remote write. LIMIT: each becomes a tag; the powers of two
/// between a nanosecond and a century are 90.
pub const REMOTE_BUCKETS_MAX: usize = 512;
