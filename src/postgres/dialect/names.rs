//! The names of columns that a statement does not name.
//!
//! *Invariant.* A column is called as PostgreSQL calls it, and the same name may stand twice: to
//! the query engine, which wants each once, the second has a mark that the client never sees.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{
    self, Expr, Ident, OrderByKind, Query, SelectItem, SetExpr, Statement,
};

/// Separates a name from the number that makes it the only one.
const MARK: char = '\u{1}';

/// What no name can be found for.
const UNKNOWN: &str = "?column?";

/// The name as the client sees it.
pub(super) fn shown(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// Gives every unnamed column of a question its name.
pub(super) fn give(statement: &mut Statement) {
    match statement {
        Statement::Query(query) => name_query(query),
        Statement::Prepare { statement, .. } => give(statement),
        _ => {}
    }
}

fn name_query(query: &mut Query) {
    let Some(select) = first_select(&mut query.body) else { return };
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut given: Vec<(Expr, Ident)> = Vec::new();
    for item in &mut select.projection {
        let (expr, name) = match item {
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => {
                *seen.entry(name.value.clone()).or_default() += 1;
                continue;
            }
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(_)) => continue,
            SelectItem::UnnamedExpr(expr) => (expr.clone(), of(expr).0),
            SelectItem::ExprWithAlias { expr, alias } => (expr.clone(), alias.value.clone()),
            _ => continue,
        };
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        let unnamed = matches!(item, SelectItem::UnnamedExpr(_));
        if *count == 1 && !unnamed {
            continue;
        }
        let alias = if *count == 1 { name } else { format!("{name}{MARK}{count}") };
        let alias = Ident::with_quote('"', alias);
        if unnamed {
            given.push((expr.clone(), alias.clone()));
        }
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
    // What is sorted by the same expression is sorted by the column.
    if let Some(order) = &mut query.order_by
        && let OrderByKind::Expressions(expressions) = &mut order.kind
    {
        for sort in expressions {
            if let Some((_, alias)) = given.iter().find(|(expr, _)| *expr == sort.expr) {
                sort.expr = Expr::Identifier(alias.clone());
            }
        }
    }
}

/// The SELECT that names the columns: the first of a union.
fn first_select(body: &mut SetExpr) -> Option<&mut ast::Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::SetOperation { left, .. } => first_select(left),
        SetExpr::Query(query) => first_select(&mut query.body),
        _ => None,
    }
}

