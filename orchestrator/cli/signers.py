"""A signer, as `status`, `sign` and `verify` show it."""

from collections.abc import Iterator

from orchestrator.cli.times import clock
from orchestrator.contract.documents import SignerView
from orchestrator.observe.events import printable

STYLES = {"trusted": "green", "not-trusted": "yellow", "expired": "yellow", "revoked": "bold red"}
SIGNATURES_TOLD = {  # of a deployment, where somebody has to look at it
    "expired": "its signature has ended: sign the component again",
    "revoked": "it is signed with a revoked key alone: sign the component with another",
    "broken": "none of its signatures is good any more",
}


def signer_parts(signer: SignerView) -> Iterator[str | tuple[str, str]]:
    """Write a signer: who, the key, how it stands here, and until when."""
    yield printable(f"{signer.name} ({signer.key_id})" if signer.name else signer.key_id)
    yield ", "
    by = f" by {' and '.join(signer.trusted_by)}" if signer.trusted_by else ""
    yield (printable(signer.state.replace("-", " ") + (by if signer.state == "trusted" else "")), STYLES[signer.state])
    if signer.expires_at:
        yield f", {'since' if signer.state == 'expired' else 'until'} {clock(signer.expires_at)}"
