//! The keys of OPC UA's server and of collectors.
//!
//! *Not here.* What an address or a node name may be: `collect::opcua::settings`.

use super::{Fallback, HOUR_MS, Key, Shape, key};
use crate::collect::opcua::{Security, SecurityMode, Times};

/// Every key of `[opcua_server]` and `[[collect.…]]`.
pub(super) const COLLECT: &[Key] = &[
    key(
        "opcua_server.addr",
        Shape::Address,
        Fallback::Absent,
        "Where the OPC UA server listens that shows every tag with its history, as in \
         `127.0.0.1:4840`; there is none where it is left out. Other addresses than loopback are \
         taken only where `users_file` names users.",
        "",
    ),
    key(
        "opcua_server.users_file",
        Shape::Path,
        Fallback::Absent,
        "A file of lines `name:password`. Where it is given, every OPC UA client logs in, and only \
         on signed or encrypted lines. Keep it readable for Tacitus only.",
        "",
    ),
    key(
        "opcua_server.trust_clients",
        Shape::Switch,
        Fallback::Absent,
        "Whether the certificates of OPC UA clients are trusted without a look. Where not, the \
         file of a certificate is moved from `pki/server/rejected` to `pki/server/trusted` in the \
         data directory once. False where left out.",
        "",
    ),
    key(
        "collect.opcua[].name",
        Shape::Text,
        Fallback::Required,
        "The name of the collector: `opcua:NAME` is the source of its tags.",
        "",
    ),
    key(
        "collect.opcua[].endpoint",
        Shape::Text,
        Fallback::Required,
        "The address of the OPC UA server, `opc.tcp://HOST:PORT/PATH`, used as it is.",
        "",
    ),
    key(
        "collect.opcua[].alternatives",
        Shape::Texts,
        Fallback::Absent,
        "Addresses of the other servers of a redundant set, by preference; the one that says it \
         serves best is taken.",
        "",
    ),
    key(
        "collect.opcua[].security",
        Shape::Choice(Security::WORDS),
        Fallback::Text("none"),
        "The security policy; `auto` takes the best that both sides have. With any but `none` the \
         server's certificate must be approved once.",
        "",
    ),
    key(
        "collect.opcua[].security_mode",
        Shape::Choice(SecurityMode::WORDS),
        Fallback::Text("sign_and_encrypt"),
        "Whether messages are signed only, or encrypted too.",
        "",
    ),
    key(
        "collect.opcua[].user",
        Shape::Text,
        Fallback::Absent,
        "Who logs in; anonymous where left out.",
        "",
    ),
    key(
        "collect.opcua[].password_file",
        Shape::Path,
        Fallback::Absent,
        "The file that holds the password of `user`; a line end after it is ignored.",
        "",
    ),
    key(
        "collect.opcua[].certificate_file",
        Shape::Path,
        Fallback::Absent,
        "The certificate that logs in, in DER or PEM, instead of `user`.",
        "",
    ),
    key(
        "collect.opcua[].key_file",
        Shape::Path,
        Fallback::Absent,
        "The private key of `certificate_file`, in PEM.",
        "",
    ),
    key(
        "collect.opcua[].keep_alive",
        Shape::Span { min_ms: 10, max_ms: HOUR_MS },
        Fallback::Text("5 s"),
        "How often the server is asked whether it lives. One that leaves two such requests unanswered is given up.",
        "Larger: a server that hangs is noticed later. Smaller: more requests.",
    ),
    key(
        "collect.opcua[].timeout",
        Shape::Span { min_ms: 10, max_ms: HOUR_MS },
        Fallback::Text("10 s"),
        "How long the server may take to answer a request.",
        "Larger: a server that hangs is noticed later. Smaller: a slow server may never be collected from.",
    ),
    key(
        "collect.opcua[].publishing_interval",
        Shape::Span { min_ms: 10, max_ms: HOUR_MS },
        Fallback::Text("1 s"),
        "How often the server sends what changed.",
        "Larger: later values. Smaller: more messages.",
    ),
    key(
        "collect.opcua[].sampling_interval",
        Shape::Span { min_ms: 0, max_ms: HOUR_MS },
        Fallback::Text("500 ms"),
        "How often the server looks at an item. `0 ms`: it sends every change, where it can.",
        "Larger: changes between two looks are missed. Smaller: more load on the server.",
    ),
    key(
        "collect.opcua[].queue_size",
        Shape::Count { min: 1, max: 10_000 },
        Fallback::Text("10"),
        "How many values the server keeps for an item between two messages: at least the \
         publishing interval divided by the sampling interval.",
        "Larger: longer cuts are bridged, more memory on the server. Smaller: values are lost \
         there.",
    ),
    key(
        "collect.opcua[].deadband",
        Shape::Text,
        Fallback::Absent,
        "By how much a number must change before the server sends it: `0.5`, or `1 %` of the range \
         that the server states. Asked for numbers only.",
        "Larger: fewer values. Smaller: finer ones. Left out: every change.",
    ),
    key(
        "collect.opcua[].timestamps",
        Shape::Choice(Times::WORDS),
        Fallback::Text("source"),
        "Whose time a sample has: the source's where it states one, or the server's.",
        "",
    ),
    key(
        "collect.opcua[].quantum",
        Shape::Span { min_ms: 1, max_ms: HOUR_MS },
        Fallback::Text("1 ms"),
        "Source times are cut down to multiples of this.",
        "Larger: times compress better. Smaller: closer moments stay apart.",
    ),
    key(
        "collect.opcua[].prefix",
        Shape::Text,
        Fallback::Absent,
        "What comes before every tag path of this collector, with a / between.",
        "",
    ),
    key(
        "collect.opcua[].backfill",
        Shape::Switch,
        Fallback::Absent,
        "Whether what was missed is fetched from the server's history; true where left out.",
        "",
    ),
    key(
        "collect.opcua[].backfill_reach",
        Shape::Span { min_ms: 1_000, max_ms: 3_650 * 24 * HOUR_MS },
        Fallback::Text("7 d"),
        "How far back at most.",
        "Larger: longer interruptions are filled, with more load on the server.",
    ),
    key(
        "collect.opcua[].backfill_rate",
        Shape::Count { min: 1, max: 10_000_000 },
        Fallback::Text("200000"),
        "How many samples a second are fetched from the history at most.",
        "Smaller: spares a server that has other work; larger: the gap is closed sooner.",
    ),
    key(
        "collect.opcua[].events",
        Shape::Texts,
        Fallback::Absent,
        "Nodes whose events are collected, as texts in JSON; `i=2253` is the server, which knows \
         all of them.",
        "",
    ),
    key(
        "collect.opcua[].nodes[].node",
        Shape::Text,
        Fallback::Required,
        "The node, as in `ns=2;s=Oven.Temperature` or `nsu=http://example.com/plant;i=5`.",
        "",
    ),
    key(
        "collect.opcua[].nodes[].tag",
        Shape::Text,
        Fallback::Absent,
        "The tag path it fills, below the prefix; the identifier of the node where left out.",
        "",
    ),
    key(
        "collect.opcua[].nodes[].unit",
        Shape::Text,
        Fallback::Absent,
        "The engineering unit of the tag.",
        "",
    ),
    key(
        "collect.opcua[].nodes[].description",
        Shape::Text,
        Fallback::Absent,
        "What the tag measures.",
        "",
    ),
    key(
        "collect.opcua[].nodes[].sampling_interval",
        Shape::Span { min_ms: 0, max_ms: HOUR_MS },
        Fallback::Absent,
        "As that of the collector, which holds where it is left out.",
        "",
    ),
    key(
        "collect.opcua[].nodes[].queue_size",
        Shape::Count { min: 1, max: 10_000 },
        Fallback::Absent,
        "As that of the collector, which holds where it is left out.",
        "",
    ),
    key(
        "collect.opcua[].nodes[].deadband",
        Shape::Text,
        Fallback::Absent,
        "As that of the collector, which holds where it is left out.",
        "",
    ),
    key(
        "collect.opcua[].browse.root",
        Shape::Text,
        Fallback::Absent,
        "The node below which all variables are collected.",
        "",
    ),
    key(
        "collect.opcua[].browse.depth",
        Shape::Count { min: 1, max: 64 },
        Fallback::Absent,
        "How many levels deep; 10 where left out.",
        "",
    ),
    key(
        "collect.opcua[].browse.count",
        Shape::Count { min: 1, max: 100_000 },
        Fallback::Absent,
        "How many variables at most; 10000 where left out.",
        "",
    ),
    key(
        "collect.opcua[].browse.template",
        Shape::Text,
        Fallback::Absent,
        "How a tag is named: {path} is the names from below the root joined with /, {node} the \
         identifier of the node. {path} where left out.",
        "",
    ),
    key(
        "collect.opcua[].browse.include",
        Shape::Texts,
        Fallback::Absent,
        "Patterns of the paths below the root that are meant: `*` within a level, `**` across \
         levels, `?` one letter. All where left out.",
        "",
    ),
    key(
        "collect.opcua[].browse.exclude",
        Shape::Texts,
        Fallback::Absent,
        "Patterns of the paths below the root that are not meant.",
        "",
    ),
];
