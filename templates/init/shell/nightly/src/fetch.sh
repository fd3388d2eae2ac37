#!/usr/bin/env bash
# Runs in the unpacked folder. dpc sets DPC_PIPELINE, DPC_PARTITION, DPC_RUN and DPC_STEP.
set -euo pipefail

seq 1 5 > "/tmp/rows-$1"
echo "fetched $(wc -l < "/tmp/rows-$1") rows of $1"
