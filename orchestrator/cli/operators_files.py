"""The files that the operator writes for airs → how they are: settings, secrets, policies, credentials, trusted keys.

`airs doctor` calls it. Every check is by itself, so that one file that is broken does not hide the next. It changes
nothing, and prints none of what the files hold.
"""

import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.agent.policies import distrust_of
from orchestrator.cli.context import Settings
from orchestrator.cli.judging import configured_place, read_place
from orchestrator.cli.reading import git_access
from orchestrator.cli.times import clock
from orchestrator.contract.documents import AgentView
from orchestrator.contract.problem import Failure
from orchestrator.fetch.credentials import check_private, registry_login, url_login
from orchestrator.fetch.http import trusted_by
from orchestrator.fetch.limits import FetchFailed, FetchSettings, fetch_settings
from orchestrator.model.finding import Finding, ok, problem, warning
from orchestrator.model.policy import Mode, PolicySet
from orchestrator.model.settings import AgentSettings, Origin
from orchestrator.model.snapshot import Unknown
from orchestrator.policy.read import read_policies
from orchestrator.secrets.folder import RefusedSecret, names_in, read_secret_file
from orchestrator.store.files import NotPrivate
from orchestrator.store.layout import TRUST
from orchestrator.store.trust import TrustDamaged, TrustStore

NAMED_MAX = 3  # secrets that cannot be used; the others are counted
CHECK = "`airs config show` tells all of it."


def examine_files(
    settings: Settings, agent: AgentView | None, sources: frozenset[str] | None = None
) -> Iterator[Finding]:  # fmt: skip
    """Look at the operator's files; `agent` is what a running agent says of itself, None where none answers.

    `sources` are the names of those that it knows.
    """
    yield from _safely("trusted keys", lambda: _trust(settings.found.state_dir))
    try:
        resolved = settings.resolved
    except Failure as failure:
        yield problem("settings", failure.summary, "Repair it, or name another --config.", failure.detail)
        return
    if resolved.values is None:
        first, *others = resolved.diagnostics
        more = f", and {len(others)} more" if others else ""
        yield problem("settings", "cannot be used", CHECK, f"{first.location}: {first.summary}{more}")
        return
    yield _settings(settings)
    configured = resolved.values
    yield from _safely("secrets", lambda: _secrets(settings, Path(configured.secrets.dir)))
    yield from _safely("policies", lambda: _policies(settings, agent))
    yield from _credentials(configured)
    yield from _unknown_sources(configured, sources) if sources is not None else ()


