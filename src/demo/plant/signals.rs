//! The signals of the plant: names, units, and how each behaves.
//!
//! *Invariant.* Set-points and texts have one choice per product, and there are four products.

use tacitus_model::Kind;

use super::machine::Condition;

/// A signal of every device of a sort.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) description: &'static str,
    pub(super) behaviour: Behaviour,
}

/// How a signal behaves.
#[derive(Debug)]
pub(super) enum Behaviour {
    /// A sensor: a level, a slow wave around it, noise, and the level while the machine stands;
    /// a NaN there means that it makes no difference.
    Measured { mean: f64, swing: f64, period_s: i64, noise: f64, decimals: i32, idle: f64 },
    /// A value per product.
    SetPoint([f64; 4]),
    /// Counts a share of the line's products while the machine runs, from 0 with every batch.
    Counter { per_minute: f64, share: f64 },
    /// What the machine is doing, as a word.
    Condition,
    /// Whether the machine runs.
    Running,
    /// The number of the fault; 0 for none.
    FaultCode,
    /// A text per product.
    Text([&'static str; 4]),
    /// The number of the batch.
    Batch,
}

impl Behaviour {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Measured { .. } | Self::SetPoint(_) => Kind::Float,
            Self::Counter { .. } | Self::FaultCode => Kind::Int,
            Self::Running => Kind::Bool,
            Self::Condition => Kind::State,
            Self::Text(_) | Self::Batch => Kind::Text,
        }
    }

    pub(super) const fn states(&self) -> &'static [&'static str] {
        match self {
            Self::Condition => &Condition::NAMES,
            _ => &[],
        }
    }
}

/// Bottles a minute a line makes.
const SPEED: f64 = 480.0;

const fn shape(
    name: &'static str,
    unit: &'static str,
    description: &'static str,
    behaviour: Behaviour,
) -> Shape {
    Shape { name, unit, description, behaviour }
}

/// A sensor that falls to `idle` while its machine stands.
const fn measured([mean, swing, noise, idle]: [f64; 4], period_s: i64, decimals: i32) -> Behaviour {
    Behaviour::Measured { mean, swing, period_s, noise, decimals, idle }
}

/// A sensor that does not care whether a machine runs.
const fn steady([mean, swing, noise]: [f64; 3], period_s: i64, decimals: i32) -> Behaviour {
    measured([mean, swing, noise, f64::NAN], period_s, decimals)
}

const fn counter(share: f64) -> Behaviour {
    Behaviour::Counter { per_minute: SPEED, share }
}

/// What a line says of its work.
pub(super) const LINE: &[Shape] = &[
    shape(
        "product",
        "",
        "product being made",
        Behaviour::Text([
            "Spring water 0.5 l",
            "Lemonade 0.33 l",
            "Apple juice 1 l",
            "Cola 0.33 l",
        ]),
    ),
    shape("batch", "", "number of the batch", Behaviour::Batch),
    shape(
        "operator",
        "",
        "who runs the line",
        Behaviour::Text(["A. Keller", "M. Okafor", "J. Lindqvist", "S. Marino"]),
    ),
    shape(
        "ideal_rate",
        "1/min",
        "bottles a minute the product allows",
        Behaviour::SetPoint([520.0, 500.0, 480.0, 500.0]),
    ),
    shape("hall_temperature", "°C", "air at the line", steady([22.4, 1.6, 0.1], 3_600, 1)),
    shape(
        "hall_humidity",
        "%",
        "relative humidity at the line",
        steady([48.0, 5.0, 0.4], 5_400, 1),
    ),
];

/// What every machine says.
pub(super) const COMMON: &[Shape] = &[
    shape("state", "", "what the machine is doing", Behaviour::Condition),
    shape("running", "", "whether the machine runs", Behaviour::Running),
    shape("fault_code", "", "number of the fault, 0 for none", Behaviour::FaultCode),
    shape("speed", "1/min", "bottles a minute", measured([SPEED, 6.0, 3.0, 0.0], 420, 1)),
    shape(
        "speed_setpoint",
        "1/min",
        "bottles a minute asked for",
        Behaviour::SetPoint([480.0, 480.0, 460.0, 480.0]),
    ),
    shape("good_count", "", "good bottles of this batch", counter(0.992)),
    shape("reject_count", "", "rejected bottles of this batch", counter(0.008)),
    shape("motor_current", "A", "main drive", measured([11.8, 0.7, 0.35, 0.4], 180, 2)),
    shape(
        "motor_temperature",
        "°C",
        "winding of the main drive",
        measured([61.0, 3.0, 0.2, 48.0], 900, 1),
    ),
    shape(
        "vibration",
        "mm/s",
        "bearing, root mean square",
        measured([1.9, 0.3, 0.25, 0.05], 240, 3),
    ),
    shape("power", "kW", "active power", measured([7.4, 0.5, 0.2, 0.9], 300, 2)),
];

