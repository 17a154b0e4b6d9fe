//! Optimized plans of statements that are asked again and again, as dashboards do.
//!
//! *Invariant.* A plan is kept only if nothing in it depends on anything but the text, the time
//! zone and the dialect: no parameter, no `now()`, no sub-query or call that reads the catalog while
//! it is planned. A kept plan holds no snapshot; the one it runs over is put in each time.
//!
//! *Not here.* Which rows and tags a scan reads: that is found for each run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::logical_expr::logical_plan::builder::LogicalTableSource;
use datafusion::logical_expr::{Expr, LogicalPlan, TableSource, Volatility};

use crate::function::tag::{ASSET, GLOB, LABEL};
use crate::limits::{PLAN_TEXT_BYTES_MAX, PLANS_MAX};
use crate::relation::{Relations, SCHEMA};

/// What decides a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub(crate) text: Arc<str>,
    pub(crate) time_zone: String,
}

/// Plans by what was asked.
#[derive(Debug, Default)]
pub(crate) struct Plans(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Rises with each use.
    clock: u64,
    plans: HashMap<Asked, (u64, LogicalPlan)>,
}

impl Plans {
    /// The plan of a statement, over these relations.
    pub(crate) fn get(&self, asked: &Asked, over: &Relations) -> Option<LogicalPlan> {
        let plan = {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let clock = kept.clock + 1;
            kept.clock = clock;
            let (used, plan) = kept.plans.get_mut(asked)?;
            *used = clock;
            plan.clone()
        };
        let mut sources = Vec::new();
        for name in Relations::KEPT {
            sources.push((name, provider_as_source(over.kept(name)?)));
        }
        let source = |name: &str, _: &Arc<dyn TableSource>| {
            sources.iter().find(|(own, _)| *own == name).map(|(_, source)| Arc::clone(source))
        };
        with_sources(plan, source).ok()
    }

    /// Keeps the plan of a statement.
    pub(crate) fn put(&self, asked: Asked, plan: &LogicalPlan) {
        let bare = |_: &str, source: &Arc<dyn TableSource>| {
            Some(Arc::new(LogicalTableSource::new(source.schema())) as Arc<dyn TableSource>)
        };
        let Ok(plan) = with_sources(plan.clone(), bare) else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.plans.len() >= PLANS_MAX {
            let oldest = kept.plans.iter().min_by_key(|(_, (used, _))| *used);
            let oldest = oldest.map(|(asked, _)| asked.clone());
            oldest.and_then(|oldest| kept.plans.remove(&oldest));
        }
        let clock = kept.clock;
        kept.plans.insert(asked, (clock, plan));
    }
}

/// The plan with other sources.
fn with_sources(
    plan: LogicalPlan,
    source: impl Fn(&str, &Arc<dyn TableSource>) -> Option<Arc<dyn TableSource>>,
) -> Result<LogicalPlan> {
    plan.transform_down(|node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        if let Some(source) = source(scan.table_name.table(), &scan.source) {
            scan.source = source;
        }
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })
    .data()
}

/// Whether a plan that is not yet optimized may be kept.
pub(crate) fn may_be_kept(text: &str, plan: &LogicalPlan) -> bool {
    let mut fixed = text.len() <= PLAN_TEXT_BYTES_MAX;
    let looked = plan.apply(|node| {
        fixed &= match node {
            LogicalPlan::TableScan(scan) => {
                scan.table_name.schema().is_none_or(|schema| schema == SCHEMA)
                    && Relations::KEPT.contains(&scan.table_name.table())
            }
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::SubqueryAlias(_) => true,
            _ => false,
        };
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                fixed &= is_fixed(expr);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    fixed && looked.is_ok()
}

/// Whether an expression means the same each time.
fn is_fixed(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => {
            let name = call.func.name();
            let of_catalog = [ASSET, GLOB, LABEL].contains(&name);
            call.func.signature().volatility == Volatility::Immutable && !of_catalog
        }
        Expr::Placeholder(_)
        | Expr::ScalarVariable(..)
        | Expr::InSubquery(_)
        | Expr::Exists(_)
        | Expr::ScalarSubquery(_)
        | Expr::SetComparison(_)
        | Expr::OuterReferenceColumn(..) => false,
        _ => true,
    }
}
