#!/usr/bin/env bash
# Each step is a container of its own: what the next one needs goes to S3, under a prefix that `access` in pipeline.yaml names.
set -euo pipefail
echo "would fetch what came in on $1"
