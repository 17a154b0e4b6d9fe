//! Durable acknowledgements over the wires: MQTT QoS 1 and line protocol, against baselines.
//!
//! In one run, in turn, over several rounds: Tacitus with its directory on the disk; the same
//! binary with its directory on tmpfs, where a sync costs nothing; for MQTT, mosquitto, and for
//! line protocol, `VictoriaMetrics`, both of which acknowledge from memory. Printed are medians and
//! the ratios of each round. Processor time includes what goes on in the background for some
//! seconds after the last line.
//!
//! `cargo bench --bench wires` (`ROUNDS`, `MESSAGES` and `WINDOW` change the size,
//! `VICTORIA_METRICS` names the peer's program)

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "load/figures.rs"]
mod figures;
#[path = "load/lines.rs"]
mod lines;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use figures::{median, number};
use lines::{LINES, post};

const TOPICS: usize = 1_000;

/// What was taken in is merged and written in the background for a while: peers that answer from
/// memory have the greater part of their work still before them.
const SETTLES: Duration = Duration::from_secs(6);

/// A server under test.
struct Server {
    child: Child,
    mqtt: String,
    http: Option<String>,
    _folder: tempfile::TempDir,
}

impl Server {
    fn tacitus(folder: &Path) -> Self {
        let folder = tempfile::tempdir_in(folder).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tacitus"))
            .args([
                "serve",
                "--http",
                "127.0.0.1:0",
                "--mqtt",
                "127.0.0.1:0",
                "--pg",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(folder.path())
            .env("TACITUS_DATA_RESERVE", "1 MiB")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let address = |name: &str| {
            let found = ready.split_whitespace().find_map(|word| word.strip_prefix(name));
            found.unwrap().to_owned()
        };
        Self { child, mqtt: address("mqtt="), http: Some(address("http=")), _folder: folder }
    }

    fn mosquitto() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = folder.path().join("mosquitto.conf");
        let text =
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n");
        std::fs::write(&file, text).unwrap();
        let child = Command::new("mosquitto")
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mqtt = format!("127.0.0.1:{port}");
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(&mqtt).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen");
        }
        Some(Self { child, mqtt, http: None, _folder: folder })
    }

    fn victoria_metrics() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = std::env::var("VICTORIA_METRICS");
        let child = Command::new(program.unwrap_or_else(|_| "victoria-metrics".to_owned()))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .arg(format!("-storageDataPath={}", folder.path().display()))
            .arg("-retentionPeriod=100y")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let http = format!("127.0.0.1:{port}");
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&http).is_err() {
            assert!(Instant::now() < deadline, "VictoriaMetrics does not listen");
        }
        Some(Self { child, mqtt: String::new(), http: Some(http), _folder: folder })
    }

    /// Seconds of processor time so far, from `/proc/PID/stat`, at 100 ticks a second.
    fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What one round gave.
struct Figure {
    per_s: f64,
    per_cpu_s: f64,
}

fn measure(server: &Server, count: usize, work: impl FnOnce()) -> Figure {
    let (before, cpu) = (Instant::now(), server.cpu_s());
    work();
    let wall = before.elapsed().as_secs_f64();
    std::thread::sleep(SETTLES);
    let cpu = server.cpu_s() - cpu;
    Figure { per_s: count as f64 / wall, per_cpu_s: count as f64 / cpu.max(0.01) }
}

/// Publishes over several connections, each with at most `window` messages in flight.
fn publish(address: &str, connections: usize, messages: usize, window: usize) {
    std::thread::scope(|scope| {
        for connection in 0..connections {
            scope.spawn(move || publisher(address, connection, messages, window));
        }
    });
}

