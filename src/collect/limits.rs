//! The bounds of what a collector holds for its device. See each for what happens beyond it.

use std::time::Duration;

/// LIMIT: the most items one collector watches. Each costs about 1 KiB here and more on the
/// server; a larger plant is split over collectors. Items beyond it are refused at start or
/// left out of a browse, which the status says.
pub const ITEMS_MAX: usize = 100_000;

/// LIMIT: the deepest a browse goes below its root. Deeper trees are loops in practice.
pub const BROWSE_DEPTH_MAX: u32 = 64;

/// LIMIT: values that wait between the session and the store, in bytes. About 20 s of 10,000
/// numbers a second; what arrives beyond it is dropped and counted.
pub const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// LIMIT: the longest text or byte string a message may hold. A server's one long text would
/// otherwise cost its whole notification, and the connection with it.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// LIMIT: the most elements of an array in a message: the namespace array, a browse, a value.
pub const ARRAY_LENGTH_MAX: usize = 1_000_000;

/// LIMIT: the longest message.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// LIMIT: items of one subscription. A notification then stays small enough for servers that
/// build it in one piece.
pub const SUBSCRIPTION_ITEMS_MAX: usize = 5_000;

/// LIMIT: notifications of a subscription that are fetched again after a cut. Servers keep fewer.
pub const MISSED_MAX: u32 = 1_000;

/// LIMIT: operations of one request where the server states no limit of its own.
pub const REQUEST_OPERATIONS_MAX: usize = 500;

/// LIMIT: nodes of one browse request where the server states no limit of its own. node-opcua
/// refuses more than 100.
pub const BROWSE_NODES_MAX: usize = 100;

/// LIMIT: points handed to the store at a time.
pub const STORE_POINTS_MAX: usize = 10_000;

/// LIMIT: failed items a status lists by name; the rest are counted.
pub const FAILURES_SHOWN_MAX: usize = 20;

/// How long a connection may take to come about before it is given up and tried anew.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a server keeps a session without a connection. A connection that returns within it
/// goes on where it was, and the server's queues bridge the cut.
pub const SESSION_TIMEOUT: Duration = Duration::from_mins(1);

/// How many requests in a row a server may leave unanswered that ask whether it lives.
pub const UNANSWERED_MAX: u32 = 2;

/// How long a cut may last before trends show it. Shorter cuts that the server's queues bridge
/// leave no mark.
pub const GAP_GRACE: Duration = Duration::from_secs(10);

/// The waits between questions to a unit that does not answer: from the first, doubling, to the
/// longest.
pub const RETRY_WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// The waits between attempts to connect to a server. The longest is how late a server that is back may
/// be noticed.
pub const CONNECT_WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// How long a connection must have held for the next one to be tried at once, where it ends in a way
/// that calls for that: one that ends at once each time must not be tried all the time.
pub const STEADY: Duration = Duration::from_secs(10);

/// The waits after the server refused the user. They are long because servers lock accounts.
pub const DENIED_WAITS: [Duration; 2] = [Duration::from_mins(2), Duration::from_mins(10)];

/// The waits between attempts to watch an item the server refused.
pub const ITEM_WAITS: [Duration; 2] = [Duration::from_secs(10), Duration::from_mins(10)];

/// Numbers of missed notifications that wait to be fetched. LIMIT: they are fetched every second,
/// one request each.
pub const MISSED_LISTED_MAX: usize = 1_000;

/// The length of the windows by which a collector's rate is told.
pub const RATE_WINDOW: Duration = Duration::from_secs(10);

/// LIMIT: collectors of one server. Each is a connection with tasks of its own.
pub const COLLECTORS_MAX: usize = 1_000;

/// LIMIT: bytes of the definition of one collector; some 10,000 nodes. More are browsed for, or
/// stand in the configuration. It is kept as one record of the log.
pub const DEFINITION_BYTES_MAX: usize = 1024 * 1024;

/// LIMIT: servers of one redundant set.
pub const ALTERNATIVES_MAX: usize = 8;

/// LIMIT: nodes whose events one collector hears.
pub const EVENT_SOURCES_MAX: usize = 100;

/// LIMIT: moments of which it is remembered what a source of events told. Conditions that are told again
/// after a connection are mostly among the latest.
pub const EVENT_TIMES_REMEMBERED_MAX: usize = 256;

/// LIMIT: conditions of one source of which it is remembered that something is left to do. Of more the
/// refresh is written down each time.
pub const RETAINED_MAX: usize = 1_000;

/// How often at most a server is asked for its conditions within one connection.
pub const REFRESH_INTERVAL: Duration = Duration::from_mins(1);

/// LIMIT: nodes of one read of a history where the server states no limit of its own.
pub const HISTORY_NODES_MAX: usize = 100;

/// LIMIT: values of one answer of a history, over all its nodes: some 2 MB.
pub const HISTORY_VALUES_MAX: usize = 50_000;

/// How long the first stretch of a gap is that is fetched, from its end; it adapts to what comes.
pub const HISTORY_STRETCH: Duration = Duration::from_mins(10);

/// The longest such stretch.
pub const HISTORY_STRETCH_MAX: Duration = Duration::from_hours(24);

/// How much earlier than the last sign of life a history is read: values that were on their way.
pub const HISTORY_OVERLAP: Duration = Duration::from_secs(10);

/// By how much later than the end of a gap a history is read: asyncua states its clock once a second,
/// so that the skew may be wrong by so much.
pub const HISTORY_CLOCK_STEP: Duration = Duration::from_secs(2);

/// The waits after a history could not be read.
pub const HISTORY_WAITS: [Duration; 2] = [Duration::from_secs(30), Duration::from_hours(1)];

/// How long a tag's quality is bad before the ledger of gaps has it.
pub const BAD_QUALITY_GRACE: Duration = Duration::from_secs(10);

/// How often such things are looked for, and lost values are written down.
pub const NOTES_INTERVAL: Duration = Duration::from_secs(5);

/// LIMIT: leaves of one array or structure. One with more is refused as a whole.
pub const LEAVES_MAX: usize = 1_000;

/// LIMIT: certificates of servers that are remembered. Beyond it the one that was not seen for the
/// longest time and is not approved is forgotten.
pub const CERTIFICATES_MAX: usize = 1_000;

/// LIMIT: bytes of a certificate; real ones have one or two thousand.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;

/// How often a redundant server is asked how well it serves.
pub const SERVICE_LEVEL_INTERVAL: Duration = Duration::from_secs(10);

/// LIMIT: orders to a device that wait.
pub const ORDERS_WAITING_MAX: usize = 16;
