//! Questions about what is never there: triggers, policies, publications, foreign keys.
//!
//! Tools ask for them with syntax that the query engine does not know; the answer is known without
//! it: no rows.
//!
//! *Invariant.* Only a question whose rows all come from such a table, directly or by an inner
//! join, is answered so.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, JoinOperator, ObjectName, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins,
    Value, ValueWithSpan, Visit as _, Visitor,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// Catalog tables that are always empty here.
const NEVER: &[&str] = &[
    "pg_constraint",
    "pg_event_trigger",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_index",
    "pg_indexes",
    "pg_inherits",
    "pg_partitioned_table",
    "pg_policy",
    "pg_policies",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_rewrite",
    "pg_rules",
    "pg_sequence",
    "pg_sequences",
    "pg_statistic_ext",
    "pg_subscription",
    "pg_trigger",
    "pg_user_mapping",
];

/// The statement, or one that has its columns and no rows.
pub(super) fn answered(statement: Statement) -> Statement {
    let Statement::Query(query) = &statement else { return statement };
    let Some(select) = arm(&query.body) else { return statement };
    let columns: Option<Vec<String>> = select
        .iter()
        .map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.value.clone()),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                parts.last().map(|name| name.value.clone())
            }
            _ => None,
        })
        .collect();
    let Some(columns) = columns else { return statement };
    let columns: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let twice = columns.iter().take(at).filter(|other| *other == name).count();
            let mark = if twice > 0 { format!("\u{1}{at}") } else { String::new() };
            format!("NULL::text AS \"{}{mark}\"", name.replace('"', "\"\""))
        })
        .collect();
    // A client that gave parameters is not told that there are none.
    let parameters = placeholders(&statement);
    let wanted: Vec<String> =
        (1..=parameters).map(|number| format!(" AND ${number} IS NOT NULL")).collect();
    let wanted = wanted.concat();
    let sql = format!("SELECT {} WHERE false{wanted}", columns.join(", "));
    match Parser::parse_sql(&PostgreSqlDialect {}, &sql) {
        Ok(mut statements) if statements.len() == 1 => statements.remove(0),
        _ => statement,
    }
}

/// How many parameters a statement has.
fn placeholders(statement: &Statement) -> usize {
    struct Most(usize);
    impl Visitor for Most {
        type Break = ();

        fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
            if let Value::Placeholder(name) = &value.value {
                let number = name.strip_prefix('$').and_then(|number| number.parse().ok());
                self.0 = self.0.max(number.unwrap_or(0));
            }
            ControlFlow::Continue(())
        }
    }
    let mut most = Most(0);
    let _never_breaks: ControlFlow<()> = statement.visit(&mut most);
    most.0
}

/// The columns of a question that can have no rows: of every arm of a union.
fn arm(body: &SetExpr) -> Option<&[SelectItem]> {
    match body {
        SetExpr::Select(select) => {
            select.from.iter().any(is_empty).then_some(select.projection.as_slice())
        }
        SetExpr::SetOperation { left, right, .. } => {
            let columns = arm(left)?;
            arm(right).map(|_| columns)
        }
        SetExpr::Query(query) => arm(&query.body),
        _ => None,
    }
}

fn is_empty(from: &TableWithJoins) -> bool {
    let inner = |join: &JoinOperator| {
        matches!(join, JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_))
    };
    let keeps_left = from.joins.iter().all(|join| {
        inner(&join.join_operator)
            || matches!(join.join_operator, JoinOperator::Left(_) | JoinOperator::LeftOuter(_))
    });
    let joined =
        from.joins.iter().any(|join| inner(&join.join_operator) && is_never(&join.relation));
    keeps_left && (joined || is_never(&from.relation))
}

fn is_never(table: &TableFactor) -> bool {
    match table {
        TableFactor::Table { name, .. } => is_listed(name),
        TableFactor::Derived { subquery, .. } => arm(&subquery.body).is_some(),
        _ => false,
    }
}

fn is_listed(name: &ObjectName) -> bool {
    let last = name.0.last().and_then(|part| part.as_ident());
    last.is_some_and(|name| NEVER.contains(&name.value.to_lowercase().as_str()))
}
