//! Who owns which collection of documents: what the server keeps beside samples.
//!
//! *Invariant.* A number is given once and never to another owner: what a former version kept
//! under it is still in stores.

use tacitus_storage::Collection;

/// Sessions of the broker, by client.
pub const BROKER_SESSIONS: Collection = Collection(1);
/// Retained messages, by topic.
pub const RETAINED_MESSAGES: Collection = Collection(2);
/// Messages that wait for a session.
pub const QUEUED_MESSAGES: Collection = Collection(3);
/// Identifiers of QoS 2 messages that are stored and not released.
pub const OPEN_MESSAGES: Collection = Collection(4);
/// Wills of connected clients.
pub const WILLS: Collection = Collection(5);
/// Names and aliases of Sparkplug edge nodes.
pub const SPARKPLUG_ALIASES: Collection = Collection(6);
/// Collectors that were added at run time.
pub const COLLECTORS: Collection = Collection(7);
/// The ledger of gaps.
pub const GAPS: Collection = Collection(8);
/// How far each forwarder has come, by its name.
pub const CURSORS: Collection = Collection(9);
/// Files that were taken from a folder, by the hash of their content.
pub const FILES: Collection = Collection(10);
/// Certificates of OPC UA servers that were approved or refused.
pub const CERTIFICATES: Collection = Collection(11);
/// Assets, by path.
pub const ASSETS: Collection = Collection(12);
/// Calendars, by name.
pub const CALENDARS: Collection = Collection(13);
/// Events, by number.
pub const EVENTS: Collection = Collection(14);
/// Annotations, by number.
pub const ANNOTATIONS: Collection = Collection(15);
/// Forwarders that were added at run time.
pub const FORWARDS: Collection = Collection(16);
/// How the effectiveness of assets is worked out, by path.
pub const OEE_DEFINITIONS: Collection = Collection(17);
/// Plans of control charts with their limits, by name.
pub const SPC_PLANS: Collection = Collection(18);
