//! The keys of the broker: who may come in, which topics are stored, and Sparkplug.

use super::{Fallback, HOUR_MS, Key, PROFILES, flagged, key};
use crate::config::Shape;

pub(super) const BROKER: &[Key] = &[
    flagged(
        "--mqtt",
        key(
            "mqtt.addr",
            Shape::Address,
            Fallback::Text("127.0.0.1:1883"),
            "Where the MQTT broker listens. Other addresses than loopback are taken only where \
             `users_file` names users and nobody comes without a name.",
            "",
        ),
    ),
    key(
        "mqtt.connections",
        Shape::Count { min: 1, max: 65_536 },
        Fallback::Text("4096"),
        "How many MQTT clients may be connected.",
        "Larger: more memory, some 10 KiB a client when idle. Smaller: devices are turned away.",
    ),
    key(
        "mqtt.session_expiry",
        Shape::Span { min_ms: 1_000, max_ms: 365 * 24 * HOUR_MS },
        Fallback::Text("7 d"),
        "How long the session of a client outlives its connection, whatever the client asks for.",
        "Larger: messages for absent clients are kept longer. Smaller: their memory is freed.",
    ),
    key(
        "mqtt.tls_addr",
        Shape::Address,
        Fallback::Absent,
        "Where the broker speaks TLS, with `certificate_file` and `key_file`. MQTT over WebSocket is \
         spoken on both addresses, at /mqtt.",
        "",
    ),
    key(
        "mqtt.certificate_file",
        Shape::Path,
        Fallback::Absent,
        "The chain of certificates (PEM) of the broker; a file that cannot be used keeps the server \
         from starting.",
        "",
    ),
    key(
        "mqtt.key_file",
        Shape::Path,
        Fallback::Absent,
        "The private key (PEM) of the certificate.",
        "",
    ),
    key(
        "mqtt.client_authority_file",
        Shape::Path,
        Fallback::Absent,
        "Certificates (PEM) of authorities. A client with a certificate of one of them is the user \
         of its common name and needs no password.",
        "",
    ),
    key(
        "mqtt.users_file",
        Shape::Path,
        Fallback::Absent,
        "A file of lines `name:password`, as `pg.users_file`; it may be the same. Keep it readable \
         for Tacitus only.",
        "",
    ),
    key(
        "mqtt.anonymous",
        Shape::Switch,
        Fallback::Absent,
        "Whether clients may come without a name. Left out: only where there is neither a file of \
         users nor one of authorities.",
        "",
    ),
    key(
        "mqtt.keep_alive",
        Shape::Span { min_ms: 1_000, max_ms: 65_535_000 },
        Fallback::Text("1 min"),
        "The longest keep-alive of MQTT 5 clients: one that asks for more is told this.",
        "Larger: a dead link is noticed later. Smaller: more pings.",
    ),
    key(
        "mqtt.rate",
        Shape::Count { min: 1, max: 1 << 24 },
        Fallback::Absent,
        "How many messages a second one client may send; one that sends more is read later. Left \
         out: as many as the store takes.",
        "Larger: one client may take most of the store. Smaller: bursts arrive late.",
    ),
    key(
        "mqtt.sys",
        Shape::Span { min_ms: 0, max_ms: 24 * HOUR_MS },
        Fallback::Text("10 s"),
        "How often the broker publishes `$SYS/broker/…`. 0: not at all.",
        "",
    ),
    key(
        "mqtt.include",
        Shape::Texts,
        Fallback::Texts(&["#"]),
        "MQTT filters of the topics to store. Everything published is also passed on to \
         subscribers, stored or not.",
        "",
    ),
    key(
        "mqtt.exclude",
        Shape::Texts,
        Fallback::Texts(&[]),
        "MQTT filters of topics that are not stored although `include` names them.",
        "",
    ),
    key(
        "mqtt.rules[].topic",
        Shape::Text,
        Fallback::Absent,
        "An MQTT filter; each +, # and {name} in it is a group for `path`, in order. Either this or \
         `pattern`. The first rule that matches a topic counts.",
        "",
    ),
    key(
        "mqtt.rules[].pattern",
        Shape::Text,
        Fallback::Absent,
        "A regular expression that is searched in the topic.",
        "",
    ),
    key(
        "mqtt.rules[].path",
        Shape::Text,
        Fallback::Absent,
        "The tag path instead of the topic: $1 or ${name} stand for groups, $$ for a dollar sign.",
        "",
    ),
    key(
        "mqtt.rules[].kind",
        Shape::Choice(&["float", "int", "bool", "state", "text"]),
        Fallback::Absent,
        "The kind of every tag made from these topics; where left out, the first value decides.",
        "",
    ),
    key(
        "mqtt.rules[].states",
        Shape::Texts,
        Fallback::Texts(&[]),
        "The state names of a `state` tag, by index from 0.",
        "",
    ),
    key(
        "mqtt.rules[].unit",
        Shape::Text,
        Fallback::Absent,
        "The engineering unit of every tag made from these topics; groups may stand in it.",
        "",
    ),
    key(
        "mqtt.rules[].step",
        Shape::Switch,
        Fallback::Absent,
        "Whether values hold until the next one (true) or move in a straight line (false).",
        "",
    ),
    key(
        "mqtt.rules[].labels",
        Shape::Texts,
        Fallback::Texts(&[]),
        "Labels of every tag made from these topics, as in \"line=$line\"; groups may stand in the \
         values.",
        "",
    ),
    key(
        "mqtt.rules[].profile",
        Shape::Choice(PROFILES),
        Fallback::Absent,
        "The form of the payloads; recognised from topic and payload where left out.",
        "",
    ),
    key(
        "mqtt.rules[].time",
        Shape::Texts,
        Fallback::Texts(&[]),
        "The members of the payload that are its time, best first, in place of the usual names.",
        "",
    ),
    key(
        "mqtt.rules[].value",
        Shape::Texts,
        Fallback::Texts(&[]),
        "The members that are the value where a payload says one, in place of the usual names.",
        "",
    ),
    key(
        "mqtt.rules[].quality",
        Shape::Texts,
        Fallback::Texts(&[]),
        "The members that are qualities, in place of the usual names.",
        "",
    ),
    key(
        "mqtt.rules[].name",
        Shape::Text,
        Fallback::Absent,
        "How tags are named: {path} is the path of the topic, {name} the members that lead to the \
         value, any other word in braces a member of the payload, as in {path}/{device}/{name}.",
        "",
    ),
    key(
        "mqtt.rules[].ignore",
        Shape::Texts,
        Fallback::Texts(&[]),
        "Members that are left out, with a / between levels.",
        "",
    ),
    key(
        "mqtt.rules[].zone",
        Shape::Text,
        Fallback::Absent,
        "The time zone of times that name none, as in Europe/Berlin; without it such a message has \
         the time of its arrival.",
        "",
    ),
    key(
        "sparkplug.enabled",
        Shape::Switch,
        Fallback::Text("true"),
        "Whether the server is a Sparkplug B host: what nodes publish below spBv1.0/ becomes tags, \
         and nodes are asked for what is missing.",
        "",
    ),
    key(
        "sparkplug.host",
        Shape::Text,
        Fallback::Text("tacitus"),
        "The identifier under which the host says that it is there, on spBv1.0/STATE/.",
        "",
    ),
    key(
        "sparkplug.reorder",
        Shape::Span { min_ms: 0, max_ms: 60_000 },
        Fallback::Text("2 s"),
        "How long a message that came too early waits for those before it, before a rebirth is asked \
         for. 0: a gap asks at once.",
        "Larger: values are later where one is lost. Smaller: more rebirths over unsteady links.",
    ),
    key(
        "sparkplug.rebirth",
        Shape::Span { min_ms: 100, max_ms: HOUR_MS },
        Fallback::Text("5 s"),
        "The least time between two requests for a rebirth to one node. It doubles up to 5 min while \
         no birth comes.",
        "Larger: unknown metrics are known later. Smaller: more load on nodes that do not answer.",
    ),
    key(
        "sparkplug.grace",
        Shape::Span { min_ms: 1_000, max_ms: 24 * HOUR_MS },
        Fallback::Text("1 min"),
        "How long a device has to be born after its node, and a node after a restart of this server, \
         before its values count as stale.",
        "",
    ),
    key(
        "sparkplug.strict",
        Shape::Switch,
        Fallback::Text("false"),
        "Whether deviations of common libraries are refused: deaths with the number of the next \
         session or without one, names in data without the prefix of their birth.",
        "",
    ),
    key(
        "mqtt.rights[].user",
        Shape::Text,
        Fallback::Required,
        "The user this is about, `*` for all who have no entry. Where there are no entries, \
         everybody may publish and subscribe to everything; where there are, others may nothing.",
        "",
    ),
    key(
        "mqtt.rights[].publish",
        Shape::Texts,
        Fallback::Texts(&[]),
        "MQTT filters of topics the user may publish to; %u and %c stand for user and client.",
        "",
    ),
    key(
        "mqtt.rights[].subscribe",
        Shape::Texts,
        Fallback::Texts(&[]),
        "MQTT filters the user may subscribe to, with all narrower ones.",
        "",
    ),
    key(
        "mqtt.rights[].deny",
        Shape::Texts,
        Fallback::Texts(&[]),
        "MQTT filters of topics the user neither publishes to nor gets, whatever else is said.",
        "",
    ),
];
