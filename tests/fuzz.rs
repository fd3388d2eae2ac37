//! Whatever lies on disk, dpc reads, checks and compiles it or says why not: no panic, no hang, bounded memory.
//!
//! In come the fixtures, `fixtures/fuzz/` and a clock; out comes a failure that names its seed, with the smallest input that
//! still fails. `make fuzz` runs it for ten minutes from a new seed, `cargo test` for some seconds from always the same:
//! `DPC_FUZZ_SECONDS` says how long, `DPC_FUZZ_SEED` begins where a failure was.

// Reason: a mutation picks places of what it has just measured, and a fuzzer that panics says so itself.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dpc::compile::{self, Context, Listeners};
use dpc::language::project::{EnvironmentChoice, Workspace};
use dpc::source::render::{self, TextStyle};
use dpc::source::{Files, Findings};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// One case may take so long by the clock, in a build without optimisation on a machine that does much else: most take
/// milliseconds, the largest some seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// The process may hold so much. A good project takes a tenth.
const MEMORY: u64 = 600 * 1024 * 1024;

/// Words and signs that mean something to YAML, to templates, to shells or to AWS.
const TOKENS: &[&str] = &[
    ":",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "{{",
    "}}",
    "{{ run.partition }}",
    "{{ steps.a.output.b }}",
    "{{ item }}",
    "{{ 1/0 }}",
    "{{ 'x' * 99999999 }}",
    "{{ params.x | add('9999999y') }}",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<: *a",
    "#",
    "!Ref x",
    "!Sub",
    "|\n",
    ">-\n",
    "? ",
    "---\n",
    "...\n",
    "\n",
    "\t",
    "\r\n",
    "${vars.x}",
    "${",
    "$${",
    "{%",
    "{#",
    "ö",
    "\u{202e}",
    "🦆",
    "\u{feff}",
    "\0",
    "~",
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "99999999999999999999",
    "0x7fffffffffffffff",
    ".inf",
    "-.nan",
    "2026-02-30",
    "29 2 30",
    "0 0 31 2 ? *",
    "9999999d",
    "-1d",
    "P1Y",
    "s3://",
    "s3://b/../..",
    "arn:aws:iam::1:role/x",
    "../..",
    "/etc/passwd",
    "name",
    "needs",
    "when",
    "map",
    "over",
    "shards",
    "executions",
    "allOf",
    "resources",
    "overrides",
    "/Resources/x",
    "params",
    "job",
    "uses",
    "",
    " ",
    "    ",
];

