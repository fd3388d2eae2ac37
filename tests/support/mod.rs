//! What whole invocations need: an emulator of their own, a project on disk, and the binary.
//!
//! One emulator a test: nothing that a test does can be seen by another.

#![allow(dead_code, clippy::disallowed_methods, clippy::unwrap_used)] // Each test file uses a part; tests may touch the world.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::config::{BehaviorVersion, Credentials, Region};
pub use aws_sdk_cloudformation::types::OnFailure;
use aws_sdk_cloudformation::types::{Capability, Tag};

/// The account of the fixtures.
pub const ACCOUNT: &str = "111111111111";

/// A running emulator, stopped when dropped.
pub struct Emulator {
    state: PathBuf,
    /// `http://127.0.0.1:PORT`.
    pub endpoint: String,
    port: u16,
}

impl Emulator {
    /// Starts one; `settings` are `NAME=VALUE` for its environment.
    pub fn start(settings: &[&str]) -> Self {
        let state = scratch("emulator");
        let script = root().join("tests/emulator/start");
        let started = Command::new(script).arg(&state).args(settings).output().unwrap();
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let port: u16 = std::fs::read_to_string(state.join("port")).unwrap().trim().parse().unwrap();
        Self { state, endpoint: format!("http://127.0.0.1:{port}"), port }
    }

    /// Its own folder, gone with it.
    pub fn folder(&self) -> &Path {
        &self.state
    }

