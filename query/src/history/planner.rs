//! Calls of functions where a relation may stand: `FROM resample('a/*', …, step => '1 hour')`.
//!
//! Arguments are worked out before the plan is made: literals, casts, `now()`, arithmetic, lists,
//! parameters, by position or by name (`=>`). They cannot depend on rows of other relations.
//!
//! *Invariant.* Which columns a function has depends on its arguments, not on what is stored; but
//! for `wide`, whose columns are tags.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::argument::Argument;
use super::producer::Made;
use super::production::Ground;
use super::{USAGES, capability, control, interpolate, plot, production, raw, resample, wide};
use crate::error::{QueryError, SqlState};
use crate::plant::Places;
use crate::relation::Landscape;
use chrono::{DateTime, Utc};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{
    Expr as Ast, FunctionArg, FunctionArgExpr, ObjectName, TableAlias, TableFactor,
};

/// The parameters that stand in calls.
#[derive(Debug, Default)]
pub(crate) struct Placeholders {
    highest: AtomicUsize,
}

impl Placeholders {
    /// The highest number of a parameter in the calls planned so far; 0 without any.
    pub(crate) fn highest(&self) -> usize {
        self.highest.load(Ordering::Relaxed)
    }
}

/// Plans calls of the functions.
#[derive(Debug)]
pub(crate) struct Functions {
    ground: Ground,
    /// The values of `$1`, `$2`, …; `None` where only the columns are asked for.
    parameters: Option<Vec<ScalarValue>>,
    started: Option<DateTime<Utc>>,
    placeholders: Arc<Placeholders>,
}

impl Functions {
    /// Lets a statement call the functions over a plant; tells which parameters they take.
    pub(crate) fn register(
        state: &mut SessionState,
        places: Places,
        around: Option<Arc<dyn Landscape>>,
        parameters: Option<Vec<ScalarValue>>,
    ) -> Result<Arc<Placeholders>> {
        let placeholders = Arc::new(Placeholders::default());
        let started = state.execution_props().query_execution_start_time;
        let now_ns = started.and_then(|now| now.timestamp_nanos_opt());
        let ground = Ground { places, around, now_ns };
        let functions =
            Self { ground, parameters, started, placeholders: Arc::clone(&placeholders) };
        state.register_relation_planner(Arc::new(functions))?;
        Ok(placeholders)
    }

    fn plan(
        &self,
        name: &str,
        given: Vec<FunctionArg>,
        alias: Option<TableAlias>,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let given: Result<Vec<Argument>> =
            given.into_iter().map(|argument| self.argument(name, argument, context)).collect();
        let (given, places) = (given?, &self.ground.places);
        let producer = match name {
            "history" => raw::call(places, given)?,
            "resample" => resample::call(places, given)?,
            "interpolate" => interpolate::call(places, given)?,
            "wide" => wide::call(places, given)?,
            "oee" => production::oee(&self.ground, given)?,
            "iso22400" => production::iso22400(&self.ground, given)?,
            "downtime" => production::downtime(&self.ground, given)?,
            "spc" => control::call(places, given)?,
            "capability" => capability::call(places, given)?,
            _ => plot::call(places, given)?,
        };
        let source = provider_as_source(Arc::new(Made(producer)));
        let plan = LogicalPlanBuilder::scan(name, source, None)?.build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
    }

    fn argument(
        &self,
        function: &str,
        argument: FunctionArg,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<Argument> {
        let (name, value) = match argument {
            FunctionArg::Unnamed(value) => (None, value),
            FunctionArg::Named { name, arg, .. }
            | FunctionArg::ExprNamed { name: Ast::Identifier(name), arg, .. } => {
                (Some(context.normalize_ident(name)), arg)
            }
            FunctionArg::ExprNamed { name, .. } => {
                return Err(unusable(function, &name.to_string()));
            }
        };
        let FunctionArgExpr::Expr(value) = value else {
            return Err(unusable(function, &value.to_string()));
        };
        let said = value.to_string();
        let expr = context.sql_to_expr(value, &DFSchema::empty())?;
        Ok(Argument { name, value: self.value(function, &said, expr)? })
    }

    /// What an argument comes to; `None` where it takes a parameter without a value.
    fn value(&self, function: &str, said: &str, expr: Expr) -> Result<Option<ScalarValue>> {
        let mut missing = false;
        let filled = expr.transform(|expr| {
            let Expr::Placeholder(placeholder) = &expr else {
                return Ok(Transformed::no(expr));
            };
            let number = placeholder.id.strip_prefix('$').and_then(|digits| digits.parse().ok());
            let number: usize = number.ok_or_else(|| unusable(function, &placeholder.id))?;
            self.placeholders.highest.fetch_max(number, Ordering::Relaxed);
            let values = self.parameters.as_deref().unwrap_or_default();
            if let Some(value) = number.checked_sub(1).and_then(|at| values.get(at)) {
                return Ok(Transformed::yes(Expr::Literal(value.clone(), None)));
            }
            missing = true;
            Ok(Transformed::no(expr))
        })?;
        if missing {
            return Ok(None);
        }
        let context =
            SimplifyContext::builder().with_query_execution_start_time(self.started).build();
        let simplifier = ExprSimplifier::new(context);
        let coerced = simplifier.coerce(filled.data, &DFSchema::empty())?;
        match simplifier.simplify(coerced)? {
            Expr::Literal(value, _) => Ok(Some(value)),
            _ => Err(unusable(function, said)),
        }
    }
}

fn unusable(function: &str, said: &str) -> DataFusionError {
    QueryError::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("{function}: {said} cannot be an argument: it must be known before rows are read"),
    )
    .with_hint("use literals, lists, now(), parameters, and what is worked out of them")
    .into()
}

/// The name of a function of ours.
fn own(name: &ObjectName, context: &dyn RelationPlannerContext) -> Option<&'static str> {
    let [part] = name.0.as_slice() else { return None };
    let name = context.normalize_ident(part.as_ident()?.clone());
    USAGES.iter().map(|(own, _)| *own).find(|own| *own == name)
}

impl RelationPlanner for Functions {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let called = match &relation {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                own(name, context)
            }
            _ => None,
        };
        let Some(called) = called else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        match relation {
            TableFactor::Table { args: Some(given), alias, .. } => {
                self.plan(called, given.args, alias, context)
            }
            TableFactor::Function { args, alias, .. } => self.plan(called, args, alias, context),
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}
