"""The section `limits` of the settings → the limits of this machine, with the place where they are written."""

from orchestrator.cli.context import Settings
from orchestrator.model.policy import MachineLimits, NamespaceLimits
from orchestrator.model.settings import Origin


def machine_limits(settings: Settings) -> MachineLimits | None:
    """Return what all deployments may have together; None where nothing limits them.

    Raises:
        Failure: the settings cannot be used.
    """
    if settings.found.file is None:  # no variable sets any
        return None
    own = settings.configured.limits
    written = [each for each in settings.resolved.settings if each.key.startswith("limits.")]
    places = [each.where.rsplit(":", 2) for each in written if each.origin is Origin.FILE]
    if not places:
        return None
    limits = NamespaceLimits(
        deployments=own.deployments, instances=own.instances, memory_bytes=own.memory,
        line=min(int(line) for _, line, _ in places),
    )  # fmt: skip
    return MachineLimits(limits=limits, file=places[0][0])
