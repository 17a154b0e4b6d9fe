//! Every bound of forwarding that nobody needs to configure, each with the reason for the number.

use std::time::Duration;

/// LIMIT: forwarders of a server; each reads the store once for itself.
pub const FORWARDS_MAX: usize = 16;

/// LIMIT: one definition as it is kept; a long list of tag selections fits.
pub(super) const DEFINITION_BYTES_MAX: usize = 64 << 10;

/// LIMIT: stretches of sequences that one cursor has under way at once: what comes in goes ahead of
/// what waits, after each of so many outages during one catching up.
pub(super) const LANES_MAX: usize = 8;

/// LIMIT: samples that wait when a connection comes about, below which they are sent in order: that
/// takes a moment, and nothing need go ahead of them.
pub(super) const LIVE_AHEAD_SAMPLES_MIN: u64 = 200_000;

/// LIMIT: deletions in one message, each of which is a commit of the upstream.
pub(super) const DELETIONS_MAX: usize = 16;

/// LIMIT: tags that the deletions of one message name, together.
pub(super) const DELETION_TAGS_MAX: usize = 20_000;

/// LIMIT: a connection that does not come about in this time is tried again.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);

/// LIMIT: a message that is not answered in this time is sent again; an upstream with a slow disk
/// may need long for its sync.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(90);

/// LIMIT: an answer of the upstream is a short document.
pub(super) const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The first wait after a failure, and the longest: each is twice the one before, with jitter.
pub(super) const WAIT_FIRST: Duration = Duration::from_millis(500);
/// LIMIT: an upstream that is back is found within so long.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(15);

/// How often the bound of the buffer is looked at while nothing can be sent.
pub(super) const WATCH_EVERY: Duration = Duration::from_millis(500);

/// The longest header of a message, in bytes. LIMIT: definitions of as many tags as one message has
/// rows lie in memory at once.
pub const HEADER_BYTES_MAX: usize = 64 << 20;

/// LIMIT: identities that a tag may have passed through; a longer way is a mistake.
pub(super) const VIA_MAX: usize = 16;

/// LIMIT: reasons of refusals that one answer names; the rest is counted.
pub(super) const REASONS_MAX: usize = 10;