/// One change of a text. Places are indices that fit any length.
#[derive(Clone, Debug)]
enum Edit {
    Byte(Index, u8),
    Cut(Index, Index),
    Token(Index, &'static str),
    /// A line that is there already, once more.
    Again(Index, Index),
    /// The value of a line becomes a token.
    Replaced(Index, &'static str),
    /// The value of a line becomes that of a line of another fixture.
    Value(Index, Index, Index),
    /// A line of another fixture, as deep as the one before it.
    Line(Index, Index, Index),
    /// Two lines change places.
    Swap(Index, Index),
    Indent(Index, bool),
    Deep(Index, usize, &'static str),
    Huge(Index, usize, char),
    /// Lists of aliases of lists of aliases.
    Aliases(usize, usize),
}

/// What is put where a file belongs.
#[derive(Clone, Debug)]
struct Case {
    /// Whether it is the project's file; else it is a pipeline's.
    project: bool,
    bytes: Vec<u8>,
}

fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(TOKENS)
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
        2 => (at(), at()).prop_map(|(from, to)| Edit::Cut(from, to)),
        4 => (at(), token()).prop_map(|(at, token)| Edit::Token(at, token)),
        2 => (at(), at()).prop_map(|(from, to)| Edit::Again(from, to)),
        4 => (at(), token()).prop_map(|(at, token)| Edit::Replaced(at, token)),
        6 => (at(), at(), at()).prop_map(|(at, file, line)| Edit::Value(at, file, line)),
        4 => (at(), at(), at()).prop_map(|(at, file, line)| Edit::Line(at, file, line)),
        2 => (at(), at()).prop_map(|(one, other)| Edit::Swap(one, other)),
        2 => (at(), any::<bool>()).prop_map(|(at, more)| Edit::Indent(at, more)),
        1 => (at(), 1usize..5000, prop::sample::select(&["[", "{a: ", "- ", "{{ (", "- [{"][..]))
            .prop_map(|(at, depth, what)| Edit::Deep(at, depth, what)),
        1 => (at(), 1usize..300_000, prop::sample::select(&['a', ' ', '9', '\n', '*', '{', 'ö', '\''][..]))
            .prop_map(|(at, length, what)| Edit::Huge(at, length, what)),
        1 => (1usize..12, 1usize..12).prop_map(|(depth, width)| Edit::Aliases(depth, width)),
    ]
}

fn case(corpus: Arc<Vec<Vec<u8>>>) -> impl Strategy<Value = Case> {
    let mutated = (any::<Index>(), prop::collection::vec(edit(), 1..8)).prop_map(move |(base, edits)| {
        let mut bytes = base.get(&corpus).clone();
        for edit in &edits {
            apply(edit, &corpus, &mut bytes);
        }
        bytes
    });
    let words = prop::collection::vec(token(), 0..200).prop_map(|words| words.concat().into_bytes());
    let bytes = prop_oneof![12 => mutated, 1 => prop::collection::vec(any::<u8>(), 0..2000), 1 => words];
    (prop::bool::weighted(0.1), bytes).prop_map(|(project, bytes)| Case { project, bytes })
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// Where the value of a line begins, if it has one.
fn value(line: &[u8]) -> Option<usize> {
    line.windows(2).position(|pair| pair == b": ").map(|at| at + 2)
}

fn insert(bytes: &mut Vec<u8>, at: Index, what: &[u8]) {
    let at = at.index(bytes.len() + 1);
    bytes.splice(at..at, what.iter().copied());
}

fn apply(edit: &Edit, corpus: &[Vec<u8>], bytes: &mut Vec<u8>) {
    let mut rows = lines(bytes);
    let count = rows.len();
    let donor = |file: &Index, line: &Index| {
        let text: &Vec<u8> = file.get(corpus);
        let rows = lines(text);
        line.get(&rows).clone()
    };
    match edit {
        Edit::Byte(at, byte) => return insert(bytes, *at, &[*byte]),
        Edit::Token(at, token) => return insert(bytes, *at, token.as_bytes()),
        Edit::Deep(at, depth, what) => return insert(bytes, *at, what.repeat(*depth).as_bytes()),
        Edit::Huge(at, length, what) => return insert(bytes, *at, what.to_string().repeat(*length).as_bytes()),
        Edit::Cut(from, to) => {
            let (from, to) = (from.index(bytes.len() + 1), to.index(40));
            bytes.drain(from..(from + to).min(bytes.len()));
            return;
        }
        Edit::Again(from, to) => {
            let line = from.get(&rows).clone();
            rows.insert(to.index(count + 1), line);
        }
        Edit::Replaced(at, token) => {
            let line = &mut rows[at.index(count)];
            line.truncate(value(line).unwrap_or(line.len()));
            line.extend_from_slice(token.as_bytes());
        }
        Edit::Value(at, file, from) => {
            let other = donor(file, from);
            if let (Some(start), line) = (value(&other), &mut rows[at.index(count)]) {
                line.truncate(value(line).unwrap_or(line.len()));
                line.extend_from_slice(&other[start..]);
            }
        }
        Edit::Line(at, file, from) => {
            let at = at.index(count);
            let depth = rows[at].iter().take_while(|byte| **byte == b' ').count();
            let mut line = vec![b' '; depth];
            line.extend(donor(file, from).into_iter().skip_while(|byte| *byte == b' '));
            rows.insert(at + 1, line);
        }
        Edit::Swap(one, other) => rows.swap(one.index(count), other.index(count)),
        Edit::Indent(at, more) => {
            let line = &mut rows[at.index(count)];
            match more {
                true => line.splice(0..0, *b"  ").for_each(drop),
                false => line.drain(..line.len().min(2)).for_each(drop),
            }
        }
        Edit::Aliases(depth, width) => {
            rows.insert(0, b"tags: &l0 { a: b }".to_vec());
            for level in 1..=*depth {
                let aliases = vec![format!("*l{}", level - 1); *width].join(", ");
                rows.insert(level, format!("x{level}: &l{level} [{aliases}]").into_bytes());
            }
        }
    }
    *bytes = rows.join(&b'\n');
}

/// Every manifest among the fixtures, and what has made trouble before.
fn corpus() -> Vec<Vec<u8>> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                below(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "yaml") {
                found.push(entry);
            }
        }
    }
    let mut found = Vec::new();
    below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut found);
    found.sort();
    found.iter().map(|path| std::fs::read(path).unwrap()).filter(|bytes| bytes.len() < 20_000).collect()
}

const PROJECT: &str =
    "project: fuzz\nenvironments:\n  prod: { account: \"111111111111\", region: eu-central-1, vars: { x: y } }\n";
const PIPELINE: &str = "name: p\nsteps:\n  - { name: a, lambda: { function: f } }\n";

/// A folder with the files that the fixtures' steps run.
fn home(number: usize) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}-{number}", std::process::id()));
    std::fs::create_dir_all(home.join("p/src")).unwrap();
    for file in ["aggregate.py", "publish.sh", "measure.sh"] {
        std::fs::write(home.join("p/src").join(file), "echo\n").unwrap();
    }
    home
}

