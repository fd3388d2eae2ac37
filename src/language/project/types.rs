//! Step types: the folders and archives that steps name with `uses`, each read once.
//!
//! In come the trees of pipelines and jobs; out come the types by the places that name them, and what is wrong with either.
//! An archive of S3 is read from where `dpc fetch` has put it: nothing here calls anybody.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{disk, reason};
use crate::control::{archive, digest};
use crate::language::decode;
use crate::source::{Code, FileId, Files, Finding, Findings, Node, Span, Spanned, Value, text, yaml};
use crate::steps::uses::StepType;

/// The file that makes a folder a step type.
const TYPE_FILE: &str = "type.yaml";
/// Where fetched archives lie, in the project.
const CACHE: &str = ".dpc/types";

/// A step type of S3, as a step names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// `s3://bucket/key.tar.gz`, with the place that says it first.
    pub uri: Spanned<String>,
    /// The digest of the archive.
    pub sha256: String,
}

impl Pin {
    /// Bucket and key.
    pub fn parts(&self) -> Option<(&str, &str)> {
        self.uri.strip_prefix("s3://")?.split_once('/')
    }

    /// Where the project at `root` keeps it.
    pub fn path(&self, root: &Path) -> PathBuf {
        root.join(CACHE).join(format!("{}.tar.gz", self.sha256))
    }

    /// Whether it is there, as it was pinned.
    pub fn is_here(&self, root: &Path) -> bool {
        fs::read(self.path(root)).is_ok_and(|bytes| digest::sha256(&bytes) == self.sha256)
    }
}

/// Every step type of a project.
#[derive(Clone, Debug, Default)]
pub(super) struct Types {
    /// By its folder in the project, or its digest. `None` where it cannot be used; that has been said.
    known: BTreeMap<String, Option<Arc<StepType>>>,
    /// By the place that names it.
    named: HashMap<Span, Arc<StepType>>,
    /// Those of S3.
    pub pins: Vec<Pin>,
}

/// Where types are read from, and where what is wrong with them goes.
pub(super) struct Reader<'a> {
    pub root: &'a Path,
    pub files: &'a mut Files,
    pub findings: &'a mut Findings,
}

impl Types {
    /// The type that a step names here.
    pub fn at(&self, place: Span) -> Option<Arc<StepType>> {
        self.named.get(&place).map(Arc::clone)
    }

    /// Reads what the steps of a pipeline's tree, or a job's, name. `path` is the file's; what is wrong with naming goes to
    /// `own`.
    pub fn read(&mut self, node: &Node, path: &str, own: &mut Findings, reader: &mut Reader<'_>) {
        for uses in uses_in(node) {
            let place = uses.get("type").unwrap_or(uses);
            let Some(written) = place.as_str().filter(|_| !place.is_null()) else { continue };
            let digest = uses.get("sha256");
            let named = if written.starts_with("s3://") {
                self.pinned(written, (place.span, uses.span), digest, own, reader)
            } else {
                self.local(written, place.span, (path, digest), own, reader)
            };
            if let Some(found) = named {
                self.named.insert(uses.span, found);
            }
        }
    }

    fn local(
        &mut self,
        written: &str,
        span: Span,
        (from, digest): (&str, Option<&Node>),
        own: &mut Findings,
        reader: &mut Reader<'_>,
    ) -> Option<Arc<StepType>> {
        if let Some(digest) = digest {
            own.push(
                bad_pin(digest.span, "a step type of the project has no digest")
                    .why("it is in the repository, whose history pins it")
                    .help("remove `sha256`"),
            );
            return None;
        }
        let Some(folder) = inside(from, written) else {
            own.push(no_place(written, span));
            return None;
        };
        if let Some(known) = self.known.get(&folder) {
            return known.clone();
        }
        let file = format!("{folder}/{TYPE_FILE}");
        if !reader.root.join(&file).is_file() {
            own.push(missing(&folder, written, span, reader.root));
            return None;
        }
        let read = match disk::manifest(reader.root, &file, reader.files) {
            Ok(bytes) => text::add(reader.files, &file, &bytes, reader.findings),
            Err(finding) => {
                reader.findings.push(*finding);
                None
            }
        };
        let found = read.and_then(|file| decoded(file, reader));
        self.known.insert(folder, found.clone());
        found
    }

