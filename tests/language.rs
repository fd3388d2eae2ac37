//! The example projects, read as a whole.

#![allow(clippy::disallowed_methods)] // Tests may touch the world.

use std::path::Path;

use dpc::language::project::{EnvironmentChoice, Loaded, Workspace, load};
use dpc::source::render::{self, TextStyle};

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn said(loaded: &Loaded) -> String {
    render::text(&loaded.files, &loaded.findings, TextStyle { colour: false, width: 120 })
}

#[test]
fn the_listings_example_is_clean() {
    let loaded = load(&fixture("listings"), &EnvironmentChoice::Only);
    assert_eq!(said(&loaded), "");
    let project = loaded.project.expect("a clean project loads");
    assert_eq!(project.environment.as_ref().map(|environment| environment.space.as_str()), Some("prod"));
    let listings = project.pipeline("listings").expect("the fixture has it");
    let files: Vec<&str> = listings.folder.paths().collect();
    assert_eq!(files, [".dpcignore", "data/events.csv", "pipeline.yaml", "src/aggregate.py", "src/publish.sh"]);
    assert!(listings.folder.get("src/publish.sh").is_some_and(|file| file.executable));
}

#[test]
fn every_accepted_key_is_clean_in_every_environment() {
    let workspace = Workspace::read(&fixture("many-shapes"));
    assert_eq!(workspace.environments(), ["prod", "dev"]);
    for environment in workspace.environments() {
        let loaded = workspace.load(&EnvironmentChoice::Named(environment));
        assert_eq!(said(&loaded), "");
        assert_eq!(loaded.project.map(|project| project.pipelines.len()), Some(6));
    }
}

#[test]
fn vars_and_defaults_follow_the_environment() {
    let loaded = load(&fixture("many-shapes"), &EnvironmentChoice::Named("dev".to_owned()));
    let project = loaded.project.expect("a clean project loads");
    let clicks = &project.pipeline("clicks").expect("the fixture has it").manifest;
    let write: Vec<&str> =
        clicks.access.iter().flat_map(|access| &access.write).map(|location| location.s3.as_str()).collect();
    assert_eq!(write, ["s3://market-insights-dev/sessions/*"]);
    assert_eq!(clicks.owner.as_ref().map(|owner| owner.as_str()), Some("market-insights"));
    let tags: Vec<(&str, &str)> = clicks.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(tags, [("team", "market-insights"), ("cost-center", "4712"), ("stage", "dev")]);

    let report = &project.pipeline("report").expect("the fixture has it").manifest;
    let extract = report.steps.first().and_then(|step| step.shell.as_ref()).expect("it is a shell step");
    let literal = extract.environment.get("LITERAL").map(|text| text.as_str());
    assert_eq!(literal, Some("${HOME} stays as it is, and so does ${HOME}"));
}

#[test]
fn an_environment_is_named_or_the_only_one() {
    let many = fixture("many-shapes");
    let first = |choice| said(&load(&many, &choice)).lines().next().unwrap_or_default().to_owned();
    assert_eq!(first(EnvironmentChoice::Only), "error[DPC214]: the project has 2 environments: prod, dev");
    let unknown = first(EnvironmentChoice::Named("prd".to_owned()));
    assert_eq!(unknown, "error[DPC213]: there is no environment `prd` in `dpc.yaml`");
    assert_eq!(first(EnvironmentChoice::Any), "");
}

/// A type of S3 is read from the project's copy of it, as long as that is the one that was pinned.
#[test]
fn a_pinned_step_type_is_read_from_its_copy() {
    use dpc::control::archive::{Entry, pack};
    let folder = std::env::temp_dir().join(format!("dpc-language-{}", std::process::id()));
    let _absent = std::fs::remove_dir_all(&folder);
    let definition = "definition: { StartAt: a, States: { a: { Type: Pass, End: true } } }";
    let text = format!("name: noop\nwith: {{ properties: {{ n: {{ type: integer }} }} }}\n{definition}\n");
    let archive = pack([Entry { path: "type.yaml", executable: false, bytes: text.as_bytes() }]);
    let uses = format!("{{ type: \"s3://team/noop.tar.gz\", sha256: {} }}", archive.sha256);
    let write = |path: &str, bytes: &[u8]| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("it can be made");
        std::fs::write(path, bytes).expect("it can be written");
    };
    write("dpc.yaml", b"project: p\nenvironments: { prod: { account: \"111111111111\", region: eu-central-1 } }\n");
    write("p/pipeline.yaml", format!("name: p\nsteps: [{{ name: a, uses: {uses}, with: {{ n: 1 }} }}]\n").as_bytes());
    let first = || said(&load(&folder, &EnvironmentChoice::Only)).lines().next().unwrap_or_default().to_owned();
    let copy = format!(".dpc/types/{}.tar.gz", archive.sha256);
    assert_eq!(first(), "error[DPC382]: step type `s3://team/noop.tar.gz` is not here yet");
    write(&copy, &archive.bytes);
    assert_eq!(first(), "");
    write(&copy, b"something else");
    assert_eq!(first(), "error[DPC382]: step type `s3://team/noop.tar.gz` is not here yet");
    let _gone = std::fs::remove_dir_all(&folder);
}
