import pytest

from orchestrator.interface.versions import stands_for

ROWS = [
    ("a:b/c@1.0.0", "a:b/c@1.0.0", True),
    ("a:b/c@1.1.0", "a:b/c@1.0.0", True),
    ("a:b/c@1.0.0", "a:b/c@1.1.0", False),
    ("a:b/c@1.10.0", "a:b/c@1.9.0", True),
    ("a:b/c@2.0.0", "a:b/c@1.0.0", False),
    ("a:b/c@0.2.6", "a:b/c@0.2.0", True),
    ("a:b/c@0.3.0", "a:b/c@0.2.0", False),
    ("a:b/c@0.0.2", "a:b/c@0.0.1", False),
    ("a:b/c@1.0.0", "a:b/c@1.0.0-rc.1", False),
    ("a:b/c@1.0.0-rc.1", "a:b/c@1.0.0-rc.1", True),
    ("a:b/c@1.0.0", "a:b/c", False),
    ("a:b/c", "a:b/c", True),
    ("a:b/d@1.0.0", "a:b/c@1.0.0", False),
    ("a:b/c@99999999999999999999.0.0", "a:b/c@1.0.0", False),
]


@pytest.mark.parametrize(("offered", "asked", "stands"), ROWS)
def test_a_later_version_of_the_same_track_stands_for_an_earlier_one(offered, asked, stands):
    assert stands_for(offered, asked) is stands
