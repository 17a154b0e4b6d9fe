//! Units of measure: what they measure, and how they lead to the coherent SI unit of it.
//!
//! `value in SI = value × factor`; temperatures have degrees a kelvin and the reading at 0 °C
//! instead, which keeps whole readings whole.
//!
//! *Source.* NIST Special Publication 811 (2008), appendix B; BIPM, *The International System of
//! Units*, 9th edition (2019). Exact where the definition is; BTU and calorie are those of the
//! International Table, the gallon and the ounce those of the United States, the horsepower
//! that of 550 ft·lbf/s, the ton (`t`) a thousand kilograms.
//!
//! *Invariant.* A name belongs to one unit. Names are told apart by case: `mW` is not `MW`.

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    Temperature,
    Length,
    Area,
    Volume,
    Mass,
    Time,
    Frequency,
    Speed,
    Angle,
    Pressure,
    Force,
    Torque,
    Energy,
    Power,
    Current,
    Voltage,
    Resistance,
    Charge,
    VolumeFlow,
    MassFlow,
    Density,
    Ratio,
    Data,
}

/// A unit: what it measures, its names, its factor, and for a temperature its reading at 0 °C.
type Unit = (Dimension, &'static [&'static str], f64, f64);

const POUND: f64 = 0.453_592_37;
const FOOT: f64 = 0.3048;
const INCH: f64 = 0.0254;
const GRAVITY: f64 = 9.806_65;
const GALLON: f64 = 231.0 * INCH * INCH * INCH;
const POUND_FORCE: f64 = POUND * GRAVITY;
const PSI: f64 = POUND_FORCE / (INCH * INCH);
const BTU: f64 = 1_055.055_852_62;
const CALORIE: f64 = 4.1868;
const HOUR: f64 = 3600.0;
const TURN: f64 = std::f64::consts::TAU;

