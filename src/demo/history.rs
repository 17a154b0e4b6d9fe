//! The plant's tags, and its first hour.
//!
//! *Invariant.* The first hour takes the same way as every other sample and is on disk when
//! [`fill`] returns.

use tacitus_model::{TagDefinition, TagPath, Timestamp};
use tacitus_protocol::Point;
use tacitus_storage::Engine;

use super::Parts;
use super::plant::{Plant, Way};

/// How much there is at the start.
const HOUR_NS: i64 = 3_600_000_000_000;

/// How far apart its samples are.
const STEP_NS: i64 = 5_000_000_000;

/// LIMIT: points written at a time, about 10 steps of the plant.
const POINTS_MAX: usize = 2_000;

/// Makes the plant's tags known with their units and descriptions.
pub(super) fn define(plant: &Plant, engine: &Engine) -> Result<(), String> {
    for signal in plant.signals() {
        let path = TagPath::new(&signal.path()).map_err(|error| error.to_string())?;
        let source = if signal.way == Way::OpcUa { "opcua:demo" } else { "mqtt" };
        let mut definition = TagDefinition::new(path, signal.kind, source);
        signal.unit.clone_into(&mut definition.unit);
        signal.description.clone_into(&mut definition.description);
        definition.quantum_ns = 1_000_000;
        definition.states = signal.states.iter().map(ToString::to_string).collect();
        engine.catalog().define(definition).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Lets the plant work through the last hour and writes what its devices report, unless this
/// directory already holds a demonstration.
pub(super) async fn fill(plant: &mut Plant, parts: &Parts) -> Result<(), String> {
    let snapshot = parts.engine.snapshot();
    let has_samples =
        |path: String| snapshot.find(&path).is_some_and(|tag| snapshot.latest(tag.id).is_some());
    if plant.signals().iter().any(|signal| has_samples(signal.path())) {
        return Ok(());
    }
    let now_ns = parts.clock.now().quantised(STEP_NS).nanos();
    let mut points: Vec<Point> = Vec::new();
    let mut ts_ns = now_ns.saturating_sub(HOUR_NS);
    while ts_ns < now_ns {
        for report in plant.step(Timestamp::from_nanos(ts_ns)) {
            let Some(signal) = plant.signals().get(report.signal) else { continue };
            let point = Point::new(signal.path(), report.value);
            points.push(point.at(Some(report.ts)).with_quality(report.quality));
        }
        ts_ns += STEP_NS;
        if points.len() >= POINTS_MAX || ts_ns >= now_ns {
            let resolved = parts.ingest.resolve(std::mem::take(&mut points), "demo");
            if let Some(refused) = resolved.refused.first() {
                return Err(format!("{}: {}", refused.path, refused.reason));
            }
            parts.ingest.write(resolved.batch).await.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}
