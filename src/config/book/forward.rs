//! The keys of forwarders.
//!
//! *Not here.* What an address or a selection may be: `forward::settings`.

use super::{Fallback, GIB, KIB, Key, MIB, Shape, key};
use crate::forward::{Order, Start};

/// Every key of `[[forward]]`.
pub(super) const FORWARD: &[Key] = &[
    key(
        "forward[].name",
        Shape::Text,
        Fallback::Required,
        "The name of the forwarder. Its cursor is kept under it: another name begins anew.",
        "",
    ),
    key(
        "forward[].url",
        Shape::Text,
        Fallback::Required,
        "The upstream, another Tacitus: `http://HOST:PORT`, or `https://HOST:PORT` where something \
         in front of it speaks TLS.",
        "",
    ),
    key(
        "forward[].user",
        Shape::Text,
        Fallback::Absent,
        "Who asks, by basic authentication, where something in front of the upstream wants to know.",
        "",
    ),
    key(
        "forward[].password_file",
        Shape::Path,
        Fallback::Absent,
        "The file that holds the password of `user`; a line end after it is ignored.",
        "",
    ),
    key(
        "forward[].ca_file",
        Shape::Path,
        Fallback::Absent,
        "The certificates, PEM, one of which signed the upstream's; `https` needs it.",
        "",
    ),
    key(
        "forward[].select",
        Shape::Texts,
        Fallback::Absent,
        "Which tags: `tag=`, `glob=`, `prefix=`, `regex=`, of which any, and `label=`, `kind=`, \
         `unit=`, `source=`, of which all. Every tag where left out.",
        "",
    ),
    key(
        "forward[].prefix",
        Shape::Text,
        Fallback::Absent,
        "What stands before the tags' paths at the upstream, as in `plant1/`.",
        "",
    ),
    key(
        "forward[].start",
        Shape::Choice(Start::WORDS),
        Fallback::Text("now"),
        "Where a forwarder that never ran begins: with what comes in, or with everything there is.",
        "",
    ),
    key(
        "forward[].order",
        Shape::Choice(Order::WORDS),
        Fallback::Text("live_first"),
        "What goes first after an interruption: what comes in, with the backlog between, the oldest \
         first; or everything in the order in which it came.",
        "",
    ),
    key(
        "forward[].buffer",
        Shape::Size { min: 64 * KIB, max: 1024 * 1024 * GIB },
        Fallback::Text("8 GiB"),
        "How many bytes of sealed samples may wait for the upstream. Beyond, the oldest are given up, \
         which the ledger of gaps shows.",
        "Larger: longer outages are bridged, with more disk that no retention frees. Smaller: \
         samples are lost to the upstream sooner.",
    ),
    key(
        "forward[].batch_rows",
        Shape::Count { min: 1, max: 1_000_000 },
        Fallback::Text("50000"),
        "The most samples of one message.",
        "Larger: fewer syncs of the upstream, more to send again after a break. Smaller: slower.",
    ),
    key(
        "forward[].batch_bytes",
        Shape::Size { min: 4 * KIB, max: 64 * MIB },
        Fallback::Text("2 MiB"),
        "About the most bytes of one message, before it is packed. The upstream's `http.body` bounds it \
         too; a message that is too large there is sent in parts.",
        "",
    ),
    key(
        "forward[].rate",
        Shape::Count { min: 1, max: u32::MAX as u64 },
        Fallback::Absent,
        "The most samples a second, averaged; as fast as it goes where left out.",
        "Smaller: a thin line stays free for others, and catching up takes longer.",
    ),
    key(
        "forward[].every",
        Shape::Span { min_ms: 1, max_ms: 60_000 },
        Fallback::Text("1 s"),
        "How long samples gather before they are sent.",
        "Larger: later there, in fewer messages. Smaller: more messages and syncs.",
    ),
];
