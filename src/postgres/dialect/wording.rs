//! What PostgreSQL writes and the query engine writes otherwise.
//!
//! | written | taken as |
//! |---|---|
//! | `generate_series(1, 3) AS i` | the column is called `i` as well |
//! | `string_to_array(…) AS s` in FROM | a table of one row |
//! | `LIKE 'a/_b' ESCAPE '/'` | `LIKE 'a\_b'` |
//! | `ARRAY(SELECT …)`, `(SELECT x FROM …)` in WHERE, over the catalog | `'{}'`, `(SELECT min(x) FROM …)` |
//!
//! *Invariant.* A rewrite means the same wherever PostgreSQL takes what was written; the last row
//! is done only to questions about the catalog, where it is known to.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, Expr, FunctionArguments, Ident, OrderByExpr, OrderByKind, SelectItem,
    SetExpr, Statement, TableFactor, Value, VisitMut as _, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// Rewrites a statement of any kind.
pub(super) fn common(statement: &mut Statement) {
    let _never_breaks: ControlFlow<()> = statement.visit(&mut Common);
    sort_by_columns(statement);
}

/// Rewrites a question about the catalog.
pub(super) fn of_catalog(statement: &mut Statement) {
    let _never_breaks: ControlFlow<()> = statement.visit(&mut Catalog);
}

/// Questions of drivers that nothing here can plan, by a word that only they have, with simpler
/// ones that have the same columns: asyncpg's look at types.
const KNOWN: &[(&str, &str)] = &[(
    "typeinfo_tree",
    "SELECT t.oid, 'pg_catalog' AS ns, t.typname AS name, t.typtype AS kind, \
     NULL::int AS basetype, CASE WHEN t.typcategory = 'A' THEN t.typelem END AS elemtype, \
     t.typdelim AS elemdelim, NULL::int AS range_subtype, NULL::text AS attrtypoids, \
     NULL::text AS attrnames, 0::int AS depth, NULL::text AS basetype_name, \
     e.typname AS elemtype_name, NULL::text AS range_subtype_name \
     FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem \
     WHERE t.oid = ANY($1::oid[])",
)];

/// The simpler question for a known one.
pub(super) fn known(text: &str) -> Option<Statement> {
    let (_, simpler) = KNOWN.iter().find(|(word, _)| text.contains(word))?;
    Parser::parse_sql(&PostgreSqlDialect {}, simpler).ok()?.into_iter().next()
}

/// Functions that give rows; their alias names the column too.
const SERIES: &[&str] = &["generate_series", "range", "unnest"];

/// Functions that give one value, and may stand in FROM.
const VALUES: &[&str] = &[
    "current_database",
    "current_schema",
    "current_schemas",
    "current_setting",
    "now",
    "parse_ident",
    "string_to_array",
    "version",
];

struct Common;

impl VisitorMut for Common {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, alias, args: Some(_), .. } = &*table else {
            return ControlFlow::Continue(());
        };
        let function = last(name);
        let has_columns = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
        if SERIES.contains(&function.as_str()) && !has_columns {
            let called = alias.as_ref().map_or(function, |alias| alias.name.value.clone());
            set_alias(table, &called);
        } else if VALUES.contains(&function.as_str()) {
            let called = alias.as_ref().map_or(function, |alias| alias.name.value.clone());
            if let Some(derived) = one_row(table, &called) {
                *table = derived;
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } =
            expr
            && let Some(escape) = escape_char.as_ref().and_then(letter)
        {
            if let Expr::Value(value) = pattern.as_mut()
                && let Value::SingleQuotedString(text) = &mut value.value
            {
                *text = with_backslashes(text, escape);
            } else if let Some(call) = parsed(&format!("replace({pattern}, '{escape}', '\\')")) {
                **pattern = call;
            }
            *escape_char = None;
        }
        ControlFlow::Continue(())
    }
}

fn parsed(sql: &str) -> Option<Expr> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).ok()?.parse_expr().ok()
}

/// What is sorted by a sub-query gets a column for it, which only the sort sees.
fn sort_by_columns(statement: &mut Statement) {
    let Statement::Query(query) = statement else { return };
    let Some(order) = &query.order_by else { return };
    let OrderByKind::Expressions(sorts) = &order.kind else { return };
    let asks = |expr: &Expr| expr.to_string().to_uppercase().contains("(SELECT ");
    if !sorts.iter().any(|sort| asks(&sort.expr)) {
        return;
    }
    let SetExpr::Select(select) = query.body.as_ref() else { return };
    let names: Option<Vec<String>> = select
        .projection
        .iter()
        .map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(quoted(&alias.value)),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(quoted(&name.value)),
            _ => None,
        })
        .collect();
    let Some(names) = names.filter(|_| select.distinct.is_none()) else { return };
    let mut inner = (**query).clone();
    inner.order_by = None;
    let mut outer = Vec::new();
    if let SetExpr::Select(select) = inner.body.as_mut() {
        for (at, sort) in sorts.iter().enumerate() {
            if asks(&sort.expr) {
                let alias = Ident::with_quote('"', format!("sort{at}"));
                outer.push(OrderByExpr { expr: Expr::Identifier(alias.clone()), ..sort.clone() });
                let expr = sort.expr.clone();
                select.projection.push(SelectItem::ExprWithAlias { expr, alias });
            } else {
                outer.push(sort.clone());
            }
        }
    }
    let outer: Vec<String> = outer.iter().map(ToString::to_string).collect();
    let sql = format!(
        "SELECT {} FROM ({inner}) AS sorted ORDER BY {}",
        names.join(", "),
        outer.join(", ")
    );
    if let Ok(mut statements) = Parser::parse_sql(&PostgreSqlDialect {}, &sql)
        && let Some(sorted) = statements.pop()
    {
        *statement = sorted;
    }
}

