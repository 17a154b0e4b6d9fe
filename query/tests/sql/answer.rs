//! An answer as a client over HTTP reads it.

use serde_json::Value;
use tacitus_query::{Answer, Format, QueryError, Renderer, Session};

/// The whole answer, as JSON.
pub(crate) async fn read(mut answer: Answer) -> Result<Value, QueryError> {
    let mut renderer = Renderer::new(Format::Json, answer.schema())?;
    let mut bytes = renderer.begin();
    while let Some(batch) = answer.next().await {
        bytes.extend(renderer.rows(&batch?)?);
    }
    bytes.extend(renderer.end()?);
    Ok(serde_json::from_slice(&bytes).unwrap())
}

/// What a statement without parameters answers.
pub(crate) async fn json(session: &Session, sql: &str) -> Result<Value, QueryError> {
    read(session.sql(sql, &[]).await?).await
}

/// The rows of an answer.
pub(crate) fn rows(answer: &Value) -> Vec<Value> {
    answer["rows"].as_array().unwrap().clone()
}
