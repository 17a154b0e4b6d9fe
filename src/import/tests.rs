//! Files on disk into engines in directories of their own, and out again.

use std::fs;
use std::sync::Arc;

use tacitus_files::Output;
use tacitus_model::{Quality, TagDefinition, TagPath, TimeRange, Value};
use tacitus_storage::{Engine, OsDisk, Parts, Settings};

use super::*;
use crate::chance::SystemChance;
use crate::clock::SystemClock;
use crate::export::{Choice, Sheet, from_engine};

/// An engine in a directory, and files beside it.
struct Bench {
    dir: tempfile::TempDir,
    engine: Arc<Engine>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(OsDisk::open(&dir.path().join("data")).unwrap());
        let clock = Arc::new(SystemClock::default());
        let parts = Parts { disk, clock, chance: Arc::new(SystemChance) };
        let engine = Engine::open(parts, Settings::default()).unwrap();
        Self { dir, engine: Arc::new(engine) }
    }

    fn import(&self, files: &[(&str, &str)]) -> Imported {
        self.import_with(files, &[])
    }

    fn import_with(&self, files: &[(&str, &str)], kinds: &[(&str, Kind)]) -> Imported {
        let files = files.iter().map(|(name, text)| {
            let path = self.dir.path().join(name);
            fs::write(&path, text).unwrap();
            path
        });
        self.import_files(files.collect(), kinds)
    }

    fn import_files(&self, files: Vec<PathBuf>, kinds: &[(&str, Kind)]) -> Imported {
        let kinds = kinds.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        let plan =
            Plan { files, format: None, unit: Unit::BySize, kinds, memory_bytes_max: 1 << 20 };
        let mut store = Directory::new(Arc::clone(&self.engine));
        import(&plan, Spill::in_dir(self.dir.path()), &mut store).unwrap()
    }

    /// Path, kind, time in seconds, value and quality of every sample.
    fn samples(&self) -> Vec<(String, Kind, i64, Value, Quality)> {
        let snapshot = self.engine.snapshot();
        let mut found = Vec::new();
        for tag in snapshot.tags() {
            for block in snapshot.scan(tag.id, TimeRange::ALL) {
                let block = block.unwrap();
                for (row, ts) in block.times.iter().enumerate() {
                    let (path, kind) = (tag.definition.path.to_string(), tag.definition.kind);
                    found.push((
                        path,
                        kind,
                        *ts / 1_000_000_000,
                        block.value(row),
                        block.quality(row),
                    ));
                }
            }
        }
        found
    }

    /// The faults without the directory in their names.
    fn faults(&self, imported: &Imported) -> Vec<String> {
        let dir = format!("{}/", self.dir.path().display());
        imported.faults.named.iter().map(|fault| fault.to_string().replace(&dir, "")).collect()
    }
}

fn good(path: &str, kind: Kind, ts: i64, value: Value) -> (String, Kind, i64, Value, Quality) {
    (path.to_owned(), kind, ts, value, Quality::GOOD)
}

#[test]
fn columns_become_tags_of_the_kind_that_all_their_cells_fit() {
    let bench = Bench::new();
    let imported =
        bench.import(&[("oven.csv", "ts,temp,door,state,n\n10,21,true,RUN,\n11,21.5,false,7,3\n")]);
    assert_eq!((imported.samples, imported.tags, imported.faults.count), (7, 4, 0));
    assert_eq!(
        bench.samples(),
        [
            good("oven/temp", Kind::Float, 10, Value::Float(21.0)),
            good("oven/temp", Kind::Float, 11, Value::Float(21.5)),
            good("oven/door", Kind::Bool, 10, Value::Bool(true)),
            good("oven/door", Kind::Bool, 11, Value::Bool(false)),
            good("oven/state", Kind::Text, 10, Value::Text("RUN".into())),
            good("oven/state", Kind::Text, 11, Value::Text("7".into())),
            good("oven/n", Kind::Int, 11, Value::Int(3)),
        ]
    );
}

#[test]
fn a_kind_that_is_said_wins_over_what_cells_look_like() {
    let bench = Bench::new();
    let kinds = [("oven/a", Kind::Float), ("b", Kind::Bool)];
    bench.import_with(&[("oven.csv", "ts,a,b\n10,1,1\n")], &kinds);
    assert_eq!(
        bench.samples(),
        [
            good("oven/a", Kind::Float, 10, Value::Float(1.0)),
            good("oven/b", Kind::Bool, 10, Value::Bool(true)),
        ]
    );
}

#[test]
fn a_tag_that_is_there_keeps_its_kind_and_what_does_not_fit_is_named() {
    let bench = Bench::new();
    let path = TagPath::new("line/mode").unwrap();
    let states = vec!["idle".to_owned(), "run".to_owned()];
    let definition = TagDefinition { states, ..TagDefinition::new(path, Kind::State, "test") };
    bench.engine.catalog().define(definition).unwrap();
    let imported = bench.import(&[("line.csv", "ts,mode\n10,run\n11,0\n12,off\n")]);
    assert_eq!(
        bench.samples(),
        [
            good("line/mode", Kind::State, 10, Value::State(1)),
            good("line/mode", Kind::State, 11, Value::State(0)),
        ]
    );
    assert_eq!(bench.faults(&imported), ["line.csv:4: \"off\" is no value of tags of kind state"]);
}

