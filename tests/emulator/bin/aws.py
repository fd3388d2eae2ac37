"""`aws s3 cp SOURCE TARGET` on botocore, for the emulated cluster's node.

In: the command line of the AWS CLI as far as step scripts use it. Out: the copied object, and the CLI's exit codes
and first words on failure. It refuses everything else with exit code 252, which the CLI gives to usage errors.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlparse

import botocore.exceptions
import botocore.session
from botocore.config import Config

QUIET = {"--only-show-errors", "--quiet", "--no-progress"}


def refuse(why: str) -> NoReturn:
    """Ends as the CLI does when it is used wrongly."""
    print(f"aws (emulated): {why}; it knows `aws s3 cp SOURCE TARGET` with {', '.join(sorted(QUIET))}", file=sys.stderr)
    raise SystemExit(252)


def copy(source: str, target: str) -> str:
    """Copies one object and returns the CLI's line about it."""
    client = botocore.session.get_session().create_client("s3", config=Config(s3={"addressing_style": "path"}))
    a, b = urlparse(source), urlparse(target)
    if a.scheme == "s3" and b.scheme == "":
        body = client.get_object(Bucket=a.netloc, Key=a.path[1:])["Body"]
        if target == "-":
            for chunk in body:
                sys.stdout.buffer.write(chunk)
            return ""
        path = Path(target)
        if target.endswith("/") or path.is_dir():
            path = path / a.path.rsplit("/", 1)[-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            for chunk in body:
                out.write(chunk)
        return f"download: {source} to {path}"
    if a.scheme == "" and b.scheme == "s3":
        key = b.path[1:]
        if not key or key.endswith("/"):
            key += Path(source).name
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        client.put_object(Bucket=b.netloc, Key=key, Body=data)
        return f"upload: {source} to s3://{b.netloc}/{key}"
    if a.scheme == b.scheme == "s3":
        client.copy_object(Bucket=b.netloc, Key=b.path[1:], CopySource={"Bucket": a.netloc, "Key": a.path[1:]})
        return f"copy: {source} to {target}"
    refuse(f"cannot copy {source} to {target}")


def main(arguments: list[str]) -> int:
    """Reads the command line and copies; 0 or the CLI's exit code."""
    if arguments == ["--version"]:
        print("aws-cli/2.0.0 (emulated)")
        return 0
    if arguments[:2] != ["s3", "cp"]:
        refuse(f"`aws {' '.join(arguments[:2])}` is not there")
    options = {a for a in arguments[2:] if a.startswith("--")}
    names = [a for a in arguments[2:] if not a.startswith("--")]
    if options - QUIET:
        refuse(f"unknown option {sorted(options - QUIET)[0]}")
    if len(names) != 2:
        refuse(f"{len(names)} names instead of two")
    try:
        said = copy(*names)
    except (botocore.exceptions.ClientError, OSError) as problem:
        print(f"fatal error: {problem}", file=sys.stderr)
        return 1
    if said and not options & QUIET:
        print(said)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
