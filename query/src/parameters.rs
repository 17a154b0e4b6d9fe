//! The types of a statement's parameters.
//!
//! ```text
//! declared by the client ▷ needed by the statement ▷ text
//! ```
//!
//! *Invariant.* Every parameter has one type, and a plan made with the types is the plan that runs
//! with values of these types.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, Statement as PlanStatement};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, VisitMut, VisitorMut};

use crate::error::{QueryError, SqlState};
use crate::limits::PARAMETERS_MAX;

/// The type of every parameter of a statement.
pub(crate) async fn types(
    state: &SessionState,
    statement: &Statement,
    declared: &[Option<DataType>],
) -> Result<Vec<DataType>> {
    let Statement::Statement(standard) = statement else { return Ok(Vec::new()) };
    let mut found = Placeholders::default();
    let mut plain = (**standard).clone();
    let _never_breaks: ControlFlow<()> = plain.visit(&mut found);
    if found.most > PARAMETERS_MAX || declared.len() > PARAMETERS_MAX {
        return Err(QueryError::new(
            SqlState::PROTOCOL_VIOLATION,
            format!("there are more than {PARAMETERS_MAX} parameters"),
        )
        .into());
    }
    let count = found.most.max(declared.len());
    let known = |at: usize| declared.get(at).cloned().flatten();
    if (0..count).all(|at| known(at).is_some()) {
        return Ok((0..count).filter_map(known).collect());
    }
    // A statement that cannot be planned without types tells none; planning it with them, which
    // follows, says what is wrong.
    let plan = state.statement_to_plan(Statement::Statement(Box::new(plain))).await;
    let needed = plan.ok().and_then(|plan| needed(&plan).ok()).unwrap_or_default();
    Ok((0..count)
        .map(|at| {
            let needed = needed.get(&(at + 1)).cloned();
            let list = found.lists.contains(&(at + 1));
            let of_list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
            known(at).unwrap_or_else(|| match (needed, list) {
                (Some(item), true) => of_list(item),
                (None, true) => of_list(DataType::Utf8View),
                (Some(needed), false) => needed,
                (None, false) => DataType::Utf8View,
            })
        })
        .collect())
}

/// Plans a statement whose parameters have these types.
pub(crate) async fn plan(
    state: &SessionState,
    statement: Statement,
    types: &[DataType],
) -> Result<LogicalPlan> {
    let Statement::Statement(standard) = statement else {
        return state.statement_to_plan(statement).await;
    };
    if types.is_empty() {
        return state.statement_to_plan(Statement::Statement(standard)).await;
    }
    let wrapped = ast::Statement::Prepare {
        name: ast::Ident::new("statement"),
        data_types: types.iter().map(written).collect::<Result<_>>()?,
        statement: standard,
    };
    match state.statement_to_plan(Statement::Statement(Box::new(wrapped))).await? {
        LogicalPlan::Statement(PlanStatement::Prepare(prepare)) => {
            Ok(Arc::unwrap_or_clone(prepare.input))
        }
        other => Ok(other),
    }
}

/// Values as values of these types.
pub(crate) fn cast(values: Vec<ScalarValue>, types: &[DataType]) -> Result<Vec<ScalarValue>> {
    values
        .into_iter()
        .enumerate()
        .map(|(at, value)| match types.get(at) {
            Some(wanted) if value.data_type() != *wanted => value.cast_to(wanted),
            _ => Ok(value),
        })
        .collect()
}

/// The placeholders of a statement; takes `x = ANY($1)` apart on its way, so that the type of the
/// items shows.
#[derive(Default)]
struct Placeholders {
    most: usize,
    lists: Vec<usize>,
}

fn number(expr: &ast::Expr) -> Option<usize> {
    let ast::Expr::Value(value) = expr else { return None };
    let ast::Value::Placeholder(name) = &value.value else { return None };
    name.strip_prefix('$')?.parse().ok()
}

impl VisitorMut for Placeholders {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        if let ast::Expr::AnyOp { left, compare_op, right, .. } = expr
            && let Some(list) = number(right)
        {
            self.most = self.most.max(list);
            self.lists.push(list);
            *expr = ast::Expr::BinaryOp {
                left: left.clone(),
                op: compare_op.clone(),
                right: right.clone(),
            };
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &mut ast::ValueWithSpan) -> ControlFlow<()> {
        if let ast::Value::Placeholder(name) = &value.value
            && let Some(number) = name.strip_prefix('$').and_then(|number| number.parse().ok())
        {
            self.most = self.most.max(number);
        }
        ControlFlow::Continue(())
    }
}

/// The types that a plan needs its parameters to have, by number.
fn needed(plan: &LogicalPlan) -> Result<BTreeMap<usize, DataType>> {
    let mut types = BTreeMap::new();
    let mut note = |expr: &Expr, wanted: Option<DataType>| {
        if let Expr::Placeholder(placeholder) = expr
            && let Some(number) = placeholder.id.strip_prefix('$').and_then(|n| n.parse().ok())
            && let Some(wanted) = wanted
        {
            types.entry(number).or_insert(wanted);
        }
    };
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            for expr in [&limit.skip, &limit.fetch].into_iter().flatten() {
                note(expr, Some(DataType::Int64));
            }
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                match expr {
                    Expr::Cast(cast) => note(&cast.expr, Some(cast.field.data_type().clone())),
                    Expr::Placeholder(own) => {
                        let known = own.field.as_ref().map(|field| field.data_type().clone());
                        note(expr, known);
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(types)
}

/// A type as SQL writes it.
fn written(kind: &DataType) -> Result<ast::DataType> {
    use ast::{ArrayElemTypeDef, ExactNumberInfo, TimezoneInfo};
    Ok(match kind {
        DataType::Boolean => ast::DataType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => ast::DataType::SmallInt(None),
        DataType::Int32 | DataType::UInt16 => ast::DataType::Integer(None),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => ast::DataType::BigInt(None),
        DataType::Float16 | DataType::Float32 => ast::DataType::Real,
        DataType::Float64 => ast::DataType::DoublePrecision,
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            ast::DataType::Text
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => ast::DataType::Bytea,
        DataType::Date32 | DataType::Date64 => ast::DataType::Date,
        DataType::Time32(_) | DataType::Time64(_) => ast::DataType::Time(None, TimezoneInfo::None),
        DataType::Timestamp(_, None) => ast::DataType::Timestamp(None, TimezoneInfo::None),
        DataType::Timestamp(_, Some(_)) => {
            ast::DataType::Timestamp(None, TimezoneInfo::WithTimeZone)
        }
        DataType::Interval(_) | DataType::Duration(_) => {
            ast::DataType::Interval { fields: None, precision: None }
        }
        DataType::Decimal128(precision, scale) => ast::DataType::Numeric(
            ExactNumberInfo::PrecisionAndScale(u64::from(*precision), i64::from(*scale)),
        ),
        DataType::Dictionary(_, value) => written(value)?,
        DataType::List(item) => ast::DataType::Array(ArrayElemTypeDef::SquareBracket(
            Box::new(written(item.data_type())?),
            None,
        )),
        other => {
            return Err(DataFusionError::from(
                QueryError::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    format!("a parameter cannot be of the type {other}"),
                )
                .with_hint("cast it in the statement: $1::text"),
            ));
        }
    })
}
