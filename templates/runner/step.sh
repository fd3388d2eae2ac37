#!/bin/bash
# Runs one step's command in the pipeline's folder, on the primary node of an EMR cluster.
#
#   step.sh [--attempt N] --archive s3://… --sha256 HEX --step NAME --run ID [--env NAME=VALUE]… [--output s3://…]
#           [--in FOLDER] -- COMMAND [ARGUMENT]…
#
# The command ends as it would have ended by itself: its exit code is this script's. What this script cannot do before
# that has codes of its own: 64 wrong arguments, 65 the archive is not the one that was deployed, 66 it cannot be had,
# 67 it cannot be unpacked, 68 its output is missing, no JSON, too large, or cannot be kept. Nothing is ever put together into a command line: the command is run as it was given.
set -euo pipefail

say() { printf 'dpc: %s\n' "$*" >&2; }
fail() { local code=$1; shift; say "$*"; exit "$code"; }

archive='' sha256='' step='' run='' output='' inside=. attempt=1
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    --archive | --sha256 | --step | --run | --env | --output | --in | --attempt)
      [ $# -ge 2 ] || fail 64 "$1 needs a value"
      case $1 in
        --archive) archive=$2 ;;
        --sha256) sha256=$2 ;;
        --step) step=$2 ;;
        --run) run=$2 ;;
        --output) output=$2 ;;
        --attempt) attempt=$2 ;;
        --in) inside=$2 ;;
        --env)
          [[ ${2%%=*} =~ ^[A-Za-z_][A-Za-z0-9_]*$ && $2 == *=* ]] || fail 64 "--env wants NAME=VALUE, not $2"
          export "$2"
          ;;
      esac
      shift 2
      ;;
    *) fail 64 "unknown argument $1" ;;
  esac
done
[ -n "$archive" ] && [ -n "$sha256" ] && [ -n "$step" ] && [ -n "$run" ] ||
  fail 64 "--archive, --sha256, --step and --run are needed"
[ $# -gt 0 ] || fail 64 "there is no command after --"
export DPC_STEP=$step DPC_RUN=$run DPC_ATTEMPT=$attempt

work=$(mktemp -d "${TMPDIR:-/tmp}/dpc-$step.XXXXXX")
keeper=''
clean() {
  [ -z "$keeper" ] || kill "$keeper" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT

# EMR counts a cluster without YARN applications as idle, so a shell command must say that it lives:
# https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-auto-termination-policy.html
busy=/emr/metricscollector/isbusy
if [ -d "${busy%/*}" ]; then
  (while touch "$busy" 2>/dev/null; do sleep 60; done) >/dev/null 2>&1 &
  keeper=$!
fi

say "step $step of run $run: fetching $archive"
aws s3 cp --only-show-errors "$archive" "$work/archive.tar.gz" || fail 66 "cannot fetch $archive"
found=$(sha256sum "$work/archive.tar.gz")
found=${found%% *}
[ "$found" = "$sha256" ] ||
  fail 65 "$archive is not the archive that was deployed: its SHA-256 is $found and should be $sha256; deploy the pipeline again"
mkdir "$work/folder"
tar -xzf "$work/archive.tar.gz" -C "$work/folder" || fail 67 "cannot unpack $archive"
export DPC_OUTPUT=$work/output.json
cd "$work/folder/$inside" || fail 67 "there is no $inside in $archive"

printf -v shown '%q ' "$@"
say "running ${shown% }"
# In the background, so that a cancelled step reaches the command at once and not after it has ended.
"$@" &
command=$!
trap 'kill -TERM "$command" 2>/dev/null || true' TERM INT
code=0
wait "$command" || code=$?
while kill -0 "$command" 2>/dev/null; do
  code=0
  wait "$command" || code=$?
done
say "ended with exit code $code"
[ "$code" -eq 0 ] && [ -n "$output" ] || exit "$code"

# What other steps read of this one travels through Step Functions, which takes 256 KiB for everything together.
[ -s "$DPC_OUTPUT" ] || fail 68 "other steps read the output of $step, and it wrote nothing to \$DPC_OUTPUT"
bytes=$(wc -c <"$DPC_OUTPUT")
[ "$bytes" -le 65536 ] || fail 68 "the output of $step has $bytes bytes, of at most 65536; put the data into S3 and its name into the output"
if command -v python3 >/dev/null; then
  python3 -c 'import json, sys; json.load(open(sys.argv[1], encoding="utf-8"))' "$DPC_OUTPUT" 2>/dev/null ||
    fail 68 "what $step wrote to \$DPC_OUTPUT is not JSON"
fi
aws s3 cp --only-show-errors "$DPC_OUTPUT" "$output" || fail 68 "cannot keep the output at $output"
