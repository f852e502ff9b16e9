"""Two deployments → their differences, as reasons, changes and capabilities. Called by `rules.py`."""

import functools
from datetime import UTC, datetime
from typing import Any

import msgspec

from orchestrator.decoding import plain_from_json
from orchestrator.model.base import Value, canonical_json, digest_of
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.secret import SecretUse
from orchestrator.model.signed import Signer
from orchestrator.model.spec import Deployment, PauseStep, Revision, WeightStep
from orchestrator.plan.action import CapabilityChange, FieldChange, Reason

# Everything in a Deployment that changes without a new instance: the attribute, its name in the manifest, the reason.
IN_PLACE = (
    ("replicas", "replicas", Reason.REPLICAS_CHANGED),
    ("mailbox", "mailbox", Reason.MAILBOX_CHANGED),
    ("subscribe", "subscribe", Reason.SUBSCRIBE_CHANGED),
    ("rate_limit", "rateLimit", Reason.RATE_LIMIT_CHANGED),
    ("routing", "routing", Reason.ROUTING_CHANGED),
    ("priority", "priority", Reason.PRIORITY_CHANGED),
    ("restart", "restart", Reason.RESTART_CHANGED),
    ("group", "group", Reason.GROUP_CHANGED),
    ("health", "health", Reason.HEALTH_CHANGED),
    ("rollout", "rollout", Reason.ROLLOUT_CHANGED),
    ("labels", "labels", Reason.LABELS_CHANGED),
    ("depends_on", "dependsOn", Reason.DEPENDS_ON_CHANGED),
    ("uses", "uses", Reason.USES_CHANGED),
    ("schedule", "job", Reason.SCHEDULE_CHANGED),
)

# Everything in a Revision but its id. Another component or statefulness comes with other bytes, or ought to.
REVISION = (
    ("artifact", Reason.ARTIFACT_CHANGED),
    ("component", Reason.ARTIFACT_CHANGED),
    ("stateful", Reason.ARTIFACT_CHANGED),
    ("version", Reason.VERSION_CHANGED),
    ("config", Reason.CONFIG_CHANGED),
    ("grants", Reason.GRANTS_CHANGED),
    ("limits", Reason.LIMITS_CHANGED),
    ("job", Reason.JOB_CHANGED),
    ("mounts", Reason.MOUNTS_CHANGED),
    ("accepts", Reason.CODEC_CHANGED),
    ("manifest", Reason.MANIFEST_CHANGED),
    ("origin", Reason.ORIGIN_CHANGED),
    ("secrets", Reason.SECRETS_CHANGED),
)

MANIFEST_NAMES = {
    "errorRateMax": "metrics.errorRate.max",
    "logPerS": "log",
}  # where the model is flatter than the manifest

WORDS = {True: "true", False: "false", None: ""}
DURATION_UNITS = ((3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms"))
BYTE_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))


def spec_digest(deployment: Deployment) -> str:
    """Return the digest of everything a deployment asks for; where it is written or fetched, and why, do not count."""
    revision = msgspec.structs.replace(deployment.revision, origin=None)
    told = {"file": "", "line": 0, "rationale": (), "signers": (), "asks": (), "requires": ()}
    return digest_of(msgspec.structs.replace(deployment, revision=revision, **told))


def in_place_reasons(old: Deployment, new: Deployment) -> tuple[Reason, ...]:
    """Name the differences apart from the revision; suspending and resuming come first."""
    reasons = [reason for name, _, reason in IN_PLACE if getattr(old, name) != getattr(new, name)]
    if is_from_elsewhere(old.revision, new.revision):
        reasons.append(Reason.ORIGIN_CHANGED)
    if old.suspend != new.suspend:
        reasons.insert(0, Reason.SUSPENDED if new.suspend else Reason.RESUMED)
    return tuple(reasons)


def revision_reasons(old: Revision, new: Revision) -> tuple[Reason, ...]:
    """Name the differences between two revisions; never empty, for it is asked only where their ids differ.

    A new artifact usually has a new version: that is shown beside the name, and a reason only where it is the only one.
    So is a signed Component.toml that changed: most of its fields have reasons of their own.
    """
    found = dict.fromkeys(reason for name, reason in REVISION if getattr(old, name) != getattr(new, name))
    if Reason.ARTIFACT_CHANGED in found:
        found.pop(Reason.VERSION_CHANGED, None)
    if len(found) > 1:
        found.pop(Reason.MANIFEST_CHANGED, None)
    return tuple(found) or (Reason.ARTIFACT_CHANGED,)


