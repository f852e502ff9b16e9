"""A path as somebody wrote it → the path that is meant."""

import os.path


def placed(written: str, folder: str, home: str = "") -> str:
    """Make a path absolute, from `folder` on; `~/` is the user's `home` where that is given."""
    if home and (written == "~" or written.startswith("~/")):
        written = home + written[1:]
    return os.path.normpath(os.path.join(folder, written))
