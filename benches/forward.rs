//! Store and forward: how fast an edge hands on what it takes in, beside plain ingestion.
//!
//! In one run, in turn, over several rounds, on loopback: one server that takes line protocol in;
//! an edge that takes the same in and forwards it to a second server meanwhile, until that has all
//! of it; and an edge that has all of it already and catches up. Printed are medians of samples a
//! second and a second of processor time, and the ratios of each round to plain ingestion.
//!
//! `cargo bench --bench forward` (`ROUNDS`, `BODIES` of 1,000 lines and `CONNECTIONS` change the
//! size, `TACITUS` names another program to be measured)

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "load/figures.rs"]
mod figures;
#[path = "load/lines.rs"]
mod lines;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use figures::{median, number};
use lines::{LINES, post};

/// A server under test.
struct Server {
    child: Child,
    http: String,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = std::env::var("TACITUS");
        let mut child =
            Command::new(program.unwrap_or_else(|_| env!("CARGO_BIN_EXE_tacitus").to_owned()))
                .args(["serve", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
                .args(["--pg", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--data"])
                .arg(folder.path())
                .env("TACITUS_DATA_RESERVE", "1 MiB")
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let found = ready.split_whitespace().find_map(|word| word.strip_prefix("http="));
        let http = found.unwrap().to_owned();
        Self { child, http, _folder: folder }
    }

    /// Seconds of processor time so far, from `/proc/PID/stat`, at 100 ticks a second.
    fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / 100.0
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Forwards everything it has and gets.
    fn forward_to(&self, upstream: &Self) {
        let settings = format!(
            r#"{{"settings": {{"url": "http://{}", "start": "everything"}}}}"#,
            upstream.http
        );
        let answer = self.ask("PUT", "/api/v1/forwards/centre", &settings);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn samples(&self) -> usize {
        let status = self.ask("GET", "/api/v1/status", "");
        let after = status.split("\"samples\":").nth(1).unwrap();
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }

    fn wait_for(&self, samples: usize) {
        while self.samples() < samples {
            std::thread::sleep(Duration::from_millis(10));
        }
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

/// How long a work takes, with the processor time of all servers in it.
fn measure(servers: &[&Server], count: usize, work: impl FnOnce()) -> Figure {
    let used = || servers.iter().map(|server| server.cpu_s()).sum::<f64>();
    let (before, cpu) = (Instant::now(), used());
    work();
    let (wall, cpu) = (before.elapsed().as_secs_f64(), used() - cpu);
    Figure { per_s: count as f64 / wall, per_cpu_s: count as f64 / cpu.max(0.01) }
}

fn show(name: &str, own: &[Figure], plain: &[Figure]) {
    let of = |pick: fn(&Figure) -> f64| median(own.iter().map(pick).collect());
    let ratio = |pick: fn(&Figure) -> f64| {
        median(own.iter().zip(plain).map(|(own, plain)| pick(own) / pick(plain)).collect())
    };
    println!(
        "{name}: {:.0} samples/s, {:.0} samples/CPU s of all servers; {:.2} x and {:.2} x plain ingestion",
        of(|figure| figure.per_s),
        of(|figure| figure.per_cpu_s),
        ratio(|figure| figure.per_s),
        ratio(|figure| figure.per_cpu_s)
    );
}

fn main() {
    let (rounds, bodies) = (number("ROUNDS", 5), number("BODIES", 2_000));
    let connections = number("CONNECTIONS", 2);
    let total = connections * bodies * LINES;
    let (mut plain, mut live, mut behind) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let alone = Server::start();
        plain.push(measure(&[&alone], total, || post(&alone.http, connections, bodies)));
        drop(alone);

        let (edge, centre) = (Server::start(), Server::start());
        edge.forward_to(&centre);
        live.push(measure(&[&edge, &centre], total, || {
            post(&edge.http, connections, bodies);
            centre.wait_for(total);
        }));
        drop((edge, centre));

        let (edge, centre) = (Server::start(), Server::start());
        post(&edge.http, connections, bodies);
        behind.push(measure(&[&edge, &centre], total, || {
            edge.forward_to(&centre);
            centre.wait_for(total);
        }));
    }
    show("plain ingestion", &plain, &plain);
    show("taken in at the edge, until the centre has all", &live, &plain);
    show("caught up by an edge that had all", &behind, &plain);
}
