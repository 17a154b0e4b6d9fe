//! How much one statement, and all of them together, may take.
//!
//! *Invariant.* Every limit ends a statement with an error that names it; none of them cuts an
//! answer short in silence.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The longest statement, in bytes. LIMIT: a list of 20,000 tag names fits.
pub const STATEMENT_BYTES_MAX: usize = 1024 * 1024;

/// The most names, keywords and operators of a statement; literals, commas and brackets do not
/// count. LIMIT: a chain of operators is a tree as deep as it is long, and planning takes time by
/// the square of that: seconds at this length, minutes at three times of it.
pub(crate) const STATEMENT_WORDS_MAX: usize = 2000;

/// The stack of a thread that executes statements, in bytes. LIMIT: the deepest tree that
/// [`STATEMENT_WORDS_MAX`] allows is walked and freed within it. Only pages that are used become
/// memory.
pub(crate) const THREAD_STACK_BYTES: usize = 64 * 1024 * 1024;

/// The most parameters of one statement. LIMIT: what the PostgreSQL protocol can count.
pub(crate) const PARAMETERS_MAX: usize = 65_535;

/// How deep expressions and sub-queries may nest. LIMIT: the parser recurses; this depth is far
/// beyond what people and tools write and far below what a thread's stack holds.
pub(crate) const NESTING_MAX: usize = 50;

/// The most rows of one record batch. LIMIT: a batch stays in the processor's cache.
pub(crate) const BATCH_ROWS_MAX: usize = 8192;

/// The text one record batch of samples may gather before it is handed on, in bytes. LIMIT: a
/// text may have 64 KiB, and 8192 of those would be half a gigabyte.
pub(crate) const BATCH_TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How many samples a tag is taken to have when a plan is chosen. LIMIT: none; it only says that
/// `samples` is larger than `tags` and `latest`, so that joins hold the small side in memory.
pub(crate) const SAMPLES_OF_TAG_GUESS: usize = 100_000;

/// How many blocks and tags a scan looks at before it lets other work run. LIMIT: at most a few
/// milliseconds pass before a cancelled statement notices.
pub(crate) const STEPS_PER_POLL_MAX: usize = 64;

/// Intervals of a tag that are worked out together. LIMIT: what is known of each takes half a
/// kilobyte, and a cancelled statement notices between them.
pub(crate) const INTERVALS_AT_ONCE_MAX: usize = 1024;

/// Times in a list of `interpolate` and `wide`. LIMIT: a statement of that many times is as long
/// as one may be.
pub(crate) const MOMENTS_MAX: usize = 65_536;

/// Tags of `wide`. LIMIT: each is a column, and columns cost planning time and memory.
pub(crate) const WIDE_TAGS_MAX: usize = 1000;

/// Pixels of `plot`. LIMIT: more than any screen has across.
pub(crate) const PIXELS_MAX: i64 = 100_000;

/// Batches that wait between a statement and its reader. LIMIT: a slow reader stops the statement
/// instead of filling memory.
pub(crate) const ANSWER_BATCHES_MAX: usize = 2;

/// What one function may make of one batch, in bytes. LIMIT: it is outside of the memory that is
/// counted; a text of a sample has 64 KiB.
pub(crate) const MADE_BYTES_MAX: f64 = 64.0 * 1024.0 * 1024.0;

/// Threads of the light lane beside two a processor. LIMIT: planning does not pause, and a few
/// statements that are long to plan must not hold up the short ones.
pub(crate) const LIGHT_THREADS: usize = 2;

/// The most settings of one connection. LIMIT: every name of the table fits, and some of the
/// client's own.
pub(crate) const SETTINGS_MAX: usize = 200;

/// Plans that are kept of statements without a dialect, and of each connection with one. LIMIT: a
/// plan is some ten kilobytes.
pub(crate) const PLANS_MAX: usize = 128;
/// The longest statement whose plan is kept. LIMIT: a plan grows with its text.
pub(crate) const PLAN_TEXT_BYTES_MAX: usize = 8 * 1024;

/// How many rows a statement may read and join and still run in the lane of the light ones.
/// LIMIT: some ten milliseconds of one processor.
pub(crate) const LIGHT_ROWS_MAX: usize = 500_000;

/// How many rows a source of unknown size is taken to have when a lane is chosen. LIMIT: none; the
/// largest such source is a table of the PostgreSQL catalog.
pub(crate) const ROWS_UNKNOWN_GUESS: usize = 1_000;

/// For how many tags the samples of a span are counted when a lane is chosen. LIMIT: counting costs
/// some microseconds a tag.
pub(crate) const TAGS_COUNTED_MAX: usize = 8;

/// Shifts of a calendar. LIMIT: each is looked at for each day that is asked for.
pub(crate) const CALENDAR_SHIFTS_MAX: usize = 64;

/// Breaks of a shift. LIMIT: one every half hour.
pub(crate) const CALENDAR_BREAKS_MAX: usize = 48;

/// Crews of a rotation. LIMIT: each is looked at for each shift.
pub(crate) const CALENDAR_CREWS_MAX: usize = 64;

/// Days of the pattern of a rotation. LIMIT: two years, day by day.
pub(crate) const CALENDAR_PATTERN_DAYS_MAX: usize = 731;

/// Changes of a calendar's shifts. LIMIT: one a quarter for a quarter of a century.
pub(crate) const CALENDAR_CHANGES_MAX: usize = 100;

