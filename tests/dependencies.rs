//! What must not come in through a dependency, read from the lock files.

#![allow(clippy::disallowed_methods)]

use std::path::Path;

fn lock(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .expect("the lock file is part of the repository")
}

/// Name and version of every package that Cargo locked.
fn packages() -> Vec<(String, String)> {
    let text = lock("Cargo.lock");
    let field = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
        line.map(|rest| rest.trim_end_matches('"').to_owned()).unwrap_or_default()
    };
    let found: Vec<_> =
        text.split("[[package]]").skip(1).map(|block| (field(block, "name"), field(block, "version"))).collect();
    assert!(found.iter().any(|(name, _)| name == "dpc"), "the lock file is not read as it is written");
    found
}

#[test]
fn one_tls_stack_and_one_http_stack() {
    for (name, version) in packages() {
        // aws-lc needs cmake and minutes; docs/decisions says why ring is enough.
        assert!(!name.starts_with("aws-lc"), "{name} {version} is in Cargo.lock");
        // The SDK's old HTTP stack would be compiled beside the new one.
        assert!(!(name == "hyper" && version.starts_with("0.")), "hyper {version} is in Cargo.lock");
        assert!(!(name == "rustls" && version.starts_with("0.21")), "rustls {version} is in Cargo.lock");
        assert!(name != "openssl-sys", "openssl-sys {version} is in Cargo.lock");
    }
}

#[test]
fn the_judges_lock_names_no_registry() {
    let text = lock("tests/judges/package-lock.json");
    assert!(text.contains("\"integrity\""), "the lock file has no hashes");
    assert!(!text.contains("\"resolved\""), "the lock file names the registry that it was made with");
}

#[test]
fn every_python_package_is_pinned_and_hashed() {
    for name in ["emulator", "judges"] {
        let text = lock(&format!("tests/{name}/requirements.txt"));
        let pins = text.lines().filter(|line| line.contains("==") && line.ends_with('\\')).count();
        let packages = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_alphanumeric())).count();
        assert_eq!(pins, packages, "tests/{name}/requirements.txt has a package without pin or hash");
        assert!(!text.contains("://"), "tests/{name}/requirements.txt names an address");
    }
}
