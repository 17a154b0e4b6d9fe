//! Writers whose sample *n* is a pure function of *n*, and the check of what is found of them.
//!
//! *Invariant.* Two numbers a writer are all that is remembered: how many samples it has sent and
//! how many were acknowledged. After any stop every n ≤ acked is found exactly once with exact
//! bits, every n found is ≤ sent, and nothing else is found.
//!
//! A writer resumes behind its last acknowledged sample, so what was sent but not acknowledged is
//! sent again: that must not double anything.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::mqtt::Client;
use crate::server::Server;

/// 2025-01-01T00:00:00Z in milliseconds.
const EPOCH_MS: u64 = 1_735_689_600_000;

/// When sample n of every writer lies: n milliseconds after the epoch, and every tenth one, which
/// so comes later than all before it, as long before.
const fn moment_ms(n: u64) -> u64 {
    if n % 10 == 9 { EPOCH_MS - n } else { EPOCH_MS + n }
}

/// How many tags each writer spreads its samples over.
const TAGS: u64 = 4;

/// How many samples may be under way before a writer waits.
const WINDOW: u64 = 32;

/// By which door a writer's samples come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Mqtt,
    Line,
    Json,
}

/// One writer.
pub(crate) struct Writer {
    name: &'static str,
    door: Door,
    sent: AtomicU64,
    acked: AtomicU64,
}

/// All writers of a test.
pub(crate) struct Ledger {
    pub(crate) writers: Vec<Writer>,
}

/// What one scan found.
pub(crate) struct Found {
    pub(crate) samples: u64,
    pub(crate) acked: u64,
}

