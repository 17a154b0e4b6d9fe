//! The broker across a kill: what clients were promised before it is there after it.

use crate::kill::number;
use crate::mqtt::{Client, Heard, Manner};
use crate::server::Server;

/// Comes back to what it left.
const LASTING: Manner<'static> = Manner { clean: false, ..Manner::PLAIN };

fn heard(topic: &str, payload: &str) -> (String, String) {
    (topic.to_owned(), payload.to_owned())
}

fn told(message: &Heard) -> (String, String) {
    (message.topic.clone(), message.payload.clone())
}

/// The number of samples of a tag.
fn samples(server: &Server, tag: &str) -> u64 {
    let rows = server.rows(&format!("SELECT count(*) AS n FROM samples WHERE tag = '{tag}'"));
    rows[0].parse().unwrap()
}

#[test]
fn what_was_promised_before_a_kill_is_there_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let mut lasting = Client::enter(&server.mqtt, "lasting", LASTING).unwrap();
    lasting.subscribe("plant/#", 2).unwrap();
    lasting.subscribe("will/#", 1).unwrap();
    lasting.leave().unwrap();
    let will = Some(("will/there", "gone"));
    let mut there = Client::enter(&server.mqtt, "there", Manner { will, ..LASTING }).unwrap();
    let polite = Manner { will: Some(("will/polite", "gone")), ..Manner::PLAIN };
    Client::enter(&server.mqtt, "polite", polite).unwrap().leave().unwrap();
    there.publish_with(0x33, 1, "plant/state", b"1").unwrap();
    assert_eq!(there.acknowledged().unwrap(), 1);
    there.publish_with(0x34, 7, "plant/count", b"42").unwrap();
    assert_eq!(there.answer().unwrap(), (0x50, vec![0, 7]));
    server.kill();

    let server = Server::start(dir.path());
    // Quality 2: the same message under its id is stored once.
    let mut there = Client::enter(&server.mqtt, "there", LASTING).unwrap();
    assert!(there.session_present);
    there.publish_with(0x3C, 7, "plant/count", b"42").unwrap();
    assert_eq!(there.answer().unwrap(), (0x50, vec![0, 7]));
    there.release(7).unwrap();
    assert_eq!(there.answer().unwrap(), (0x70, vec![0, 7]));
    assert_eq!(samples(&server, "plant/count"), 1);
    // What waited, and the will of one who was connected.
    let mut lasting = Client::enter(&server.mqtt, "lasting", LASTING).unwrap();
    assert!(lasting.session_present);
    let mut got = Vec::new();
    for _ in 0..3 {
        got.push(told(&lasting.hear().unwrap()));
    }
    got.sort();
    let want = [heard("plant/count", "42"), heard("plant/state", "1"), heard("will/there", "gone")];
    assert_eq!(got, want);
    // What is retained.
    let mut late = Client::enter(&server.mqtt, "late", Manner::PLAIN).unwrap();
    late.subscribe("#", 0).unwrap();
    let message = late.hear().unwrap();
    assert_eq!((told(&message), message.retain), (heard("plant/state", "1"), true));
    server.kill();

    // What was acknowledged does not come again.
    let server = Server::start(dir.path());
    let mut lasting = Client::enter(&server.mqtt, "lasting", LASTING).unwrap();
    assert!(lasting.session_present);
    lasting.publish_with(0x32, 9, "plant/last", b"9").unwrap();
    let last = loop {
        let message = lasting.hear_or_answer().unwrap();
        if let Some(message) = message
            && message.topic == "plant/last"
        {
            break message;
        }
    };
    assert_eq!(last.payload, "9");
}

