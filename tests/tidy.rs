//! The rules of the house that can be tested: crate direction, file heads and sizes, no leftovers,
//! documents that name what exists.
//!
//! *Invariant.* A rule that is not checked here, by the compiler or by clippy is advice.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 800;
const BLOB_BYTES_MAX: u64 = 1 << 20;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the project, by path from its root; build output and hidden folders left out.
fn files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir()
                && !name.starts_with('.')
                && !["target", "node_modules"].contains(&name)
            {
                walk(&path, found);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.iter().map(|path| path.strip_prefix(root()).unwrap().to_owned()).collect()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn with_extension(extension: &str) -> impl Iterator<Item = PathBuf> {
    let extension = extension.to_owned();
    files().into_iter().filter(move |path| path.extension().is_some_and(|own| *own == *extension))
}

/// The lines of a file without the test module at its end.
fn code_lines(text: &str) -> usize {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().lines().count()
}

#[test]
fn crates_point_one_way() {
    let allowed = [
        ("storage/model", &[][..]),
        ("storage", &["tacitus-model"]),
        ("protocol", &["tacitus-model"]),
        ("query", &["tacitus-model", "tacitus-storage"]),
        ("storage/files", &["tacitus-model", "tacitus-storage"]),
    ];
    for (member, may) in allowed {
        let manifest = read(format!("{member}/Cargo.toml"));
        for line in manifest.lines().filter(|line| line.starts_with("tacitus-")) {
            let name = line.split(['.', ' ', '=']).next().unwrap();
            assert!(may.contains(&name), "{member} must not import {name}");
        }
    }
}

#[test]
fn the_model_depends_on_nothing() {
    assert!(!read("storage/model/Cargo.toml").contains("dependencies]"));
}

#[test]
fn storage_starts_no_thread_and_reads_no_clock() {
    const BANNED: [&str; 6] =
        ["thread::spawn", "thread::sleep", "SystemTime::now", "Instant::now", "tokio", "rand::"];
    for path in with_extension("rs").filter(|path| path.starts_with("storage/src")) {
        for word in BANNED {
            assert!(!read(&path).contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn only_the_os_disk_touches_the_file_system() {
    let own = |path: &PathBuf| {
        path.starts_with("storage/src") && !path.iter().any(|part| part == "tests")
    };
    for path in with_extension("rs").filter(own) {
        let uses = read(&path).contains("std::fs");
        let disk = path.ends_with("disk/os.rs") || path.ends_with("disk/mapped.rs");
        assert!(!uses || disk, "{} uses std::fs", path.display());
    }
}

#[test]
fn protocol_opens_no_socket_and_reads_no_clock() {
    const BANNED: [&str; 5] = ["std::net", "tokio::", "SystemTime::now", "Instant::now", "std::fs"];
    let own = |path: &PathBuf| path.starts_with("protocol/src") && !path.ends_with("tests.rs");
    for path in with_extension("rs").filter(own) {
        for word in BANNED {
            assert!(!read(&path).contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn every_source_file_says_what_it_is() {
    for path in with_extension("rs") {
        let text = read(&path);
        let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
        assert!(first.starts_with("//!"), "{} begins with {first:?}", path.display());
    }
}

#[test]
fn no_file_is_one_that_a_reader_gives_up_on() {
    for path in with_extension("rs") {
        let lines = code_lines(&read(&path));
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn no_name_says_nothing() {
    const EMPTY: [&str; 6] = ["utils", "util", "helpers", "helper", "manager", "common"];
    for path in with_extension("rs") {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(!EMPTY.contains(&stem), "{}", path.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["TODO", "FIXME", "XXX"];
    for path in with_extension("rs").filter(|path| !path.ends_with("tidy.rs")) {
        for mark in marks {
            assert!(!read(&path).contains(mark), "{} has a {mark}", path.display());
        }
    }
}

#[test]
fn every_ignored_test_says_why() {
    for path in with_extension("rs").filter(|path| !path.ends_with("tidy.rs")) {
        assert!(!read(&path).contains("#[ignore]"), "{}", path.display());
    }
}

#[test]
fn no_large_blob_is_in_the_tree() {
    for path in files() {
        let bytes = fs::metadata(root().join(&path)).unwrap().len();
        assert!(bytes <= BLOB_BYTES_MAX, "{} has {bytes} bytes", path.display());
    }
}

#[test]
fn every_invariant_of_the_architecture_names_a_test_that_exists() {
    let sources: String = with_extension("rs").map(|path| read(&path)).collect();
    let text = read("ARCHITECTURE.md");
    let invariants: Vec<&str> = text.lines().filter(|line| line.starts_with("> **A")).collect();
    assert!(invariants.len() >= 8, "only {} invariants are listed", invariants.len());
    for line in invariants {
        let proof = line.rsplit_once('—').map(|(_, proof)| proof).unwrap_or_default();
        let names: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test in: {line}");
        for name in names {
            let name = name.rsplit("::").next().unwrap();
            assert!(sources.contains(&format!("fn {name}(")), "no test {name} for: {line}");
        }
    }
}

#[test]
fn every_promise_of_the_readme_names_a_test_that_exists() {
    let sources: String = with_extension("rs").map(|path| read(&path)).collect();
    let text = read("README.md");
    let is_promise = |line: &&str| {
        line.strip_prefix("| P")
            .is_some_and(|rest| rest.starts_with(|at: char| at.is_ascii_digit()))
    };
    let promises: Vec<&str> = text.lines().filter(is_promise).collect();
    assert!(promises.len() >= 6, "only {} promises are listed", promises.len());
    for line in promises {
        let test = line.split('`').skip(1).step_by(2).last().unwrap_or_default();
        let name = test.split_whitespace().last().unwrap_or_default();
        assert!(sources.contains(&format!("fn {name}")), "no test {name:?} for: {line}");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for path in with_extension("md") {
        let text = read(&path);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let place = root().join(&path).parent().unwrap().join(target);
            assert!(place.exists(), "{} links to {link}", path.display());
        }
    }
}

#[test]
fn every_fuzz_target_has_a_corpus() {
    for path in with_extension("rs").filter(|path| path.starts_with("fuzz/fuzz_targets")) {
        let corpus = root().join("fuzz/corpus").join(path.file_stem().unwrap());
        let seeds = fs::read_dir(&corpus).map_or(0, Iterator::count);
        assert!(seeds > 0, "{} has no seeds in {}", path.display(), corpus.display());
    }
}
