//! When a plant works: shifts, breaks, holidays, crews, production days. Pure arithmetic.
//!
//! ```text
//! Definition (what a person writes) ─check─▶ Calendar ─in a time zone─▶ Schedule: moments
//! ```
//! Rules are times on the wall; a [`Schedule`] puts them on the time line of one zone. All dates of
//! a calendar are *production days*: the span from one `day_start` to the next. A shift belongs
//! to the production day in which it starts; its weekdays, holidays and crews go by that day.
//!
//! Where clocks change, a boundary that the clock jumps over is the moment of the jump, and one that
//! it shows twice is the first of the two: what touches on the wall touches on the time line. So a
//! night shift has an hour less or more. A break starts when the wall says so and keeps its length.
//!
//! *Invariant.* Shifts of one calendar never overlap, in any zone and on any day. What
//! [`Schedule::shift_at`] says of a moment is what [`Schedule::shifts_of`] lists.
//!
//! *Not here.* Which asset has which calendar ([`plant`](crate::plant)).

mod definition;
mod rules;
mod schedule;
#[cfg(test)]
mod tests;
mod wall;

pub use definition::{
    Break, CalendarDefinition, Change, Crew, DayName, Fault, Holiday, Rotation, Shift, SpecialDay,
};
pub use rules::Calendar;
pub(crate) use schedule::Finder;
pub use schedule::{Schedule, ShiftSpan};
