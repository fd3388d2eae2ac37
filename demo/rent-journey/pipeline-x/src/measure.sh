#!/usr/bin/env bash
set -euo pipefail
echo "supply and demand of $1 are side by side"