/// SplitMix64's mixer: every bit of the result depends on every bit of the number.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Writer {
    fn new(name: &'static str, door: Door) -> Self {
        Self { name, door, sent: AtomicU64::new(0), acked: AtomicU64::new(0) }
    }

    fn hash(&self, n: u64) -> u64 {
        mix(n ^ mix(self.name.bytes().fold(0, |all, byte| (all << 8) | u64::from(byte))))
    }

    /// Any finite double, subnormal and negative ones included.
    fn value(&self, n: u64) -> f64 {
        let value = f64::from_bits(self.hash(n));
        // Clearing one exponent bit makes the infinite exponent finite.
        if value.is_finite() { value } else { f64::from_bits(self.hash(n) & !(1 << 52)) }
    }

    fn tag_number(&self, n: u64) -> u64 {
        mix(self.hash(n)) % TAGS
    }

    /// The path under which sample n must be found.
    fn tag(&self, n: u64) -> String {
        let (name, tag) = (self.name, self.tag_number(n));
        match self.door {
            Door::Mqtt | Door::Json => format!("kill/{name}/{tag}"),
            Door::Line => format!("{name}/cell={tag}/f"),
        }
    }

    /// Writes until the connection breaks, the quota is used up, or it is told to stop. An error
    /// is the usual end: the server was killed.
    pub(crate) fn run(&self, server: &Addresses, quota: u64, stop: &AtomicBool) -> io::Result<()> {
        let from = self.acked.load(Ordering::SeqCst);
        match self.door {
            Door::Mqtt => self.run_mqtt(&server.mqtt, from..from + quota, stop),
            Door::Line | Door::Json => self.run_http(&server.http, from..from + quota, stop),
        }
    }

    fn about_to_send(&self, n: u64) {
        self.sent.fetch_max(n + 1, Ordering::SeqCst);
    }

    fn run_mqtt(
        &self,
        address: &str,
        range: std::ops::Range<u64>,
        stop: &AtomicBool,
    ) -> io::Result<()> {
        let mut client = Client::connect(address, self.name)?;
        let mut waiting: u64 = 0;
        for n in range.clone() {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            if waiting == WINDOW {
                self.take_acknowledgement(&mut client)?;
                waiting -= 1;
            }
            self.about_to_send(n);
            let topic = format!("kill/{}/{}", self.name, self.tag_number(n));
            let payload = format!("{{\"ts\":{},\"value\":{:?}}}", moment_ms(n), self.value(n));
            client.publish(packet_id(n), &topic, payload.as_bytes())?;
            waiting += 1;
        }
        for _ in 0..waiting {
            self.take_acknowledgement(&mut client)?;
        }
        Ok(())
    }

    /// Acknowledgements come in the order of the messages (MQTT-4.6.0-2).
    fn take_acknowledgement(&self, client: &mut Client) -> io::Result<()> {
        let n = self.acked.load(Ordering::SeqCst);
        let id = client.acknowledged()?;
        assert_eq!(id, packet_id(n), "{} was acknowledged out of order", self.name);
        self.acked.store(n + 1, Ordering::SeqCst);
        Ok(())
    }

    fn run_http(
        &self,
        address: &str,
        range: std::ops::Range<u64>,
        stop: &AtomicBool,
    ) -> io::Result<()> {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        let agent = ureq::Agent::from(agent);
        let mut first = range.start;
        while first < range.end && !stop.load(Ordering::SeqCst) {
            let end = (first + 1 + self.hash(first) % WINDOW).min(range.end);
            self.about_to_send(end - 1);
            let (path, body) = self.body(first..end);
            let mut answer = agent
                .post(format!("http://{address}{path}"))
                .send(body)
                .map_err(io::Error::other)?;
            if answer.status().as_u16() != 204 {
                let body = answer.body_mut().read_to_string().unwrap_or_default();
                return Err(io::Error::other(format!("{}: {body}", answer.status())));
            }
            self.acked.store(end, Ordering::SeqCst);
            first = end;
        }
        Ok(())
    }

    fn body(&self, range: std::ops::Range<u64>) -> (&'static str, String) {
        let mut body = String::new();
        if self.door == Door::Line {
            for n in range {
                let (name, tag, value) = (self.name, self.tag_number(n), self.value(n));
                writeln!(body, "{name},cell={tag} f={value:?} {}", moment_ms(n)).unwrap();
            }
            return ("/api/v2/write?precision=ms", body);
        }
        let rows: Vec<String> = range
            .map(|n| {
                let (tag, value) = (self.tag(n), self.value(n));
                format!(
                    "{{\"tag\":\"{tag}\",\"ts\":{},\"value\":{value:?}}}",
                    moment_ms(n) * 1_000_000
                )
            })
            .collect();
        ("/api/v1/samples", format!("[{}]", rows.join(",")))
    }
}

/// Packet ids run from 1 to 65,535.
fn packet_id(n: u64) -> u16 {
    u16::try_from(n % 65_535 + 1).unwrap()
}

/// Where a writer sends to.
#[derive(Clone)]
pub(crate) struct Addresses {
    pub(crate) http: String,
    mqtt: String,
}

impl Addresses {
    pub(crate) fn of(server: &Server) -> Self {
        Self { http: server.http.clone(), mqtt: server.mqtt.clone() }
    }
}

impl Ledger {
    /// Two writers over MQTT, one over line protocol, one over JSON.
    pub(crate) fn new() -> Self {
        let writers = vec![
            Writer::new("first", Door::Mqtt),
            Writer::new("second", Door::Mqtt),
            Writer::new("third", Door::Line),
            Writer::new("fourth", Door::Json),
        ];
        Self { writers }
    }

    /// How many samples were acknowledged so far.
    pub(crate) fn acked(&self) -> u64 {
        self.writers.iter().map(|writer| writer.acked.load(Ordering::SeqCst)).sum()
    }

    /// Scans everything and compares it with what must be there.
    #[track_caller]
    pub(crate) fn check(&self, server: &Server) -> Found {
        let rows = server.rows("SELECT tag, CAST(ts AS BIGINT), value FROM samples");
        self.compare(&rows, true);
        let counted = server.rows("SELECT count(*) FROM samples");
        assert_eq!(counted, [rows.len().to_string()], "count and scan differ");
        Found { samples: rows.len() as u64, acked: self.acked() }
    }

