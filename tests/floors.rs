//! Each floor of the house uses only the floors below it, as docs/architecture.md says.

#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every folder of `src` with its floor. Folders of one floor do not know each other.
const FLOORS: [(&str, u8); 15] = [
    ("source", 1),
    ("control", 1),
    ("documents", 1),
    ("drawing", 1),
    ("compute", 2),
    ("cloud", 2),
    ("diff", 2),
    ("steps", 3),
    ("triggers", 3),
    ("alerts", 3),
    ("language", 4),
    ("functions", 4),
    ("compile", 5),
    ("offline", 5),
    ("cli", 6),
];

/// Who knows a neighbour all the same: what is wrong with a text, and which name is near, is said in words of `source`.
const NEIGHBOURS: [(&str, &str); 1] = [("control", "source")];

/// The folders that may hold an SDK's types.
const IN_AWS: [&str; 2] = ["cloud", "functions"];

fn floor(folder: &str) -> u8 {
    let found = FLOORS.iter().find(|(name, _)| *name == folder);
    found.map(|(_, floor)| *floor).expect("every folder of src has a floor in the table above")
}

/// The Rust files below a folder, but those that hold only tests: tests may look up.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            found.extend(files(&path));
        } else if name != "tests" && name != "testing" && !name.ends_with("_tests") {
            found.push(path);
        }
    }
    found
}

/// The code of a file without its comments and its tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a file of the repository");
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// What stands behind every `crate::`: a name, or each name of `{alerts, compute}`.
fn used(code: &str) -> BTreeSet<&str> {
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_').next().unwrap_or_default(),
        };
        used.extend(names.split(',').map(str::trim).filter(|name| !name.is_empty()));
    }
    used
}

#[test]
fn every_floor_uses_only_those_below() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (folder, floor_of_folder) in FLOORS {
        for path in files(&src.join(folder)) {
            let code = code(&path);
            for name in used(&code) {
                seen += 1;
                let allowed = name == folder || NEIGHBOURS.contains(&(folder, name)) || floor(name) < floor_of_folder;
                if !allowed {
                    wrong.push(format!("{} uses {name}", path.display()));
                }
            }
            if code.contains("aws_sdk_") && !IN_AWS.contains(&folder) {
                wrong.push(format!("{} uses an SDK", path.display()));
            }
        }
    }
    assert!(seen > 200, "only {seen} imports were read");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_folder_has_a_floor_and_a_row_in_the_documentation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = std::fs::read_to_string(root.join("docs/architecture.md")).expect("the documentation");
    for entry in std::fs::read_dir(root.join("src")).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let floor = floor(&name);
            let row = told
                .lines()
                .find(|line| line.starts_with(&format!("| {floor} |")) && line.contains(&format!("`{name}/`")));
            assert!(row.is_some(), "docs/architecture.md has no row of floor {floor} for `{name}/`");
        }
    }
}

#[test]
fn imports_are_read_in_both_forms() {
    let code = "use crate::{alerts, compute};\nuse crate::source::Span;\n";
    assert_eq!(used(code).into_iter().collect::<Vec<_>>(), ["alerts", "compute", "source"]);
}