def _safely(about: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except OSError as error:
        detail = f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")
        yield problem(about, "cannot be looked at", "Check the permissions of what is named here.", detail)


def _settings(settings: Settings) -> Finding:
    file = settings.found.file
    return ok("settings", f"{file} is valid" if file else "no file; defaults, variables and flags are in force")


def _trust(state_dir: Path) -> Iterator[Finding]:
    file = state_dir / TRUST
    try:
        keys = TrustStore(file).read().keys
    except TrustDamaged as damaged:
        yield problem("trusted keys", "nobody is trusted, as the file is damaged", "Add the keys again.", str(damaged))
    except NotPrivate as refused:
        yield problem("trusted keys", "nobody is trusted: others could change who is", _chmod(600, file), str(refused))
    else:
        revoked = sum(key.is_revoked for key in keys)
        told = f"{len(keys) - revoked} trusted, {revoked} revoked" if keys else "none; a policy may name signers"
        yield ok("trusted keys", told)


def _secrets(settings: Settings, folder: Path) -> Iterator[Finding]:
    if not os.path.lexists(folder):
        named = next((each for each in settings.resolved.settings if each.key == "secrets.dir"), None)
        if named is None or named.origin is Origin.DEFAULT:
            yield ok("secrets", f"no folder {folder}")
        else:
            hint = f"`mkdir -m 700 {folder}`, or name another."
            yield warning("secrets", f"{folder} does not exist", hint, f"{named.where} names it")
        return
    if not folder.is_dir():
        yield problem("secrets", f"{folder} is no folder", "Move the file away, or name another `secrets.dir`.")
        return
    wrong = _wrong_folder(folder)
    if wrong is not None:
        yield wrong
        return
    found = {name: read_secret_file(folder, name) for name in names_in(folder)}
    refused = [(name, value) for name, value in found.items() if isinstance(value, RefusedSecret)]
    for name, value in refused[:NAMED_MAX]:
        yield problem("secrets", f"{name} {value.why}", _sentence(value.hint))
    if len(refused) > NAMED_MAX:
        yield problem("secrets", f"{len(refused) - NAMED_MAX} more cannot be used", "`airs secret list` names them.")
    usable = len(found) - len(refused)
    yield ok("secrets", f"{usable} file{'s' * (usable != 1)} in {folder} can be used")


def _wrong_folder(folder: Path) -> Finding | None:
    about = folder.stat()
    mode = stat.S_IMODE(about.st_mode)
    if about.st_uid not in (0, os.geteuid()):
        hint = "Make the folder yours, or name another `secrets.dir`."
        return problem("secrets", f"{folder} belongs to user {about.st_uid}", hint)
    if mode & 0o022:
        detail = f"its mode is {mode:04o}; no secret of it is given to a component"
        return problem("secrets", f"others may write to {folder}", _chmod(700, folder), detail)
    if not os.access(folder, os.R_OK | os.X_OK):
        return problem("secrets", f"{folder} cannot be read", _chmod(700, folder))
    return None


def _policies(settings: Settings, agent: AgentView | None) -> Iterator[Finding]:
    place = configured_place(settings)
    if agent is not None and agent.policy:
        yield from _in_force(agent)
    elif agent is not None and place:
        hint = "`airs agent stop`, then `airs agent start`."
        yield problem("policies", "the agent judges by none", hint, f"it was started without {place}")
    elif place:
        yield from _at_place(place, settings)
    else:
        yield ok("policies", "none are named: nothing is refused")


def _in_force(agent: AgentView) -> Iterator[Finding]:
    read = f"read last {clock(agent.policy_read_at)}" if agent.policy_read_at else "never read by this agent"
    if agent.policy_fault:
        yield problem("policies", agent.policy_fault, "Repair what it names: the agent looks again by itself.", read)
    elif agent.policy_warning:
        yield warning("policies", agent.policy_warning, "Write `mode: strict` or `permissive` for production.", read)
    else:
        yield ok("policies", agent.policy, read)


def _at_place(place: str, settings: Settings) -> Iterator[Finding]:
    try:
        with TemporaryDirectory(prefix="airs-doctor-") as work_dir:  # a repository's mirror is nothing to leave behind
            answer = read_place(place, Path("/"), Path(work_dir), git_access(settings))
    except Failure as failure:
        yield problem("policies", failure.summary, failure.suggestion or "Name another place.", failure.detail)
        return
    if isinstance(answer, Unknown):
        why = answer.failure
        hint = why.suggestion or "Until it can be read, an agent keeps to the policies known last."
        yield problem("policies", f"{place} cannot be read: {why.summary}", hint, why.detail)
        return
    distrusted = distrust_of(place) if os.path.exists(place) else ""
    if distrusted:
        hint = "Only the operator and root may own or change it."
        yield problem("policies", f"{place} is not only the operator's", hint, distrusted)
        return
    yield _judged_set(place, read_policies(answer.snapshot).rules)


def _judged_set(place: str, rules: PolicySet) -> Finding:
    if rules.problem:
        return problem("policies", f"those of {place} cannot be used", "`airs plan --policy` shows it.", rules.problem)
    loose = [policy.name for policy in rules.policies if policy.mode is Mode.DEVELOPMENT]
    if loose:
        hint = "Write `mode: strict` or `permissive` for production."
        return warning("policies", f"{', '.join(loose)} is in mode development: nothing is refused", hint)
    count = len(rules.policies)
    return ok("policies", f"{count} polic{'y' if count == 1 else 'ies'} in {place}")


def _credentials(configured: AgentSettings) -> Iterator[Finding]:
    fetching = fetch_settings(configured)
    for host, about in sorted(fetching.hosts.items()):
        if about.credentials:
            yield _checked(f"credentials of {host}", about.credentials, partial(_registry, fetching, host))
        if about.git_credentials:
            yield _checked(
                f"git credentials of {host}", about.git_credentials, partial(check_private, about.git_credentials)
            )
        if about.git_ssh_key:
            yield _checked(f"ssh key of {host}", about.git_ssh_key, partial(check_private, about.git_ssh_key))
        if about.git_ca:
            yield _checked(f"git authority of {host}", about.git_ca, partial(trusted_by, about.git_ca))
        if about.ca:
            yield _checked(f"authority of {host}", about.ca, partial(trusted_by, about.ca))
    if fetching.netrc:
        yield _checked("netrc", fetching.netrc, lambda: url_login(fetching, ""))
    for named, file in _outward(configured):
        yield _checked(named, file, partial(check_private, file))


def _unknown_sources(configured: AgentSettings, known: frozenset[str]) -> Iterator[Finding]:
    """Find sources that are named where the agent listens or tells, and that it does not know."""
    named = [(f"webhook {each.name}", each.sources) for each in configured.webhooks.endpoints]
    named += [(f"notify {each.name}", each.sources) for each in configured.forges]
    named += [(f"notify {each.name}", each.sources) for each in configured.notifications]
    for about, sources in named:
        for source in sorted({*sources} - known):
            hint = "Correct the name, or add the source; `airs get sources` lists them."
            yield warning(about, f"there is no source {source}", hint)


def _outward(configured: AgentSettings) -> Iterator[tuple[str, str]]:
    """Name the private files of those that the agent hears of, and of those that it tells."""
    named = [(f"secret of webhook {each.name}", each.secret_file) for each in configured.webhooks.endpoints]
    named += [(f"token of {each.name}", each.token_file) for each in configured.forges]
    for each in configured.notifications:
        named += [(f"url of {each.name}", each.url_file), (f"secret of {each.name}", each.secret_file)]
    return ((about, file) for about, file in named if file)


def _registry(fetching: FetchSettings, host: str) -> None:
    if registry_login(fetching, host) is None:
        raise FetchFailed("it has no login for this host", suggestion=f"`docker login {host}` writes one.")


def _checked(about: str, file: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except FetchFailed as failed:
        hint = failed.suggestion or f"`chmod 600 {file}` if it is yours, or name another file in airs.toml."
        return problem(about, f"{file} cannot be used: {failed.summary}", hint, failed.detail)
    except OSError as error:
        hint = "Name a file that this user may read."
        return problem(about, f"{file} cannot be used", hint, error.strerror or str(error))
    return ok(about, file)


def _chmod(mode: int, path: Path) -> str:
    return f"`chmod {mode} {path}` if it is yours."


def _sentence(hint: str) -> str:
    return f"{hint[:1].upper()}{hint[1:]}." if hint else "Look at the file."
