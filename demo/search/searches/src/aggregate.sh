#!/usr/bin/env bash
# Counts the searches of one day by city.
set -euo pipefail
echo "searches of $1:"
cut -d, -f1 data/searches.csv | sort | uniq -c
