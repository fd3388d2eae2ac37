"""The emulator's process: MiniStack with the project's additions.

In: settings in the environment (see `start`). Out: AWS on one port of 127.0.0.1, several accounts on it. It refuses to
know what dpc is: nothing here depends on dpc's names, so what passes is dpc's doing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import additions  # noqa: E402  (the folder beside this file)


def main() -> None:
    """Installs every addition, then serves until SIGTERM."""
    additions.install()
    from ministack.app import main as serve

    sys.argv = sys.argv[:1]
    serve()


if __name__ == "__main__":
    main()
