//! The relation `samples`: every stored sample of every tag.
//!
//! *Invariant.* Filters are taken over only where [`filter`] answers them exactly.
//!
//! *Not here.* Reading and decoding: [`scan`](crate::scan).

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use tacitus_storage::Snapshot;

use super::SAMPLES;
use crate::filter::{self, Filters};
use crate::scan::{SampleScan, SamplesExec};

/// The samples of a snapshot.
#[derive(Debug)]
pub(super) struct SamplesTable {
    snapshot: Snapshot,
}

impl SamplesTable {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot }
    }
}

#[async_trait]
impl TableProvider for SamplesTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SAMPLES)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filter::support(filters))
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let filters = Filters::new(filters)?;
        let scan = SampleScan {
            tags: filters.tags(&self.snapshot, session)?,
            range: filters.range,
            quality: filters.quality(session)?,
            snapshot: self.snapshot.clone(),
        };
        let partitions = session.config().target_partitions();
        Ok(Arc::new(SamplesExec::try_new(scan, projection, limit, partitions)?))
    }
}
