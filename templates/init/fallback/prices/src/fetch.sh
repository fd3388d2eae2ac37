#!/usr/bin/env bash
# Runs in the unpacked folder. dpc sets DPC_PIPELINE, DPC_PARTITION, DPC_RUN and DPC_STEP.
set -euo pipefail

echo "prices of $1"