    fn pinned(
        &mut self,
        uri: &str,
        (span, whole): (Span, Span),
        digest: Option<&Node>,
        own: &mut Findings,
        reader: &mut Reader<'_>,
    ) -> Option<Arc<StepType>> {
        let pin = match pin(uri, (span, whole), digest) {
            Ok(pin) => pin,
            Err(finding) => {
                own.push(*finding);
                return None;
            }
        };
        if let Some(known) = self.known.get(&pin.sha256) {
            return known.clone();
        }
        if !self.pins.contains(&pin) {
            self.pins.push(pin.clone());
        }
        let bytes = fs::read(pin.path(reader.root)).ok().filter(|bytes| digest::sha256(bytes) == pin.sha256);
        let Some(bytes) = bytes else {
            own.push(
                Finding::at(Code::NotFetched, span, format!("step type `{uri}` is not here yet"), "")
                    .why("dpc checks and compiles without AWS, from a copy in `.dpc/` whose digest it compares")
                    .help("type `dpc fetch`"),
            );
            return None;
        };
        let found = match archive::file(&bytes, TYPE_FILE, text::LIMIT) {
            Ok(bytes) => text::add(reader.files, &format!("{uri}/{TYPE_FILE}"), &bytes, reader.findings)
                .and_then(|file| decoded(file, reader)),
            Err(why) => {
                own.push(
                    Finding::at(Code::BadStepType, span, format!("`{uri}` is no step type: {why}"), "")
                        .help("pack the folder of the type: `tar -czf quality-1.2.0.tar.gz -C step-types/quality .`"),
                );
                None
            }
        };
        self.known.insert(pin.sha256, found.clone());
        found
    }
}

fn decoded(file: FileId, reader: &mut Reader<'_>) -> Option<Arc<StepType>> {
    let node = yaml::read(reader.files, file, reader.findings)?;
    let mut own = Findings::new();
    let found: Option<StepType> = decode::decode(&node, &decode::schema_of::<StepType>(), &mut own);
    let shaped = !own.has_errors();
    if let Some(found) = &found {
        super::judged(&mut own, |own| found.check(own));
    }
    let sound = !own.has_errors();
    reader.findings.extend(own);
    // Of a type that is wrong its users have done nothing wrong.
    found.filter(|_| shaped && sound).map(Arc::new)
}

/// The values of `uses` of all steps of a tree, those inside maps too; of a job's tree, its own.
fn uses_in(node: &Node) -> Vec<&Node> {
    let mut found: Vec<&Node> = node.get("uses").into_iter().collect();
    let steps = [node.get("steps"), node.get("map").and_then(|map| map.get("steps"))];
    for step in steps.into_iter().flatten().flat_map(Node::items) {
        found.extend(uses_in(step));
    }
    found
}