fn publisher(address: &str, connection: usize, messages: usize, window: usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let client = format!("bench{connection}");
    let mut packet = vec![0x10, u8::try_from(12 + client.len()).unwrap()];
    packet.extend_from_slice(b"\x00\x04MQTT\x04\x02\x00\x00\x00");
    packet.push(u8::try_from(client.len()).unwrap());
    packet.extend_from_slice(client.as_bytes());
    stream.write_all(&packet).unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[3], 0, "the connection was refused");
    let (mut sent, mut acknowledged) = (0, 0);
    let mut rest = 0;
    let mut buffer = vec![0; 65_536];
    while acknowledged < messages {
        let until = messages.min(acknowledged + window);
        let packets: Vec<u8> = (sent..until).flat_map(|n| publish_packet(connection, n)).collect();
        stream.write_all(&packets).unwrap();
        sent = until;
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the server closed the connection");
        // Nothing but PUBACKs of four bytes comes back.
        acknowledged += (rest + read) / 4;
        rest = (rest + read) % 4;
    }
}

fn publish_packet(connection: usize, n: usize) -> Vec<u8> {
    let topic = format!("bench/{connection}/{}", n % TOPICS);
    let payload = format!("{:016.4}", n as f64 / 7.0);
    let id = u16::try_from(n % 65_535 + 1).unwrap();
    let length = u8::try_from(2 + topic.len() + 2 + payload.len()).unwrap();
    let mut packet = vec![0x32, length, 0, u8::try_from(topic.len()).unwrap()];
    packet.extend_from_slice(topic.as_bytes());
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(payload.as_bytes());
    packet
}

fn show(name: &str, of: &str, rounds: &[(Figure, Option<Figure>)], baseline: &str) {
    let rate = median(rounds.iter().map(|(own, _)| own.per_s).collect());
    let cpu = median(rounds.iter().map(|(own, _)| own.per_cpu_s).collect());
    let ratio = |pick: fn(&Figure) -> f64| {
        let ratios =
            rounds.iter().filter_map(|(own, other)| Some(pick(own) / pick(other.as_ref()?)));
        median(ratios.collect())
    };
    let (by_wall, by_cpu) = (ratio(|figure| figure.per_s), ratio(|figure| figure.per_cpu_s));
    println!(
        "{name}: {rate:.0} {of}/s, {cpu:.0} {of}/CPU s; {by_wall:.2} x and {by_cpu:.2} x {baseline}"
    );
}

fn main() {
    let (rounds, messages) = (number("ROUNDS", 5), number("MESSAGES", 60_000));
    let window = number("WINDOW", 100);
    let (disk, memory) = (std::env::temp_dir(), Path::new("/dev/shm"));
    for connections in [1, 4] {
        let total = connections * messages;
        let run = |server: &Server| {
            measure(server, total, || publish(&server.mqtt, connections, messages, window))
        };
        let (mut unsynced, mut peer) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let own = || run(&Server::tacitus(&disk));
            unsynced.push((own(), Some(run(&Server::tacitus(memory)))));
            peer.push((own(), Server::mosquitto().map(|server| run(&server))));
        }
        let name = format!("MQTT QoS 1, {connections} connections, {window} in flight");
        show(&name, "messages", &unsynced, "itself without the sync");
        if peer.iter().all(|(_, other)| other.is_some()) {
            show(&name, "messages", &peer, "mosquitto");
        } else {
            println!("mosquitto is not installed: no comparison with it");
        }
    }
    for connections in [1, 4] {
        let bodies = messages / 60;
        let run = |server: &Server| {
            let address = server.http.clone().unwrap();
            measure(server, connections * bodies * LINES, || post(&address, connections, bodies))
        };
        let (mut unsynced, mut peer) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let own = || run(&Server::tacitus(&disk));
            unsynced.push((own(), Some(run(&Server::tacitus(memory)))));
            peer.push((own(), Server::victoria_metrics().map(|server| run(&server))));
        }
        let name = format!("line protocol, {connections} connections, {LINES} lines a request");
        show(&name, "samples", &unsynced, "itself without the sync");
        if peer.iter().all(|(_, other)| other.is_some()) {
            show(&name, "samples", &peer, "VictoriaMetrics");
        } else {
            println!("VictoriaMetrics is not installed: no comparison with it");
        }
    }
}
