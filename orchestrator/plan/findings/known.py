"""The ports through which a plan learns what neither state holds: worlds of artifacts, and facts about deployments."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from orchestrator.model.facts import DeploymentFacts
from orchestrator.model.ids import DeploymentKey
from orchestrator.model.spec import Deployment
from orchestrator.model.world import World
from orchestrator.plan.siblings import FindSiblings, none_known

Deployments = Mapping[DeploymentKey, Deployment]


class KnownFacts(msgspec.Struct, frozen=True):
    """All that can be asked; None stands for *not known*, never for *there is none*.

    `senders` are those that were seen sending to a deployment, of which nobody knows that they are all. `standing` is
    everything that is deployed, for a plan of some of it. `siblings` are the sources beside that of a wish.
    """

    world: Callable[[str], World | None] = lambda _artifact: None
    senders: Callable[[DeploymentKey], Iterable[DeploymentKey]] = lambda _key: ()
    facts: Callable[[DeploymentKey], DeploymentFacts | None] = lambda _key: None
    standing: Callable[[], Deployments] = lambda: {}
    siblings: FindSiblings = none_known


NOTHING_KNOWN = KnownFacts()