/// Kills between any two packets of quality 2, by a client that resends as the standard says;
/// `TACITUS_KILL_CYCLES` sets how many.
#[test]
fn quality_2_is_stored_once_whenever_the_server_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let cycles = number("TACITUS_KILL_CYCLES").unwrap_or(12);
    let mut next = 1u64;
    for cycle in 0..cycles {
        let server = Server::start(dir.path());
        let mut client = Client::enter(&server.mqtt, "twice", LASTING).unwrap();
        assert_eq!(client.session_present, cycle > 0);
        let id = 100;
        let topic = format!("once/{next}");
        // Where the last kill left it: sent again, with the same id.
        let flags = if cycle % 4 == 0 { 0x34 } else { 0x3C };
        client.publish_with(flags, id, &topic, b"1").unwrap();
        if cycle % 4 == 0 {
            server.kill();
            continue;
        }
        assert_eq!(client.answer().unwrap(), (0x50, vec![0, 100]));
        if cycle % 4 == 1 {
            server.kill();
            continue;
        }
        client.release(id).unwrap();
        if cycle % 4 == 2 {
            // Perhaps released, perhaps not: the client asks again after the restart.
            server.kill();
            let server = Server::start(dir.path());
            let mut client = Client::enter(&server.mqtt, "twice", LASTING).unwrap();
            client.release(id).unwrap();
            assert_eq!(client.answer().unwrap(), (0x70, vec![0, 100]));
            assert_eq!(samples(&server, &topic), 1, "{topic}");
            next += 1;
            server.kill();
            continue;
        }
        assert_eq!(client.answer().unwrap(), (0x70, vec![0, 100]));
        assert_eq!(samples(&server, &topic), 1, "{topic}");
        next += 1;
        server.kill();
    }
    let server = Server::start(dir.path());
    let more =
        "SELECT count(*) AS n FROM samples WHERE tag LIKE 'once/%' GROUP BY tag HAVING n <> 1";
    assert_eq!(server.rows(more), Vec::<String>::new());
    println!("{cycles} kills between packets of quality 2, {} messages stored once", next - 1);
}

#[test]
fn the_past_is_told_from_the_store_and_then_what_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let mut client = Client::enter(&server.mqtt, "teller", Manner::PLAIN).unwrap();
    for number in 0..20u16 {
        let payload =
            format!("{{\"value\": {number}, \"ts\": {}}}", 1_700_000_000 + u32::from(number));
        client.publish_with(0x32, number + 1, "oven/temp", payload.as_bytes()).unwrap();
        assert_eq!(client.acknowledged().unwrap(), number + 1);
    }
    server.kill();
    let server = Server::start(dir.path());
    let mut reader = Client::enter(&server.mqtt, "reader", Manner::PLAIN).unwrap();
    reader.subscribe("$history/2023-11-14T22:13:25Z/oven/#", 1).unwrap();
    let mut client = Client::enter(&server.mqtt, "teller", Manner::PLAIN).unwrap();
    client.publish_with(0x32, 1, "oven/temp", b"{\"value\": 99, \"ts\": 1700001000}").unwrap();
    let value = |message: &Heard| {
        assert_eq!(message.topic, "oven/temp");
        let payload: serde_json::Value = serde_json::from_str(&message.payload).unwrap();
        assert_eq!(payload["statusCode"], 0);
        payload["value"].as_f64().unwrap()
    };
    let mut values = Vec::new();
    while values.last() != Some(&99.0) {
        values.push(value(&reader.hear().unwrap()));
    }
    let mut want: Vec<f64> = (5..20).map(f64::from).collect();
    want.push(99.0);
    assert_eq!(values, want);
}

#[test]
fn two_hundred_lasting_clients_come_back_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let name = |number: usize| format!("client-{number}");
    let mut clients = Vec::new();
    for number in 0..200 {
        let mut client = Client::enter(&server.mqtt, &name(number), LASTING).unwrap();
        client.subscribe(&format!("to/{number}"), 1).unwrap();
        clients.push(client);
    }
    let mut publisher = Client::enter(&server.mqtt, "publisher", Manner::PLAIN).unwrap();
    for number in 0..200u16 {
        publisher.publish_with(0x32, number + 1, &format!("to/{number}"), b"1").unwrap();
        assert_eq!(publisher.acknowledged().unwrap(), number + 1);
    }
    server.kill();
    let server = Server::start(dir.path());
    let address = server.mqtt.clone();
    let back: Vec<_> = (0..200)
        .map(|number| {
            let address = address.clone();
            std::thread::spawn(move || {
                let mut client = Client::enter(&address, &name(number), LASTING).unwrap();
                assert!(client.session_present);
                let message = client.hear().unwrap();
                assert_eq!(
                    (message.topic, message.payload.as_str()),
                    (format!("to/{number}"), "1")
                );
            })
        })
        .collect();
    for one in back {
        one.join().unwrap();
    }
    drop(clients);
}