fn last(name: &ast::ObjectName) -> String {
    let last = name.0.last().and_then(|part| part.as_ident());
    last.map(|name| name.value.to_lowercase()).unwrap_or_default()
}

fn quoted(name: &str) -> String {
    Ident::with_quote('"', name).to_string()
}

/// Gives a table function and its only column the same name.
fn set_alias(table: &mut TableFactor, called: &str) {
    let called = quoted(called);
    let sample = first_table(&format!("SELECT 1 FROM t AS {called} ({called})"));
    if let (Some(TableFactor::Table { alias: made, .. }), TableFactor::Table { alias, .. }) =
        (sample, table)
    {
        *alias = made;
    }
}

/// A function of one value as a table of one row.
fn one_row(table: &TableFactor, called: &str) -> Option<TableFactor> {
    let mut bare = table.clone();
    if let TableFactor::Table { alias, .. } = &mut bare {
        *alias = None;
    }
    let called = quoted(called);
    first_table(&format!("SELECT 1 FROM (SELECT {bare} AS {called}) AS {called}"))
}

fn first_table(sql: &str) -> Option<TableFactor> {
    let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?.into_iter().next()?;
    let Statement::Query(query) = statement else { return None };
    let SetExpr::Select(select) = *query.body else { return None };
    select.from.into_iter().next().map(|from| from.relation)
}

fn letter(value: &ast::ValueWithSpan) -> Option<char> {
    let Value::SingleQuotedString(text) = &value.value else { return None };
    let mut letters = text.chars();
    letters.next().filter(|_| letters.next().is_none())
}

/// A pattern whose escapes are backslashes.
fn with_backslashes(pattern: &str, escape: char) -> String {
    let mut out = String::with_capacity(pattern.len() + 2);
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter == escape {
            out.push('\\');
            out.extend(letters.next());
        } else if letter == '\\' {
            out.push_str("\\\\");
        } else {
            out.push(letter);
        }
    }
    out
}

struct Catalog;

/// Columns that hold names of functions, where PostgreSQL has their numbers.
const FUNCTIONS: &[&str] = &[
    "typinput",
    "typoutput",
    "typreceive",
    "typsend",
    "typmodin",
    "typmodout",
    "typanalyze",
    "typsubscript",
];

