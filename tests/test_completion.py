"""The shell completes daydream: the printed script is loaded into a real shell and asked."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from workflow_lib import cli

# what bash does on <tab>: it calls the function registered for the command with the words so far
ASK = """
source "$1"; shift
spec=$(complete -p daydream)
[[ $spec =~ -F\\ ([^ ]+) ]]
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
"${BASH_REMATCH[1]}" daydream "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(tmp_path, monkeypatch, capsys) -> Path:
    assert cli.main(["completion", "bash"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    path = tmp_path / "daydream.bash"
    path.write_text(captured.out)
    (tmp_path / "list.txt").write_text("")
    (tmp_path / "list.d").mkdir()
    monkeypatch.chdir(tmp_path)
    return path


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("daydream coh", {"cohort-from-list", "cohort-update"}),
        ("daydream rejudge --to", {"--top"}),
        ("daydream plan --cohort demo --js", {"--json"}),
        ("daydream regenerate --stage e", {"essay", "evaluation"}),
        ("daydream cohort-from-list best --candidates lis", {"list.txt", "list.d"}),
        ("daydream export --out lis", {"list.d"}),
        ("daydream completion f", {"fish"}),
    ],
)
def test_bash_completes(line, offered, script):
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", str(script), *shlex.split(line)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_script_of_another_shell_names_every_command_and_is_one(shell, tmp_path, capsys):
    assert cli.main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert [name for name in cli.command_names() if name not in text] == []
    # a menu has room for a line per command
    assert "Only shows what it would do" not in text
    assert {"zsh": "#compdef daydream", "fish": "complete -c daydream"}[shell] in text
    if program := shutil.which(shell):
        path = tmp_path / "script"
        path.write_text(text)
        subprocess.run([program, "-n", str(path)], check=True)