    /// Scans a copy of some earlier moment: nothing in it is invented, doubled or changed.
    #[track_caller]
    pub(crate) fn check_copy(&self, server: &Server) -> u64 {
        let rows = server.rows("SELECT tag, CAST(ts AS BIGINT), value FROM samples");
        self.compare(&rows, false);
        rows.len() as u64
    }

    /// Compares rows of tag, nanoseconds and value with what was sent and, where all of it must be
    /// there, acknowledged.
    #[track_caller]
    fn compare(&self, rows: &[String], whole: bool) {
        let mut seen: Vec<Vec<bool>> = self
            .writers
            .iter()
            .map(|writer| vec![false; usize::try_from(writer.sent.load(Ordering::SeqCst)).unwrap()])
            .collect();
        let mut last: BTreeMap<&str, i64> = BTreeMap::new();
        for row in rows {
            let fields: Vec<&str> = row.split(',').collect();
            let [tag, ts, value] = fields[..] else { panic!("{row}") };
            let (ts, value): (i64, f64) = (ts.parse().unwrap(), value.parse().unwrap());
            let before = last.insert(tag, ts);
            assert!(
                before.is_none_or(|before| before < ts),
                "{tag} is not in order of time: {row}"
            );
            self.check_row(row, tag, ts, value, &mut seen);
        }
        for (writer, seen) in self.writers.iter().zip(&seen).filter(|_| whole) {
            let acked = usize::try_from(writer.acked.load(Ordering::SeqCst)).unwrap();
            if let Some(n) = seen.iter().take(acked).position(|seen| !seen) {
                panic!("{}: sample {n} was acknowledged (of {acked}) and is lost", writer.name);
            }
        }
    }

    #[track_caller]
    fn check_row(&self, row: &str, tag: &str, ts: i64, value: f64, seen: &mut [Vec<bool>]) {
        let ms = u64::try_from(ts / 1_000_000).unwrap();
        let n = ms.abs_diff(EPOCH_MS);
        assert_eq!((ts % 1_000_000, ms), (0, moment_ms(n)), "invented: {row}");
        let index = self.writers.iter().position(|writer| writer.tag(n) == tag);
        let index = index.unwrap_or_else(|| panic!("invented: {row}"));
        let wanted = self.writers[index].value(n);
        assert_eq!(value.to_bits(), wanted.to_bits(), "other bits, {wanted:?} was sent: {row}");
        let place = seen[index].get_mut(usize::try_from(n).unwrap());
        let place = place.unwrap_or_else(|| panic!("never sent: {row}"));
        assert!(!*place, "found twice: {row}");
        *place = true;
    }
}

#[test]
fn the_ledger_finds_what_is_lost_doubled_changed_or_invented() {
    let ledger = Ledger::new();
    let writer = &ledger.writers[0];
    writer.sent.store(3, Ordering::SeqCst);
    writer.acked.store(2, Ordering::SeqCst);
    let row =
        |n: u64, value: f64| format!("{},{},{value:?}", writer.tag(n), moment_ms(n) * 1_000_000);
    let sent = |n: u64| row(n, writer.value(n));
    let neighbour = f64::from_bits(writer.value(1).to_bits() ^ 1);
    for (rows, right) in [
        (vec![sent(0), sent(1)], true),
        (vec![sent(0), sent(1), sent(2)], true),
        (vec![sent(0)], false),
        (vec![sent(1), sent(2)], false),
        (vec![sent(0), sent(1), sent(1)], false),
        (vec![sent(0), row(1, neighbour)], false),
        (vec![sent(0), sent(1), sent(3)], false),
        (vec![sent(0), sent(1), "kill/other/0,1735689600000000000,1.0".to_owned()], false),
    ] {
        let compared = std::panic::catch_unwind(|| ledger.compare(&rows, true));
        assert_eq!(compared.is_ok(), right, "{rows:?}");
    }
}
