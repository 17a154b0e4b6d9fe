//! A server as a child process: started on free ports, found by its ready line.
//!
//! *Invariant.* A server that is dropped is killed, so a failed test leaves nothing behind.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// No step of a test takes longer on a machine that is merely busy.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// The binary with no configuration but what the test gives it.
pub(crate) fn tacitus() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacitus"));
    undisturbed(&mut command);
    command
}

/// Keeps settings of whoever runs the tests out of them.
pub(crate) fn undisturbed(command: &mut Command) {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TACITUS_")) {
        command.env_remove(name);
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// Its HTTP address, once ready.
    pub(crate) http: String,
    /// Its MQTT address, once ready.
    pub(crate) mqtt: String,
    /// The address of its PostgreSQL wire, once ready.
    pub(crate) pg: String,
    /// Its gRPC address, once ready.
    pub(crate) grpc: String,
    /// The address of its OPC UA server, once ready; empty where there is none.
    pub(crate) opcua: String,
}

impl Server {
    /// Starts one on this directory and waits until it is ready.
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[])
    }

    /// Starts one with these variables and waits until it is ready.
    pub(crate) fn start_with(dir: &Path, variables: &[(&str, &str)]) -> Self {
        let mut server = Self::spawn(dir, variables);
        server.wait_until_ready();
        server
    }

    /// Starts one and waits for nothing.
    pub(crate) fn spawn(dir: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = tacitus();
        command.args(["serve", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]);
        command.args(["--pg", "127.0.0.1:0", "--data"]).arg(dir).envs(variables.iter().copied());
        Self::adopt(command)
    }

    /// Starts this command, which must become a server.
    pub(crate) fn adopt(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        let (http, mqtt, pg, grpc, opcua) = Default::default();
        Self { child, stdout, stderr, http, mqtt, pg, grpc, opcua }
    }

    /// Waits for the ready line and learns the addresses from it.
    pub(crate) fn wait_until_ready(&mut self) {
        let line = match self.stdout.recv_timeout(DEADLINE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("not ready in time: {}", self.complaints()),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("ended before it was ready: {}", self.complaints())
            }
        };
        let words = line.strip_prefix("tacitus ready ").unwrap_or_else(|| panic!("{line}"));
        for word in words.split(' ') {
            match word.split_once('=').unwrap() {
                ("http", address) => address.clone_into(&mut self.http),
                ("mqtt", address) => address.clone_into(&mut self.mqtt),
                ("mqtts", _) => {}
                ("pg", address) => address.clone_into(&mut self.pg),
                ("grpc", address) => address.clone_into(&mut self.grpc),
                ("opcua", address) => address.clone_into(&mut self.opcua),
                (other, _) => panic!("no listener is called {other}"),
            }
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a power cut of the process would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for its end; its status and what it wrote to standard error.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = wait_for("the end of the server", || self.child.try_wait().unwrap());
        (status, self.complaints())
    }

    /// What it wrote to standard error so far.
    fn complaints(&self) -> String {
        let mut text = String::new();
        while let Ok(line) = self.stderr.recv_timeout(Duration::from_millis(200)) {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// The status document.
    pub(crate) fn status(&self) -> serde_json::Value {
        let text = self.get("/api/v1/status").1;
        serde_json::from_str(&text).unwrap()
    }

    /// Status and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut answer = agent().get(format!("http://{}{path}", self.http)).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    /// Status and body of a POST.
    pub(crate) fn post(&self, path: &str, body: &[u8]) -> (u16, String) {
        let mut answer = agent().post(format!("http://{}{path}", self.http)).send(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    /// The rows of an answer in CSV, without the header.
    pub(crate) fn rows(&self, query: &str) -> Vec<String> {
        let mut answer = agent()
            .post(format!("http://{}/api/v1/sql", self.http))
            .header("accept", "text/csv")
            .send(query)
            .unwrap();
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_string().unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{query}: {body}");
        body.lines().skip(1).map(str::to_owned).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An HTTP client that takes every status for an answer.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(DEADLINE))
        .build()
        .into()
}

/// Asks until there is an answer.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Reads lines on a thread of its own, so that a full pipe never blocks the server.
fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(reader.by_ref().read_until(b'\n', &mut line), Ok(read) if read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}
