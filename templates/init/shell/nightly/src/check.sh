#!/usr/bin/env bash
# Runs in the unpacked folder. dpc sets DPC_PIPELINE, DPC_PARTITION, DPC_RUN and DPC_STEP.
set -euo pipefail

rows="$(wc -l < "/tmp/rows-${DPC_PARTITION}")"
if [ "${rows}" -lt "${LEAST}" ]; then
  echo "only ${rows} rows, at least ${LEAST} are wanted" >&2
  exit 1
fi
echo "${rows} rows are enough"
