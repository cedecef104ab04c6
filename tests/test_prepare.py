"""What tables are made with is imported while a run waits for its first answers."""

import subprocess
import sys

from tests.project import SOURCE

CODE = """
import sys, threading
from types import SimpleNamespace
from workflow_lib.runs import tables

def begun():
    return [one for one in threading.enumerate() if isinstance(one, threading.Timer)]

drafts_only = SimpleNamespace(tables_to_prepare=False)
tables.prepare(drafts_only)
assert not begun()
run = SimpleNamespace(tables_to_prepare=True)
tables.prepare(run)
tables.prepare(run)
[timer] = begun()
assert "pandas" not in sys.modules, "the calls come first"
timer.join(60)
assert "workflow_lib.results.reports" in sys.modules
"""


def test_the_imports_of_the_tables_begin_once_and_after_the_first_calls():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=SOURCE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