const UNITS: &[Unit] = {
    use Dimension as D;
    &[
        (D::Temperature, &["K"], 1.0, 273.15),
        (D::Temperature, &["degC", "°C", "Cel"], 1.0, 0.0),
        (D::Temperature, &["degF", "°F"], 1.8, 32.0),
        (D::Temperature, &["degR", "°R"], 1.8, 491.67),
        (D::Length, &["m"], 1.0, 0.0),
        (D::Length, &["km"], 1e3, 0.0),
        (D::Length, &["cm"], 1e-2, 0.0),
        (D::Length, &["mm"], 1e-3, 0.0),
        (D::Length, &["um", "µm"], 1e-6, 0.0),
        (D::Length, &["nm"], 1e-9, 0.0),
        (D::Length, &["in"], INCH, 0.0),
        (D::Length, &["ft"], FOOT, 0.0),
        (D::Length, &["yd"], 3.0 * FOOT, 0.0),
        (D::Length, &["mi"], 5280.0 * FOOT, 0.0),
        (D::Area, &["m2", "m²"], 1.0, 0.0),
        (D::Area, &["cm2", "cm²"], 1e-4, 0.0),
        (D::Area, &["mm2", "mm²"], 1e-6, 0.0),
        (D::Area, &["ha"], 1e4, 0.0),
        (D::Area, &["in2"], INCH * INCH, 0.0),
        (D::Area, &["ft2"], FOOT * FOOT, 0.0),
        (D::Volume, &["m3", "m³"], 1.0, 0.0),
        (D::Volume, &["L", "l", "dm3"], 1e-3, 0.0),
        (D::Volume, &["hL", "hl"], 0.1, 0.0),
        (D::Volume, &["mL", "ml", "cm3"], 1e-6, 0.0),
        (D::Volume, &["gal"], GALLON, 0.0),
        (D::Volume, &["bbl"], 42.0 * GALLON, 0.0),
        (D::Volume, &["ft3"], FOOT * FOOT * FOOT, 0.0),
        (D::Mass, &["kg"], 1.0, 0.0),
        (D::Mass, &["g"], 1e-3, 0.0),
        (D::Mass, &["mg"], 1e-6, 0.0),
        (D::Mass, &["t"], 1e3, 0.0),
        (D::Mass, &["lb"], POUND, 0.0),
        (D::Mass, &["oz"], POUND / 16.0, 0.0),
        (D::Time, &["s"], 1.0, 0.0),
        (D::Time, &["ms"], 1e-3, 0.0),
        (D::Time, &["us", "µs"], 1e-6, 0.0),
        (D::Time, &["ns"], 1e-9, 0.0),
        (D::Time, &["min"], 60.0, 0.0),
        (D::Time, &["h"], HOUR, 0.0),
        (D::Time, &["d"], 24.0 * HOUR, 0.0),
        (D::Frequency, &["Hz", "1/s"], 1.0, 0.0),
        (D::Frequency, &["kHz"], 1e3, 0.0),
        (D::Frequency, &["MHz"], 1e6, 0.0),
        (D::Frequency, &["GHz"], 1e9, 0.0),
        (D::Frequency, &["rpm", "1/min"], 1.0 / 60.0, 0.0),
        (D::Speed, &["m/s"], 1.0, 0.0),
        (D::Speed, &["m/min"], 1.0 / 60.0, 0.0),
        (D::Speed, &["mm/s"], 1e-3, 0.0),
        (D::Speed, &["km/h"], 1e3 / HOUR, 0.0),
        (D::Speed, &["mph"], 5280.0 * FOOT / HOUR, 0.0),
        (D::Speed, &["ft/s"], FOOT, 0.0),
        (D::Speed, &["ft/min", "fpm"], FOOT / 60.0, 0.0),
        (D::Speed, &["kn"], 1852.0 / HOUR, 0.0),
        (D::Angle, &["rad"], 1.0, 0.0),
        (D::Angle, &["deg", "°"], TURN / 360.0, 0.0),
        (D::Angle, &["rev"], TURN, 0.0),
        (D::Pressure, &["Pa"], 1.0, 0.0),
        (D::Pressure, &["hPa", "mbar"], 1e2, 0.0),
        (D::Pressure, &["kPa"], 1e3, 0.0),
        (D::Pressure, &["MPa"], 1e6, 0.0),
        (D::Pressure, &["bar"], 1e5, 0.0),
        (D::Pressure, &["atm"], 101_325.0, 0.0),
        (D::Pressure, &["at"], GRAVITY * 1e4, 0.0),
        (D::Pressure, &["psi"], PSI, 0.0),
        (D::Pressure, &["Torr"], 101_325.0 / 760.0, 0.0),
        (D::Pressure, &["mmHg"], 133.322_4, 0.0),
        (D::Pressure, &["inHg"], 3386.389, 0.0),
        (D::Pressure, &["mmH2O"], GRAVITY, 0.0),
        (D::Pressure, &["inH2O"], 249.088_9, 0.0),
        (D::Force, &["N"], 1.0, 0.0),
        (D::Force, &["kN"], 1e3, 0.0),
        (D::Force, &["lbf"], POUND_FORCE, 0.0),
        (D::Force, &["kgf"], GRAVITY, 0.0),
        (D::Torque, &["Nm", "N.m"], 1.0, 0.0),
        (D::Torque, &["kNm"], 1e3, 0.0),
        (D::Torque, &["ft.lbf", "lbf.ft"], FOOT * POUND_FORCE, 0.0),
        (D::Torque, &["in.lbf", "lbf.in"], INCH * POUND_FORCE, 0.0),
        (D::Energy, &["J", "Ws"], 1.0, 0.0),
        (D::Energy, &["kJ"], 1e3, 0.0),
        (D::Energy, &["MJ"], 1e6, 0.0),
        (D::Energy, &["GJ"], 1e9, 0.0),
        (D::Energy, &["Wh"], HOUR, 0.0),
        (D::Energy, &["kWh"], 1e3 * HOUR, 0.0),
        (D::Energy, &["MWh"], 1e6 * HOUR, 0.0),
        (D::Energy, &["GWh"], 1e9 * HOUR, 0.0),
        (D::Energy, &["cal"], CALORIE, 0.0),
        (D::Energy, &["kcal"], 1e3 * CALORIE, 0.0),
        (D::Energy, &["BTU"], BTU, 0.0),
        (D::Energy, &["MMBTU"], 1e6 * BTU, 0.0),
        (D::Energy, &["therm"], 1e5 * BTU, 0.0),
        (D::Power, &["W", "J/s"], 1.0, 0.0),
        (D::Power, &["mW"], 1e-3, 0.0),
        (D::Power, &["kW"], 1e3, 0.0),
        (D::Power, &["MW"], 1e6, 0.0),
        (D::Power, &["GW"], 1e9, 0.0),
        (D::Power, &["hp"], 550.0 * FOOT * POUND_FORCE, 0.0),
        (D::Power, &["BTU/h"], BTU / HOUR, 0.0),
        (D::Current, &["A"], 1.0, 0.0),
        (D::Current, &["kA"], 1e3, 0.0),
        (D::Current, &["mA"], 1e-3, 0.0),
        (D::Current, &["uA", "µA"], 1e-6, 0.0),
        (D::Voltage, &["V"], 1.0, 0.0),
        (D::Voltage, &["kV"], 1e3, 0.0),
        (D::Voltage, &["mV"], 1e-3, 0.0),
        (D::Voltage, &["uV", "µV"], 1e-6, 0.0),
        (D::Resistance, &["Ohm", "ohm", "Ω"], 1.0, 0.0),
        (D::Resistance, &["kOhm", "kohm", "kΩ"], 1e3, 0.0),
        (D::Resistance, &["MOhm", "Mohm", "MΩ"], 1e6, 0.0),
        (D::Charge, &["C", "As"], 1.0, 0.0),
        (D::Charge, &["Ah"], HOUR, 0.0),
        (D::Charge, &["mAh"], HOUR * 1e-3, 0.0),
        (D::VolumeFlow, &["m3/s", "m³/s"], 1.0, 0.0),
        (D::VolumeFlow, &["m3/h", "m³/h"], 1.0 / HOUR, 0.0),
        (D::VolumeFlow, &["m3/min"], 1.0 / 60.0, 0.0),
        (D::VolumeFlow, &["L/s", "l/s"], 1e-3, 0.0),
        (D::VolumeFlow, &["L/min", "l/min"], 1e-3 / 60.0, 0.0),
        (D::VolumeFlow, &["L/h", "l/h"], 1e-3 / HOUR, 0.0),
        (D::VolumeFlow, &["mL/min", "ml/min"], 1e-6 / 60.0, 0.0),
        (D::VolumeFlow, &["gpm", "gal/min"], GALLON / 60.0, 0.0),
        (D::VolumeFlow, &["cfm", "ft3/min"], FOOT * FOOT * FOOT / 60.0, 0.0),
        (D::VolumeFlow, &["bbl/d"], 42.0 * GALLON / (24.0 * HOUR), 0.0),
        (D::MassFlow, &["kg/s"], 1.0, 0.0),
        (D::MassFlow, &["kg/min"], 1.0 / 60.0, 0.0),
        (D::MassFlow, &["kg/h"], 1.0 / HOUR, 0.0),
        (D::MassFlow, &["g/s"], 1e-3, 0.0),
        (D::MassFlow, &["t/h"], 1e3 / HOUR, 0.0),
        (D::MassFlow, &["lb/h"], POUND / HOUR, 0.0),
        (D::MassFlow, &["lb/min"], POUND / 60.0, 0.0),
        (D::Density, &["kg/m3", "kg/m³", "g/L", "g/l"], 1.0, 0.0),
        (D::Density, &["g/cm3", "g/mL", "kg/L"], 1e3, 0.0),
        (D::Density, &["lb/ft3"], POUND / (FOOT * FOOT * FOOT), 0.0),
        (D::Density, &["lb/gal"], POUND / GALLON, 0.0),
        (D::Ratio, &["1"], 1.0, 0.0),
        (D::Ratio, &["%"], 1e-2, 0.0),
        (D::Ratio, &["ppm"], 1e-6, 0.0),
        (D::Ratio, &["ppb"], 1e-9, 0.0),
        (D::Data, &["B"], 1.0, 0.0),
        (D::Data, &["bit"], 0.125, 0.0),
        (D::Data, &["kB"], 1e3, 0.0),
        (D::Data, &["MB"], 1e6, 0.0),
        (D::Data, &["GB"], 1e9, 0.0),
        (D::Data, &["KiB"], 1024.0, 0.0),
        (D::Data, &["MiB"], 1_048_576.0, 0.0),
        (D::Data, &["GiB"], 1_073_741_824.0, 0.0),
    ]
};

