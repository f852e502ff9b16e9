"""Directories that no guest may ever get, even where they are granted. Pure: paths are compared as text.

`manifest` asks about what is written, `runtime` about where that leads once every link was followed.
"""

from collections.abc import Collection

PATTERN_END = "/**"  # a grant is a whole directory: nothing less can be held inside one that is handed over
FORBIDDEN = (
    "/boot",
    "/dev",
    "/etc/gshadow",
    "/etc/krb5.keytab",
    "/etc/pki/tls/private",
    "/etc/security/opasswd",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/var/run",
    "/var/spool/cron",
)
SECRETS_OF_A_HOME = (".aws", ".azure", ".config/gcloud", ".docker", ".gnupg", ".kube", ".netrc", ".pgpass", ".ssh")


def folder_of(pattern: str) -> str:
    """Return the directory that a grant's pattern names."""
    return pattern.removesuffix(PATTERN_END)


def is_within(path: str, folder: str) -> bool:
    """Decide whether a path is a directory or lies below it; whole names only."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def forbidden_by(path: str, forbidden: Collection[str] = FORBIDDEN) -> str | None:
    """Return what forbids a directory: something it is, lies in, or holds; None when nothing does."""
    return next((f for f in forbidden if is_within(path, f) or is_within(f, path)), None)


def in_both(patterns: Collection[str], others: Collection[str]) -> tuple[str, ...]:
    """Return the directories that both allow, as patterns, sorted."""
    inner = {p for p in patterns if any(is_within(folder_of(p), folder_of(o)) for o in others)}
    return tuple(sorted(inner | {o for o in others if any(is_within(folder_of(o), folder_of(p)) for p in patterns)}))