pub(super) const FILLER: &[Shape] = &[
    shape("product_temperature", "°C", "product at the valve", steady([4.2, 0.5, 0.06], 700, 2)),
    shape("tank_level", "%", "product in the bowl", steady([71.0, 9.0, 0.5], 260, 1)),
    shape("tank_pressure", "bar", "bowl", measured([3.2, 0.15, 0.03, 2.6], 380, 3)),
    shape("flow", "l/min", "product into the bowl", measured([236.0, 8.0, 3.0, 0.0], 200, 1)),
    shape("fill_volume", "ml", "last bottle", measured([500.4, 0.8, 0.6, 500.4], 330, 1)),
];

pub(super) const CAPPER: &[Shape] = &[
    shape("torque", "Nm", "last closure", measured([1.62, 0.06, 0.05, 0.0], 150, 3)),
    shape("torque_setpoint", "Nm", "closure asked for", Behaviour::SetPoint([1.6, 1.6, 1.75, 1.6])),
    shape("cap_level", "%", "caps in the hopper", steady([55.0, 30.0, 0.8], 1_100, 0)),
];

pub(super) const PASTEURISER: &[Shape] = &[
    shape("zone1_temperature", "°C", "preheating", steady([45.0, 0.8, 0.12], 500, 2)),
    shape("zone2_temperature", "°C", "heating", steady([58.0, 0.6, 0.12], 480, 2)),
    shape("zone3_temperature", "°C", "holding", steady([62.1, 0.3, 0.08], 460, 2)),
    shape("zone4_temperature", "°C", "cooling", steady([34.0, 1.1, 0.15], 520, 2)),
    shape(
        "zone3_setpoint",
        "°C",
        "holding, asked for",
        Behaviour::SetPoint([62.0, 62.0, 65.0, 62.0]),
    ),
    shape("water_temperature", "°C", "circuit, return", steady([51.3, 0.9, 0.1], 610, 2)),
    shape("water_flow", "m³/h", "circuit", steady([38.5, 1.4, 0.3], 340, 2)),
    shape("steam_valve", "%", "position", steady([43.0, 11.0, 0.6], 290, 1)),
];

pub(super) const LABELLER: &[Shape] = &[
    shape("glue_temperature", "°C", "applicator", steady([148.0, 1.8, 0.3], 430, 1)),
    shape("label_roll", "%", "left on the roll", steady([50.0, 48.0, 0.0], 2_400, 1)),
    shape(
        "label_offset",
        "mm",
        "last bottle, from where it belongs",
        measured([0.1, 0.2, 0.3, 0.1], 170, 2),
    ),
];

pub(super) const PACKER: &[Shape] = &[
    shape("box_count", "", "boxes of this batch", counter(1.0 / 12.0)),
    shape("film_tension", "N", "shrink film", measured([182.0, 6.0, 2.5, 20.0], 210, 1)),
    shape("oven_temperature", "°C", "shrink tunnel", steady([176.0, 2.5, 0.5], 560, 1)),
];

pub(super) const PALLETISER: &[Shape] = &[
    shape("pallet_count", "", "pallets of this batch", counter(1.0 / 720.0)),
    shape("axis_load", "%", "lifting axis", measured([57.0, 16.0, 4.0, 3.0], 45, 1)),
];

/// What the plant needs besides.
pub(super) const UTILITIES: &[Shape] = &[
    shape("air_pressure", "bar", "compressed air", steady([7.1, 0.2, 0.03], 240, 3)),
    shape("air_flow", "m³/h", "compressed air", steady([612.0, 40.0, 9.0], 300, 1)),
    shape("compressor_power", "kW", "active power", steady([74.0, 9.0, 1.5], 300, 1)),
    shape("steam_pressure", "bar", "boiler", steady([8.4, 0.25, 0.04], 420, 3)),
    shape("steam_flow", "t/h", "boiler", steady([2.9, 0.4, 0.06], 510, 3)),
    shape("boiler_temperature", "°C", "boiler", steady([173.5, 1.2, 0.2], 600, 1)),
    shape("chilled_water_supply", "°C", "to the lines", steady([2.1, 0.3, 0.05], 380, 2)),
    shape("chilled_water_return", "°C", "from the lines", steady([7.6, 0.5, 0.06], 440, 2)),
    shape("co2_tank_level", "%", "carbon dioxide", steady([63.0, 14.0, 0.05], 14_400, 2)),
    shape("water_meter_flow", "m³/h", "city water", steady([21.0, 4.0, 0.7], 700, 2)),
    shape("power", "kW", "active power of the plant", steady([418.0, 37.0, 6.0], 900, 1)),
    shape("power_factor", "", "of the plant", steady([0.94, 0.02, 0.004], 900, 3)),
];
