//! The bytes of what is compiled, for the example project: `tests/golden/` holds what `dpc synth` must write.
//!
//! `DPC_BLESS=1 cargo test --test golden` writes them anew; read the difference before you commit it.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of this test's own, removed with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dpc-golden-{name}-{}", std::process::id()));
        let _absent = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn synth(project: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dpc"));
    command.arg("synth").args(arguments).current_dir(project).env_remove("DPC_ENV");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn listings(project: &Path, format: &str) -> String {
    synth(project, &["--out", "out", "--format", format]);
    std::fs::read_to_string(project.join(format!("out/listings.template.{format}"))).unwrap()
}

fn compare(name: &str, found: &str) {
    let path = repository().join("tests/golden").join(name);
    if std::env::var_os("DPC_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != found {
        let line = expected.lines().zip(found.lines()).position(|(one, other)| one != other);
        let at = line.unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
        panic!(
            "{name} differs from line {}:\n- {}\n+ {}\nDPC_BLESS=1 writes it anew",
            at + 1,
            expected.lines().nth(at).unwrap_or("(end)"),
            found.lines().nth(at).unwrap_or("(end)")
        );
    }
}

#[test]
fn the_example_s_template() {
    let scratch = Scratch::new("listings");
    copy(&repository().join("fixtures/listings"), &scratch.0);
    compare("listings.template.json", &listings(&scratch.0, "json"));
    compare("listings.template.yaml", &listings(&scratch.0, "yaml"));
}

#[test]
fn resources_and_overrides_are_in_the_template() {
    let scratch = Scratch::new("hatches");
    copy(&repository().join("fixtures/hatches"), &scratch.0);
    synth(&scratch.0, &["--env", "prod", "--out", "out"]);
    for entry in std::fs::read_dir(scratch.0.join("out")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        compare(&format!("hatches/{name}"), &std::fs::read_to_string(&path).unwrap());
    }
}

#[test]
fn schedules_events_and_conditions() {
    let scratch = Scratch::new("triggers");
    copy(&repository().join("fixtures/triggers"), &scratch.0);
    synth(&scratch.0, &["--env", "prod", "--out", "out"]);
    for entry in std::fs::read_dir(scratch.0.join("out")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        compare(&format!("triggers/{name}"), &std::fs::read_to_string(&path).unwrap());
    }
}

#[test]
fn compute_in_all_its_forms() {
    let projects = [
        ("clusters", "warehouse"),
        ("clusters", "features"),
        ("serverless", "sessions"),
        ("containers", "exports"),
        ("containers", "images"),
        ("flow", "nightly"),
    ];
    for (project, pipeline) in projects {
        let scratch = Scratch::new(&format!("{project}-{pipeline}"));
        copy(&repository().join("fixtures").join(project), &scratch.0);
        synth(&scratch.0, &["--out", "out", "--format", "yaml"]);
        let name = format!("{pipeline}.template.yaml");
        compare(&format!("{project}/{name}"), &std::fs::read_to_string(scratch.0.join("out").join(&name)).unwrap());
    }
}

#[test]
fn the_place_does_not_matter_and_unchanged_files_are_left_alone() {
    let (one, other) = (Scratch::new("one"), Scratch::new("other-and-longer"));
    copy(&repository().join("fixtures/listings"), &one.0);
    copy(&repository().join("fixtures/listings"), &other.0.join("deeper"));
    assert_eq!(listings(&one.0, "json"), listings(&other.0.join("deeper"), "json"));

    let path = one.0.join("out/listings.template.json");
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    let second = synth(&one.0, &["--out", "out"]);
    assert_eq!(String::from_utf8_lossy(&second.stdout), "out/listings.template.json\n");
    assert!(String::from_utf8_lossy(&second.stderr).contains("listings: unchanged"));
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), written);
}

#[test]
fn one_changed_line_changes_what_it_is_about_and_the_archive_s_name() {
    let scratch = Scratch::new("change");
    copy(&repository().join("fixtures/listings"), &scratch.0);
    let before = listings(&scratch.0, "json");
    let manifest = scratch.0.join("listings/pipeline.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("release: emr-7.5.0", "release: emr-7.6.0")).unwrap();
    let after = listings(&scratch.0, "json");

    assert_eq!(before.lines().count(), after.lines().count());
    let changed: Vec<&str> =
        before.lines().zip(after.lines()).filter(|(old, new)| old != new).map(|(_, new)| new.trim()).collect();
    let (archive, rest): (Vec<&str>, Vec<&str>) = changed.into_iter().partition(|line| {
        line.contains("/artifacts/listings/") || line.trim_matches(['"', ',']).chars().all(|c| c.is_ascii_hexdigit())
    });
    assert_eq!(rest, ["\"ReleaseLabel\": \"emr-7.6.0\","]);
    assert_eq!(archive.len(), 4, "the URI and the SHA-256 of the archive, for each of two steps: {archive:?}");
}

#[test]
fn two_pipelines_share_jobs() {
    let scratch = Scratch::new("jobs");
    copy(&repository().join("fixtures/jobs"), &scratch.0);
    synth(&scratch.0, &["--out", "out", "--format", "yaml"]);
    for pipeline in ["listings", "searches"] {
        let name = format!("{pipeline}.template.yaml");
        compare(&format!("jobs/{name}"), &std::fs::read_to_string(scratch.0.join("out").join(&name)).unwrap());
    }
}

/// Step types of one's own: in a pipeline, in a job, in a map.
#[test]
fn step_types() {
    let scratch = Scratch::new("types");
    copy(&repository().join("fixtures/types"), &scratch.0);
    synth(&scratch.0, &["--out", "out"]);
    let template = std::fs::read_to_string(scratch.0.join("out/listings.template.json")).unwrap();
    compare("types/listings.template.json", &template);
}

/// One pipeline a kind of step that calls a service.
#[test]
fn the_services() {
    let scratch = Scratch::new("services");
    copy(&repository().join("fixtures/services"), &scratch.0);
    synth(&scratch.0, &["--out", "out"]);
    let mut templates: Vec<_> = std::fs::read_dir(scratch.0.join("out")).unwrap().map(|entry| entry.unwrap()).collect();
    templates.sort_by_key(std::fs::DirEntry::file_name);
    for template in templates.iter().filter(|template| template.path().extension().is_some_and(|end| end == "json")) {
        let name = format!("services/{}", template.file_name().to_string_lossy());
        compare(&name, &std::fs::read_to_string(template.path()).unwrap());
    }
}

/// A data platform of pipelines that could be somebody's.
#[test]
fn the_marketplace() {
    let scratch = Scratch::new("marketplace");
    copy(&repository().join("fixtures/marketplace"), &scratch.0);
    synth(&scratch.0, &["--env", "prod", "--out", "out", "--format", "yaml"]);
    for entry in std::fs::read_dir(scratch.0.join("out")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        compare(&format!("marketplace/{name}"), &std::fs::read_to_string(&path).unwrap());
    }
}
