//! The broker beside mosquitto, in the same run and in turn: what each does a second.
//!
//! Tacitus acknowledges quality 1 after the sync, mosquitto from memory; neither limits its queues
//! in a way that drops. Printed are medians and the median of the ratios of each round.
//!
//! `cargo bench --bench broker` (`ROUNDS` and `MESSAGES` change the size)

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "load/figures.rs"]
mod figures;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use figures::{median, number};

const TOPICS: usize = 1_000;

/// A broker under test.
struct Server {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Server {
    fn tacitus() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tacitus"))
            .args(["serve", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .env("TACITUS_DATA_RESERVE", "1 MiB")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let found = ready.split_whitespace().find_map(|word| word.strip_prefix("mqtt="));
        Self { child, address: found.unwrap().to_owned(), _folder: folder }
    }

    fn mosquitto() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = folder.path().join("mosquitto.conf");
        let text =
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().ok()?;
        let address = format!("127.0.0.1:{port}");
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(&address).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen");
        }
        Some(Self { child, address, _folder: folder })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What is done to a broker.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    connections: usize,
    qos: u8,
    /// Messages in flight of each connection.
    window: usize,
    /// Quality of a subscriber to everything, if there is one.
    subscriber: Option<u8>,
}

const LOADS: [Load; 5] = [
    Load {
        name: "QoS 1, 4 x 100 in flight",
        connections: 4,
        qos: 1,
        window: 100,
        subscriber: None,
    },
    Load { name: "QoS 1, 1 x 50 in flight", connections: 1, qos: 1, window: 50, subscriber: None },
    Load {
        name: "QoS 1, 4 x 100, with a # subscriber of QoS 0",
        connections: 4,
        qos: 1,
        window: 100,
        subscriber: Some(0),
    },
    Load { name: "QoS 0, 4 connections", connections: 4, qos: 0, window: 100, subscriber: None },
    Load {
        name: "QoS 0, 1 connection, received by a # subscriber",
        connections: 1,
        qos: 0,
        window: 100,
        subscriber: Some(0),
    },
];

/// Messages a second until all is acknowledged, or, of quality 0, has been read by the broker.
fn measure(server: &Server, load: Load, messages: usize) -> f64 {
    let total = load.connections * messages;
    let heard = load.subscriber.map(|qos| subscriber(&server.address, qos, total));
    let before = Instant::now();
    std::thread::scope(|scope| {
        for connection in 0..load.connections {
            scope.spawn(move || publisher(&server.address, connection, load, messages));
        }
    });
    if let Some(heard) = heard {
        heard.recv().unwrap();
    }
    total as f64 / before.elapsed().as_secs_f64()
}

fn connect(address: &str, client: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut packet = vec![0x10, u8::try_from(12 + client.len()).unwrap()];
    packet.extend_from_slice(b"\x00\x04MQTT\x04\x02\x00\x00\x00");
    packet.push(u8::try_from(client.len()).unwrap());
    packet.extend_from_slice(client.as_bytes());
    stream.write_all(&packet).unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[3], 0, "the connection was refused");
    stream
}

fn publisher(address: &str, connection: usize, load: Load, messages: usize) {
    let mut stream = connect(address, &format!("bench{connection}"));
    let (mut sent, mut acknowledged, mut rest) = (0, 0, 0);
    let mut buffer = vec![0; 65_536];
    while acknowledged < messages {
        let until = messages.min(acknowledged + load.window);
        let packets: Vec<u8> =
            (sent..until).flat_map(|n| packet(connection, n, load.qos)).collect();
        stream.write_all(&packets).unwrap();
        sent = until;
        if load.qos == 0 {
            acknowledged = sent;
            continue;
        }
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the broker closed the connection");
        // Nothing but PUBACKs of four bytes comes back.
        acknowledged += (rest + read) / 4;
        rest = (rest + read) % 4;
    }
    // Answered when all before it was read.
    if load.qos == 0 {
        stream.write_all(b"\xC0\x00").unwrap();
        stream.read_exact(&mut [0; 2]).unwrap();
    }
}

fn packet(connection: usize, n: usize, qos: u8) -> Vec<u8> {
    let topic = format!("bench/{connection}/{}", n % TOPICS);
    let payload = format!("{:016.4}", n as f64 / 7.0);
    let id = u16::try_from(n % 65_535 + 1).unwrap();
    let id = if qos > 0 { &id.to_be_bytes()[..] } else { &[] };
    let length = u8::try_from(2 + topic.len() + id.len() + payload.len()).unwrap();
    let head = [0x30 | qos << 1, length, 0, u8::try_from(topic.len()).unwrap()];
    [&head, topic.as_bytes(), id, payload.as_bytes()].concat()
}

/// Subscribes to everything, acknowledges, and says when so many messages have arrived.
fn subscriber(address: &str, qos: u8, total: usize) -> mpsc::Receiver<()> {
    let mut stream = connect(address, "all");
    stream.write_all(&[0x82, 6, 0, 1, 0, 1, b'#', qos]).unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    let (done, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut count = 0;
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 262_144];
        while count < total {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the subscriber was cut after {count} messages");
            bytes.extend_from_slice(&buffer[..read]);
            let (mut at, mut acks) = (0, Vec::new());
            // Packets of the benchmark are shorter than 128 bytes.
            while bytes.len() >= at + 2 && bytes.len() >= at + 2 + usize::from(bytes[at + 1]) {
                let topic_end = at + 4 + usize::from(bytes[at + 3]);
                if bytes[at] & 6 != 0 {
                    acks.extend_from_slice(&[0x40, 2, bytes[topic_end], bytes[topic_end + 1]]);
                }
                at += 2 + usize::from(bytes[at + 1]);
                count += 1;
            }
            bytes.drain(..at);
            if !acks.is_empty() {
                stream.write_all(&acks).unwrap();
            }
        }
        done.send(()).unwrap();
    });
    heard
}

fn main() {
    let (rounds, messages) = (number("ROUNDS", 5), number("MESSAGES", 60_000));
    for load in LOADS {
        let (mut own, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let rate = measure(&Server::tacitus(), load, messages);
            own.push(rate);
            if let Some(peer) = Server::mosquitto() {
                ratios.push(rate / measure(&peer, load, messages));
            }
        }
        let spread = ratios
            .iter()
            .fold((f64::MAX, 0.0_f64), |(low, high), ratio| (low.min(*ratio), high.max(*ratio)));
        println!(
            "{}: {:.0} messages/s, {:.2} x mosquitto ({:.2} to {:.2})",
            load.name,
            median(own),
            median(ratios),
            spread.0,
            spread.1
        );
    }
}