def in_place_changes(old: Deployment, new: Deployment) -> tuple[FieldChange, ...]:
    """List each field that differs apart from the revision, as the manifest names it."""
    changes = [
        change
        for name, field, _ in IN_PLACE
        if getattr(old, name) != getattr(new, name)
        for change in changes_between(flatten(field, getattr(old, name)), flatten(field, getattr(new, name)))
    ]
    if is_from_elsewhere(old.revision, new.revision):
        changes += changes_between(origin_fields(old.revision), origin_fields(new.revision))
    if old.suspend != new.suspend:
        changes.insert(0, FieldChange(field="suspend", old=shown(old.suspend), new=shown(new.suspend)))
    return tuple(changes)


def is_from_elsewhere(old: Revision, new: Revision) -> bool:
    """Whether the same content was fetched elsewhere, or by a name that has moved since."""
    return old.id == new.id and old.origin != new.origin


def revision_changes(old: Revision, new: Revision) -> tuple[FieldChange, ...]:
    """List the differences between two revisions; the version and the grants have places of their own."""
    return tuple(
        change
        for fields in (content_fields, origin_fields, config_fields, limit_fields, job_fields, mount_fields)
        for change in changes_between(fields(old), fields(new))
    ) + secret_changes(old, new)


def all_changes(old: Deployment, new: Deployment) -> tuple[FieldChange, ...]:
    """List everything that differs between two deployments."""
    return revision_changes(old.revision, new.revision) + signer_changes(old, new) + in_place_changes(old, new)


def signer_changes(old: Deployment | None, new: Deployment) -> tuple[FieldChange, ...]:
    """List the keys that signed a component, where they are others; whether somebody is trusted is no question here."""
    before, after = "" if old is None else signed_by(old), signed_by(new)
    return () if before == after else (FieldChange(field="signed by", old=before, new=after),)


def signed_by(deployment: Deployment) -> str:
    """Name the signers of a deployment's component, and until when."""
    return ", ".join(map(_signed_by, deployment.signers))


def _signed_by(signer: Signer) -> str:
    until = f" until {datetime.fromtimestamp(signer.expires_ms / 1000, UTC):%Y-%m-%d}" if signer.expires_ms else ""
    return f"{signer.shown}{until}" + (", revoked" if signer.revoked else "")


def capability_changes(old: Revision | None, new: Deployment) -> tuple[CapabilityChange, ...]:
    """List the patterns granted anew and those taken away, added ones with their author's rationale."""
    before, after = granted(old) if old else set(), granted(new.revision)
    why = dict(new.rationale)
    added = (CapabilityChange(capability=c, pattern=p, added=True, rationale=why.get(c, "")) for c, p in after - before)
    removed = (CapabilityChange(capability=c, pattern=p, added=False) for c, p in before - after)
    return tuple(sorted((*added, *removed)))


def granted(revision: Revision) -> set[tuple[str, str]]:
    """Return every (capability, pattern) of a revision."""
    return {(grant.capability, pattern) for grant in revision.grants for pattern in grant.patterns}


def content_fields(revision: Revision) -> dict[str, str]:
    """Write a revision's component and artifact."""
    artifact, stateful = short_digest(revision.artifact), shown(revision.stateful)
    manifest = short_digest(revision.manifest) if revision.manifest else ""
    return {"component": revision.component, "stateful": stateful, "artifact": artifact, "manifest": manifest}


def origin_fields(revision: Revision) -> dict[str, str]:
    """Write where a component was fetched, and the commit or digest that its name stood for."""
    origin = revision.origin
    if origin is None:
        return {}
    is_said = origin.reference.endswith(origin.short.rpartition(":")[2])
    return {"origin": origin.reference if is_said else f"{origin.short} of {origin.reference}"}


def config_fields(revision: Revision) -> dict[str, str]:
    """Write each top-level key of a revision's config with its value as JSON."""
    decoded = plain_from_json(revision.config) if revision.config else {}
    return {f"config.{key}": canonical_json(value).decode() for key, value in decoded.items()}


def limit_fields(revision: Revision) -> dict[str, str]:
    """Write a revision's limits."""
    return flatten("limits", revision.limits)