    /// Plans a fault: `deny`, `fail-resource` …
    pub fn fault(&self, kind: &str, body: &str) {
        let answer = self.post(&format!("/_dpc/faults/{kind}"), body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Sends JSON to one of the emulator's own addresses.
    pub fn post(&self, path: &str, body: &str) -> String {
        self.request("POST", path, body, &[])
    }

    /// Panics with the calls that the account function made without its role's leave; the emulator lets them pass.
    pub fn nothing_was_denied(&self) {
        let answer = self.request("GET", "/_dpc/denied", "", &[]);
        // As one piece, or as the only one of a chunked answer.
        assert!(answer.ends_with("[]") || answer.ends_with("\r\n\r\n2\r\n[]\r\n0\r\n\r\n"), "{answer}");
    }

    /// Sends a request by hand, for what the tests have no client for.
    pub fn request(&self, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}",
            self.port
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Calls a service of an account by hand; `target` is what JSON protocols name the operation by.
    pub fn call(&self, method: &str, account: &str, service: &str, path: &str, body: &str, target: &str) -> String {
        let who = format!(
            "AWS4-HMAC-SHA256 Credential={account}/20261122/eu-central-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let mut headers = vec![("Authorization", who.as_str())];
        if !target.is_empty() {
            headers.extend([("X-Amz-Target", target), ("Content-Type", "application/x-amz-json-1.1")]);
        }
        self.request(method, path, body, &headers)
    }

    /// The emulator's own log: every request that reached it.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.state.join("log")).unwrap()
    }

    /// The keys in the bucket of an account that was set up.
    pub fn keys(&self, account: &str) -> Vec<String> {
        let who = format!(
            "AWS4-HMAC-SHA256 Credential={account}/20261122/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        );
        let path = format!("/dpc-{account}-eu-central-1?list-type=2");
        let answer = self.request("GET", &path, "", &[("Authorization", &who)]);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
            .split("<Key>")
            .skip(1)
            .filter_map(|rest| rest.split_once("</Key>"))
            .map(|(key, _)| key.to_owned())
            .collect()
    }

    /// Credentials of an account's root, as environment variables.
    pub fn credentials(&self, account: &str) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", account),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "eu-central-1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _gone = Command::new(root().join("tests/emulator/stop")).arg(&self.state).output();
        let _gone = std::fs::remove_dir_all(&self.state);
    }
}

/// CloudFormation as somebody else than dpc would use it.
pub struct Stacks {
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl Stacks {
    pub fn of(emulator: &Emulator) -> Self {
        let config = aws_sdk_cloudformation::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(&emulator.endpoint)
            .credentials_provider(Credentials::new(ACCOUNT, "test", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { client: Client::from_conf(config), runtime }
    }

    /// Creates a stack and returns the state that it ends in.
    pub fn create(&self, name: &str, template: &str) -> String {
        self.begin(name, template, &[], OnFailure::Rollback);
        self.end(name)
    }

    /// Asks for a stack.
    pub fn begin(&self, name: &str, template: &str, tags: &[(&str, &str)], on_failure: OnFailure) {
        self.runtime.block_on(async {
            let mut call = self.client.create_stack().stack_name(name).template_body(template);
            for (key, value) in tags {
                call = call.tags(Tag::builder().key(*key).value(*value).build());
            }
            call.capabilities(Capability::CapabilityNamedIam).on_failure(on_failure).send().await.unwrap();
        });
    }

    /// Waits for the state that a stack ends in.
    pub fn end(&self, name: &str) -> String {
        loop {
            let state = self.state(name).unwrap();
            if !state.ends_with("_IN_PROGRESS") {
                return state;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// Deletes a stack and waits until it is gone.
    pub fn delete(&self, name: &str) {
        self.runtime.block_on(async { self.client.delete_stack().stack_name(name).send().await.unwrap() });
        while self.state(name).is_some() {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// The state of a stack; `None` when there is none.
    pub fn state(&self, name: &str) -> Option<String> {
        self.runtime.block_on(async {
            let answer = self.client.describe_stacks().stack_name(name).send().await.ok()?;
            Some(answer.stacks().first()?.stack_status()?.as_str().to_owned())
        })
    }

    /// Everything that is there.
    pub fn all(&self) -> Vec<String> {
        self.runtime.block_on(async {
            let answer = self.client.describe_stacks().send().await.unwrap();
            answer.stacks().iter().filter_map(|stack| stack.stack_name().map(str::to_owned)).collect()
        })
    }
}

/// An emulator with an account that stands in for one that was set up; `change` may alter the stand-in's template.
pub fn set_up_with(change: impl Fn(String) -> String) -> Emulator {
    let emulator = Emulator::start(&[]);
    let template = std::fs::read_to_string(root().join("tests/support/account.yaml")).unwrap();
    assert_eq!(Stacks::of(&emulator).create("stand-in", &change(template)), "CREATE_COMPLETE");
    emulator
}

/// An emulator with an account that stands in for one that was set up.
pub fn set_up() -> Emulator {
    set_up_with(|template| template)
}

/// A copy of a fixture that a test may change, removed when dropped.
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
}

impl Project {
    /// A copy of `fixtures/<name>`.
    pub fn copy(name: &str) -> Self {
        let folder = scratch("project");
        copy(&root().join("fixtures").join(name), &folder);
        Self { folder }
    }

    /// A project of these files, each a path and its text.
    pub fn of(files: &[(String, String)]) -> Self {
        let folder = scratch("project");
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { folder }
    }

    /// Replaces text in one of its files.
    pub fn edit(&self, file: &str, old: &str, new: &str) {
        let path = self.folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{file} does not hold `{old}`");
        std::fs::write(path, text.replace(old, new)).unwrap();
    }

    /// Runs dpc in it to its end.
    pub fn dpc(&self, arguments: &[&str], environment: &[(String, String)]) -> Ran {
        Ran::of(self.command(arguments, environment).output().unwrap())
    }

    /// Starts dpc in it, waits until it has said `text`, and presses Ctrl-C.
    pub fn interrupt_after(&self, text: &str, arguments: &[&str], environment: &[(String, String)]) -> Ran {
        use std::io::BufRead;
        let mut command = self.command(arguments, environment);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut reader = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains(text) && reader.read_line(&mut said).unwrap() > 0 {}
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        reader.read_to_string(&mut said).unwrap();
        let ended = child.wait_with_output().unwrap();
        Ran { stderr: said, ..Ran::of(ended) }
    }

    /// dpc in it. The environment holds nothing of the person's who runs the tests.
    fn command(&self, arguments: &[&str], environment: &[(String, String)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dpc"));
        command.args(arguments).current_dir(&self.folder).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &self.folder).env("TZ", "UTC");
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(environment.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a command has said.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Asserts on the exit code, with everything said if it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Without the progress before the findings.
    #[track_caller]
    pub fn findings(self) -> Self {
        let at = self.stderr.find("error[").unwrap_or(0);
        Self { stderr: self.stderr.split_at(at).1.to_owned(), ..self }
    }

    /// Asserts that the talk holds a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is not in\n{}", self.stderr);
        self
    }

    /// Asserts that the talk is the `expected.txt` of a broken fixture, byte by byte; `port` stands for a port that
    /// differs from run to run.
    #[track_caller]
    pub fn matches_text_of(self, code: &str, changing: &[(&str, &str)]) -> Self {
        let path = root().join("fixtures/broken").join(code).join("expected.txt");
        let mut said = self.stderr.clone();
        for (value, name) in changing {
            said = said.replace(value, name);
        }
        if std::env::var_os("DPC_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(said, expected, "{}", path.display());
        self
    }
}

/// A server that gives one answer to whatever comes, on a port of its own. Returns `http://127.0.0.1:PORT`.
pub fn answering(status: &'static str, headers: &'static str, body: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut seen = Vec::new();
            let mut buffer = [0; 4096];
            // The head, and a body as long as it says.
            loop {
                let read = stream.read(&mut buffer).unwrap_or(0);
                seen.extend_from_slice(buffer.get(..read).unwrap_or_default());
                let text = String::from_utf8_lossy(&seen).to_lowercase();
                let length = |head: &str| {
                    let line = head.lines().find_map(|line| line.strip_prefix("content-length:").map(str::trim));
                    line.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0)
                };
                let complete = text.split_once("\r\n\r\n").is_some_and(|(head, rest)| rest.len() >= length(head));
                if complete || read == 0 {
                    break;
                }
            }
            let length = body.len();
            let _gone = write!(
                stream,
                "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    format!("http://127.0.0.1:{port}")
}

/// A port on which nobody listens.
pub fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The project's own folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scratch(what: &str) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("dpc-test-{}-{number}-{what}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
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