/// The unit of a name.
pub(super) fn named(name: &str) -> Option<&'static Unit> {
    UNITS.iter().find(|unit| unit.1.contains(&name))
}

/// The names of the units of a dimension; of all without one.
pub(super) fn names(of: Option<Dimension>) -> impl Iterator<Item = &'static str> {
    let within = move |unit: &&Unit| of.is_none_or(|of| of == unit.0);
    UNITS.iter().filter(within).filter_map(|unit| unit.1.first().copied())
}

/// What one unit's values are in another; `None` where they measure different things.
pub(super) fn convert(from: &Unit, to: &Unit) -> Option<impl Fn(f64) -> f64 + use<>> {
    let (thermal, (own, zero), (other, reading)) =
        (from.0 == Dimension::Temperature, (from.2, from.3), (to.2, to.3));
    (from.0 == to.0).then_some(move |value: f64| {
        if thermal { (value - zero) / own * other + reading } else { value * (own / other) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_one_unit() {
        let all: Vec<&str> = UNITS.iter().flat_map(|unit| unit.1).copied().collect();
        let distinct: std::collections::BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), distinct.len());
    }

    #[test]
    fn units_convert_as_the_tables_say() {
        for (value, from, to, want) in [
            (100.0, "degC", "degF", 212.0),
            (-40.0, "degF", "degC", -40.0),
            (0.0, "K", "degC", -273.15),
            (1.0, "bar", "psi", 14.503_773_8),
            (1.0, "kWh", "MJ", 3.6),
            (1.0, "gal", "L", 3.785_411_784),
            (1.0, "hp", "W", 745.699_871_58),
            (1500.0, "rpm", "Hz", 25.0),
            (1.0, "BTU", "kJ", 1.055_055_852_62),
            (180.0, "deg", "rad", std::f64::consts::PI),
            (1.0, "m3/h", "L/min", 16.666_666_667),
        ] {
            let convert = convert(named(from).unwrap(), named(to).unwrap()).unwrap();
            let have = convert(value);
            assert!((have - want).abs() < 1e-6 * want.abs().max(1.0), "{from} {to} {have}");
        }
    }

    #[test]
    fn what_measures_another_thing_does_not_convert() {
        assert!(convert(named("bar").unwrap(), named("K").unwrap()).is_none());
        assert!(named("mw").is_none());
    }
}
