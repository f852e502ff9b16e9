"""The private keys that sealed secrets are opened with: a file of the state directory, the newest first."""

from pathlib import Path
from typing import NamedTuple

from orchestrator.secrets.sealing import KEY_BYTES, SealingProblem, key_id, new_private_key, public_of
from orchestrator.store.files import NotPrivate, read_private, write_once, write_whole

FILE = "sealing.keys"
KEYS_MAX = 16


class SealingKeys(NamedTuple):
    """Private keys by their ids, and the public key of the newest; none where there is no file."""

    private: dict[str, bytes]
    public: bytes | None

    @property
    def ids(self) -> tuple[str, ...]:
        """Name the keys, the newest first."""
        return tuple(self.private)


def read_keys(state_dir: Path) -> SealingKeys:
    """Read the keys of a state directory.

    Raises:
        SealingProblem: the file cannot be believed, or is damaged.
    """
    path = state_dir / FILE
    try:
        lines = read_private(path).decode("ascii").split()
        private = [bytes.fromhex(line) for line in lines]
    except FileNotFoundError:
        return SealingKeys({}, None)
    except (NotPrivate, OSError) as problem:
        raise SealingProblem(f"cannot be opened: {problem}") from None
    except ValueError:
        private = [b""]
    if not private or any(len(key) != KEY_BYTES for key in private):
        raise SealingProblem(f"cannot be opened: {path} is damaged", "restore the file from a backup")
    publics = [public_of(key) for key in private]
    return SealingKeys({key_id(public): key for public, key in zip(publics, private, strict=True)}, publics[0])


def have_keys(state_dir: Path) -> SealingKeys:
    """Read the keys of a state directory, which gets its first one here.

    Raises:
        SealingProblem: the file cannot be believed, or is damaged.
    """
    write_once(state_dir / FILE, _written([new_private_key()]))
    return read_keys(state_dir)


def rotate(state_dir: Path) -> SealingKeys:
    """Make a new key the first; the older ones go on opening.

    Raises:
        SealingProblem: the file cannot be believed, or there are too many keys.
    """
    old = [*have_keys(state_dir).private.values()]
    if len(old) >= KEYS_MAX:
        raise SealingProblem(f"there are {KEYS_MAX} keys already", "seal everything anew, then drop the old keys")
    write_whole(state_dir / FILE, _written([new_private_key(), *old]))
    return read_keys(state_dir)


def drop_old(state_dir: Path) -> SealingKeys:
    """Keep nothing but the newest key.

    Raises:
        SealingProblem: the file cannot be believed.
    """
    newest = next(iter(have_keys(state_dir).private.values()))
    write_whole(state_dir / FILE, _written([newest]))
    return read_keys(state_dir)


def _written(keys: list[bytes]) -> bytes:
    return "".join(f"{key.hex()}\n" for key in keys).encode()
