//! Steps in containers and on EMR Serverless, from the YAML to their logs, and what becomes of them when their run is
//! stopped.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used, clippy::indexing_slicing)] // Tests may touch the world.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{ACCOUNT, Emulator, Project};

const FILES: [(&str, &str); 6] = [
    ("dpc.yaml", "project: containers\nenvironments:\n  prod: { account: \"111111111111\", region: eu-central-1 }\n"),
    (
        "exports/pipeline.yaml",
        r#"name: exports
partition: { by: day }
compute:
  tools: { ecs: { image: "public.ecr.aws/aws-cli/aws-cli:2.31.0", cpu: 0.5, memory: 1, spot: true } }
  spark: { emrServerless: { release: emr-7.5.0 } }
steps:
  - name: fetch
    compute: tools
    shell: { command: [bash, src/fetch.sh, "{{ run.partition }}"], environment: { TARGET: raw } }
  - name: clean
    compute: spark
    needs: [fetch]
    spark: { entrypoint: src/clean.py, args: ["--rows={{ steps.fetch.output.rows }}"] }
  - name: flaky
    compute: tools
    needs: [fetch]
    retry: { attempts: 1, interval: 1s, jitter: false }
    shell: { command: [bash, -c, 'echo "attempt $DPC_ATTEMPT"; [ "$DPC_ATTEMPT" = 2 ]'] }
  - name: image
    needs: [fetch]
    container:
      image: "public.ecr.aws/docker/library/python:3.13"
      entrypoint: [bash, -c]
      command: ['echo "$DPC_STEP of {{ run.partition }}: {{ steps.fetch.output.rows }} rows with $TOKEN"; test "$TOKEN" = hush']
      secrets: { TOKEN: "exports/token" }
  - name: pack
    compute: tools
    needs: [clean, flaky, image]
    shell: { command: [bash, -c, "echo giving up; exit 7"] }
"#,
    ),
    (
        "exports/src/fetch.sh",
        "echo \"fetched $1 into $TARGET in run $DPC_RUN\"\necho '{\"rows\": 12}' > \"$DPC_OUTPUT\"\n",
    ),
    ("exports/src/clean.py", "import os, sys\nprint('cleaned', sys.argv[1:], os.environ['DPC_PARTITION'])\n"),
    (
        "long/pipeline.yaml",
        r#"name: long
partition: { by: day }
compute:
  tools: { ecs: { image: "public.ecr.aws/aws-cli/aws-cli:2.31.0" } }
  spark: { emrServerless: { release: emr-7.5.0 } }
steps:
  - { name: shell, compute: tools, shell: { command: [sleep, "600"] } }
  - { name: spark, compute: spark, spark: { entrypoint: src/sleep.py } }
"#,
    ),
    ("long/src/sleep.py", "import time\ntime.sleep(600)\n"),
];

/// Looks again and again until it sees what it waits for.
fn eventually(what: &str, look: impl Fn() -> bool) {
    let began = Instant::now();
    while !look() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}: still not");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn ask(emulator: &Emulator, service: &str, path: &str, target: &str, body: &Value) -> Value {
    let (method, body) = if target.is_empty() { ("GET", String::new()) } else { ("POST", body.to_string()) };
    let answer = emulator.call(method, ACCOUNT, service, path, &body, target);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    // The body, or the only piece of a chunked one.
    let from = body.find(['{', '[']).unwrap();
    let to = body.rfind(['}', ']']).unwrap();
    serde_json::from_str(body.get(from..=to).unwrap()).unwrap()
}

/// Containers at work.
fn tasks(emulator: &Emulator) -> usize {
    let asked = json!({ "cluster": "dpc", "desiredStatus": "RUNNING" });
    let target = "AmazonEC2ContainerServiceV20141113.ListTasks";
    ask(emulator, "ecs", "/", target, &asked)["taskArns"].as_array().unwrap().len()
}

/// The states of all job runs.
fn job_runs(emulator: &Emulator) -> Vec<String> {
    let get = |path: &str| ask(emulator, "emr-serverless", path, "", &Value::Null);
    let mut states = Vec::new();
    for application in get("/applications")["applications"].as_array().unwrap() {
        let runs = get(&format!("/applications/{}/jobruns", application["id"].as_str().unwrap()));
        states.extend(runs["jobRuns"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap().to_owned()));
    }
    states
}

#[test]
fn containers_and_jobs_do_their_work_and_end_with_their_run() {
    let emulator = Emulator::start(&[]);
    let aws = emulator.credentials(ACCOUNT);
    let project = Project::of(&FILES.map(|(path, text)| (path.to_owned(), text.to_owned())));
    project.dpc(&["setup", "account", "--yes"], &aws).exits(0);
    let secret = json!({ "Name": "exports/token", "SecretString": "hush", "ClientRequestToken": "0123456789abcdef0123456789abcdef" });
    ask(&emulator, "secretsmanager", "/", "secretsmanager.CreateSecret", &secret);
    project.dpc(&["deploy", "--yes"], &aws).exits(0);

    let ran = project.dpc(&["run", "exports", "--partition", "2026-11-21"], &aws).exits(1);
    ran.says("step `pack` failed").says("with code 7");
    for (step, said) in [
        ("fetch", "fetched 2026-11-21 into raw in run 2026-11-21.1"),
        ("clean", "cleaned ['--rows=12'] 2026-11-21"),
        ("flaky", "attempt 2"),
        ("image", "image of 2026-11-21: 12 rows with hush"),
        ("pack", "giving up"),
    ] {
        let logs = project.dpc(&["logs", "exports", "--step", step], &aws).exits(0);
        assert!(logs.stdout.contains(said), "{step}: {}\n{}", logs.stdout, logs.stderr);
    }
    assert_eq!(tasks(&emulator), 0);

    project.dpc(&["run", "long", "--partition", "2026-11-21", "--no-follow"], &aws).exits(0);
    eventually("both at work", || tasks(&emulator) == 1 && job_runs(&emulator).contains(&"RUNNING".to_owned()));
    let arn = format!("arn:aws:states:eu-central-1:{ACCOUNT}:execution:dpc-long:long.2026-11-21.1");
    ask(&emulator, "states", "/", "AWSStepFunctions.StopExecution", &json!({ "executionArn": arn }));
    eventually("the container is stopped", || tasks(&emulator) == 0);
    eventually("the job is cancelled", || job_runs(&emulator).contains(&"CANCELLED".to_owned()));
    eventually("the run is known to be aborted", || {
        project.dpc(&["status", "long"], &aws).exits(0).stdout.contains("ABORTED")
    });
    emulator.nothing_was_denied();
}
