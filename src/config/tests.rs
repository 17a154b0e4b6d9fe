//! What a person sees of the configuration: exact texts.

use super::*;

#[track_caller]
fn problems(text: &str, environment: &[(&str, &str)], want: &str) {
    let sources = Sources {
        file: Some(("tacitus.toml".into(), text.to_owned())),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        flags: Vec::new(),
    };
    let found: Vec<String> =
        Config::load(&sources).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(found.join("\n"), want);
}

#[test]
fn all_problems_are_reported_at_once_with_line_and_hint() {
    problems(
        "[data]\nreserve = \"64 parsecs\"\n\n[http]\nadr = \"127.0.0.1:1\"\nconnections = 0\n",
        &[("TACITUS_LOG_LEVEL", "loud")],
        "tacitus.toml:5: unknown key \"http.adr\"\n  hint: did you mean \"http.addr\"?\n\
         tacitus.toml:2: \"data.reserve\" is \"64 parsecs\", which is not a size\n  hint: write a \
         whole number and a unit, like \"64 MiB\"; units: TiB, GiB, MiB, KiB, TB, GB, MB, kB, B\n\
         tacitus.toml:6: \"http.connections\" is 0, which is below the least that is allowed\n  \
         hint: write 1 or more\n\
         environment TACITUS_LOG_LEVEL: \"log.level\" is \"loud\", which is not one of its \
         words\n  hint: write one of: error, warn, info, debug, trace",
    );
}

#[test]
fn what_is_not_toml_is_said_with_its_line() {
    problems(
        "[data]\ndir = \n",
        &[],
        "tacitus.toml:2: this is not TOML: string values must be quoted, expected literal string",
    );
}

#[test]
fn a_listener_other_machines_reach_is_refused_because_there_are_no_users() {
    problems(
        "[http]\naddr = \"0.0.0.0:8428\"\n",
        &[],
        "tacitus.toml:2: \"http.addr\" is \"0.0.0.0:8428\", which other machines can reach, and \
         there are no users to ask for credentials\n  hint: listen on \"127.0.0.1:8428\", and let \
         a proxy that asks for credentials stand in front",
    );
}

#[test]
fn a_listener_nobody_spoke_of_follows_http_to_a_free_port() {
    let load = |http: &str| {
        let flags = vec![("--http", "http.addr", http.to_owned())];
        Config::load(&Sources { flags, ..Sources::default() }).unwrap().settings.grpc.port()
    };
    assert_eq!((load("127.0.0.1:8428"), load("127.0.0.1:0")), (8429, 0));
}

#[test]
fn a_section_given_as_a_value_is_named_as_one() {
    problems(
        "http = 5\n",
        &[],
        "tacitus.toml:1: \"http\" is a section, not a key\n  hint: `tacitus config print` lists \
         every key",
    );
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = "[http]\naddr = \"127.0.0.1:1\"\nbody = \"1 MiB\"\nconnections = 7\n";
    let sources = Sources {
        file: Some(("t.toml".into(), file.to_owned())),
        environment: vec![
            ("TACITUS_HTTP_ADDR".to_owned(), "127.0.0.1:2".to_owned()),
            ("TACITUS_HTTP_BODY".to_owned(), "2 MiB".to_owned()),
        ],
        flags: vec![("--http", "http.addr", "localhost:3".to_owned())],
    };
    let config = Config::load(&sources).unwrap();
    let shown = print(&config.effective);
    let shown: Vec<String> =
        shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "addr = \"127.0.0.1:3\" # flag --http",
        "body = \"2 MiB\" # environment TACITUS_HTTP_BODY",
        "connections = 7 # t.toml:4",
        "header_timeout = \"1 min\" # default",
    ] {
        assert!(shown.iter().any(|other| other == line), "{line} is not in {shown:#?}");
    }
}

#[test]
fn an_unknown_variable_is_a_warning_because_orchestrators_set_their_own() {
    let sources = Sources {
        environment: vec![("TACITUS_HTTP_ADR".to_owned(), "x".to_owned())],
        ..Sources::default()
    };
    let warnings = Config::load(&sources).unwrap().warnings;
    assert_eq!(
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["environment TACITUS_HTTP_ADR: no key has this name, so it is ignored\n  hint: did you \
          mean \"TACITUS_HTTP_ADDR\"?"]
    );
}

#[test]
fn the_page_of_keys_is_not_stale() {
    let kept = include_str!("../../docs/configuration.md");
    assert!(
        kept == page(),
        "docs/configuration.md is stale: write the output of `tacitus config explain` to it"
    );
}

