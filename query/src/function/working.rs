//! When a plant works: `shift(asset, ts)`, `crew(asset, ts)`, `production_day(asset, ts)`.
//!
//! The first argument is an asset, a tag or anything else below one, or the name of a calendar.
//!
//! - `shift`: the name of the shift that runs; null between shifts.
//! - `crew`: who works in it; null without a rotation.
//! - `production_day`: the date of the production day; of an asset without a calendar the date in
//!   its time zone.
//!
//! *Invariant.* They say of a moment what the relation `shifts` lists. A production day never
//! falls as time goes on, so that groups by it are spans of time.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Date32Builder, StringViewArray, StringViewBuilder, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, TimestampNanosecondType};
use datafusion::common::ScalarValue;
use datafusion::common::cast::as_string_view_array;
use datafusion::error::Result;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::calendar::{Calendar, CalendarDefinition, Finder, Schedule};
use crate::error::{QueryError, SqlState, nearest};
use crate::plant::Places;
use crate::relation::moment;

/// The functions, as a statement sees the plant.
pub(crate) fn of_calendars(places: &Places) -> [ScalarUDF; 3] {
    [Tells::Shift, Tells::Crew, Tells::Day].map(|tells| {
        let arguments = vec![DataType::Utf8View, moment()];
        let signature = Signature::exact(arguments, Volatility::Stable);
        ScalarUDF::from(Working { tells, places: places.clone(), signature })
    })
}

/// What a function tells of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Tells {
    Shift,
    Crew,
    Day,
}

/// One of the functions.
#[derive(Debug)]
struct Working {
    tells: Tells,
    places: Places,
    signature: Signature,
}

impl PartialEq for Working {
    fn eq(&self, other: &Self) -> bool {
        let (own, others) = (self.places.snapshot(), other.places.snapshot());
        self.tells == other.tells && own.sequence() == others.sequence()
    }
}

impl Eq for Working {}

impl Hash for Working {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tells.hash(state);
    }
}

impl Working {
    /// What finds shifts and days of something; `None` where nobody knows.
    fn finder(&self, name: &str) -> Option<Finder> {
        self.places.schedule(name).or_else(|| self.without_calendar(name)).map(Finder::new)
    }

    /// The days of an asset that has no calendar: those of its time zone.
    fn without_calendar(&self, name: &str) -> Option<Schedule> {
        let asset = self.places.of_path(name)?;
        let calendar = Calendar::new(CalendarDefinition::default()).ok()?;
        let zone = self.places.plant().timezone(&asset.path);
        Some(Schedule::new(Arc::new(calendar), zone))
    }

    /// Refuses a name that nobody knows.
    fn check(&self, name: &str) -> Result<()> {
        if self.finder(name).is_some() {
            return Ok(());
        }
        let plant = self.places.plant();
        let what = format!("\"{name}\" belongs to no asset and is no calendar");
        let error = QueryError::new(SqlState::INVALID_PARAMETER_VALUE, what);
        let assets = plant.assets().map(|asset| asset.path.as_str());
        let known = assets.chain(plant.calendars().map(|(name, _)| name));
        Err(match nearest(name, known) {
            Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
            None => error.with_hint("SELECT path, calendar FROM assets lists what there is"),
        }
        .into())
    }

    fn days(&self, names: &StringViewArray, moments: &TimestampNanosecondArray) -> ArrayRef {
        let mut finders = Finders::new(self);
        let mut days = Date32Builder::with_capacity(moments.len());
        for (name, moment) in names.iter().zip(moments) {
            let day = name.zip(moment).and_then(|(name, moment)| {
                finders.of(name).map(|finder| finder.production_day(moment))
            });
            days.append_option(day);
        }
        Arc::new(days.finish())
    }

    fn words(&self, names: &StringViewArray, moments: &TimestampNanosecondArray) -> ArrayRef {
        let mut finders = Finders::new(self);
        let mut words = StringViewBuilder::with_capacity(moments.len());
        for (name, moment) in names.iter().zip(moments) {
            let span = name
                .zip(moment)
                .and_then(|(name, moment)| finders.of(name).and_then(|own| own.shift_at(moment)));
            words.append_option(span.and_then(|span| match self.tells {
                Tells::Crew => span.crew.as_deref(),
                _ => Some(&*span.shift),
            }));
        }
        Arc::new(words.finish())
    }
}

/// The finders of what a batch names.
struct Finders<'a> {
    of: &'a Working,
    known: HashMap<String, Option<Finder>>,
}

impl<'a> Finders<'a> {
    fn new(of: &'a Working) -> Self {
        Self { of, known: HashMap::new() }
    }

    fn of(&mut self, name: &str) -> Option<&mut Finder> {
        if !self.known.contains_key(name) {
            self.known.insert(name.to_owned(), self.of.finder(name));
        }
        self.known.get_mut(name).and_then(Option::as_mut)
    }
}

impl ScalarUDFImpl for Working {
    fn name(&self) -> &'static str {
        match self.tells {
            Tells::Shift => "shift",
            Tells::Crew => "crew",
            Tells::Day => "production_day",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.tells == Tells::Day { DataType::Date32 } else { DataType::Utf8View })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [names, moments] = args.args.as_slice() else {
            return datafusion::common::internal_err!("{} takes two arguments", self.name());
        };
        if let ColumnarValue::Scalar(ScalarValue::Utf8View(Some(name))) = names {
            self.check(name)?;
        }
        let (names, moments) =
            (names.to_array(args.number_rows)?, moments.to_array(args.number_rows)?);
        let names = as_string_view_array(&names)?;
        let moments = moments.as_primitive::<TimestampNanosecondType>();
        Ok(ColumnarValue::Array(match self.tells {
            Tells::Day => self.days(names, moments),
            _ => self.words(names, moments),
        }))
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(match inputs {
            [name, moment]
                if self.tells == Tells::Day
                    && name.sort_properties == SortProperties::Singleton =>
            {
                moment.sort_properties
            }
            _ => SortProperties::Unordered,
        })
    }
}
