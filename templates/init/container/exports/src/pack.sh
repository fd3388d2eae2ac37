#!/usr/bin/env bash
set -euo pipefail
echo "would pack $1 with level $LEVEL, in attempt $DPC_ATTEMPT of $DPC_STEP"