impl VisitorMut for Catalog {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<()> {
        if let Some(selection) = &mut select.selection {
            let _never_breaks: ControlFlow<()> = selection.visit(&mut Aggregated);
        }
        for item in &mut select.projection {
            if let SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) = item
                && !matches!(expr, Expr::Subquery(_))
            {
                let _never_breaks: ControlFlow<()> = expr.visit(&mut Unsaid);
                let _never_breaks: ControlFlow<()> = expr.visit(&mut Listed);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function)
                if last(&function.name) == "array"
                    && matches!(function.args, FunctionArguments::Subquery(_)) =>
            {
                *expr = text("{}");
            }
            Expr::BinaryOp { left, op: BinaryOperator::NotEq | BinaryOperator::Eq, right }
                if is_function_column(left) && is_zero(right) =>
            {
                **right = text("-");
            }
            Expr::BinaryOp { left, op: BinaryOperator::NotEq | BinaryOperator::Eq, right }
                if is_function_column(left) =>
            {
                if let Expr::Cast { expr: name, .. } = right.as_ref()
                    && let Expr::Value(value) = name.as_ref()
                    && let Value::SingleQuotedString(name) = &value.value
                {
                    **right = text(name.trim_start_matches("pg_catalog."));
                }
            }
            Expr::Cast { expr: name, data_type, .. }
                if data_type.to_string().eq_ignore_ascii_case("regclass")
                    && matches!(name.as_ref(), Expr::Value(value) if matches!(value.value, Value::Placeholder(_))) =>
            {
                let found = parsed(&format!(
                    "(SELECT oid FROM pg_catalog.pg_class \
                     WHERE relname = pg_relation_name({name}::text) LIMIT 1)"
                ));
                if let Some(found) = found {
                    *expr = found;
                }
            }
            Expr::Function(function)
                if last(&function.name) == "array_to_string" && is_of_privileges(function) =>
            {
                if let Some(none) = parsed("CAST(NULL AS text)") {
                    *expr = none;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn text(text: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.to_owned()).into())
}

fn is_function_column(expr: &Expr) -> bool {
    let name = match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    name.is_some_and(|name| FUNCTIONS.contains(&name.value.to_lowercase().as_str()))
}

/// Whether a function is asked of privileges or options, of which there are none.
fn is_of_privileges(function: &ast::Function) -> bool {
    let text = function.args.to_string().to_lowercase();
    ["acl", "options", "array(select"].iter().any(|word| text.contains(word))
}

/// Makes nothing of what is asked for each column and of what there is none of: defaults,
/// sequences, collations.
struct Unsaid;

const UNSAID: &[&str] = &["pg_attrdef", "pg_collation", "pg_description", "pg_sequence", "pg_type"];

impl VisitorMut for Unsaid {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Subquery(query) = expr
            && let SetExpr::Select(select) = query.body.as_ref()
            && let Some(TableFactor::Table { name, .. }) =
                select.from.first().map(|from| &from.relation)
            && UNSAID.contains(&last(name).as_str())
        {
            *expr = Expr::Value(Value::Null.into());
        }
        ControlFlow::Continue(())
    }
}

/// Makes a list of a sub-query that a column is looked up in: the query engine looks up in
/// sub-queries only where rows are selected.
struct Listed;

impl VisitorMut for Listed {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::InSubquery { expr: wanted, subquery, negated } = expr {
            let not = if *negated { "NOT " } else { "" };
            let found = parsed(&format!(
                "{not}coalesce(array_has((SELECT array_agg(CAST(listed AS text)) \
                 FROM ({subquery}) AS sub_list (listed)), CAST({wanted} AS text)), false)"
            ));
            if let Some(found) = found {
                *expr = found;
            }
        }
        ControlFlow::Continue(())
    }
}

fn is_zero(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(digits, _) if digits == "0"))
}

/// Makes scalar sub-queries say that they have one row.
struct Aggregated;

impl VisitorMut for Aggregated {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Subquery(query) = expr else { return ControlFlow::Continue(()) };
        if query.limit_clause.is_some() {
            return ControlFlow::Continue(());
        }
        let SetExpr::Select(select) = query.body.as_mut() else {
            return ControlFlow::Continue(());
        };
        if let [SelectItem::UnnamedExpr(only) | SelectItem::ExprWithAlias { expr: only, .. }] =
            select.projection.as_mut_slice()
            && matches!(
                only,
                Expr::BinaryOp { .. } | Expr::Identifier(_) | Expr::CompoundIdentifier(_)
            )
        {
            let call = Parser::new(&PostgreSqlDialect {})
                .try_with_sql(&format!("min({only})"))
                .and_then(|mut parser| parser.parse_expr());
            if let Ok(call) = call {
                *only = call;
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgres_writes_is_taken_as_the_engine_writes_it() {
        for (sql, want) in [
            (
                "SELECT i FROM generate_series(1, 3) AS i",
                "SELECT i FROM generate_series(1, 3) AS \"i\" (\"i\")",
            ),
            (
                "SELECT * FROM generate_series(1, 3) AS g (x)",
                "SELECT * FROM generate_series(1, 3) AS g (x)",
            ),
            (
                "SELECT s[1] FROM string_to_array('a,b', ',') s",
                "SELECT s[1] FROM (SELECT string_to_array('a,b', ',') AS \"s\") AS \"s\"",
            ),
            ("SELECT 'a' LIKE 'x/_\\y' ESCAPE '/'", "SELECT 'a' LIKE 'x\\_\\\\y'"),
            (
                "SELECT a AS a FROM t ORDER BY CASE WHEN b IN (SELECT 1) THEN 0 ELSE 1 END, 1",
                "SELECT \"a\" FROM (SELECT a AS a, CASE WHEN b IN (SELECT 1) THEN 0 ELSE 1 END \
                 AS \"sort0\" FROM t) AS sorted ORDER BY \"sort0\", 1",
            ),
        ] {
            let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            common(&mut statement);
            assert_eq!(statement.to_string(), want);
        }
    }

    #[test]
    fn a_question_about_the_catalog_says_that_its_sub_queries_have_one_row() {
        let sql = "SELECT ARRAY(SELECT 1) FROM pg_type t WHERE t.typrelid = 0 OR \
                   (SELECT c.relkind = 'c' FROM pg_class c WHERE c.oid = t.typrelid) AND typsend <> 0";
        let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        of_catalog(&mut statement);
        let want = "SELECT '{}' FROM pg_type t WHERE t.typrelid = 0 OR (SELECT min(c.relkind = 'c') \
                    FROM pg_class c WHERE c.oid = t.typrelid) AND typsend <> '-'";
        assert_eq!(statement.to_string(), want);
    }
}
