//! How much people may keep of the plant.
//!
//! *Invariant.* What is usual fits the store's bound on documents, which are in memory; where it does
//! not, the store refuses what is too much, and nothing is changed.

/// LIMIT: assets, some hundred bytes each; a change copies the tree's nodes, in milliseconds.
pub const ASSETS_MAX: usize = 100_000;

/// LIMIT: assets defined by one request: one commit.
pub const ASSETS_AT_ONCE_MAX: usize = 5_000;

/// LIMIT: one asset with its attributes.
pub const ASSET_BYTES_MAX: usize = 16 * 1024;

/// LIMIT: calendars; a plant has a handful.
pub const CALENDARS_MAX: usize = 1_000;

/// LIMIT: one calendar with the holidays of a century.
pub const CALENDAR_BYTES_MAX: usize = 512 * 1024;

/// LIMIT: the name of a calendar is part of an address.
pub const CALENDAR_NAME_BYTES_MAX: usize = 128;

/// LIMIT: events, some 300 bytes each.
pub const EVENTS_MAX: usize = 200_000;

/// LIMIT: annotations, some 300 bytes each.
pub const ANNOTATIONS_MAX: usize = 100_000;

/// LIMIT: one event or annotation with its attributes.
pub const RECORD_BYTES_MAX: usize = 8 * 1024;

/// LIMIT: a page is made in memory.
pub const PAGE_MAX: usize = 10_000;

/// LIMIT: assets with OEE definitions, each some kilobytes.
pub const OEES_MAX: usize = 10_000;

/// LIMIT: all OEE definitions of one asset: a hundred, or one with two thousand products.
pub const OEE_BYTES_MAX: usize = 256 * 1024;

/// LIMIT: plans of control charts; a plant charts some hundred characteristics.
pub const SPC_PLANS_MAX: usize = 5_000;

/// LIMIT: the name of a plan is part of an address.
pub const SPC_NAME_BYTES_MAX: usize = 128;

/// LIMIT: one plan with all limits that were ever frozen for it, and with what they leave out.
pub const SPC_PLAN_BYTES_MAX: usize = 256 * 1024;

/// LIMIT: spans that one baseline leaves out.
pub const SPC_EXCLUSIONS_MAX: usize = 200;

/// LIMIT: who freezes limits, and why: a line each.
pub const SPC_REASON_BYTES_MAX: usize = 1024;
