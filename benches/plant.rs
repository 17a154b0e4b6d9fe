//! A plant for as long as one likes: so many tags at 1 Hz over so many MQTT connections of quality
//! 1. Nothing may be lost; printed are memory by the minute, its slope, and processor time.
//!
//! `TAGS=100000 CONNECTIONS=20 SECONDS=600 cargo bench --bench plant`

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark may panic")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A second of a connection is sent in so many parts.
const PARTS: usize = 20;

struct Server {
    child: Child,
    ready: String,
    folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tacitus"));
        command.args(["serve", "--data"]).arg(folder.path()).env("TACITUS_DATA_RESERVE", "1 MiB");
        for wire in ["--http", "--mqtt", "--pg", "--grpc"] {
            command.args([wire, "127.0.0.1:0"]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        Self { child, ready, folder }
    }

    fn address(&self, wire: &str) -> &str {
        self.ready.split_whitespace().find_map(|word| word.strip_prefix(wire)).unwrap()
    }

    /// The first row of an answer.
    fn ask(&self, statement: &str) -> String {
        let mut stream = TcpStream::connect(self.address("http=")).unwrap();
        let length = statement.len();
        write!(
            stream,
            "POST /api/v1/sql HTTP/1.0\r\nHost: localhost\r\nAccept: text/csv\r\n\
             Content-Length: {length}\r\n\r\n{statement}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let row = answer.lines().find(|line| line.starts_with(|own: char| own.is_ascii_digit()));
        row.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Resident and anonymous memory in MiB.
    fn memory(&self) -> (f64, f64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let mebibytes = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
        };
        (mebibytes("VmRSS:"), mebibytes("RssAnon:"))
    }

    /// Processor time in seconds, of ticks of a hundredth.
    fn processor(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        ticks as f64 / 100.0
    }

    fn disk_bytes(&self) -> u64 {
        let files = fs::read_dir(self.folder.path()).unwrap().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
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

/// The publish of one tag: quality 1, the number of the second as value.
fn packet(topic: &str, id: u16, second: usize) -> Vec<u8> {
    let payload = second.to_string();
    let length = u8::try_from(4 + topic.len() + payload.len()).unwrap();
    let head = [0x32, length, 0, u8::try_from(topic.len()).unwrap()];
    [&head, topic.as_bytes(), &id.to_be_bytes(), payload.as_bytes()].concat()
}

/// Sends its tags once a second until the end; the acknowledged are counted by another thread.
fn publish(address: &str, connection: usize, tags: usize, seconds: usize, heard: &AtomicU64) {
    let mut stream = connect(address, &format!("plant{connection}"));
    let mut acknowledgements = stream.try_clone().unwrap();
    let expected = tags * seconds;
    let topics: Vec<_> = (0..tags).map(|tag| format!("plant/{connection}/{tag}")).collect();
    let begin = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || {
            let (mut count, mut rest, mut buffer) = (0, 0, vec![0; 65_536]);
            while count < expected {
                let read = acknowledgements.read(&mut buffer).unwrap();
                assert!(read > 0, "the server closed the connection");
                let whole = (rest + read) / 4;
                rest = (rest + read) % 4;
                count += whole;
                heard.fetch_add(whole as u64, Ordering::Relaxed);
            }
        });
        let mut id = 0_u16;
        for second in 0..seconds {
            for (part, topics) in topics.chunks(tags.div_ceil(PARTS)).enumerate() {
                let due = Duration::from_secs_f64(second as f64 + part as f64 / PARTS as f64);
                thread::sleep(due.saturating_sub(begin.elapsed()));
                let mut bytes = Vec::new();
                for topic in topics {
                    id = id.checked_add(1).unwrap_or(1);
                    bytes.extend(packet(topic, id, second));
                }
                stream.write_all(&bytes).unwrap();
            }
        }
    });
}

/// Rise of the second half of a series by minute, in units an hour.
fn slope_per_hour(series: &[f64]) -> f64 {
    let half = &series[series.len() / 2..];
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let (sum, count) = values.fold((0.0, 0.0), |(sum, count), own| (sum + own, count + 1.0));
        sum / f64::max(count, 1.0)
    };
    let (x, y) = (mean(&mut (0..half.len()).map(|n| n as f64)), mean(&mut half.iter().copied()));
    let products = half.iter().enumerate().map(|(n, own)| (n as f64 - x) * (own - y));
    let squares = (0..half.len()).map(|n| (n as f64 - x).powi(2));
    60.0 * products.sum::<f64>() / f64::max(squares.sum(), 1.0)
}

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn main() {
    let (tags, connections) = (number("TAGS", 100_000), number("CONNECTIONS", 20));
    let seconds = number("SECONDS", 60);
    let own = tags / connections;
    let server = Server::start();
    let (address, heard) = (server.address("mqtt="), AtomicU64::new(0));
    let begin = Instant::now();
    let mut anonymous = Vec::new();
    thread::scope(|scope| {
        let heard = &heard;
        let all: Vec<_> = (0..connections)
            .map(|connection| {
                scope.spawn(move || publish(address, connection, own, seconds, heard))
            })
            .collect();
        for second in 0_u64.. {
            let ended = all.iter().all(thread::ScopedJoinHandle::is_finished);
            if ended || second.is_multiple_of(60) {
                let (resident, part) = server.memory();
                println!(
                    "{second} s: {} acknowledged, {resident:.0} MiB resident, {part:.0} anonymous",
                    heard.load(Ordering::Relaxed)
                );
                anonymous.push(part);
            }
            if ended {
                break;
            }
            thread::sleep(Duration::from_secs(second + 1).saturating_sub(begin.elapsed()));
        }
    });
    let took = begin.elapsed();
    let sent = own * connections * seconds;
    let sum = own * connections * (seconds * (seconds - 1) / 2);
    let every = "SELECT count(*), sum(rows), sum(total), min(rows), max(rows) FROM \
                 (SELECT tag, count(*) AS rows, sum(value) AS total FROM samples GROUP BY tag)";
    println!("found by SQL: tags, samples, sum, fewest and most of a tag: {}", server.ask(every));
    println!("sent: {}, {sent}, {sum}, {seconds}, {seconds}", own * connections);
    println!(
        "{:.0} acknowledged a second, {:.1} s of processor time a million, {} MiB on disk, \
         anonymous memory rises by {:.1} MiB an hour in the second half",
        heard.load(Ordering::Relaxed) as f64 / took.as_secs_f64(),
        server.processor() * 1e6 / sent as f64,
        server.disk_bytes() >> 20,
        slope_per_hour(&anonymous)
    );
    let found = server.ask("SELECT count(*) FROM samples");
    assert_eq!(found, sent.to_string(), "samples are missing or doubled");
}
