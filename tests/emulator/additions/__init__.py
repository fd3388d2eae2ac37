"""What MiniStack 1.5.33 lacks or gets wrong and dpc needs, one concern a module.

In: MiniStack's modules, patched by name through `patching`, so that a new version that moved a name fails loudly.
Out: `install()`. Each module has its own `install()` and says in its first lines what AWS does and what MiniStack did.
It refuses to know dpc: what stands here is a reading of the AWS documentation.
"""

from __future__ import annotations

import importlib

MODULES = (
    "http",
    "history",
    "retries",
    "callbacks",
    "tasks",
    "readers",
    "maps",
    "map_runs",
    "executions",
    "execution_logs",
    "roles",
    "aws_sdk",
    "integrations",
    "integrations_simple",
    "function_errors",
    "processes",
    "cloudformation_jobs",
    "job_logs",
    "services",
    "ecs",
    "ecs_tasks",
    "emr_serverless",
    "emr_serverless_runs",
    "glue_runs",
    "batch_jobs",
    "batch_templates",
    "job_tasks",
    "emr_clusters",
    "emr_steps",
    "emr_tasks",
    "definitions",
    "starts",
    "cloudformation",
    "stack_events",
    "targets",
    "buses",
    "queues",
    "schedules",
    "faults",
    "mails",
    "simulator",
    "function_roles",
    "callers",
    "quiet",
    "traces",
)


def install() -> None:
    """Installs all additions, in order."""
    for name in MODULES:
        importlib.import_module(f"{__name__}.{name}").install()
