//! Every bound of the broker's sockets, queues and tables, each with its reason.
//!
//! *Not here.* Bounds of packets and sessions: `tacitus_protocol::mqtt::limits`.

use std::time::Duration;

/// A topic that nobody can subscribe to by its name, whatever the rights are: with it a client can
/// test what it does when a subscription fails. The interoperability suites of Eclipse Paho do,
/// and expect "unspecified error" in both versions.
pub(super) const REFUSED_TOPIC: &str = "test/nosubscribe";

/// LIMIT: time a client has for its CONNECT. Longer only helps those who hold sockets open.
pub(super) const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a client with a wrong password waits for its answer.
pub(super) const LOGIN_PAUSE: Duration = Duration::from_millis(500);

/// LIMIT: the head of a request that asks for a WebSocket.
pub(super) const WEB_HEAD_BYTES_MAX: usize = 16 * 1024;
/// See [`WEB_HEAD_BYTES_MAX`].
pub(super) const WEB_HEADERS_MAX: usize = 64;

/// LIMIT: bytes between a WebSocket and the broker, each way.
pub(super) const WEB_PIPE_BYTES: usize = 64 * 1024;

/// LIMIT: silence in the middle of a packet. A slow link delivers something in this time; one
/// that does not is half open. Keep-alive 0 would let it stay for ever.
pub(super) const PACKET_SILENCE_MAX: Duration = Duration::from_secs(30);

/// LIMIT: time a new connection waits for an older one with its identifier to finish what it had
/// begun to store.
pub(super) const TAKEOVER_TIME_MAX: Duration = Duration::from_secs(10);

/// LIMIT: time for the last bytes to a client that is sent away, and for reading on so that it
/// sees the reason and not a reset.
pub(super) const FAREWELL_TIME_MAX: Duration = Duration::from_secs(2);

/// LIMIT: time for all clients to be told that the server stops.
pub(super) const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// LIMIT: largest single read. It is the unit of grouping: bigger groups mean fewer syncs.
pub(super) const READ_BYTES_MAX: usize = 64 * 1024;
/// Smallest read, which is what an idle connection costs.
pub(super) const READ_BYTES_MIN: usize = 4 * 1024;

/// LIMIT: bytes of messages after which a group takes no more.
pub(super) const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// LIMIT: groups of one connection that wait for the store. While one is synced the next is
/// read; more than a few only add delay.
pub(super) const GROUPS_MAX: usize = 8;

/// LIMIT: bytes of one connection that wait for the store. Above it the socket is not read.
pub(super) const GROUPS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// LIMIT: bytes of all connections that wait for the store. Above it a connection is read only if
/// nothing of its own waits.
pub(super) const STORING_BYTES_MAX: usize = 128 * 1024 * 1024;

/// LIMIT: bytes waiting for the socket above which it is not read either: a client that sends
/// and never reads its acknowledgements waits.
pub(super) const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// LIMIT: bytes that wait for one session. A connected subscriber that is this far behind is
/// cut; for an absent one further messages are dropped and counted. 8 MiB is a quarter of a
/// second at full rate, or an hour of an ordinary plant line.
pub(super) const MAILBOX_BYTES_MAX: usize = 8 * 1024 * 1024;

/// LIMIT: bytes that wait for all sessions together. Above it a mailbox gets no more than its
/// equal share, which is what keeps a well-behaved subscriber going when others are not.
pub(super) const MAILBOXES_BYTES_MAX: usize = 512 * 1024 * 1024;
/// See [`MAILBOXES_BYTES_MAX`].
pub(super) const MAILBOX_BYTES_SHARE: usize = MAILBOXES_BYTES_MAX / SESSIONS_MAX;

/// LIMIT: bytes of deliveries that are on disk for sessions. All that the server remembers
/// together has 256 MiB there; above this a delivery is dropped and counted, which harms its
/// session and no publisher.
pub(super) const KEPT_BYTES_MAX: usize = 96 * 1024 * 1024;

/// LIMIT: subscriptions of all sessions. Each costs some 300 bytes and its filter.
pub(super) const SUBSCRIPTIONS_ALL_MAX: usize = 200_000;

/// How many filters of a SUBSCRIBE are worked off before others get their turn: each may look
/// through all retained messages.
pub(super) const SUBSCRIBE_TURN: usize = 8;

/// LIMIT: retained messages that wait to be sent to one session.
pub(super) const RETAINED_WAITING_MAX: usize = 200_000;

/// LIMIT: retained messages in all, and their bytes.
pub(super) const RETAINED_MAX: usize = 100_000;
/// See [`RETAINED_MAX`].
pub(super) const RETAINED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// LIMIT: sessions, connected or not. An absent one may hold a full mailbox.
pub(super) const SESSIONS_MAX: usize = 10_000;

/// LIMIT: bytes handed to the router that nobody has taken out of it yet. It must stay well below
/// what the router's log holds (next two), because the router drops what does not fit.
pub(super) const BUS_BYTES_MAX: usize = 512 * 1024;
/// Bytes of one segment of the router's log.
pub(super) const BUS_SEGMENT_BYTES: usize = 64 * 1024;
/// Segments of the router's log.
pub(super) const BUS_SEGMENTS: usize = 32;
/// LIMIT: messages the router hands out in one go.
pub(super) const BUS_READ_MAX: u64 = 1000;

/// LIMIT: documents of the broker's own that are written at once. What waits longer is bounded by
/// the sessions, subscriptions and messages it speaks of.
pub(super) const DESK_DOCUMENTS_MAX: usize = 4096;

/// How long the desk rests after the store had no room.
pub(super) const DESK_REST: Duration = Duration::from_millis(250);

/// LIMIT: subscriptions to the past of one connection: each reads the store on its own.
pub(super) const STORIES_MAX: usize = 8;

/// LIMIT: samples of the past that wait for one connection. The store is read no faster than the
/// client takes them.
pub(super) const STORY_WAITING_MAX: usize = 256;

/// How often absent sessions are looked at for expiry and delayed wills, both told in seconds.
pub(super) const AWAY_CHECK: Duration = Duration::from_millis(250);

// A full window plus one largest message fits into the router's log with half of it to spare.
const _: () = assert!(
    BUS_SEGMENT_BYTES * BUS_SEGMENTS
        >= BUS_BYTES_MAX + tacitus_protocol::mqtt::limits::PACKET_BYTES_MAX + BUS_BYTES_MAX
);
