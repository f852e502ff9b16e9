"""examples/05-supervision/README.md holds: its failures are provoked in order, and what is shown is what happens.

Real here: everything, the agent included. `…` in the shown output stands for anything.
"""

from tests.docs.documents import ROOT
from tests.docs.tour import take


def test_what_fails_is_treated_as_its_readme_says(clone):
    take((ROOT / "examples/05-supervision/README.md").read_text(encoding="utf-8"), clone)
