//! The simulated plant: two bottling lines and their utilities, as a function of a seed and the
//! time of day.
//!
//! ```text
//! demo/line1/{filler,capper,pasteuriser,labeller,packer,palletiser}/…
//! demo/line1/{product,batch,operator,…}      demo/utilities/…
//! ```
//! A batch takes 20 minutes and begins with a changeover. Now and then a machine faults: it
//! stands still with speed 0, the machines before it are blocked, those after it are starved.
//! Products are counted only while a machine runs; the counters begin anew with every batch.
//!
//! *Invariant.* The same seed and the same steps give the same values, bit for bit: there is no
//! clock, no randomness and no I/O here.

mod machine;
mod signals;

use tacitus_model::{Kind, Quality, Timestamp, Value};

use machine::{Condition, MACHINES, Moment};
use signals::{Behaviour, LINE, Shape, UTILITIES};

/// Seconds of one batch.
const BATCH_S: i64 = 20 * 60;

/// Seconds after which a value that did not change is reported all the same.
const REPEAT_S: i64 = 60;

/// The status code a broken sensor reports (Part 6, A.2).
const BAD_SENSOR_FAILURE: Quality = Quality(0x808C_0000);

/// The status code of a sensor at its limit (Part 6, A.2).
const UNCERTAIN_SENSOR_NOT_ACCURATE: Quality = Quality(0x4093_0000);

/// How a signal leaves the plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As an MQTT message of its own: the topic is the tag, the payload the value.
    Plain,
    /// As a member of its machine's JSON message over MQTT.
    Json,
    /// As a variable of the plant's OPC UA server.
    OpcUa,
}

/// A signal of the plant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// The machine, as a tag path: `demo/line1/filler`.
    pub device: String,
    /// The signal's name below it.
    pub name: &'static str,
    /// The unit; empty for none.
    pub unit: &'static str,
    /// What it measures.
    pub description: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// The names of its states, by index; empty for other kinds.
    pub states: &'static [&'static str],
    /// How it leaves the plant.
    pub way: Way,
}

/// A value a device reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose: an index into [`Plant::signals`].
    pub signal: usize,
    /// When it was so.
    pub ts: Timestamp,
    /// What it was.
    pub value: Value,
    /// How far the device trusts it.
    pub quality: Quality,
}

/// The plant and where it is in its work.
#[derive(Debug)]
pub struct Plant {
    seed: u64,
    signals: Vec<Signal>,
    sources: Vec<Source>,
    before: Option<i64>,
}

/// What a signal needs to go on.
#[derive(Debug)]
struct Source {
    shape: &'static Shape,
    line: Option<u64>,
    machine: Option<usize>,
    count: f64,
    reported: Option<(i64, Value)>,
}

impl Signal {
    /// The tag it is.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.device, self.name)
    }
}