/// Does what `validate` and `synth` do.
fn survive(home: &Path, case: &Case) {
    let (project, pipeline): (&[u8], &[u8]) =
        if case.project { (&case.bytes, PIPELINE.as_bytes()) } else { (PROJECT.as_bytes(), &case.bytes) };
    std::fs::write(home.join("dpc.yaml"), project).unwrap();
    std::fs::write(home.join("p/pipeline.yaml"), pipeline).unwrap();
    let workspace = Workspace::read(home);
    let mut choices: Vec<_> = workspace.environments().into_iter().map(EnvironmentChoice::Named).collect();
    choices.truncate(3);
    choices.push(EnvironmentChoice::Any);
    for choice in choices {
        let loaded = workspace.load(&choice);
        show(&loaded.files, &loaded.findings);
        let Some(project) = loaded.project else {
            assert!(loaded.findings.has_errors(), "a project that cannot be used, and nobody says why");
            continue;
        };
        let listeners = Arc::new(Listeners::of(&project.pipelines));
        let context = Context { space: "prod".to_owned(), today: jiff::civil::date(2026, 11, 23), listeners };
        for pipeline in &project.pipelines {
            let mut found = loaded.findings.clone();
            match compile::compile(pipeline, &context, &mut found) {
                Some(compiled) => assert!(compiled.template.to_json().len() > 100),
                None => assert!(found.has_errors(), "a pipeline that is not compiled, and nobody says why"),
            }
            show(&loaded.files, &found);
        }
    }
}

fn show(files: &Files, findings: &Findings) {
    let findings = findings.clone().sorted();
    render::text(files, &findings, TextStyle { colour: true, width: 80 });
    render::json(files, &findings);
    render::sarif(files, &findings);
    render::github(files, &findings);
}

/// Resident memory of this process, where the system tells.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// Runs cases on one thread until it is time, and tells the watchdog when each began.
fn work(number: usize, seed: u64, until: Instant, beat: &AtomicU64, cases: &AtomicU64, began: Instant) {
    let (corpus, home) = (Arc::new(corpus()), home(number));
    for round in 0.. {
        let seed = seed + round * 1000 + number as u64;
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = Config { cases: 20, failure_persistence: None, max_shrink_time: 60_000, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let survived = runner.run(&case(Arc::clone(&corpus)), |case| {
            beat.store(u64::try_from(began.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
            cases.fetch_add(1, Ordering::Relaxed);
            survive(&home, &case);
            Ok(())
        });
        if let Err(error) = survived {
            let name = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-failure-{seed}.yaml"));
            if let proptest::test_runner::TestError::Fail(_, case) = &error {
                std::fs::write(&name, &case.bytes).unwrap();
                eprintln!("{}", String::from_utf8_lossy(&case.bytes));
            }
            panic!("DPC_FUZZ_SEED={seed} fails; the smallest input that does is {}", name.display());
        }
        if Instant::now() > until {
            break;
        }
    }
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn whatever_lies_on_disk_is_read_or_refused() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let began = Instant::now();
    let asked = number("DPC_FUZZ_SECONDS");
    let seconds = asked.unwrap_or(5);
    let until = began + Duration::from_secs(seconds);
    let fresh = if asked.is_some() { u64::from(std::process::id()) * 1_000_000 } else { 0 };
    let seed = number("DPC_FUZZ_SEED").unwrap_or(fresh);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let beats: Vec<AtomicU64> = (0..threads).map(|_| AtomicU64::new(0)).collect();
    let (cases, done, peak) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
    eprintln!("DPC_FUZZ_SEED={seed}");
    std::thread::scope(|scope| {
        let cases = &cases;
        let (beats, done, peak) = (&beats, &done, &peak);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
                peak.fetch_max(memory(), Ordering::Relaxed);
                let hangs = beats.iter().any(|beat| {
                    let since = began.elapsed().saturating_sub(Duration::from_millis(beat.load(Ordering::Relaxed)));
                    since > PATIENCE
                });
                let bloated = peak.load(Ordering::Relaxed) > MEMORY;
                if hangs || bloated {
                    let what = if hangs { "hangs" } else { "takes too much memory" };
                    eprintln!(
                        "DPC_FUZZ_SEED={seed} {what}; the inputs lie in {}/fuzz-{}-*",
                        env!("CARGO_TARGET_TMPDIR"),
                        std::process::id()
                    );
                    std::process::abort();
                }
            }
        });
        let workers: Vec<_> = beats
            .iter()
            .enumerate()
            .map(|(at, beat)| {
                scope.spawn(move || {
                    work(at, seed, until, beat, cases, began);
                    // This thread has ended, and does not hang.
                    beat.store(u64::MAX, Ordering::Relaxed);
                })
            })
            .collect();
        let ended: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok), "see above");
    });
    eprintln!(
        "{} cases in {seconds} s, at most {} MB",
        cases.load(Ordering::Relaxed),
        peak.load(Ordering::Relaxed) / 1_000_000
    );
}
