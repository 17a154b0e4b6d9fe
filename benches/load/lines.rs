//! Line protocol over HTTP, as fast as it is acknowledged.
//!
//! *Invariant.* A connection sends its next body when the one before was answered with 204.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Lines of a body.
pub(crate) const LINES: usize = 1_000;

/// Posts bodies of a thousand lines over several connections, one after the other.
pub(crate) fn post(address: &str, connections: usize, bodies: usize) {
    std::thread::scope(|scope| {
        for connection in 0..connections {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                for number in 0..bodies {
                    post_one(&mut stream, connection, number);
                }
            });
        }
    });
}

fn post_one(stream: &mut TcpStream, connection: usize, number: usize) {
    let lines = (0..LINES).map(|tag| {
        let ts = 1_700_000_000_000_000_000 + number as u64 * 1_000_000_000;
        format!("bench,client={connection},tag={tag} value={}.25 {ts}\n", number % 100)
    });
    let body: String = lines.collect();
    let head = format!(
        "POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0; 512];
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut byte).unwrap();
        assert!(read > 0, "the server closed the connection");
        answer.extend_from_slice(&byte[..read]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer));
}
