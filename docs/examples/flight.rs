//! Rust over Arrow Flight SQL: a prepared query, batch by batch.
//!
//! Usage: `cargo run --example flight -- http://127.0.0.1:8429`
#![expect(clippy::print_stdout, reason = "an example shows what it got")]

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt as _;
use tonic::transport::Endpoint;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8429".to_owned());
    let channel = Endpoint::new(address)?.connect().await?;
    let mut client = FlightSqlServiceClient::new(channel);

    let query = "SELECT tag, count(*) AS samples, max(ts) AS last FROM samples \
                 WHERE tag LIKE $1 GROUP BY tag ORDER BY tag";
    let mut prepared = client.prepare(query.to_owned(), None).await?;
    let pattern: ArrayRef = Arc::new(StringArray::from(vec!["%"]));
    prepared.set_parameters(RecordBatch::try_from_iter([("$1", pattern)])?)?;

    let info = prepared.execute().await?;
    let mut rows = 0;
    for ticket in info.endpoint.into_iter().filter_map(|endpoint| endpoint.ticket) {
        let mut batches = client.do_get(ticket).await?;
        while let Some(batch) = batches.try_next().await? {
            rows += batch.num_rows();
        }
    }
    println!("{rows} tags have samples");
    prepared.close().await?;
    Ok(())
}
