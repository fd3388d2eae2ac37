//! Every folder in `fixtures/broken/` is a small project with one mistake; what dpc prints about it is compared byte by
//! byte with the folder's `expected.txt`. `DPC_BLESS=1 cargo test --test broken` writes the files anew: read the diff.
//!
//! A folder is named after the code that it provokes, `DPC101` or `DPC101-in-a-step`. It may hold `command` (the arguments
//! of dpc; else `validate`) and `pad` (lines `FILE BYTES`: the file is filled up with comments). A code that only AWS can
//! provoke has a `README.md` instead that names the test in `tests/` which does.

// Reason: tests read the repository, write temporary folders and run the binary.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dpc::source::Code;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of fixtures, by name.
fn fixtures() -> BTreeMap<String, PathBuf> {
    let folders = fs::read_dir(repository().join("fixtures/broken")).expect("the fixtures can be read");
    let folders = folders.map(|entry| entry.expect("the fixtures can be read").path()).filter(|path| path.is_dir());
    folders.map(|path| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path)).collect()
}

/// The code that a folder is about.
fn code_of(fixture: &str) -> Option<Code> {
    Code::parse(fixture.split('-').next().unwrap_or_default())
}

/// All files below a folder with their bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).expect("a folder can be read") {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = fs::read(&path).expect("a file can be read");
                found.insert(path.strip_prefix(folder).expect("it lies below").to_owned(), bytes);
            }
        }
    }
    found
}

/// A copy of a fixture that dpc may do its worst to.
struct Scratch(PathBuf);

impl Scratch {
    fn of(name: &str, fixture: &Path) -> Self {
        let folder = std::env::temp_dir().join(format!("dpc-broken-{}-{name}", std::process::id()));
        let scratch = Self(folder);
        for (path, bytes) in contents(fixture) {
            if !["command", "expected.txt", "pad"].iter().any(|own| path == Path::new(own)) {
                scratch.write(&path, &bytes);
            }
        }
        for line in fs::read_to_string(fixture.join("pad")).unwrap_or_default().lines() {
            let (path, size) = line.split_once(' ').expect("a line of `pad` is FILE BYTES");
            let mut bytes = fs::read(scratch.0.join(path)).expect("`pad` names a file");
            bytes.resize(size.parse().expect("`pad` gives a size"), b'#');
            scratch.write(Path::new(path), &bytes);
        }
        scratch
    }

    fn write(&self, path: &Path, bytes: &[u8]) {
        let target = self.0.join(path);
        fs::create_dir_all(target.parent().expect("it lies in the folder")).expect("a temporary folder can be made");
        fs::write(target, bytes).expect("a temporary file can be written");
    }

    fn run(&self, arguments: &str) -> Output {
        fs::create_dir_all(&self.0).expect("a temporary folder can be made");
        let mut command = Command::new(env!("CARGO_BIN_EXE_dpc"));
        command.args(arguments.split_whitespace()).current_dir(&self.0).env_clear();
        // Nothing of the machine's own AWS configuration may reach a fixture.
        command.env("HOME", &self.0).env("AWS_EC2_METADATA_DISABLED", "true").output().expect("dpc can be started")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_broken_project_gets_its_text_and_nothing_is_written() {
    let bless = std::env::var_os("DPC_BLESS").is_some();
    let only = std::env::var("DPC_ONLY").unwrap_or_default();
    let mut wrong = Vec::new();
    for (name, fixture) in fixtures() {
        if fixture.join("README.md").is_file() || !name.contains(&only) {
            continue;
        }
        if let Err(difference) = judge(&name, &fixture, bless) {
            wrong.push(format!("== {name}\n{difference}"));
        }
    }
    assert!(wrong.is_empty(), "{} fixtures differ\n{}", wrong.len(), wrong.join("\n"));
}

fn judge(name: &str, fixture: &Path, bless: bool) -> Result<(), String> {
    let scratch = Scratch::of(name, fixture);
    let before = contents(&scratch.0);
    let arguments = fs::read_to_string(fixture.join("command")).unwrap_or_else(|_| "validate".to_owned());
    let output = scratch.run(&arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if contents(&scratch.0) != before {
        return Err("dpc wrote into a broken project".to_owned());
    }
    let code = code_of(name).ok_or_else(|| format!("`{name}` does not start with a code"))?;
    if !stderr.contains(&format!("[{}]", code.id())) {
        return Err(format!("{} is not printed, but:\n{stderr}", code.id()));
    }
    // Warnings alone are no fault.
    let status = i32::from(stderr.contains("error["));
    if output.status.code() != Some(status) {
        return Err(format!("exit code {:?} instead of {status}:\n{stderr}", output.status.code()));
    }
    let expected = fixture.join("expected.txt");
    if bless {
        fs::write(&expected, &stderr).expect("the repository can be written");
    }
    match fs::read_to_string(&expected) {
        Ok(text) if text == stderr => Ok(()),
        Ok(text) => Err(format!("-- expected\n{text}\n-- printed\n{stderr}")),
        Err(_) => Err(format!("expected.txt is missing; printed was:\n{stderr}")),
    }
}

#[test]
fn every_code_has_a_page_and_a_fixture() {
    let fixtures = fixtures();
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let mut lines = code.page().lines();
        if lines.next() != Some(&format!("# {}: {}", code.id(), code.title())) {
            wrong.push(format!("docs/errors/{0}.md does not start with `# {0}: {1}`", code.id(), code.title()));
        }
        if lines.count() < 8 {
            wrong.push(format!(
                "docs/errors/{}.md does not say what it means, with an example, and what to do",
                code.id()
            ));
        }
        let mut own = fixtures.iter().filter(|(name, _)| code_of(name) == Some(*code)).peekable();
        if own.peek().is_none() {
            wrong.push(format!("fixtures/broken/{} is missing", code.id()));
        }
        for (name, folder) in own.filter(|(_, folder)| folder.join("README.md").is_file()) {
            wrong.extend(provoked(name, folder));
        }
    }
    let unknown = fixtures.keys().filter(|name| code_of(name).is_none());
    wrong.extend(unknown.map(|name| format!("fixtures/broken/{name} belongs to no code")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is missing of a fixture whose code only AWS provokes.
fn provoked(name: &str, folder: &Path) -> Option<String> {
    let readme = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
    let named =
        readme.split(['`', ' ', '\n', '(', ')']).filter(|word| word.starts_with("tests/") || word.starts_with("src/"));
    let exists = named.map(|path| repository().join(path.split("::").next().unwrap_or(path))).any(|path| path.exists());
    let complete = exists && folder.join("expected.txt").is_file();
    (!complete).then(|| {
        format!("fixtures/broken/{name} needs expected.txt, and a README.md that names the test which compares it")
    })
}