/// The folder that a path leads to from a file, relative to the project; `None` where it leads out of it.
fn inside(from: &str, written: &str) -> Option<String> {
    if written.starts_with(['/', '~']) || written.contains(['\\', '$', ':']) {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn no_place(written: &str, span: Span) -> Finding {
    let at = |message: String| Finding::at(Code::NoStepType, span, message, "");
    if written.contains("${") {
        return at(format!("`{written}` differs from one environment to the next"))
            .why("a step type is read once, for all of them")
            .help("write the path, and give what differs in `with`");
    }
    if written.contains("://") || written.starts_with("git@") {
        return at(format!("`{written}` is neither a path nor an archive in S3"))
            .help("write a path such as `../step-types/quality`, or `s3://bucket/key.tar.gz` with its `sha256`");
    }
    at(format!("`{written}` leads out of the project"))
        .why("a checkout on another machine would not have it")
        .help("copy the folder into the project, or pin an archive: `{ type: \"s3://bucket/key.tar.gz\", sha256: … }`")
}

fn missing(folder: &str, written: &str, span: Span, root: &Path) -> Finding {
    let there = root.join(folder);
    let finding = |message: String| Finding::at(Code::NoStepType, span, message, "");
    if there.is_file() && written.ends_with(TYPE_FILE) {
        let named = written.trim_end_matches(TYPE_FILE).trim_end_matches('/');
        return finding(format!("`{written}` is a file")).fix(span, named, "name its folder:");
    }
    if there.is_dir() {
        return finding(format!("folder `{folder}` has no `{TYPE_FILE}`"))
            .help("write one, with `name`, `with`, `definition` and `permissions`; `docs/language.md` has an example");
    }
    let finding = finding(format!("there is no folder `{folder}`"));
    // From the root of the project is what people mean who write a path without dots.
    let from_root = written.trim_start_matches("./");
    if root.join(from_root).join(TYPE_FILE).is_file() {
        let up = "../".repeat(folder.trim_end_matches(from_root).trim_matches('/').split('/').count());
        return finding.why("paths begin at the file that says them").fix(
            span,
            format!("{up}{from_root}"),
            "did you mean this one?",
        );
    }
    finding.why("paths begin at the file that says them").help("correct the path, or write the type there")
}

/// What a step pins.
fn pin(uri: &str, (span, whole): (Span, Span), digest: Option<&Node>) -> Result<Pin, Box<Finding>> {
    let key = uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    let sound = key.is_some_and(|(bucket, key)| {
        (3..=63).contains(&bucket.len())
            && bucket.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
            && [".tar.gz", ".tgz"].iter().any(|end| key.len() > end.len() && key.ends_with(end))
    });
    if !sound || uri.contains("${") {
        let finding = bad_pin(span, &format!("`{uri}` is not an archive in S3"));
        return Err(Box::new(finding.help("write `s3://bucket/key.tar.gz`, the same for every environment")));
    }
    let how = "`sha256sum` of the archive prints it";
    let Some(written) = digest.filter(|digest| !digest.is_null()) else {
        return Err(Box::new(
            bad_pin(whole, "a step type of S3 needs its digest")
                .why("whoever can write the object could otherwise change what every pipeline is allowed to do")
                .help(format!("write `uses: {{ type: \"{uri}\", sha256: … }}`; {how}")),
        ));
    };
    let hexadecimal = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (&written.value, written.as_str()) {
        (Value::Scalar(_), Some(text)) if hexadecimal(text) => {
            Ok(Pin { uri: Spanned::new(uri.to_owned(), span), sha256: text.to_ascii_lowercase() })
        }
        _ => Err(Box::new(
            bad_pin(written.span, "`sha256` is not a digest").why("it has 64 hexadecimal digits").help(how),
        )),
    }
}

fn bad_pin(span: Span, message: &str) -> Finding {
    Finding::at(Code::BadPin, span, message, "")
}

/// Puts an archive where [`Pin::path`] says, in a folder that git leaves alone.
///
/// # Errors
/// Why it cannot be written, in words.
pub fn keep(root: &Path, pin: &Pin, bytes: &[u8]) -> Result<(), String> {
    let path = pin.path(root);
    let write = || {
        fs::create_dir_all(root.join(CACHE))?;
        let ignore = root.join(".dpc/.gitignore");
        if !ignore.exists() {
            fs::write(ignore, "*\n")?;
        }
        // A copy that is cut off has another digest, so nobody takes it for the whole.
        fs::write(&path, bytes)
    };
    write().map_err(|error| reason(&error))
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn paths_begin_at_the_file() {
        let from = |written| inside("teams/listings/pipeline.yaml", written);
        assert_eq!(from("./quality").as_deref(), Some("teams/listings/quality"));
        assert_eq!(from("../../step-types/quality/").as_deref(), Some("step-types/quality"));
        for out in ["../../../quality", "/quality", "~/quality", "../..", "https://x/quality", "${vars.x}"] {
            assert_eq!(from(out), None, "{out}");
        }
    }
}
