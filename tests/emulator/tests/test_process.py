"""The emulator as a process, and the names of MiniStack that the additions rely on."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
INSTALL = "import additions; additions.install(); from additions import patching; print('\\n'.join(patching.PATCHED))"


class Names(unittest.TestCase):
    def test_every_patched_name_exists_in_this_version(self) -> None:
        """A new MiniStack that moved a private name fails here, with the name."""
        done = subprocess.run(
            [sys.executable, "-c", INSTALL], cwd=HERE, capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        names = done.stdout.split("\n")
        self.assertIn("ministack.services.stepfunctions._run_execution", names)
        self.assertGreater(len(names), 80)

    def test_a_missing_name_is_refused(self) -> None:
        sys.path.insert(0, str(HERE))
        from additions import patching

        with self.assertRaisesRegex(patching.MissingName, "no_such_name"):
            patching.replace(patching, "no_such_name", lambda original: original)  # type: ignore[arg-type]
        with self.assertRaisesRegex(patching.MissingName, "no_such_key"):
            patching.replace_item({}, "no_such_key", "table", lambda original: original)


class Process(unittest.TestCase):
    def test_two_run_side_by_side_and_leave_nothing(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            states = [Path(folder, name) for name in ("one", "two")]
            for state in states:
                done = subprocess.run([HERE / "start", state], capture_output=True, text=True, check=True)
                self.assertEqual(done.stdout, "")
            pids = [int((state / "pid").read_text()) for state in states]
            self.assertEqual(len({(state / "port").read_text() for state in states}), 2)
            for state in states:
                subprocess.run([HERE / "stop", state], check=True)
                subprocess.run([HERE / "stop", state], check=True)  # a second time is no error
            listed = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
            alive = {int(line.split()[0]) for line in listed.splitlines() if not line.split()[1].startswith("Z")}
            self.assertEqual(alive & set(pids), set())
            self.assertEqual([s for s in states if (s / "pid").exists()], [])


if __name__ == "__main__":
    unittest.main()
