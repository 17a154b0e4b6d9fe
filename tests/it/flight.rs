//! Arrow Flight SQL as its own client speaks it: ask, prepare, look around, write, cancel.

use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use arrow_array::{
    Array as _, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{
    CommandGetDbSchemas, CommandGetTables, CommandStatementIngest, SqlInfo, TableDefinitionOptions,
    TableExistsOption, TableNotExistOption,
};
use arrow_flight::{CancelFlightInfoRequest, CancelStatus, FlightClient, FlightInfo};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use futures::TryStreamExt as _;
use std::sync::Arc;
use tonic::transport::{Channel, Endpoint};

use crate::server::{Server, wait_for};

type Client = FlightSqlServiceClient<Channel>;

/// Runs a conversation with a fresh server.
fn talk<F: Future<Output = ()>>(lines: &str, conversation: impl FnOnce(Server, Client) -> F) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert_eq!(server.post("/write", lines.as_bytes()).0, 204, "{lines}");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::new(format!("http://{}", server.grpc)).unwrap();
        let client = FlightSqlServiceClient::new(endpoint.connect().await.unwrap());
        conversation(server, client).await;
    });
}

async fn fetch(client: &mut Client, info: &FlightInfo) -> Vec<RecordBatch> {
    assert_eq!(info.endpoint.len(), 1, "Grafana takes exactly one endpoint");
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    client.do_get(ticket).await.unwrap().try_collect().await.unwrap()
}

async fn ask(client: &mut Client, query: &str) -> Vec<RecordBatch> {
    let info = client.execute(query.to_owned(), None).await.unwrap();
    fetch(client, &info).await
}

fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// The texts of a column.
fn texts(batches: &[RecordBatch], name: &str) -> Vec<String> {
    let column = |batch: &RecordBatch| {
        let column = batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        column.iter().map(|text| text.unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    batches.iter().flat_map(column).collect()
}

#[test]
fn an_answer_comes_in_types_that_every_reader_knows() {
    talk("oven temp=21.5,open=true 1700000000000000000", async |_server, mut client| {
        let query = "SELECT * FROM samples ORDER BY tag";
        let info = client.execute(query.to_owned(), None).await.unwrap();
        let told = info.clone().try_decode_schema().unwrap();
        let batches = fetch(&mut client, &info).await;
        assert_eq!(*batches[0].schema(), told);
        assert_eq!(told.field_with_name("tag").unwrap().data_type(), &DataType::Utf8);
        assert_eq!(told.field_with_name("value").unwrap().data_type(), &DataType::Float64);
        let moment = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        assert_eq!(told.field_with_name("ts").unwrap().data_type(), &moment);
        assert_eq!(texts(&batches, "tag"), ["oven/open", "oven/temp"]);
        let values = batches[0].column_by_name("value").unwrap().as_primitive::<Float64Type>();
        assert_eq!(values.values(), &[1.0, 21.5]);
    });
}

#[test]
fn a_client_that_knows_few_types_gets_no_others() {
    talk("oven temp=21.5", async |_server, mut client| {
        client.handshake("anyone", "whatever").await.unwrap();
        client.set_header("tacitus-types", "plain");
        let query = "SELECT DATE '2026-01-01' AS d, 1.5::decimal(9, 2) AS n, ARRAY['a'] AS l, \
                     INTERVAL '1 day' AS i, true AS b";
        let batches = ask(&mut client, query).await;
        let kinds: Vec<DataType> =
            batches[0].schema().fields().iter().map(|field| field.data_type().clone()).collect();
        let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let text = DataType::Utf8;
        assert_eq!(kinds, [nanos, DataType::Float64, text.clone(), text, DataType::Boolean]);
    });
}

#[test]
fn what_grafana_asks_over_flight_sql_has_answers_with_rows() {
    talk("oven temp=21.5", async |_server, mut client| {
        for query in [
            "select 1",
            "SELECT DISTINCT TABLE_SCHEMA from information_schema.TABLES \
             where TABLE_TYPE != 'SYSTEM VIEW' ORDER BY TABLE_SCHEMA",
            "SELECT table_name FROM information_schema.tables \
             WHERE table_schema = 'public' ORDER BY table_name",
            "SELECT column_name, data_type FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name = 'samples' ORDER BY column_name",
            "SELECT date_bin(interval '60 second', ts, timestamp '1970-01-01T00:00:00Z') AS time, \
             avg(value) AS value FROM samples WHERE ts >= cast('2020-01-01T00:00:00Z' as timestamp) \
             AND ts <= cast('2100-01-01T00:00:00Z' as timestamp) GROUP BY 1 ORDER BY 1",
        ] {
            assert!(rows(&ask(&mut client, query).await) > 0, "{query}");
        }
    });
}

#[test]
fn a_ticket_is_good_for_one_fetch() {
    talk("oven temp=21.5", async |_server, mut client| {
        let info = client.execute("SELECT 1".to_owned(), None).await.unwrap();
        assert_eq!(rows(&fetch(&mut client, &info).await), 1);
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let again = client.do_get(ticket).await.err().unwrap().to_string();
        assert!(again.contains("no such ticket"), "{again}");
    });
}

#[test]
fn an_answer_without_rows_has_its_columns() {
    talk("oven temp=21.5", async |_server, mut client| {
        let info = client.execute("SELECT tag FROM samples LIMIT 0".to_owned(), None).await;
        let ticket = info.unwrap().endpoint[0].ticket.clone().unwrap();
        let mut stream = client.do_get(ticket).await.unwrap();
        assert!(stream.try_next().await.unwrap().is_none());
        assert_eq!(stream.schema().unwrap().fields().len(), 1);
    });
}

#[test]
fn what_is_wrong_with_a_statement_is_said_with_its_sqlstate_and_a_hint() {
    talk("oven temp=21.5", async |_server, mut client| {
        for (query, parts) in [
            ("SELEC 1", ["InvalidArgument", "42601"]),
            ("SELECT * FROM sample", ["NotFound", "42P01"]),
            ("DELETE FROM samples", ["Unimplemented", "25006"]),
            ("SELECT valu FROM samples", ["InvalidArgument", "hint: "]),
        ] {
            let error = client.execute(query.to_owned(), None).await.unwrap_err();
            let said = format!("{error:?}");
            for part in parts {
                assert!(said.contains(part), "{query}: {part} is not in {said}");
            }
        }
    });
}

#[test]
fn a_prepared_statement_takes_parameters_and_is_used_again() {
    let lines = "a v=1 1000\na v=2 2000\nb v=3 1000\n";
    talk(lines, async |_server, mut client| {
        let query = "SELECT tag, value FROM samples WHERE tag = $1 AND value > $2 ORDER BY ts";
        let mut prepared = client.prepare(query.to_owned(), None).await.unwrap();
        let wanted = prepared.parameter_schema().unwrap();
        assert_eq!(wanted.fields().len(), 2, "{wanted}");
        assert_eq!(prepared.dataset_schema().unwrap().fields().len(), 2);
        for (tag, above, want) in [("a/v", 0.0, 2), ("a/v", 1.5, 1), ("b/v", 0.0, 1), ("c", 0.0, 0)]
        {
            let tag: ArrayRef = Arc::new(StringArray::from(vec![tag]));
            let above: ArrayRef = Arc::new(Float64Array::from(vec![above]));
            let parameters = RecordBatch::try_from_iter([("1", tag), ("2", above)]).unwrap();
            prepared.set_parameters(parameters).unwrap();
            let info = prepared.execute().await.unwrap();
            assert_eq!(rows(&fetch(&mut client, &info).await), want);
        }
        prepared.close().await.unwrap();
    });
}

#[test]
fn a_parameter_that_a_statement_leaves_open_keeps_the_type_it_is_bound_with() {
    talk("oven temp=21.5", async |_server, mut client| {
        let mut prepared = client.prepare("SELECT $1 AS n".to_owned(), None).await.unwrap();
        let number: ArrayRef = Arc::new(Int64Array::from(vec![7]));
        prepared.set_parameters(RecordBatch::try_from_iter([("n", number)]).unwrap()).unwrap();
        let info = prepared.execute().await.unwrap();
        let batches = fetch(&mut client, &info).await;
        assert_eq!(batches[0].column(0).data_type(), &DataType::Int64);
    });
}

#[test]
fn relations_are_listed_with_their_columns() {
    talk("oven temp=21.5", async |_server, mut client| {
        let info = client.get_catalogs().await.unwrap();
        assert_eq!(texts(&fetch(&mut client, &info).await, "catalog_name"), ["tacitus"]);

        let asked = CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: None };
        let info = client.get_db_schemas(asked).await.unwrap();
        let schemas = texts(&fetch(&mut client, &info).await, "db_schema_name");
        assert!(schemas.contains(&"public".to_owned()), "{schemas:?}");

        let asked = CommandGetTables {
            db_schema_filter_pattern: Some("public".to_owned()),
            table_name_filter_pattern: Some("samp%".to_owned()),
            table_types: vec!["TABLE".to_owned()],
            include_schema: true,
            ..CommandGetTables::default()
        };
        let info = client.get_tables(asked).await.unwrap();
        let tables = fetch(&mut client, &info).await;
        assert_eq!(texts(&tables, "table_name"), ["samples"]);
        let columns = tables[0].column_by_name("table_schema").unwrap().as_binary::<i32>();
        let columns = arrow_flight::IpcMessage(columns.value(0).to_vec().into());
        let columns = datafusion::arrow::datatypes::Schema::try_from(columns).unwrap();
        assert_eq!(columns.field(0).name(), "tag");

        let info = client.get_table_types().await.unwrap();
        assert!(rows(&fetch(&mut client, &info).await) >= 1);
        let info = client.get_sql_info(vec![SqlInfo::FlightSqlServerName]).await.unwrap();
        assert_eq!(rows(&fetch(&mut client, &info).await), 1);
    });
}

/// Three rows: a number, one with a time and a quality, and one that cannot be kept.
fn batch(last: &str) -> RecordBatch {
    let tags: ArrayRef = Arc::new(StringArray::from(vec!["flow/a", "flow/a", last]));
    let times = vec![Some(1_000_000), Some(2_000_000), Some(3_000_000)];
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"));
    let values: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]));
    let qualities: ArrayRef = Arc::new(Int64Array::from(vec![0, 0x4000_0000, 0]));
    RecordBatch::try_from_iter([
        ("tag", tags),
        ("ts", times),
        ("value", values),
        ("quality", qualities),
    ])
    .unwrap()
}