impl Plant {
    /// A plant that has not run yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut plant = Self { seed, signals: Vec::new(), sources: Vec::new(), before: None };
        for line in 0..2_u64 {
            let name = format!("demo/line{}", line + 1);
            plant.add(&name, LINE, Way::Plain, Some(line), None);
            for (index, machine) in MACHINES.iter().enumerate() {
                let device = format!("{name}/{}", machine.name);
                plant.add(&device, signals::COMMON, machine.way, Some(line), Some(index));
                plant.add(&device, machine.signals, machine.way, Some(line), Some(index));
            }
        }
        plant.add("demo/utilities", UTILITIES, Way::Plain, None, None);
        plant
    }

    fn add(
        &mut self,
        device: &str,
        shapes: &'static [Shape],
        way: Way,
        line: Option<u64>,
        machine: Option<usize>,
    ) {
        for shape in shapes {
            self.signals.push(Signal {
                device: device.to_owned(),
                name: shape.name,
                unit: shape.unit,
                description: shape.description,
                kind: shape.behaviour.kind(),
                states: shape.behaviour.states(),
                way,
            });
            self.sources.push(Source { shape, line, machine, count: 0.0, reported: None });
        }
    }

    /// Every signal, in the order of its index.
    #[must_use]
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// Makes every device report all it has at the next step, as after being switched on.
    pub fn report_all(&mut self) {
        self.sources.iter_mut().for_each(|source| source.reported = None);
    }

    /// Lets the plant work until `ts` and returns what its devices report then. Measurements are
    /// reported at every step, everything else when it changes and once a minute.
    pub fn step(&mut self, ts: Timestamp) -> Vec<Report> {
        let now_s = ts.nanos().div_euclid(1_000_000_000);
        let passed_s = self.before.map_or(0, |before| (now_s - before).clamp(0, 60));
        self.before = Some(now_s);
        let mut reports = Vec::with_capacity(self.sources.len());
        for (signal, source) in self.sources.iter_mut().enumerate() {
            let salt = u64::try_from(signal).unwrap_or_default();
            let moment = Moment::at(self.seed, source.line, source.machine, now_s);
            let value = source.value(self.seed ^ (salt << 32), &moment, passed_s);
            let quality = source.quality(&moment);
            let measured = matches!(source.shape.behaviour, Behaviour::Measured { .. });
            let due = match &source.reported {
                Some((at, last)) => *last != value || now_s - at >= REPEAT_S,
                None => true,
            };
            if measured || due {
                source.reported = Some((now_s, value.clone()));
                reports.push(Report { signal, ts, value, quality });
            }
        }
        reports
    }
}

/// Whether a device's messages wait at this moment: the packer of line 2 loses its network for a
/// minute in ten and then sends everything it kept, late.
#[must_use]
pub fn is_cut_off(device: &str, ts: Timestamp) -> bool {
    let second = ts.nanos().div_euclid(1_000_000_000).rem_euclid(600);
    device == "demo/line2/packer" && (300..360).contains(&second)
}

impl Source {
    fn value(&mut self, salt: u64, moment: &Moment, passed_s: i64) -> Value {
        let running = moment.condition == Condition::Running;
        match &self.shape.behaviour {
            Behaviour::Measured { mean, swing, period_s, noise, decimals, idle } => {
                let wave = machine::wave(moment.second, *period_s, salt);
                let hiss = machine::unit(salt, moment.second) + machine::unit(!salt, moment.second);
                let level = if running || idle.is_nan() { *mean } else { *idle };
                // What stands still swings and trembles less; what is at zero not at all.
                let liveliness = level / mean;
                let moved = (swing * wave + noise * (hiss - 1.0)) * liveliness;
                Value::Float(rounded(level + moved, *decimals))
            }
            Behaviour::SetPoint(choices) => Value::Float(pick(choices, moment.batch)),
            Behaviour::Counter { per_minute, share } => {
                if moment.in_changeover {
                    self.count = 0.0;
                } else if running {
                    self.count += per_minute * share * as_float(passed_s) / 60.0;
                }
                #[expect(clippy::cast_possible_truncation, reason = "a batch counts thousands")]
                let whole = self.count as i64;
                Value::Int(whole)
            }
            Behaviour::Condition => Value::State(moment.condition as u32),
            Behaviour::Running => Value::Bool(running),
            Behaviour::FaultCode => Value::Int(moment.fault_code),
            Behaviour::Text(choices) => {
                let choice = usize::try_from(moment.batch.rem_euclid(4)).unwrap_or_default();
                Value::Text(choices.get(choice).copied().unwrap_or_default().into())
            }
            Behaviour::Batch => {
                let line = self.line.map_or(0, |line| line + 1);
                Value::Text(format!("L{line}-{:06}", moment.batch.rem_euclid(1_000_000)).into())
            }
        }
    }