/// Holidays, and special days, of a calendar. LIMIT: thirty of each for a century.
pub(crate) const CALENDAR_DAYS_MAX: usize = 3000;

/// Days of one holiday. LIMIT: each is remembered.
pub(crate) const HOLIDAY_DAYS_MAX: i32 = 366;

/// Rows of `shifts` that a statement may make, and days it may look at. LIMIT: they are made while
/// the statement is planned, in a second at most, and are in memory, some hundred bytes each.
pub(crate) const SHIFT_ROWS_MAX: usize = 100_000;

/// Conditions that one tag of events may tell of. LIMIT: each is in memory while it is followed,
/// some hundred bytes.
pub(crate) const CONDITIONS_MAX: usize = 100_000;

/// Causes of stops that one asset's state tags may tell of in one call. LIMIT: each is in memory,
/// some hundred bytes.
pub(crate) const STOP_CAUSES_MAX: usize = 10_000;

/// Changes of the condition, and of the product, of a machine that one call may work through. LIMIT:
/// each is in memory, some 70 bytes.
pub(crate) const CONDITION_CHANGES_MAX: usize = 500_000;

/// Rows of one asset that a call of `oee` may make. LIMIT: each is in memory, some 300 bytes.
pub(crate) const OEE_BUCKETS_MAX: usize = 100_000;

/// Days that one call of `oee` or `downtime` may span. LIMIT: the shifts of all are in memory.
pub(crate) const OEE_DAYS_MAX: i64 = 20 * 366;

/// How far beyond the asked span the ends of a stop are looked for, in seconds, and so the longest
/// micro stop. LIMIT: samples of so long are read.
pub(crate) const OEE_LOOK_S_MAX: f64 = 86_400.0;

/// Machines that one row may be made of, with all on the way to them. LIMIT: each is read.
pub(crate) const OEE_MACHINES_MAX: usize = 10_000;

/// Assets that a definition may name as its parts. LIMIT: each may be a pattern.
pub(crate) const OEE_MEMBERS_MAX: usize = 1000;

/// Products with an ideal cycle in one definition. LIMIT: the definition is in memory.
pub(crate) const OEE_PRODUCTS_MAX: usize = 2000;

/// Kinds of events that are planned stops, in one definition. LIMIT: each event is compared.
pub(crate) const OEE_EVENT_KINDS_MAX: usize = 100;

/// Values of a state tag in one definition. LIMIT: a value is compared with all of them.
pub(crate) const STATE_VALUES_MAX: usize = 1000;

/// Run rules that a plan names. LIMIT: there are twelve, and two sets of them.
pub(crate) const SPC_RULES_MAX: usize = 16;

/// Variables of a chart of several. LIMIT: each point solves for as many squared, and each subgroup
/// holds as many.
pub(crate) const SPC_VARIABLES_MAX: usize = 8;

/// Subgroups that limits are worked out from at once: of a baseline, of a span without limits, of a
/// capability. LIMIT: each takes some hundred bytes of memory that is not counted.
pub(crate) const SPC_SUBGROUPS_MAX: usize = 100_000;

/// Values of a capability. LIMIT: they are sorted in memory, eight bytes each.
pub(crate) const SPC_VALUES_MAX: usize = 1_000_000;

/// What statements of one [`Session`](crate::Session) may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all running statements together, in bytes: hash tables, sorts, joins.
    pub memory_bytes_max: usize,
    /// Rows of one answer.
    pub rows_max: u64,
    /// Time of one statement, from its arrival to the last row read.
    pub statement_time_max: Duration,
    /// Statements that run or wait at the same time; one more is refused.
    pub statements_max: usize,
    /// Heavy statements that run at the same time; others wait.
    pub heavy_max: usize,
    /// Heavy statements that wait; one more is refused.
    pub waiting_max: usize,
    /// Bytes of temporary files of all statements of a role.
    pub temp_bytes_max: u64,
    /// Where temporary files go; `None`: there are none.
    pub temp_dir: Option<PathBuf>,
    /// Threads that execute heavy statements, as many as partitions of a plan. Light ones have as
    /// many of their own.
    pub threads: usize,
    /// What other roles than the default may take, by name.
    pub roles: BTreeMap<String, RoleLimits>,
}

/// What statements of one role may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleLimits {
    /// Memory of one statement, in bytes.
    pub memory_bytes_max: usize,
    /// Rows of one answer.
    pub rows_max: u64,
    /// Time of one statement, from its arrival to the last row read.
    pub statement_time_max: Duration,
    /// Statements of the role that run or wait at the same time.
    pub statements_max: usize,
    /// Bytes of temporary files of the role; 0: none.
    pub temp_bytes_max: u64,
}

impl Limits {
    /// What the default role may take.
    #[must_use]
    pub fn role(&self) -> RoleLimits {
        RoleLimits {
            memory_bytes_max: self.memory_bytes_max,
            rows_max: self.rows_max,
            statement_time_max: self.statement_time_max,
            statements_max: self.statements_max,
            temp_bytes_max: self.temp_bytes_max,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            memory_bytes_max: 512 * 1024 * 1024,
            rows_max: 20_000_000,
            statement_time_max: Duration::from_mins(1),
            statements_max: 64,
            heavy_max: threads,
            waiting_max: 32,
            temp_bytes_max: 4 << 30,
            temp_dir: None,
            threads,
            roles: BTreeMap::new(),
        }
    }
}
