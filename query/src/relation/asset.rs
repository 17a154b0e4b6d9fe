//! The relation `assets`: the tree of the plant.
//!
//! *Invariant.* `timezone` and `calendar` are what holds for the asset, its own or inherited.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::error::Result;

use super::landscape::{table, text, texts};
use crate::plant::{Asset, Plant};

/// The columns of `assets`.
pub(super) static ASSETS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        text("path", false),
        text("name", false),
        text("parent", true),
        text("level", true),
        text("description", false),
        text("timezone", true),
        text("calendar", true),
        text("template", true),
        text("attributes", false),
    ]))
});

/// The relation.
pub(super) fn assets(plant: &Plant) -> Result<Arc<dyn TableProvider>> {
    let rows = || plant.assets().map(AsRef::as_ref);
    let name = |asset: &'_ Asset| asset.path.rsplit('/').next().unwrap_or_default().to_owned();
    let names: Vec<String> = rows().map(name).collect();
    let columns = vec![
        texts(rows().map(|row| Some(&*row.path))),
        texts(names.iter().map(|name| Some(&**name))),
        texts(rows().map(|row| plant.parent(&row.path).map(|parent| &*parent.path))),
        texts(rows().map(|row| row.level.as_deref())),
        texts(rows().map(|row| Some(&*row.description))),
        texts(rows().map(|row| plant.timezone(&row.path))),
        texts(rows().map(|row| plant.calendar_name(&row.path))),
        texts(rows().map(|row| row.template.as_deref())),
        texts(rows().map(|row| Some(&*row.attributes))),
    ];
    table(&ASSETS, columns)
}