#[test]
fn what_print_shows_reads_back_as_the_same_configuration() {
    let file = "[data]\ndir = 'a \"quoted\" \\ name'\n[[mqtt.rules]]\ntopic = \"a/#\"\n[[collect.opcua]]\nname = \"a\"\n\
        endpoint = \"opc.tcp://h:1\"\nnodes = [{ node = \"i=1\" }, { node = \"i=2\", tag = \"t\" }]\n\
        [[collect.opcua]]\nname = \"b\"\nendpoint = \"opc.tcp://h:2\"\nbrowse.root = \"i=85\"\n";
    let load = |text: String| {
        let sources = Sources { file: Some(("t.toml".into(), text)), ..Sources::default() };
        Config::load(&sources).unwrap().effective
    };
    let values = |effective: &Effective| -> Vec<(String, Value)> {
        effective.iter().map(|(path, (value, _))| (path.clone(), value.clone())).collect()
    };
    let first = load(file.to_owned());
    assert!(first.contains_key("collect.opcua[0].nodes[1].tag"));
    assert_eq!(values(&load(print(&first))), values(&first), "{}", print(&first));
}

#[test]
fn a_list_entry_misses_what_is_required() {
    problems(
        "[[collect.opcua]]\nname = \"oven\"\n",
        &[],
        "tacitus.toml:1: \"collect.opcua[0].endpoint\" is missing\n  hint: `tacitus config \
         explain collect.opcua[].endpoint` says what it is for",
    );
}

#[test]
fn each_wrong_value_is_refused_for_what_is_wrong_with_it() {
    for (line, want) in [
        ("data.dir = \"\"", "\"data.dir\" is \"\", which is not the name of a file"),
        ("data.dir = 5", "\"data.dir\" is 5, which is not the name of a file"),
        ("data.reserve = 5", "\"data.reserve\" is 5, which is not a size"),
        ("data.reserve = \"5\"", "\"data.reserve\" is \"5\", which is not a size"),
        ("data.reserve = \"5 mib\"", "\"data.reserve\" is \"5 mib\", which is not a size"),
        ("data.reserve = \"-5 MiB\"", "\"data.reserve\" is \"-5 MiB\", which is not a size"),
        ("data.reserve = \"1 B\"", "\"data.reserve\" is 1 B, which is below the least"),
        ("data.reserve = \"99999999 TiB\"", "\"data.reserve\" is \"99999999 TiB\", which is not"),
        ("data.log_file = \"2 GiB\"", "\"data.log_file\" is 2 GiB, which is above the most"),
        ("data.seal_after = \"5\"", "\"data.seal_after\" is \"5\", which is not a length of time"),
        ("data.seal_after = \"0 s\"", "\"data.seal_after\" is 0 ms, which is below the least"),
        ("data.seal_after = 12:00:00", "\"data.seal_after\" is a date, which is not a length"),
        ("http.addr = \"8428\"", "\"http.addr\" is \"8428\", which is not an address"),
        ("http.addr = \"example.com:80\"", "\"http.addr\" is \"example.com:80\", which is not"),
        ("http.addr = \"127.0.0.1:99999\"", "\"http.addr\" is \"127.0.0.1:99999\", which is not"),
        ("http.addr = \"[::]:80\"", "\"http.addr\" is \"[::]:80\", which other machines can reach"),
        ("mqtt.addr = \"192.168.1.5:1883\"", "\"mqtt.addr\" is \"192.168.1.5:1883\", which other"),
        ("http.connections = -1", "\"http.connections\" is -1, which is not a whole number"),
        ("http.connections = 1.5", "\"http.connections\" is a number with a fraction, which is"),
        ("http.connections = true", "\"http.connections\" is true, which is not a whole number"),
        ("log.level = \"LOUD\"", "\"log.level\" is \"LOUD\", which is not one of its words"),
        ("mqtt.include = \"#\\n\"\nmqtt.exclude = [5]", "\"mqtt.exclude\" is a list, which is not"),
        ("mqtt.include = [\"a/#/b\"]", "\"mqtt.include[0]\": "),
        ("mqtt.rules = 5", "\"mqtt.rules\" is a list of tables"),
        ("mqtt.rules = [5]", "\"mqtt.rules\" is a list of tables"),
        ("[[mqtt.rules]]\npattern = \"(\"", "\"mqtt.rules[0].pattern\": "),
        ("[[http]]\naddr = \"x\"", "\"http\" is a section, not a key"),
        ("x = 1", "unknown key \"x\""),
        ("[data]\n[data]", "this is not TOML: "),
        ("[data", "this is not TOML: "),
    ] {
        let file = Some(("t.toml".into(), line.to_owned()));
        let problems = Config::load(&Sources { file, ..Sources::default() }).unwrap_err();
        let found: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert!(found.iter().any(|message| message.starts_with(want)), "{line}: {found:?}");
        assert!(problems.iter().all(|problem| problem.origin != Origin::Default), "{line}");
    }
}
