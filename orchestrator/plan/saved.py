"""A Plan ↔ its JSON document: what `-o json` prints and, with a seal, what `--out` saves. Called by the CLI and agent.

A plan file may have been anywhere since it was saved, so it is read as hostile: bounded, strict, and believed only with
the seal of the state directory that it was made for. Reading the file, and keeping the key, is the caller's.
"""

import hashlib
import hmac

import msgspec

from orchestrator.decoding import T, from_json
from orchestrator.model.base import canonical_json, digest_of
from orchestrator.model.observed import ObservedState
from orchestrator.plan.document import FORMAT_VERSION, Plan

PLAN_MAX_BYTES = 256 << 20  # of a file; for an agent, 100 000 deployments take half of it
INDENT = 2


class PlanRefused(Exception):
    """A plan that may not be applied: `summary` says what is wrong, `detail` why, `suggestion` what to do next."""

    def __init__(self, summary: str, detail: str = "", suggestion: str = "") -> None:
        super().__init__(summary)
        self.summary, self.detail, self.suggestion = summary, detail, suggestion


class SealedPlan(Plan, frozen=True):
    """A plan document: the plan, and the HMAC-SHA256 of its canonical JSON in hex, "" when it was only printed."""

    seal: str = ""


class PlanHeader(msgspec.Struct, rename="camel"):
    """As much of a document of any version as tells which version it is."""

    format_version: str


def render_json(plan: Plan) -> bytes:
    """Encode the plan for tools: indented, one newline at the end, the same bytes for the same plan."""
    return msgspec.json.format(canonical_json(plan), indent=INDENT) + b"\n"


def seal(plan: Plan, key: bytes, *, is_shown: bool = True) -> bytes:
    """Encode the plan for a file that `read_plan` believes; `key` is the state directory's.

    One that nobody is shown, because it goes straight to an agent, is written without its indentation.

    Raises:
        PlanRefused: the document is over the size that would be read back.
    """
    sealed = SealedPlan(**msgspec.structs.asdict(plan), seal=mac(plan, key))
    data = render_json(sealed) if is_shown else canonical_json(sealed)
    check_size(data)
    return data


def read_plan(data: bytes, key: bytes) -> Plan:
    """Decode a saved plan, believing nothing that was not sealed with `key`.

    Raises:
        PlanRefused: it is not a plan, of another format, edited, or sealed by another state directory.
    """
    check_size(data)
    check_version(parse(data, PlanHeader).format_version)
    sealed = parse(data, SealedPlan)
    fields = msgspec.structs.asdict(sealed)
    given = fields.pop("seal")
    plan = Plan(**fields)
    check_seal(plan, given, key)
    return plan


def check_fresh(plan: Plan, observed: ObservedState) -> None:
    """Make sure that nothing was decided since the plan was made.

    Raises:
        PlanRefused: it was made from another observation.
    """
    again = "Make the plan again, and look at it again."
    if plan.lineage != observed.lineage:
        detail = f"It was made for state {plan.lineage}; this is state {observed.lineage}."
        raise PlanRefused("the plan belongs to another state directory", detail, "Name that one with --state-dir.")
    behind = observed.serial - plan.serial
    if behind > 0:
        decisions = "1 decision was" if behind == 1 else f"{behind} decisions were"
        detail = f"{decisions} recorded since it was made (serial {plan.serial}, now {observed.serial})."
        raise PlanRefused("the plan is stale", detail, again)
    if behind < 0:
        detail = f"It was made at serial {plan.serial}; the state is at {observed.serial}, as after restoring a backup."
        raise PlanRefused("the plan is newer than the state", detail, again)


def mac(plan: Plan, key: bytes) -> str:
    """Return the seal that belongs to a plan under a key."""
    return hmac.new(key, canonical_json(plan), hashlib.sha256).hexdigest()


def check_size(data: bytes) -> None:
    """Refuse a document that is too large to be one of ours."""
    if len(data) > PLAN_MAX_BYTES:
        detail = f"It has {len(data)} bytes; {PLAN_MAX_BYTES} are the limit."
        raise PlanRefused("the plan is too large", detail, "Plan fewer deployments at once.")


def parse(data: bytes, kind: type[T]) -> T:
    """Decode strictly; every objection of the decoder is a refusal."""
    try:
        return from_json(data, kind)
    except RecursionError:  # the decoder's own limit on depth
        detail = "It is nested too deeply."
    except (msgspec.MsgspecError, ValueError) as problem:  # ValueError: text that is not UTF-8
        detail = f"{problem}."
    raise PlanRefused("this is not a saved plan", detail, "Save one with `airs plan PATH --out FILE`.")


def check_version(version: str) -> None:
    """Refuse a format whose major version is not ours."""
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        detail = f"Its format is {version[:20]!r}; this airs reads {FORMAT_VERSION}."
        raise PlanRefused("the plan has another format", detail, "Make the plan again with this airs.")


def check_seal(plan: Plan, given: str, key: bytes) -> None:
    """Refuse a plan that is not, to the byte, the one that was sealed."""
    if not given:
        detail = "It was printed with `-o json`, not saved."
        raise PlanRefused("the plan carries no seal", detail, "Save one with `airs plan PATH --out FILE`.")
    check_digest(plan)
    if not hmac.compare_digest(given.encode(), mac(plan, key).encode()):
        detail = "Its seal is not this state directory's: it was edited, or made for another one."
        raise PlanRefused("the plan was edited", detail, "Make the plan again with the same --state-dir.")


def check_digest(plan: Plan) -> None:
    """Refuse a plan whose digest is not that of its content."""
    if plan.digest != digest_of(msgspec.structs.replace(plan, digest="")):
        detail = "Its digest is not that of its content."
        raise PlanRefused("the plan was edited", detail, "Change the manifests and make the plan again.")
