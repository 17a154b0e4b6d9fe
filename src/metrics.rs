//! Counters and gauges, in the OpenMetrics text format.
//!
//! *Invariant.* Names are `tacitus_<noun>_<unit>`, with `_total` for counters; labels come from a
//! closed set (routes, status codes), never from what a client sent, so their number is bounded.
//!
//! *Not here.* What the store, the queue and the broker count themselves: they are read at the
//! moment of the question, as [`Reading`]s.

use std::time::Duration;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

type Labels = [(&'static str, String); 2];

/// What is counted as it happens.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    http_requests: Family<Labels, Counter>,
    http_seconds: Histogram,
    /// Open HTTP connections.
    pub(crate) http_connections: Gauge,
    /// HTTP connections refused because too many were open.
    pub(crate) http_connections_refused: Counter,
}

/// Numbers that something else keeps, read now.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    name: String,
    help: String,
    grows: bool,
    label: Option<&'static str>,
    /// The number, or one for each value of the label.
    values: Vec<(String, u64)>,
}

impl Reading {
    /// A number that goes up and down; `name` without `tacitus_`.
    pub(crate) fn gauge(name: impl Into<String>, help: impl Into<String>, value: u64) -> Self {
        let values = vec![(String::new(), value)];
        Self { name: name.into(), help: help.into(), grows: false, label: None, values }
    }

    /// A number that only grows; `name` without `tacitus_` and `_total`.
    pub(crate) fn counter(name: impl Into<String>, help: impl Into<String>, value: u64) -> Self {
        Self { grows: true, ..Self::gauge(name, help, value) }
    }

    /// One number for each value of a label, instead of a single one.
    #[must_use]
    pub(crate) fn by(
        self,
        label: &'static str,
        values: impl IntoIterator<Item = (String, u64)>,
    ) -> Self {
        Self { label: Some(label), values: values.into_iter().collect(), ..self }
    }

    fn enter(&self, registry: &mut Registry) {
        let (name, help) = (self.name.as_str(), self.help.as_str());
        let Some(label) = self.label else {
            let value = self.values.first().map_or(0, |(_, value)| *value);
            if self.grows {
                registry.register(name, help, ConstCounter::new(value));
            } else {
                registry.register(name, help, ConstGauge::new(signed(value)));
            }
            return;
        };
        let gauges = Family::<[(&'static str, String); 1], Gauge>::default();
        let counters = Family::<[(&'static str, String); 1], Counter>::default();
        for (of, value) in &self.values {
            let labels = [(label, of.clone())];
            if self.grows {
                counters.get_or_create(&labels).inc_by(*value);
            } else {
                gauges.get_or_create(&labels).set(signed(*value));
            }
        }
        if self.grows {
            registry.register(name, help, counters);
        } else {
            registry.register(name, help, gauges);
        }
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Seconds; from half a millisecond, about one sync of a good disk, to the longest question.
const SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            http_requests: Family::default(),
            http_seconds: Histogram::new(SECONDS),
            http_connections: Gauge::default(),
            http_connections_refused: Counter::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "tacitus_http_requests",
            "HTTP requests answered",
            self.http_requests.clone(),
        );
        registry.register(
            "tacitus_http_answer_seconds",
            "Time until an answer began",
            self.http_seconds.clone(),
        );
        registry.register(
            "tacitus_http_connections",
            "Open HTTP connections",
            self.http_connections.clone(),
        );
        registry.register(
            "tacitus_http_connections_refused",
            "HTTP connections refused because too many were open",
            self.http_connections_refused.clone(),
        );
        self
    }

    /// Counts an answer; `route` is one of ours, never the path a client sent.
    pub(crate) fn http_answered(&self, route: String, status: u16, after: Duration) {
        let labels = [("route", route), ("status", status.to_string())];
        self.http_requests.get_or_create(&labels).inc();
        self.http_seconds.observe(after.as_secs_f64());
    }

    /// Everything counted, with the readings of this moment.
    ///
    /// # Errors
    /// None in practice: writing to a `String` does not fail.
    pub(crate) fn text(&self, readings: &[Reading]) -> Result<String, std::fmt::Error> {
        let mut now = Registry::with_prefix("tacitus");
        readings.iter().for_each(|reading| reading.enter(&mut now));
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &now)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_readings_are_one_text_that_ends_once() {
        let metrics = Metrics::default();
        metrics.http_answered("/health".to_owned(), 200, Duration::from_millis(1));
        let text = metrics.text(&[Reading::gauge("tags", "Tags", 7)]).unwrap();
        assert!(text.contains("tacitus_http_requests_total{route=\"/health\",status=\"200\"} 1\n"));
        assert!(text.contains("tacitus_tags 7\n"), "{text}");
        assert_eq!(text.matches("# EOF").count(), 1);
    }
}
