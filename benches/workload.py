"""The workload of the benchmark: N pipelines, said in dpc's language and in the peers' neutral one.

In: a number and a folder. Out: `dpc/`, a project of N pipelines of about 1 KB each with the two files that their steps
run, and `peers/`, N files that say the same things for the scripts beside dpc. It refuses to know who reads them.

The peers' trigger is a rule on another state machine's end. dpc needs no rule in the stack for that, so its trigger is
a rule on objects: each stack holds a rule on either side.
"""

from __future__ import annotations

from pathlib import Path

PROJECT = """\
project: benchmark
environments:
  prod: { account: "111111111111", region: eu-central-1 }
pipelines: ["*/pipeline.yaml"]
"""

DPC = """\
name: {name}
description: Daily aggregate of listing events number {i}
owner: {team}
partition: {{ by: day, offset: -1d, timezone: Europe/Berlin }}
triggers:
  schedule: {{ cron: "{minute} {hour} * * ? *", timezone: Europe/Berlin }}
  events:
    - s3: {{ bucket: raw-{team}, prefix: {name}/ready/ }}
compute:
  cluster:
    emr:
      release: emr-7.5.0
      applications: [Spark, Hadoop]
      primary: {{ type: m5.xlarge }}
      core: {{ type: m5.2xlarge, count: {count} }}
steps:
  - name: extract
    shell: {{ command: [bash, src/extract.sh, "--date", "{{{{ run.partition }}}}", "--bucket", "raw-{team}"] }}
  - name: transform
    needs: [extract]
    spark:
      entrypoint: src/transform.py
      args: ["--in", "raw-{team}", "--out", "curated-{team}"]
      conf: {{ spark.executor.memory: 4g, spark.executor.cores: "2" }}
  - name: publish
    needs: [transform]
    spark:
      entrypoint: src/transform.py
      args: ["--table", "metrics.t_{i}"]
      conf: {{ spark.executor.memory: 2g }}
access:
  read: ["s3://raw-{team}/*"]
  write: ["s3://curated-{team}/*"]
alerts:
  - {{ events: [FAILED, TIMED_OUT], email: {team}@example.com }}
"""

PEERS = """\
name: {name}
description: Daily aggregate of listing events number {i}
team: {team}
account: "111111111111"
schedule: cron({minute} {hour} * * ? *)
after:
  pipeline: {upstream}
  status: SUCCEEDED
alerts:
  email: {team}@example.com
log_retention_days: 30
cluster:
  release: emr-7.5.0
  master: m5.xlarge
  core: m5.2xlarge
  core_count: {count}
  log_uri: s3://logs-{team}/emr/
  applications: [Spark, Hadoop]
steps:
  - name: Extract
    type: shell
    script: s3://artifacts/{name}/extract.sh
    args: ["--date", "yesterday", "--bucket", "raw-{team}"]
  - name: Transform
    type: spark
    main: s3://artifacts/{name}/transform.py
    args: ["--in", "raw-{team}", "--out", "curated-{team}"]
    conf: {{ spark.executor.memory: 4g, spark.executor.cores: "2" }}
  - name: Publish
    type: spark
    main: s3://artifacts/{name}/publish.py
    args: ["--table", "metrics.t_{i}"]
    conf: {{ spark.executor.memory: 2g }}
"""

SHELL = '#!/bin/bash\nset -euo pipefail\naws s3 sync "s3://$4/$2" "s3://$4/work/$2"\n'
SPARK = "import sys\n\nfrom pyspark.sql import SparkSession\n\nprint(SparkSession.builder.getOrCreate(), sys.argv)\n"


def values(i: int) -> dict[str, object]:
    """What differs between pipelines. Every twentieth waits for another project's, the others for the one before."""
    team = f"core-data-{i % 40:02d}"
    upstream = f"feed-of-{team}" if i % 20 == 0 else f"listings-{i - 1:05d}"
    # Each an hour after the one that it waits for, as people set them.
    return {
        "i": i,
        "name": f"listings-{i:05d}",
        "team": team,
        "upstream": upstream,
        "minute": i // 20 % 60,
        "hour": i % 20,
        "count": 2 + i % 5,
    }


def write(count: int, folder: Path) -> None:
    """Writes both forms of the first `count` pipelines below `folder`."""
    peers, project = folder / "peers", folder / "dpc"
    peers.mkdir(parents=True)
    project.mkdir()
    (project / "dpc.yaml").write_text(PROJECT)
    for i in range(count):
        about = values(i)
        (peers / f"{about['name']}.yaml").write_text(PEERS.format(**about))
        pipeline = project / str(about["name"])
        (pipeline / "src").mkdir(parents=True)
        (pipeline / "pipeline.yaml").write_text(DPC.format(**about))
        (pipeline / "src" / "extract.sh").write_text(SHELL)
        (pipeline / "src" / "transform.py").write_text(SPARK)