fn into_table(name: &str, if_exists: TableExistsOption) -> CommandStatementIngest {
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: TableNotExistOption::Fail.into(),
            if_exists: if_exists.into(),
        }),
        table: name.to_owned(),
        ..CommandStatementIngest::default()
    }
}

async fn ingest(
    client: &mut Client,
    command: CommandStatementIngest,
    batches: Vec<RecordBatch>,
) -> Result<i64, String> {
    let batches = futures::stream::iter(batches.into_iter().map(Ok));
    client.execute_ingest(command, batches).await.map_err(|error| format!("{error:?}"))
}

#[test]
fn rows_are_samples_on_disk_when_the_call_is_answered() {
    talk("oven temp=21.5", async |server, mut client| {
        let append = into_table("samples", TableExistsOption::Append);
        let batches = vec![batch("flow/b"), batch("flow/c")];
        assert_eq!(ingest(&mut client, append.clone(), batches).await, Ok(6));
        let query = "SELECT tag, value, quality FROM samples WHERE tag LIKE 'flow/%' ORDER BY 1, 2";
        let want = ["flow/a,1.0,0", "flow/a,2.0,1073741824", "flow/b,3.0,0", "flow/c,3.0,0"];
        assert_eq!(server.rows(query), want);

        let read = ask(&mut client, "SELECT * FROM samples WHERE tag LIKE 'flow/%'").await;
        assert_eq!(ingest(&mut client, append, read).await, Ok(4), "what was read can be written");
        assert_eq!(server.rows(query), want, "and counts once");
    });
}

#[test]
fn a_row_that_does_not_fit_is_refused_alone_and_named() {
    talk("oven temp=21.5", async |server, mut client| {
        let append = into_table("samples", TableExistsOption::Append);
        let refused = ingest(&mut client, append, vec![batch("")]).await.unwrap_err();
        assert!(refused.contains("row 3") && refused.contains("2 samples are stored"), "{refused}");
        assert_eq!(server.rows("SELECT count(*) FROM samples WHERE tag = 'flow/a'"), ["2"]);
    });
}

#[test]
fn rows_for_another_relation_are_refused() {
    talk("oven temp=21.5", async |_server, mut client| {
        for (command, part) in [
            (into_table("mine", TableExistsOption::Append), "NotFound"),
            (into_table("samples", TableExistsOption::Fail), "AlreadyExists"),
            (into_table("samples", TableExistsOption::Replace), "cannot be replaced"),
        ] {
            let refused = ingest(&mut client, command, vec![batch("x")]).await.unwrap_err();
            let plain = refused
                .replace("Some requested entity was not found", "NotFound")
                .replace("Some entity that we attempted to create already exists", "AlreadyExists");
            assert!(plain.contains(part), "{part} is not in {refused}");
        }
    });
}

/// A statement that takes longer than anyone waits.
const ENDLESS: &str = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) \
     SELECT n FROM r";

#[test]
fn a_client_that_leaves_ends_its_statement() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), &[("TACITUS_QUERY_STATEMENTS", "1")]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::new(format!("http://{}", server.grpc)).unwrap();
        let mut client = FlightSqlServiceClient::new(endpoint.connect().await.unwrap());
        let info = client.execute(ENDLESS.to_owned(), None).await.unwrap();
        let mut rows = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
        assert!(rows.try_next().await.unwrap().is_some(), "it runs");
        assert_eq!(server.post("/api/v1/sql", b"SELECT 1").0, 503, "it has the only place");
    });
    drop(runtime);
    wait_for("the place of the statement", || {
        (server.post("/api/v1/sql", b"SELECT 1").0 == 200).then_some(())
    });
}

#[test]
fn a_statement_is_cancelled_by_its_flight() {
    talk("oven temp=21.5", async |_server, mut client| {
        let info = client.execute(ENDLESS.to_owned(), None).await.unwrap();
        let mut rows = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
        assert!(rows.try_next().await.unwrap().is_some(), "it runs");
        let mut plain = FlightClient::new_from_inner(client.inner().clone());
        let cancelled = plain.cancel_flight_info(CancelFlightInfoRequest { info: Some(info) });
        assert_eq!(cancelled.await.unwrap().status, CancelStatus::Cancelled as i32);
        let ended = loop {
            match rows.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("a cancelled answer looks complete"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(ended.contains("cancelled"), "{ended}");
    });
}
