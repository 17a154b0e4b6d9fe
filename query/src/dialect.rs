//! What a wire adds to the SQL of its connections.
//!
//! *Invariant.* A dialect adds names and changes how a statement is written; it never changes what
//! a relation holds or what a statement may do: every statement is checked after the rewrite.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::catalog::SchemaProvider;
use datafusion::error::Result;
use datafusion::execution::context::SessionState;
use datafusion::sql::sqlparser::ast::Statement;

/// A dialect.
pub trait Dialect: Debug + Send + Sync {
    /// Adds functions and planners to the state of a connection.
    ///
    /// # Errors
    /// A function that cannot be registered.
    fn register(&self, state: &mut SessionState) -> Result<()>;

    /// Names of the schemas beside those of every connection.
    fn schema_names(&self) -> Vec<String>;

    /// One of these schemas; `public` holds the relations of this statement.
    fn schema(
        &self,
        name: &str,
        public: &Arc<dyn SchemaProvider>,
    ) -> Option<Arc<dyn SchemaProvider>>;

    /// Writes a statement as the engine takes it.
    fn rewrite(&self, text: &str, statement: Statement) -> Statement;

    /// The name of a column that the statement does not name, by its position in the answer.
    fn column_name(&self, name: &str) -> String;
}