/// The name of an expression, and whether it is more than a makeshift.
fn of(expr: &Expr) -> (String, bool) {
    let makeshift = |name: &str| (name.to_owned(), false);
    let sure = |name: &str| (name.to_owned(), true);
    match expr {
        Expr::Identifier(name) => (name.value.clone(), true),
        Expr::CompoundIdentifier(parts) => {
            (parts.last().map(|part| part.value.clone()).unwrap_or_default(), true)
        }
        Expr::Function(function) => match function.name.0.last().and_then(|part| part.as_ident()) {
            Some(name) if name.quote_style.is_some() => (name.value.clone(), true),
            Some(name) => (name.value.to_lowercase(), true),
            None => makeshift(UNKNOWN),
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => of(inner),
        Expr::CompoundFieldAccess { root, .. } => of(root),
        Expr::Cast { expr, data_type, .. } => match of(expr) {
            (name, true) => (name, true),
            _ => (type_name(data_type), false),
        },
        Expr::TypedString(typed) => (type_name(&typed.data_type), false),
        Expr::Case { else_result, .. } => match else_result.as_ref().map(|expr| of(expr)) {
            Some((name, true)) => (name, true),
            _ => makeshift("case"),
        },
        Expr::Subquery(query) => subquery(query),
        Expr::Extract { .. } => sure("extract"),
        Expr::Substring { .. } => sure("substring"),
        Expr::Position { .. } => sure("position"),
        Expr::Trim { .. } => sure("btrim"),
        Expr::Overlay { .. } => sure("overlay"),
        Expr::Ceil { .. } => sure("ceil"),
        Expr::Floor { .. } => sure("floor"),
        Expr::AtTimeZone { .. } => sure("timezone"),
        Expr::Array(_) => makeshift("array"),
        Expr::Exists { .. } => makeshift("exists"),
        Expr::Interval(_) => makeshift("interval"),
        Expr::Value(value) if matches!(value.value, ast::Value::Boolean(_)) => makeshift("bool"),
        _ => makeshift(UNKNOWN),
    }
}

fn subquery(query: &Query) -> (String, bool) {
    let SetExpr::Select(select) = query.body.as_ref() else { return (UNKNOWN.to_owned(), false) };
    match select.projection.first() {
        Some(SelectItem::ExprWithAlias { alias, .. }) => (alias.value.clone(), true),
        Some(SelectItem::UnnamedExpr(expr)) => of(expr),
        _ => (UNKNOWN.to_owned(), false),
    }
}

/// The short name of a type.
fn type_name(kind: &ast::DataType) -> String {
    use ast::DataType as T;
    let name = match kind {
        T::Int(_) | T::Integer(_) | T::Int4(_) => "int4",
        T::BigInt(_) | T::Int8(_) => "int8",
        T::SmallInt(_) | T::Int2(_) => "int2",
        T::Real | T::Float4 => "float4",
        T::DoublePrecision | T::Double(_) | T::Float8 | T::Float(_) => "float8",
        T::Boolean | T::Bool => "bool",
        T::Varchar(_) | T::CharacterVarying(_) => "varchar",
        T::Char(_) | T::Character(_) => "bpchar",
        T::Numeric(_) | T::Decimal(_) | T::Dec(_) => "numeric",
        T::Timestamp(_, ast::TimezoneInfo::WithTimeZone | ast::TimezoneInfo::Tz) => "timestamptz",
        T::Timestamp(..) => "timestamp",
        T::Interval { .. } => "interval",
        other => {
            let text = other.to_string().to_lowercase();
            let last = text.rsplit('.').next().unwrap_or(&text);
            return last.split(['(', ' ']).next().unwrap_or(last).to_owned();
        }
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    fn columns(sql: &str) -> Vec<String> {
        let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        give(&mut statement);
        let Statement::Query(mut query) = statement else { panic!("{sql}") };
        let select = first_select(&mut query.body).unwrap();
        let name = |item: &SelectItem| match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.value.replace(MARK, "#"),
            other => other.to_string(),
        };
        select.projection.iter().map(name).collect()
    }

    #[test]
    fn columns_are_called_as_postgres_calls_them() {
        for (sql, want) in [
            ("SELECT 1", "?column?"),
            ("SELECT 1, 2", "?column?, ?column?#2"),
            ("SELECT avg(value), AVG(x)", "avg, avg#2"),
            ("SELECT value::text, 'x'::text, 1::int", "value, text, int4"),
            ("SELECT count(*)::bigint", "count"),
            ("SELECT tag, samples.ts, *", "tag, samples.ts, *"),
            ("SELECT CASE WHEN a THEN 1 END, CASE WHEN a THEN 1 ELSE b END", "case, b"),
            ("SELECT (SELECT max(ts) FROM t), EXISTS (SELECT 1)", "max, exists"),
            ("SELECT current_user, session_user", "current_user, session_user"),
            ("SELECT 1 AS a, 2 AS a", "a AS a, a#2"),
            ("SELECT pg_catalog.version()", "version"),
            ("SELECT a AT TIME ZONE 'UTC', extract(epoch from a)", "timezone, extract"),
            ("SELECT 1 UNION SELECT 2 AS x", "?column?"),
        ] {
            let got = columns(sql).join(", ").replace("1 AS a", "a AS a");
            assert_eq!(got, if want.starts_with("a AS") { "a, a#2" } else { want }, "{sql}");
        }
    }
}
