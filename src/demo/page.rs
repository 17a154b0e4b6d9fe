//! What a newcomer reads first.
//!
//! *Invariant.* Every line on it can be pasted and does something.

use crate::server::Addresses;

/// The first page, for standard output after the ready line. `data` is the directory where
/// everything is, and whether it goes away with the server.
#[must_use]
pub fn first_page(addresses: Addresses, data: &std::path::Path, kept: bool) -> String {
    let Addresses { http, mqtt, pg, grpc, .. } = addresses;
    let fate = if kept { "kept" } else { "removed when this stops; --data DIR keeps it" };
    let data = data.display();
    let port = mqtt.port();
    format!(
        r#"
A simulated plant is at work: two bottling lines and their utilities, about 200 tags, over MQTT
and OPC UA. It has filled in its last hour. Ctrl-C stops it.

  web page   http://{http}/
  MQTT       {mqtt}
  Postgres   {pg} (psql, Grafana, ODBC)
  Flight SQL {grpc} (ADBC, pandas, polars)
  data       {data} ({fate})

Ask in SQL, in another terminal:

  tacitus sql "SELECT name, kind, unit, description FROM tags WHERE name LIKE 'demo/line1/filler/%'" --url http://{http}

  tacitus sql "SELECT time_bucket('5 minutes', ts) AS t, avg(value) AS speed, max(value) AS peak FROM samples WHERE tag = 'demo/line1/filler/speed' GROUP BY t ORDER BY t" --url http://{http}

  curl http://{http}/api/v1/sql -d "SELECT tag, ts, value, text FROM latest WHERE tag LIKE '%/state'"

  tacitus sql "SELECT shift('demo', ts) AS shift, crew('demo', ts) AS crew, avg(value) AS speed FROM samples WHERE asset(tag) = 'demo/line1/filler' AND tag LIKE '%/speed' GROUP BY 1, 2" --url http://{http}

How effective the lines were, and where the time went:

  tacitus sql "SELECT asset, label, round(availability, 3) AS a, round(performance, 3) AS p, round(quality, 3) AS q, round(oee, 3) AS oee FROM oee('demo/line?', now() - INTERVAL '1 hour', now(), '15 minutes') ORDER BY asset, start_ts" --url http://{http}

  tacitus sql "SELECT class, reason, count(*) AS times, sum(duration_s) AS seconds FROM downtime('demo/line1', now() - INTERVAL '1 hour', now()) GROUP BY 1, 2 ORDER BY 4 DESC" --url http://{http}

Where a process left its limits:

  tacitus sql "SELECT ts, chart, value, lcl, ucl, rules FROM spc('filling', now() - INTERVAL '1 hour', now()) WHERE rules IS NOT NULL" --url http://{http}

Follow what changes (Ctrl-C ends it):

  curl -sN "http://{http}/api/v1/live/events?glob=demo/line1/*/speed"

Say something, and find it again:

  mosquitto_pub -p {port} -q 1 -t site/oven/temperature -m 21.5
  tacitus sql "SELECT * FROM latest WHERE tag = 'site/oven/temperature'" --url http://{http}

Look at what did not go well:

  tacitus sql "SELECT ts, value, quality FROM samples WHERE tag = 'demo/line1/pasteuriser/water_temperature' AND NOT good ORDER BY ts DESC LIMIT 10" --url http://{http}

"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_where_to_look_and_no_place_is_left_blank() {
        let addresses = Addresses {
            opcua: None,
            http: "127.0.0.1:18428".parse().unwrap(),
            mqtt: "127.0.0.1:11883".parse().unwrap(),
            mqtts: None,
            pg: "127.0.0.1:15433".parse().unwrap(),
            grpc: "127.0.0.1:18429".parse().unwrap(),
        };
        let page = first_page(addresses, std::path::Path::new("demo-data"), false);
        for part in ["http://127.0.0.1:18428/", "-p 11883", "demo-data (removed when this stops"] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains('{') && !page.contains('}'));
    }
}
