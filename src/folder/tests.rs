//! Files in a folder: taken once, moved, and what is wrong with them named beside them.

use tacitus_model::{TimeRange, Timestamp, Value};
use tacitus_storage::{Clock, FixedClock, Parts, SeededChance, SimDisk};

use super::*;
use crate::ingest::Committer;

struct Bench {
    dir: tempfile::TempDir,
    engine: Arc<Engine>,
    folder: Folder,
    _committer: Committer,
}

fn bench() -> Bench {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::at(Timestamp::from_nanos(1 << 60)));
    let parts = Parts {
        disk: Arc::new(SimDisk::new()),
        clock: Arc::clone(&clock),
        chance: Arc::new(SeededChance::new(7)),
    };
    let settings = tacitus_storage::Settings {
        reserve_bytes: Some(0),
        ..tacitus_storage::Settings::default()
    };
    let engine = Arc::new(Engine::open(parts, settings).unwrap());
    let (ingest, committer) =
        Ingest::start(Arc::clone(&engine), clock, &crate::ingest::Settings::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        dir: dir.path().join("in"),
        every: Duration::from_secs(1),
        spill_dir: dir.path().to_owned(),
        json_bytes_max: 1 << 20,
    };
    fs::create_dir(&settings.dir).unwrap();
    let folder = Folder::new(settings, Arc::clone(&engine), ingest);
    Bench { dir, engine, folder, _committer: committer }
}

impl Bench {
    fn put(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join("in").join(name), text).unwrap();
    }

    /// Two looks: the first sees the files, the second takes them.
    fn look(&mut self) {
        self.look_once();
        self.look_once();
    }

    fn look_once(&mut self) {
        tokio::task::block_in_place(|| self.folder.look(&|| false));
    }

    fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.dir.path().join("in").join(name)).ok()
    }

    fn values(&self, path: &str) -> Vec<Value> {
        let snapshot = self.engine.snapshot();
        let Some(tag) = snapshot.find(path) else { return Vec::new() };
        let mut values = Vec::new();
        for block in snapshot.scan(tag.id, TimeRange::ALL) {
            let block = block.unwrap();
            values.extend((0..block.len()).map(|row| block.value(row)));
        }
        values
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_is_taken_and_moved() {
    let mut bench = bench();
    bench.put("oven.csv", "ts,temp\n2026-05-01T08:00:00Z,21.5\n2026-05-01T08:00:01Z,22.5\n");
    bench.put("a.lp", "press,line=1 force=4.5 1714550400000000000\n");
    bench.put("b.json", r#"[{"tag": "x/y", "ts": 1714550400, "value": true}]"#);
    bench.put("c.ndjson", "{\"tag\": \"x/z\", \"ts\": 1, \"value\": \"RUN\"}\n");
    bench.look();
    let float = Value::Float;
    assert_eq!(bench.values("oven/temp"), [float(21.5), float(22.5)]);
    assert_eq!(bench.values("press/line=1/force"), [float(4.5)]);
    assert_eq!(bench.values("x/y"), [Value::Bool(true)]);
    assert_eq!(bench.values("x/z"), [Value::Text("RUN".into())]);
    for name in ["oven.csv", "a.lp", "b.json", "c.ndjson"] {
        assert!(bench.text(&format!("done/{name}")).is_some(), "{name}");
        assert_eq!(bench.text(name), None);
        assert_eq!(bench.text(&format!("done/{name}.errors")), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_rows_are_named_beside_the_file_and_the_others_stored() {
    let mut bench = bench();
    bench.put("oven.csv", "ts,temp\nnoon,1\n2026-05-01T08:00:00Z,2\n");
    bench.put(
        "b.ndjson",
        "{\"tag\": \"x\", \"value\": 1}\n{\"tag\": \"x\"}\n{\"tag\": \"\", \"value\": 1}\n",
    );
    bench.put("c.lp", "m f=1 1\nm f=\nm f=\"text\" 2\n");
    bench.look();
    assert_eq!(bench.values("oven/temp"), [Value::Int(2)]);
    assert_eq!(bench.values("x"), [Value::Float(1.0)]);
    assert_eq!(bench.text("done/oven.csv.errors").unwrap(), "2: \"noon\" is not a time\n");
    let errors = bench.text("done/b.ndjson.errors").unwrap();
    assert!(errors.starts_with("2: \"value\" is missing"), "{errors}");
    assert!(errors.contains("\n3: \"tag\" is empty\n"), "{errors}");
    let errors = bench.text("done/c.lp.errors").unwrap();
    assert!(errors.starts_with("2: field value is not"), "{errors}");
    let refused = bench.folder.ingest.refusals_counted();
    let oven = refused.iter().find(|(own, _)| own.source == "file:oven.csv").unwrap();
    assert_eq!((oven.0.name.as_str(), oven.0.code), ("row 2", "file_row"));
    assert_eq!(oven.0.reason, "\"noon\" is not a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_at_all_is_set_apart_with_the_reason() {
    let mut bench = bench();
    bench.put("a.json", "{\"tag\"");
    bench.put("b.parquet", "no parquet");
    bench.put("c.xls", "what is this");
    bench.put("d.json", &"[1, ".repeat(1 << 19));
    bench.look();
    for name in ["b.parquet", "c.xls", "d.json"] {
        assert!(bench.text(&format!("failed/{name}")).is_some(), "{name}");
        assert!(!bench.text(&format!("failed/{name}.errors")).unwrap().is_empty(), "{name}");
    }
    assert!(bench.text("done/a.json.errors").unwrap().starts_with("1: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_taken_once_whatever_its_name() {
    let mut bench = bench();
    let text = "ts,temp\n2026-05-01T08:00:00Z,21.5\n";
    bench.put("oven.csv", text);
    bench.look();
    bench.put("oven.csv", text);
    bench.put("copy.csv", text);
    bench.look();
    assert_eq!(bench.values("oven/temp"), [Value::Float(21.5)]);
    assert_eq!(bench.values("copy/temp"), []);
    assert_eq!(bench.text("done/oven.csv.2").as_deref(), Some(text));
    assert!(bench.text("done/copy.csv").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_still_grows_or_is_not_finished_is_left_alone() {
    let mut bench = bench();
    bench.put("oven.csv", "ts,temp\n");
    bench.put(".hidden.csv", "ts,temp\n2026-05-01T08:00:00Z,1\n");
    bench.put("later.csv.part", "ts,temp\n2026-05-01T08:00:00Z,1\n");
    bench.look_once();
    bench.put("oven.csv", "ts,temp\n2026-05-01T08:00:00Z,1\n");
    bench.look_once();
    assert!(bench.text("oven.csv").is_some());
    bench.look_once();
    assert_eq!(bench.values("oven/temp"), [Value::Int(1)]);
    assert!(bench.text(".hidden.csv").is_some() && bench.text("later.csv.part").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_is_no_end() {
    let mut bench = bench();
    fs::remove_dir(bench.dir.path().join("in")).unwrap();
    bench.look();
    fs::create_dir(bench.dir.path().join("in")).unwrap();
    bench.put("oven.csv", "ts,temp\n2026-05-01T08:00:00Z,1\n");
    bench.look();
    assert_eq!(bench.values("oven/temp"), [Value::Int(1)]);
}
