//! Parts by bucket: spans of time, or products.
//!
//! *Invariant.* Buckets of time do not overlap and rise. A product has one bucket, whenever it was
//! made.

use std::collections::HashMap;
use std::sync::Arc;

use super::cause::Causes;
use super::condition::Condition;
use super::parts::{Counted, Parts};
use super::sweep::{Class, Course, Slice, Sweep};
use super::timeline::Timeline;
use crate::limits::OEE_BUCKETS_MAX;

/// A row to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// The shift, the day, the product.
    pub(crate) label: Option<Arc<str>>,
    pub(crate) crew: Option<Arc<str>>,
    /// The production day of a shift or day, in days since 1970-01-01.
    pub(crate) day: Option<i32>,
}

/// By what time and counts are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sorting {
    Time,
    Product,
}

/// Between which times something is added, and of what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) products: &'a Timeline<Option<Arc<str>>>,
}

/// Parts by bucket.
#[derive(Debug)]
pub(crate) struct Sheet {
    sorting: Sorting,
    span: (i64, i64),
    rows: Vec<(Bucket, Parts)>,
    products: HashMap<Option<Arc<str>>, usize>,
    /// From when on figures may change still.
    provisional_from: i64,
    lacking: Vec<Lacking>,
}

/// What is missing between two times.
#[derive(Debug, Clone, Copy)]
struct Lacking {
    from: i64,
    to: i64,
    counts: bool,
    cycle: bool,
}

impl Sheet {
    /// A sheet of buckets of time.
    pub(crate) fn by_time(buckets: Vec<Bucket>) -> Self {
        let rows = buckets.into_iter().map(|bucket| (bucket, Parts::default())).collect();
        Self {
            sorting: Sorting::Time,
            span: (0, 0),
            rows,
            products: HashMap::new(),
            provisional_from: i64::MAX,
            lacking: Vec::new(),
        }
    }

    /// A sheet that has a bucket for each product that was made between two times.
    pub(crate) fn by_product(from: i64, to: i64) -> Self {
        Self { sorting: Sorting::Product, span: (from, to), ..Self::by_time(Vec::new()) }
    }

    /// Adds the time of a course within a window.
    ///
    /// # Errors
    /// There are more products than there may be.
    pub(crate) fn add_course(
        &mut self,
        course: &Course,
        causes: &Causes,
        window: &Window<'_>,
        setup_is_loss: bool,
    ) -> Result<(), TooManyProducts> {
        // Whether a stop began in the window is known from its whole length.
        let first = course.stretches.iter().find(|own| own.to > window.from);
        let from = first.map_or(window.from, |own| own.stop_from.min(window.from));
        let mut sweep = Sweep::new(from, window.to);
        let mut begun = None;
        while let Some(slice) = sweep.next(course) {
            let stretch = slice.stretch.and_then(|at| course.stretches.get(at));
            let mut begins = false;
            if let Some(stretch) = stretch
                && matches!(slice.class, Class::Unplanned | Class::Micro)
            {
                begins = begun != Some(stretch.stop_from) && slice.from >= window.from;
                begun = Some(stretch.stop_from);
            }
            let slice = Slice { from: slice.from.max(window.from), ..slice };
            let cause = stretch.and_then(|own| match own.condition {
                Condition::Stop(_, cause) => causes.get(cause),
                _ => None,
            });
            let no_order = cause.is_some_and(|cause| cause.no_order);
            self.add_slice(&slice, window, begins, |parts, length_ns| {
                parts.time(slice.class, length_ns, setup_is_loss);
                if no_order && slice.class == Class::Unplanned {
                    parts.no_order(length_ns);
                }
            })?;
        }
        Ok(())
    }

    fn add_slice(
        &mut self,
        slice: &Slice,
        window: &Window<'_>,
        begins: bool,
        add: impl Fn(&mut Parts, i128),
    ) -> Result<(), TooManyProducts> {
        let mut begins = begins;
        let mut from = slice.from;
        while from < slice.to {
            let (place, until) = self.place(from, window)?;
            let until = until.min(slice.to);
            if let Some((_, parts)) = place.and_then(|at| self.rows.get_mut(at)) {
                add(parts, i128::from(until) - i128::from(from));
                if begins {
                    match slice.class {
                        Class::Micro => parts.micro_stops += 1,
                        _ => parts.stops += 1,
                    }
                }
            }
            begins = false;
            from = until;
        }
        Ok(())
    }

    /// Adds what was counted at a moment of a window.
    ///
    /// # Errors
    /// There are more products than there may be.
    pub(crate) fn add_count(
        &mut self,
        at: i64,
        window: &Window<'_>,
        counted: Counted,
    ) -> Result<(), TooManyProducts> {
        let (place, _) = self.place(at, window)?;
        if let Some((_, parts)) = place.and_then(|at| self.rows.get_mut(at)) {
            parts.count(counted);
        }
        Ok(())
    }

    /// Says that within a window a machine counts nothing, or has no ideal cycle.
    pub(crate) fn lacks(&mut self, window: &Window<'_>, counts: bool, cycle: bool) {
        if counts || cycle {
            self.lacking.push(Lacking { from: window.from, to: window.to, counts, cycle });
        }
    }

    /// Says that all that is not over before a moment may change still.
    pub(crate) fn is_open_from(&mut self, moment: i64) {
        self.provisional_from = self.provisional_from.min(moment);
    }

    /// The buckets and their parts; whether they may change still.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Bucket, Parts, bool)> {
        self.rows.iter().map(|(bucket, parts)| {
            let mut parts = *parts;
            let touches = |own: &&Lacking| bucket.from < own.to && own.from < bucket.to;
            for lacking in self.lacking.iter().filter(touches) {
                parts.is_uncounted |= lacking.counts;
                parts.is_unrated |= lacking.cycle;
            }
            (bucket, parts, bucket.to > self.provisional_from)
        })
    }

    /// The bucket of a moment, if there is one, and until when it is that.
    fn place(
        &mut self,
        at: i64,
        window: &Window<'_>,
    ) -> Result<(Option<usize>, i64), TooManyProducts> {
        if self.sorting == Sorting::Time {
            let next = self.rows.partition_point(|(bucket, _)| bucket.to <= at);
            return Ok(match self.rows.get(next) {
                Some((bucket, _)) if bucket.from <= at => (Some(next), bucket.to),
                Some((bucket, _)) => (None, bucket.from),
                None => (None, i64::MAX),
            });
        }
        let (product, until) = window.products.at(at);
        let product = product.cloned().flatten();
        let place = match self.products.get(&product) {
            Some(place) => *place,
            None if self.rows.len() >= OEE_BUCKETS_MAX => return Err(TooManyProducts),
            None => {
                let (from, to) = self.span;
                let bucket = Bucket { from, to, label: product.clone(), ..Bucket::default() };
                self.rows.push((bucket, Parts::default()));
                self.products.insert(product, self.rows.len() - 1);
                self.rows.len() - 1
            }
        };
        Ok((Some(place), until))
    }
}

/// More products than a statement may tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyProducts;
