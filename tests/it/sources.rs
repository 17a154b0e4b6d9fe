//! Clock trust over the real doors: whose times are in the future, and whose are long past.

use std::time::SystemTime;

use crate::mqtt::Client;
use crate::server::{Server, agent};

/// Milliseconds since 1970, so many seconds from now.
fn moment_ms(ahead_s: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap() + ahead_s * 1_000
}

#[test]
fn a_sender_whose_clock_is_ahead_or_behind_is_told_from_one_that_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    for (client, ahead_s) in [("right", 0), ("ahead", 120)] {
        let mut connection = Client::connect(&server.mqtt, client).unwrap();
        let payload = format!("{{\"ts\":{},\"value\":1.5}}", moment_ms(ahead_s));
        connection.publish(1, "site/oven", payload.as_bytes()).unwrap();
        assert_eq!(connection.acknowledged().unwrap(), 1);
    }
    let line = format!("oven f=1.5 {}", moment_ms(-3_600));
    let answer = agent()
        .post(format!("http://{}/write?precision=ms", server.http))
        .header("x-forwarded-for", "10.0.0.7, 10.0.0.1")
        .send(line)
        .unwrap();
    assert_eq!(answer.status().as_u16(), 204);
    let mut untimed = Client::connect(&server.mqtt, "lamp").unwrap();
    untimed.publish(1, "site/lamp", b"ON").unwrap();
    assert_eq!(untimed.acknowledged().unwrap(), 1);
    let rows = "SELECT source, state, jumps FROM sources ORDER BY source";
    let want = [
        "line:10.0.0.7,behind,0",
        "mqtt:ahead,ahead,0",
        "mqtt:lamp,untimed,0",
        "mqtt:right,trusted,0",
        "server,trusted,0",
    ];
    assert_eq!(server.rows(rows), want);
    let skew = "SELECT skew FROM sources WHERE source = 'mqtt:ahead'";
    let skew: f64 = server.rows(skew)[0].parse().unwrap();
    // A test machine may be slow; it is not slower than that.
    assert!((-120.5..-100.0).contains(&skew), "{skew}");
    // A clock that was never set is wrong by years.
    let mut old = Client::connect(&server.mqtt, "old").unwrap();
    old.publish(1, "site/old", b"{\"ts\":946684800,\"value\":1}").unwrap();
    assert_eq!(old.acknowledged().unwrap(), 1);
    let skew = server.rows("SELECT skew > 86400 * 365 * 20 FROM sources WHERE source = 'mqtt:old'");
    assert_eq!(skew, ["true"]);
    let (status, told) = server.get("/api/v1/sources");
    assert_eq!(status, 200);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let names: Vec<&str> = told["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| own["source"].as_str().unwrap())
        .collect();
    let want = ["line:10.0.0.7", "mqtt:ahead", "mqtt:lamp", "mqtt:old", "mqtt:right", "server"];
    assert_eq!(names, want);
    assert!(told["sources"][2]["skew"].is_null(), "{told}");
    assert_eq!(
        (&told["sources"][1]["state"], &told["sources"][1]["jumps"]),
        (&"ahead".into(), &0.into())
    );
    assert!(told["sources"][1]["skew"].as_f64().unwrap() < -100.0, "{told}");
    let text = server.get("/metrics").1;
    assert!(text.contains("tacitus_sources{state=\"ahead\"} 1\n"), "{text}");
}
