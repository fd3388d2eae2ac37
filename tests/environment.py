"""Makes the project's own Python environments, once.

In: a name (`emulator`, `judges`, `benches`), whose pinned and hashed packages stand in the `requirements.txt` of its folder.
Out: the path of that environment's Python, printed; the environment lives in `.venv/<name>` and is made again when
the requirements change. It refuses to know a package index: pip's own configuration says where packages come from.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
FOLDERS = {"benches": ROOT / "benches"}


def find_python() -> str:
    """The newest acceptable interpreter by its usual names, or an exit that says what to install."""
    seen = []
    for name in ("python3.11", "python3", "python3.12", "python3.13"):
        path = shutil.which(name)
        if path is None:
            continue
        asked = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
        )
        version = tuple(int(part) for part in asked.stdout.split()) if asked.returncode == 0 else ()
        if version >= OLDEST:
            return path
        seen.append(f"{path} is {'.'.join(map(str, version)) or 'broken'}")
    sys.exit(
        "dpc's tests need Python 3.11 or newer as `python3.11` or `python3`; "
        + ("; ".join(seen) if seen else "neither was found")
    )


def python_of(name: str) -> Path:
    """The interpreter of environment `name`, which is made or made anew when its requirements have changed."""
    requirements = FOLDERS.get(name, ROOT / "tests" / name) / "requirements.txt"
    if not requirements.is_file():
        sys.exit(f"there is no environment `{name}`: {requirements} does not exist")
    folder = ROOT / ".venv" / name
    python, stamp = folder / "bin" / "python", folder / "requirements.sha256"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if python.exists() and stamp.is_file() and stamp.read_text() == wanted:
        return python
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes may want it at once
        if not (python.exists() and stamp.is_file() and stamp.read_text() == wanted):
            _make(folder, python, requirements)
            stamp.write_text(wanted)
    return python


def _make(folder: Path, python: Path, requirements: Path) -> None:
    began = time.monotonic()
    where = folder.relative_to(ROOT)
    print(f"setting up {where} from {requirements.relative_to(ROOT)} …", file=sys.stderr, flush=True)
    subprocess.run([find_python(), "-m", "venv", "--clear", str(folder)], check=True)
    # Everything is pinned with its dependencies, so pip has nothing to resolve and may take nothing else.
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run([*install, "--require-hashes", "--no-deps", "-r", str(requirements)], check=False, stdout=2)
    if done.returncode != 0:
        sys.exit(f"{where} could not be set up: pip ended with {done.returncode}; its message stands above")
    print(f"{where} is ready ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: environment.py emulator|judges|benches")
    print(python_of(sys.argv[1]))