def job_fields(revision: Revision) -> dict[str, str]:
    """Write how a job is run: its arguments as JSON, and each variable."""
    if revision.job is None:
        return {}
    args = {"job.args": canonical_json(revision.job.args).decode()} if revision.job.args else {}
    return args | {f"job.env.{name}": canonical_json(value).decode() for name, value in revision.job.env}


def mount_fields(revision: Revision) -> dict[str, str]:
    """Write each path that a guest finds a directory under, and the directory."""
    return {f"mounts.{mount.guest_path}": mount.path for mount in revision.mounts}


def secret_changes(old: Revision | None, new: Revision) -> tuple[FieldChange, ...]:
    """List the secrets that come, go or have another variable; one with another value is `changed`."""
    before = {use.env: use for use in (old.secrets if old else ())}
    after = {use.env: use for use in new.secrets}
    changes = changes_between(secret_fields(before), secret_fields(after))
    kept = ((use, before.get(env)) for env, use in after.items())
    return changes + tuple(
        FieldChange(field=f"secrets.{use.name}", old=use.env, new="changed")
        for use, was in kept
        if was is not None and was.name == use.name and was.fingerprint != use.fingerprint
    )


def secret_fields(uses: dict[str, SecretUse]) -> dict[str, str]:
    """Write each secret and the variables that a guest finds it in."""
    named: dict[str, list[str]] = {}
    for use in uses.values():
        named.setdefault(f"secrets.{use.name}", []).append(use.env)
    return {name: ", ".join(variables) for name, variables in named.items()}


def news_of(new: Deployment) -> tuple[FieldChange, ...]:
    """List what is worth knowing of a new deployment: where its component is fetched, its mounts and secrets."""
    fields = changes_between({}, {**origin_fields(new.revision), **mount_fields(new.revision)})
    return (*fields, *secret_changes(None, new.revision))


def changes_between(old: dict[str, str], new: dict[str, str]) -> tuple[FieldChange, ...]:
    """Pair two flat mappings; a key that one side lacks is "" there. Keys keep the new side's order."""
    names = dict.fromkeys((*new, *old))
    pairs = ((name, old.get(name, ""), new.get(name, "")) for name in names)
    return tuple(FieldChange(field=name, old=before, new=after) for name, before, after in pairs if before != after)


@functools.cache
def fields_of(kind: type[Value]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return a value's fields; remembered, because msgspec works them out anew each time."""
    return msgspec.structs.fields(kind)


def flatten(name: str, value: object) -> dict[str, str]:
    """Spread a value over dotted names: `restart` becomes `restart.type`, `restart.backoff.initial` and so on."""
    if isinstance(value, Value) and not isinstance(value, DeploymentKey):
        leaves: dict[str, str] = {}
        for field in fields_of(type(value)):
            inner = MANIFEST_NAMES.get(field.encode_name, field.encode_name)
            leaves |= flatten(f"{name}.{inner}", getattr(value, field.name))
        return leaves
    if name == "labels" and isinstance(value, tuple):
        return {f"labels.{key}": text for key, text in value}
    return dict([leaf(name, value)])


def leaf(name: str, value: object) -> tuple[str, str]:
    """Name and write one plain value, the unit moved from the name into the text."""
    if name.endswith("Ms"):
        return name.removesuffix("Ms"), scaled(value, DURATION_UNITS)
    if name.endswith("Bytes"):
        return name.removesuffix("Bytes"), scaled(value, BYTE_UNITS)
    return name, shown(value)


def scaled(value: Any, units: tuple[tuple[int, str], ...]) -> str:
    """Write a whole number in the largest unit that divides it."""
    if value is None:
        return ""
    size, unit = next((size, unit) for size, unit in units if value % size == 0 and (value or size == 1))
    return f"{value // size}{unit}"


def shown(value: object) -> str:
    """Write one plain value as the manifest would."""
    if isinstance(value, tuple):
        return ", ".join(shown(item) for item in value)
    if isinstance(value, WeightStep):
        return f"weight {value.weight}"
    if isinstance(value, PauseStep):
        return f"pause {scaled(value.duration_ms, DURATION_UNITS)}".rstrip()
    if isinstance(value, float):
        return f"{value:g}"
    return WORDS[value] if isinstance(value, bool | None) else str(getattr(value, "value", value))


def short_digest(artifact: str) -> str:
    """Cut `sha256:<hex>` to what tells artifacts apart for people."""
    algorithm, _, hexadecimal = artifact.partition(":")
    return f"{algorithm}:{hexadecimal[:12]}"
