//! What may lie in a pipeline's folder and what may not: links, large files, and what `.dpcignore` says of them. No
//! repository can hold such folders, so the test makes them.

// Reason: the test makes folders, and reads what is expected.
#![allow(clippy::disallowed_methods)]
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use dpc::language::project::{EnvironmentChoice, Loaded, load};
use dpc::source::render::{self, TextStyle};

const PROJECT: &str = "project: shop\nenvironments:\n  prod: { account: \"111111111111\", region: eu-central-1 }\n";
const PIPELINE: &str = "name: listings
compute: { cluster: { emr: { release: emr-7.5.0, primary: { type: m6g.xlarge } } } }
steps:
  - name: aggregate
    shell: { command: [echo, hello] }
";

/// A project with one pipeline, in a folder of the test's own.
fn project(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _absent = fs::remove_dir_all(&root);
    fs::create_dir_all(root.join("listings/src")).expect("the test's own folder can be made");
    fs::write(root.join("dpc.yaml"), PROJECT).expect("and written to");
    fs::write(root.join("listings/pipeline.yaml"), PIPELINE).expect("and written to");
    root
}

fn read(root: &Path) -> Loaded {
    load(root, &EnvironmentChoice::Only)
}

fn said(loaded: &Loaded) -> String {
    render::text(&loaded.files, &loaded.findings.clone().sorted(), TextStyle { colour: false, width: 120 })
}

fn paths(loaded: &Loaded) -> Vec<String> {
    let pipeline = loaded.project.as_ref().and_then(|project| project.pipeline("listings")).expect("it is there");
    pipeline.folder.paths().map(str::to_owned).collect()
}

fn assert_expected(code: &str, said: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken").join(code).join("expected.txt");
    if std::env::var_os("DPC_BLESS").is_some() {
        fs::write(&path, said).expect("the repository can be written");
    }
    assert_eq!(said, fs::read_to_string(&path).expect("the fixture has its text"), "{}", path.display());
}

#[test]
fn a_folder_of_data_is_too_large() {
    let root = project("too-large");
    let file = fs::File::create(root.join("listings/dump.parquet")).expect("the test's own folder can be written");
    file.set_len(300 * 1024 * 1024).expect("a file with a hole");
    assert_expected("DPC203", &said(&read(&root)));
    fs::write(root.join("listings/.dpcignore"), "*.parquet\n").expect("and written to");
    assert_eq!(said(&read(&root)), "", "what is left out is not counted");
}

#[test]
fn links_out_of_the_project_cannot_be_packed() {
    let root = project("links");
    symlink("nowhere.json", root.join("listings/src/a.json")).expect("a link can be made");
    symlink("/etc/hosts", root.join("listings/src/b.json")).expect("a link can be made");
    symlink("..", root.join("listings/src/c")).expect("a link can be made");
    assert_expected("DPC204", &said(&read(&root)));
}

#[test]
fn a_link_into_the_project_is_packed_with_its_content() {
    let root = project("shared");
    fs::create_dir_all(root.join("shared")).expect("the test's own folder can be made");
    fs::write(root.join("shared/tool.py"), "print(1)\n").expect("and written to");
    symlink("../../shared/tool.py", root.join("listings/src/tool.py")).expect("a link can be made");
    let loaded = read(&root);
    assert_eq!(said(&loaded), "");
    let project = loaded.project.as_ref().expect("it loads");
    let file = project.pipeline("listings").and_then(|pipeline| pipeline.folder.get("src/tool.py"));
    assert_eq!(file.map(|file| file.bytes.as_slice()), Some(b"print(1)\n".as_slice()));
}

#[test]
fn what_is_ignored_here_or_above_is_left_out() {
    let root = project("ignored");
    for path in ["src/a.py", "src/a.log", "out/b.json", "__pycache__/a.pyc", "src/keep.log"] {
        let path = root.join("listings").join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("the test's own folder can be made");
        fs::write(path, "x").expect("and written to");
    }
    fs::write(root.join(".dpcignore"), "*.log\n").expect("and written to");
    fs::write(root.join("listings/.dpcignore"), "/out/\n!keep.log\n").expect("and written to");
    assert_eq!(paths(&read(&root)), [".dpcignore", "pipeline.yaml", "src/a.py", "src/keep.log"]);
}
