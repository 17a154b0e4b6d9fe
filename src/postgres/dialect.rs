//! What the SQL of this wire has beyond that of the others: PostgreSQL's catalog, its functions
//! about the server, and its names of columns.
//!
//! *Invariant.* A statement that names nothing of PostgreSQL's catalog is planned as on every other
//! wire, but for the names of its columns.

mod catalog;
mod empty;
mod functions;
mod names;
mod wording;

use std::sync::{Arc, PoisonError, RwLock};

use datafusion::catalog::SchemaProvider;
use datafusion::error::Result;
use datafusion::execution::context::SessionState;
use datafusion::sql::sqlparser::ast::Statement;
use tacitus_query::{Dialect, Settings};

use functions::Facts;

/// The dialect of one connection.
#[derive(Debug)]
pub(super) struct Postgres {
    facts: Arc<Facts>,
}

impl Postgres {
    pub(super) fn new(user: &str, database: &str, pid: i32) -> Self {
        let facts = Facts {
            user: user.to_owned(),
            database: database.to_owned(),
            pid,
            settings: RwLock::new(Settings::default()),
        };
        Self { facts: Arc::new(facts) }
    }

    /// Remembers the settings of the connection, for `current_setting`.
    pub(super) fn keep(&self, settings: &Settings) {
        *self.facts.settings.write().unwrap_or_else(PoisonError::into_inner) = settings.clone();
    }
}

/// Whether a statement reads PostgreSQL's catalog, or names a function of it.
fn reads_catalog(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["pg_", "information_schema", "regclass", "current_setting", "_user", "parse_ident"]
        .iter()
        .any(|word| text.contains(word))
}

impl Dialect for Postgres {
    fn register(&self, state: &mut SessionState) -> Result<()> {
        catalog::register(state)?;
        functions::register(state, &self.facts)
    }

    fn schema_names(&self) -> Vec<String> {
        vec![catalog::PG_CATALOG.to_owned()]
    }

    fn schema(
        &self,
        name: &str,
        _public: &Arc<dyn SchemaProvider>,
    ) -> Option<Arc<dyn SchemaProvider>> {
        (name == catalog::PG_CATALOG).then(|| catalog::schema(&self.facts)).flatten()
    }

    fn rewrite(&self, text: &str, mut statement: Statement) -> Statement {
        names::give(&mut statement);
        wording::common(&mut statement);
        if reads_catalog(text) {
            statement = wording::known(text).unwrap_or_else(|| empty::answered(statement));
            wording::of_catalog(&mut statement);
            statement = catalog::rewrite(statement);
        }
        statement
    }

    fn column_name(&self, name: &str) -> String {
        names::shown(name).to_owned()
    }
}