#[test]
fn importing_again_changes_nothing_and_a_later_file_wins() {
    let bench = Bench::new();
    let first = ("a.csv", "tag,ts,value\nx,10,1.5\nx,11,2.5\n");
    bench.import(&[first]);
    let before = bench.samples();
    bench.import(&[first, first]);
    assert_eq!(bench.samples(), before);
    bench.import(&[first, ("b.csv", "tag,ts,value,quality\nx,11,3.5,bad\n")]);
    assert_eq!(bench.samples()[1].3, Value::Float(3.5));
    assert_eq!(bench.samples()[1].4, Quality::BAD);
}

#[test]
fn wrong_rows_are_named_by_file_and_line_and_the_others_are_stored() {
    let bench = Bench::new();
    let imported = bench.import(&[
        ("a.csv", "ts,v\nnoon,1\n10,2\n"),
        ("b.lp", "oven t=1 10000000000\noven t=\noven t=2\n"),
        ("c.csv", "tag,ts,value\n,10,1\n"),
    ]);
    assert_eq!(
        bench.faults(&imported),
        [
            "a.csv:2: \"noon\" is not a time",
            "b.lp:2: field value is not a number, integer, boolean or quoted text",
            "b.lp:3: the line has no time",
            "c.csv:2: a tag path is empty",
        ]
    );
    assert_eq!(
        bench.samples(),
        [
            good("a/v", Kind::Int, 10, Value::Int(2)),
            good("oven/t", Kind::Float, 10, Value::Float(1.0)),
        ]
    );
}

#[test]
fn lines_become_the_tags_that_a_server_would_make_of_them() {
    let bench = Bench::new();
    let text = "oven,zone=2,side=left t=21.5,n=7i,on=t,s=\"x\" 10000000000\n".repeat(3);
    bench.import(&[("any.line", &text)]);
    let tag = bench.engine.catalog().find("oven/side=left/zone=2/n").unwrap();
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(tag.definition.kind, Kind::Int);
    assert_eq!(tag.definition.labels, [label("side", "left"), label("zone", "2")]);
    assert_eq!(bench.samples().len(), 4);
}

#[test]
fn more_lines_than_are_read_at_once_keep_their_numbers() {
    let bench = Bench::new();
    let mut text = String::new();
    for ts in 0..60_000 {
        text.extend(["oven t=", &ts.to_string(), " ", &ts.to_string(), "000000000\n"]);
    }
    text.push_str("oven t=\n");
    let imported = bench.import(&[("a.lp", &text)]);
    assert_eq!(imported.samples, 60_000);
    let want = "a.lp:60001: field value is not a number, integer, boolean or quoted text";
    assert_eq!(bench.faults(&imported), [want]);
}

#[test]
fn what_is_exported_is_imported_as_the_same_samples() {
    let source = Bench::new();
    let rows = "tag,kind,ts,value,quality\na/f,float,10,-0.0,0\na/f,float,11,NaN,2151415808\n\
                a/i,int,10,9223372036854775807,0\na/b,bool,10,true,7\na/t,text,10,\"x, \"\"y\"\"\",0\n\
                a/t,text,11,,2157641728\nb/other,int,10,1,0\n";
    assert_eq!(source.import(&[("rows.csv", rows)]).faults.count, 0);
    let want: Vec<_> =
        source.samples().into_iter().filter(|sample| sample.0.starts_with("a/")).collect();
    assert_eq!(want.len(), 6);
    for name in ["out.csv", "out.csv.gz", "out.csv.zst", "out.parquet"] {
        let path = source.dir.path().join(name);
        let format = Format::of(&path).unwrap();
        let mut sheet = Sheet::new(format, Output::create(&path).unwrap()).unwrap();
        let choice = Choice { tags: vec!["a/*".to_owned()], range: TimeRange::ALL };
        let samples = from_engine(&source.engine, &choice, &mut sheet).unwrap();
        let (out, exported) = sheet.finish(samples).unwrap();
        out.finish().unwrap();
        assert_eq!((exported.samples, exported.left_out), (6, 0), "{name}");
        let target = Bench::new();
        assert_eq!(target.import_files(vec![path], &[]).faults, Faults::default(), "{name}");
        let mut got = target.samples();
        let mut want = want.clone();
        got.sort_by_key(|sample| (sample.0.clone(), sample.2));
        want.sort_by_key(|sample| (sample.0.clone(), sample.2));
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn a_file_that_cannot_be_read_ends_the_import_before_anything_is_stored() {
    let bench = Bench::new();
    let good = bench.dir.path().join("good.csv");
    fs::write(&good, "ts,a\n10,1\n").unwrap();
    for (name, text, why) in [
        ("bad.csv", Some("a,b\n1,2\n"), "no column is called \"ts\""),
        ("bad.xlsx", Some(""), "its name does not tell its form"),
        ("absent.csv", None, "No such file"),
    ] {
        let bad = bench.dir.path().join(name);
        if let Some(text) = text {
            fs::write(&bad, text).unwrap();
        }
        let files = vec![good.clone(), bad];
        let plan = Plan {
            files,
            format: None,
            unit: Unit::BySize,
            kinds: Vec::new(),
            memory_bytes_max: 1 << 20,
        };
        let mut store = Directory::new(Arc::clone(&bench.engine));
        let error = import(&plan, Spill::in_dir(bench.dir.path()), &mut store).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(bench.samples(), []);
    }
}
