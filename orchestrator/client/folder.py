"""Looks at the folder of a socket that does not lie in the state directory: its owner can be the agent."""

import os
import stat
from pathlib import Path

from orchestrator.contract.codes import NO_AGENT
from orchestrator.contract.problem import Failure


def check_own(folder: Path) -> None:
    """Check that a folder, if it is there, is the user's own and nobody else may write to it.

    Raises:
        Failure: a socket in it may be anybody's.
    """
    try:
        about = folder.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o022:
        hint = "Remove it; an agent makes it anew, with mode 0700."
        raise Failure(f"{folder} is not your own folder", "the agent's socket lies there", hint, NO_AGENT)
