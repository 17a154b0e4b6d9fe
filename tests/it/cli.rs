//! What is typed, and the exact texts and exit codes that come back.

use std::fs;
use std::process::Output;

use crate::server::{Server, tacitus};

/// Exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    outcome(&tacitus().args(arguments).output().unwrap())
}

fn outcome(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn config_check_reports_every_problem_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.toml");
    fs::write(&file, "[http]\naddr = \"0.0.0.0:1\"\nbody = 5\n[htp]\nx = 1\n").unwrap();
    let name = file.to_str().unwrap();
    let (code, out, err) = run(&["config", "check", "--config", name]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(
        err,
        format!(
            "{name}:4: unknown key \"htp\"\n  hint: `tacitus config print` lists every key\n\
             {name}:3: \"http.body\" is 5, which is not a size\n  hint: write a whole number and \
             a unit, like \"64 MiB\"; units: TiB, GiB, MiB, KiB, TB, GB, MB, kB, B\n\
             {name}:2: \"http.addr\" is \"0.0.0.0:1\", which other machines can reach, and there \
             are no users to ask for credentials\n  hint: listen on \"127.0.0.1:1\", and let a \
             proxy that asks for credentials stand in front\n\
             error: 3 problems in the configuration\n"
        )
    );
}

#[test]
fn config_print_is_a_configuration_and_explain_knows_every_key_of_it() {
    let (code, printed, err) = run(&["config", "print"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("printed.toml");
    fs::write(&file, &printed).unwrap();
    let (code, out, _) = run(&["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (0, "the configuration is in order\n"));
    let (code, out, _) = run(&["config", "explain", "http.addr"]);
    assert_eq!(code, 0);
    assert!(out.contains("default:  \"127.0.0.1:8428\"\n  flag:     --http\n"), "{out}");
    assert_eq!(run(&["config", "explain", "http.adr"]).0, 2);
}

#[test]
fn a_configuration_that_cannot_be_read_ends_the_start() {
    let (code, out, err) = run(&["serve", "--config", "/nonexistent/t.toml"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(
        err,
        "error: could not read the configuration \"/nonexistent/t.toml\": No such file or \
         directory (os error 2)\n"
    );
}

#[test]
fn a_second_process_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let second = Server::spawn(dir.path(), &[]);
    let (status, err) = second.wait();
    assert_eq!(status.code(), Some(3));
    assert!(
        err.contains(&format!(
            "error: another process has the data directory \"{}\" open\n  hint: stop the other \
             Tacitus, or give this one a directory of its own with --data\n",
            dir.path().display()
        )),
        "{err}"
    );
    assert_eq!(server.get("/health").0, 200);
}

#[test]
fn an_address_in_use_is_named_with_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (http, mqtt, key) in
        [(taken.as_str(), "127.0.0.1:0", "http.addr"), ("127.0.0.1:0", &taken, "mqtt.addr")]
    {
        let mut command = tacitus();
        command
            .args(["serve", "--http", http, "--mqtt", mqtt, "--pg", "127.0.0.1:0", "--data"])
            .arg(dir.path());
        let (code, out, err) = outcome(&command.output().unwrap());
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        let want = format!("error: could not listen on \"{taken}\" ({key})");
        assert!(err.contains(&want), "{err}");
    }
}

#[test]
fn sql_and_status_ask_a_running_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let url = format!("http://{}", server.http);
    assert_eq!(server.post("/write", b"oven temp=21.5 1700000000000000000").0, 204);

    let query = "SELECT tag, ts, value FROM samples";
    let (code, out, err) = run(&["sql", query, "--url", &url]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "tag        ts                    value\n\
         ---------  --------------------  -----\n\
         oven/temp  2023-11-14T22:13:20Z   21.5\n(1 row)\n"
    );
    let (_, out, _) = run(&["sql", query, "--url", &url, "--format", "csv"]);
    assert_eq!(out, "tag,ts,value\r\noven/temp,2023-11-14T22:13:20Z,21.5\r\n");

    let (code, out, err) = run(&["sql", "SELECT nothing FROM samples", "--url", &url]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("error: ") && err.contains("(SQLSTATE 42703)"), "{err}");

    let (code, out, _) = run(&["status", "--json", "--url", &url]);
    assert_eq!(code, 0);
    let status: serde_json::Value = serde_json::from_str(&out).unwrap();
    for member in ["version", "tags", "samples", "bytes_on_disk", "sequence", "uptime_s"] {
        assert!(!status[member].is_null(), "{member} is missing: {out}");
    }
}

#[test]
fn files_are_imported_exported_and_the_directory_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (data, oven, out) = (path("data"), path("oven.csv"), path("out.csv"));
    fs::write(&oven, "ts,temp,door\n2024-05-01T08:00:00Z,21.5,true\nnoon,22,false\n").unwrap();

    let (code, said, err) = run(&["import", &oven, "--data", &data]);
    assert_eq!((code, said.as_str()), (5, "imported 2 samples of 2 tags from 1 files\n"), "{err}");
    assert!(err.starts_with(&format!("{oven}:3: \"noon\" is not a time\n")), "{err}");

    let (code, said, err) = run(&["compact", "--data", &data]);
    assert_eq!(code, 0, "{err}");
    assert!(said.contains(" bytes before, "), "{said}");

    let (code, said, err) = run(&["export", &out, "--tag", "oven/t*", "--data", &data]);
    assert_eq!((code, said.as_str(), err.as_str()), (0, "", "exported 1 samples\n"));
    assert_eq!(
        fs::read_to_string(&out).unwrap(),
        "tag,kind,ts,value,quality\noven/temp,float,2024-05-01T08:00:00Z,21.5,0\n"
    );
    let (code, said, _) = run(&["export", "--format", "line", "--data", &data]);
    let lines = "oven door=true 1714550400000000000\noven temp=21.5 1714550400000000000\n";
    assert_eq!((code, said.as_str()), (0, lines));
}

#[test]
fn a_running_server_is_imported_to_and_exported_from() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let server = Server::start(&dir.path().join("data"));
    let url = format!("http://{}", server.http);
    let (rows, out) = (path("rows.csv"), path("out.parquet"));
    fs::write(&rows, "tag,ts,value,quality\na/b,10,21.5,0\na/b,11,,bad\na/t,10,RUN,\n").unwrap();

    let (code, said, err) = run(&["import", &rows, "--url", &url]);
    assert_eq!((code, err.as_str()), (0, ""), "{said}");
    assert_eq!(
        server.rows("SELECT tag, value, text, quality FROM samples ORDER BY tag, ts"),
        ["a/b,21.5,,0", "a/b,,,2147483648", "a/t,,RUN,0"]
    );

    let (code, _, err) = run(&["export", &out, "--url", &url, "--to", "10"]);
    assert_eq!((code, err.as_str()), (0, "exported 2 samples\n"));
    let (code, said, err) = run(&["import", &out, "--data", &path("copy")]);
    assert_eq!((code, said.as_str()), (0, "imported 2 samples of 2 tags from 1 files\n"), "{err}");

    let data = dir.path().join("data");
    let (code, _, err) = run(&["import", &rows, "--data", data.to_str().unwrap()]);
    assert_eq!(code, 3);
    assert!(err.contains("import, export and backup can also ask it with --url"), "{err}");
}

#[test]
fn no_server_to_ask_is_a_failure_with_a_hint() {
    let (code, out, err) = run(&["sql", "SELECT 1", "--url", "http://127.0.0.1:9"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("error: could not ask \"http://127.0.0.1:9\""), "{err}");
    assert!(err.contains("hint: start one with `tacitus serve`"), "{err}");
}
