//! The plant as people see it: assets in a tree, and when each of them works.
//!
//! ```text
//! acme                 enterprise
//! acme/berlin          site, time zone Europe/Berlin, calendar three-shift
//! acme/berlin/line1    line                              (inherits both)
//! acme/berlin/line1/filler/speed                         a tag: its place is acme/berlin/line1
//! ```
//! A [`Plant`] is one state of all of it and never changes; a later state is another value.
//!
//! *Invariant.* Paths are compared by whole levels: `acme/line1` is above `acme/line1/filler`, not
//! above `acme/line10`.
//!
//! *Not here.* Where tags are, who may say otherwise by a label ([`Places`]); how it is kept (the
//! server).

mod places;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::calendar::{Calendar, Schedule};
use crate::oee::OeeVersions;
use crate::spc;
use crate::zone::Zone;

pub use places::tags_within;
pub(crate) use places::{ASSET_LABEL, Places};

/// The levels of an asset: those of ISA-95 (IEC 62264-1), and its shorter names.
pub const ASSET_LEVELS: [&str; 14] = [
    "enterprise",
    "site",
    "area",
    "line",
    "cell",
    "unit",
    "process_cell",
    "production_unit",
    "production_line",
    "storage_zone",
    "storage_unit",
    "work_cell",
    "equipment_module",
    "control_module",
];

/// A node of the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asset {
    /// Its path: its name behind those of all above it.
    pub path: String,
    /// One of [`ASSET_LEVELS`]; `None` where nobody said.
    pub level: Option<String>,
    /// What it is, for people.
    pub description: String,
    /// Its IANA time zone; without one, that of the next asset above that has one.
    pub timezone: Option<String>,
    /// The name of its calendar; without one, that of the next asset above that has one.
    pub calendar: Option<String>,
    /// What it is made after: assets of one template have the same attributes.
    pub template: Option<String>,
    /// What else is known of it: a JSON object.
    pub attributes: String,
}

/// All assets, calendars and control charts at one moment.
#[derive(Debug, Clone, Default)]
pub struct Plant {
    assets: BTreeMap<String, Arc<Asset>>,
    calendars: BTreeMap<String, Arc<Calendar>>,
    /// How the effectiveness of assets is worked out, by path.
    oees: BTreeMap<String, Arc<OeeVersions>>,
    /// Plans of control charts, by name.
    spc_plans: BTreeMap<String, Arc<spc::Plan>>,
}

impl Plant {
    /// A plant without assets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an asset in, in place of the one of its path.
    pub fn put_asset(&mut self, asset: Asset) {
        self.assets.insert(asset.path.clone(), Arc::new(asset));
    }

    /// Takes an asset out. Those below it stay.
    pub fn take_asset(&mut self, path: &str) -> Option<Arc<Asset>> {
        self.assets.remove(path)
    }

    /// Puts a calendar in, in place of the one of its name.
    pub fn put_calendar(&mut self, name: &str, calendar: Calendar) {
        self.calendars.insert(name.to_owned(), Arc::new(calendar));
    }

    /// Takes a calendar out.
    pub fn take_calendar(&mut self, name: &str) -> Option<Arc<Calendar>> {
        self.calendars.remove(name)
    }

    /// Puts the OEE definitions of an asset in, in place of those it has; none take them out.
    pub fn put_oee(&mut self, asset: &str, versions: OeeVersions) {
        if versions.all().is_empty() {
            self.oees.remove(asset);
        } else {
            self.oees.insert(asset.to_owned(), Arc::new(versions));
        }
    }

    /// The OEE definitions of an asset.
    #[must_use]
    pub fn oee(&self, asset: &str) -> Option<&Arc<OeeVersions>> {
        self.oees.get(asset)
    }

    /// The assets with OEE definitions, by path.
    pub fn oees(&self) -> impl ExactSizeIterator<Item = (&str, &Arc<OeeVersions>)> {
        self.oees.iter().map(|(asset, versions)| (asset.as_str(), versions))
    }

    /// Every asset, by path.
    pub fn assets(&self) -> impl ExactSizeIterator<Item = &Arc<Asset>> {
        self.assets.values()
    }

    /// Every calendar, by name.
    pub fn calendars(&self) -> impl ExactSizeIterator<Item = (&str, &Arc<Calendar>)> {
        self.calendars.iter().map(|(name, calendar)| (name.as_str(), calendar))
    }

    /// The asset of a path.
    #[must_use]
    pub fn asset(&self, path: &str) -> Option<&Arc<Asset>> {
        self.assets.get(path)
    }

    /// The calendar of a name.
    #[must_use]
    pub fn calendar(&self, name: &str) -> Option<&Arc<Calendar>> {
        self.calendars.get(name)
    }

    /// Puts a plan of control charts in, in place of the one of its name.
    pub fn put_spc_plan(&mut self, name: &str, plan: spc::Plan) {
        self.spc_plans.insert(name.to_owned(), Arc::new(plan));
    }

    /// Takes a plan of control charts out.
    pub fn take_spc_plan(&mut self, name: &str) -> Option<Arc<spc::Plan>> {
        self.spc_plans.remove(name)
    }

    /// The plan of control charts of a name.
    #[must_use]
    pub fn spc_plan(&self, name: &str) -> Option<&Arc<spc::Plan>> {
        self.spc_plans.get(name)
    }

    /// Every plan of control charts, by name.
    pub fn spc_plans(&self) -> impl ExactSizeIterator<Item = (&str, &Arc<spc::Plan>)> {
        self.spc_plans.iter().map(|(name, plan)| (name.as_str(), plan))
    }

    /// The assets on the way from a path up, itself first.
    pub fn upward<'a>(&'a self, path: &str) -> impl Iterator<Item = &'a Arc<Asset>> {
        let levels = std::iter::successors(Some(path), |path| Some(path.rsplit_once('/')?.0));
        levels.filter_map(move |path| self.assets.get(path))
    }

    /// The asset that something of this path belongs to: the one of the longest path that is the
    /// beginning of it, or all of it.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<&Arc<Asset>> {
        self.upward(path).next()
    }

    /// The asset next above an asset.
    #[must_use]
    pub fn parent(&self, path: &str) -> Option<&Arc<Asset>> {
        self.upward(path).find(|asset| asset.path != path)
    }

    /// The time zone of a path: its own or the next one above.
    #[must_use]
    pub fn timezone(&self, path: &str) -> Option<&str> {
        self.upward(path).find_map(|asset| asset.timezone.as_deref())
    }

    /// The name of the calendar of a path: its own or the next one above.
    #[must_use]
    pub fn calendar_name(&self, path: &str) -> Option<&str> {
        self.upward(path).find_map(|asset| asset.calendar.as_deref())
    }

    /// When something of this path works; `None` where it has no calendar.
    #[must_use]
    pub fn schedule(&self, path: &str) -> Option<Schedule> {
        let calendar = self.calendars.get(self.calendar_name(path)?)?;
        Some(Schedule::new(Arc::clone(calendar), self.timezone(path)))
    }

    /// Whether a time zone has this name.
    #[must_use]
    pub fn is_timezone(name: &str) -> bool {
        Zone::named(name).is_ok()
    }
}
