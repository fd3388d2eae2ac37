"""Hands state machines to judges in other languages: prints `{template: {logical id: definition}}` as JSON."""

from __future__ import annotations

import json
import sys

from .documents import definitions, load

if __name__ == "__main__":
    json.dump({template.name: dict(definitions(template)) for template in load(sys.argv[1:])}, sys.stdout)