    /// The water temperature sensor of line 1's pasteuriser fails for 25 s in five minutes, and
    /// its flow meter is at its limit for 20 s after that.
    fn quality(&self, moment: &Moment) -> Quality {
        let here = self.line == Some(0) && self.machine.is_some();
        let second = moment.second.rem_euclid(300);
        match self.shape.name {
            "water_temperature" if here && (200..225).contains(&second) => BAD_SENSOR_FAILURE,
            "water_flow" if here && (225..245).contains(&second) => UNCERTAIN_SENSOR_NOT_ACCURATE,
            _ => Quality::GOOD,
        }
    }
}

fn pick(choices: &[f64; 4], batch: i64) -> f64 {
    let choice = usize::try_from(batch.rem_euclid(4)).unwrap_or_default();
    choices.get(choice).copied().unwrap_or_default()
}

fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a step, far below 2^53")]
fn as_float(seconds: i64) -> f64 {
    seconds as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    const START_S: i64 = 1_790_001_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_nanos(second * 1_000_000_000)
    }

    /// Every report of an hour, by tag.
    fn hour(seed: u64) -> BTreeMap<String, Vec<Report>> {
        let mut plant = Plant::new(seed);
        let mut hour: BTreeMap<String, Vec<Report>> = BTreeMap::new();
        for second in START_S..START_S + 3600 {
            for report in plant.step(at(second)) {
                hour.entry(plant.signals[report.signal].path()).or_default().push(report);
            }
        }
        hour
    }

    fn held_at(reports: &[Report], ts: Timestamp) -> Option<&Value> {
        reports.iter().rev().find(|report| report.ts <= ts).map(|report| &report.value)
    }

    #[test]
    fn about_two_hundred_tags_each_with_a_name_of_its_own() {
        let plant = Plant::new(1);
        let paths: BTreeSet<String> = plant.signals().iter().map(Signal::path).collect();
        assert_eq!(paths.len(), plant.signals().len());
        assert!((190..=230).contains(&paths.len()), "{}", paths.len());
        for way in [Way::Plain, Way::Json, Way::OpcUa] {
            assert!(plant.signals().iter().any(|signal| signal.way == way), "{way:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_hour_and_another_seed_another() {
        assert_eq!(hour(7), hour(7));
        assert_ne!(hour(7), hour(8));
    }

    #[test]
    fn a_machine_that_does_not_run_has_speed_zero_and_counts_nothing() {
        let hour = hour(3);
        let states = &hour["demo/line1/filler/state"];
        let speeds = &hour["demo/line1/filler/speed"];
        let counts = &hour["demo/line1/filler/good_count"];
        let mut stops = 0;
        for speed in speeds {
            let state = held_at(states, speed.ts).unwrap();
            let running = *state == Value::State(0);
            assert_eq!(speed.value != Value::Float(0.0), running, "{state:?} {speed:?}");
            stops += i32::from(!running);
        }
        assert!(stops > 60, "an hour has changeovers and faults: {stops} s stood still");
        let counted = counts.windows(2).filter(|pair| pair[0].value != pair[1].value);
        for pair in counted {
            let state = held_at(states, pair[1].ts).unwrap();
            let moves = [Value::State(0), Value::State(1)];
            assert!(moves.contains(state), "{state:?} {pair:?}");
        }
    }

    #[test]
    fn counters_begin_anew_with_every_batch() {
        let hour = hour(3);
        let falls = hour["demo/line1/packer/good_count"]
            .windows(2)
            .filter(|pair| pair[1].value.as_number() < pair[0].value.as_number())
            .count();
        assert_eq!(falls, 3, "an hour has three batches");
    }

    #[test]
    fn a_sensor_fails_and_recovers() {
        let hour = hour(3);
        let reports = &hour["demo/line1/pasteuriser/water_temperature"];
        let bad = reports.iter().filter(|report| report.quality.is_bad()).count();
        assert_eq!(bad, 12 * 25);
    }

    #[test]
    fn measurements_have_the_decimals_of_their_instrument() {
        for report in &hour(3)["demo/line1/filler/product_temperature"] {
            let text = report.value.as_number().unwrap().to_string();
            let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            assert!(decimals <= 2, "{text}");
        }
    }
}
