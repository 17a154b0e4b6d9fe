//! How the effectiveness of assets is worked out, as people keep it.
//!
//! *Invariant.* The definitions of an asset are one document: all of them change at once. What cannot be
//! read at a start is left out and said so.
//!
//! *Not here.* What a definition means (`tacitus_query::oee`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tacitus_query::oee::{OeeDefinition, OeeModel, OeeVersions};
use tacitus_query::plant::Plant;
use tacitus_storage::Document;

use super::Plants;
use super::asset::path_fault;
use super::limits::{OEE_BYTES_MAX, OEES_MAX};
use super::mistake::{Kind, Mistake};
use crate::documents::OEE_DEFINITIONS;
use crate::keeper::Keeper;

/// The definitions of an asset as they are kept. Members may be added.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    versions: Vec<OeeDefinition>,
}

/// Puts in what was kept.
pub(super) fn restore(keeper: &dyn Keeper, plant: &mut Plant) {
    for (key, body) in keeper.kept(OEE_DEFINITIONS) {
        let asset = String::from_utf8_lossy(&key).into_owned();
        let body: Body = match serde_json::from_slice(&body) {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(asset, %error, "an OEE definition is unreadable");
                continue;
            }
        };
        let mut versions = OeeVersions::default();
        for definition in body.versions {
            match OeeModel::new(definition) {
                Ok(model) => versions.put(model),
                Err(faults) => {
                    tracing::error!(asset, ?faults, "an OEE definition is no longer in order");
                }
            }
        }
        plant.put_oee(&asset, versions);
    }
}

impl Plants {
    /// Defines how the effectiveness of an asset is worked out, in place of the definition that holds
    /// from the same time on.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn put_oee(
        &self,
        asset: &str,
        definition: OeeDefinition,
    ) -> Result<Arc<Plant>, Mistake> {
        let mut faults: Vec<_> = path_fault("asset", asset).into_iter().collect();
        let model = OeeModel::new(definition);
        if let Err(own) = &model {
            faults.extend(own.iter().cloned());
        }
        let Some(model) = model.ok().filter(|_| faults.is_empty()) else {
            return Err(Mistake::Faults(faults));
        };
        let _door = self.door.lock().await;
        let mut versions = self.oee_of(asset);
        versions.put(model);
        self.keep_oee(asset, versions).await
    }

    /// Removes the definition that holds from a moment on, in nanoseconds since 1970, or, without
    /// one, all of an asset.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn remove_oee(
        &self,
        asset: &str,
        valid_from_ns: Option<i64>,
    ) -> Result<Arc<Plant>, Mistake> {
        let _door = self.door.lock().await;
        let mut versions = self.oee_of(asset);
        let is_known = match valid_from_ns {
            Some(_) => versions.take(valid_from_ns),
            None => !std::mem::take(&mut versions).all().is_empty(),
        };
        if !is_known {
            return Err(Mistake::no_oee(asset));
        }
        self.keep_oee(asset, versions).await
    }

    fn oee_of(&self, asset: &str) -> OeeVersions {
        self.now().oee(asset).map(|own| OeeVersions::clone(own)).unwrap_or_default()
    }

    async fn keep_oee(&self, asset: &str, versions: OeeVersions) -> Result<Arc<Plant>, Mistake> {
        let definitions = versions.all().iter().map(|own| own.definition().clone());
        let written = Body { versions: definitions.collect() };
        let body = serde_json::to_vec(&written).unwrap_or_default();
        if body.len() > OEE_BYTES_MAX {
            return Err(Mistake::TooLarge(Kind::Oee, OEE_BYTES_MAX));
        }
        let mut plant = Plant::clone(&self.now());
        let body = (!versions.all().is_empty()).then_some(body);
        plant.put_oee(asset, versions);
        if plant.oees().len() > OEES_MAX {
            return Err(Mistake::TooMany(Kind::Oee, OEES_MAX));
        }
        let key = asset.as_bytes().to_vec();
        let record = Document { collection: OEE_DEFINITIONS, key, body };
        self.keep(vec![record], plant).await
    }
}
