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
        "header_timeout = \"10 s\" # default",
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
