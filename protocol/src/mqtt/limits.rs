//! Every bound of the MQTT layer, each with its reason.
//!
//! *Not here.* Bounds of sockets, queues and tables: the server has its own `limits`.

/// LIMIT: largest packet taken from a client, in bytes after the fixed header. A connection may
/// hold one such packet while it arrives, so this times the number of connections is memory.
/// 1 MiB carries every Sparkplug birth seen; larger things are files, not samples.
pub const PACKET_BYTES_MAX: usize = 1024 * 1024;

/// LIMIT: QoS 1 and 2 messages an MQTT 5 client may have unacknowledged (receive maximum). 1,024
/// keeps a group commit full and bounds the table of open QoS 2 ids that a client cannot outgrow.
pub const RECEIVE_MAX: u16 = 1024;

/// LIMIT: QoS 1 and 2 messages in flight to one client, unless it asked for fewer. The window
/// pays for a round trip; 100 is what clients are tested with.
pub const FLIGHT_MAX: u16 = 100;

/// LIMIT: bytes of messages in flight to one client above which the window is shut: large messages
/// must not multiply with the count above.
pub const FLIGHT_BYTES_MAX: usize = 1024 * 1024;

/// LIMIT: topic aliases a client may define. Each costs a topic of up to 64 KiB kept for the
/// connection.
pub const TOPIC_ALIAS_MAX: u16 = 32;

/// LIMIT: topic aliases used towards a client, however many it allows. Each costs a topic kept for
/// the connection; a subscriber to more topics than this gets the others by name.
pub const TOPIC_ALIAS_OUT_MAX: u16 = 64;

/// LIMIT: bytes of the name of a group of shared subscriptions.
pub const SHARE_BYTES_MAX: usize = 256;

/// LIMIT: levels of a topic filter. It bounds the depth of the subscription tree, which is walked
/// by recursion; real topics have fewer than 20 levels.
pub const FILTER_LEVELS_MAX: usize = 128;

/// LIMIT: bytes of a topic filter. Longer ones are refused in the SUBACK.
pub const FILTER_BYTES_MAX: usize = 4096;

/// LIMIT: subscriptions of one session, and filters of one packet. A client that needs more wants
/// a wildcard.
pub const SUBSCRIPTIONS_MAX: usize = 4096;

/// LIMIT: bytes of a client identifier. The standard asks for 23; tools use UUIDs and host names.
pub const CLIENT_ID_BYTES_MAX: usize = 512;

/// LIMIT: bytes waiting to be written to a socket above which no further delivery is encoded.
/// Enough to fill a segmented TCP send; more would only move memory from the queue to the socket.
pub const OUTPUT_BYTES_HIGH: usize = 64 * 1024;
