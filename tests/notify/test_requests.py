"""Requests have the documented shapes whatever stands in the texts, and nothing of those acts upon a reader."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.settings import ForgeSection, NotificationSection
from orchestrator.notify.forges import is_known_already, noted, status_request
from orchestrator.notify.messages import cloud_event, slack_message
from orchestrator.notify.transitions import CommitState, Notice, commit_notice
from orchestrator.notify.words import clean, filled_link

from .forge import SHAPES, fitting

SHA = "a" * 40
HOSTILE = "<!channel> [x](javascript:alert(1)) `code` *bold* @here \x1b[31m\u202e\n\r\0 \ud800".encode(
    "utf-8", "replace"
).decode()
HEAD = ":warning: default/a held: "
TEXTS = st.text(max_size=400) | st.just(HOSTILE * 9)


def forge(kind: str) -> ForgeSection:
    link = "https://dash.example.org/{source}?at={commit}"
    return ForgeSection(
        name="f", kind=kind, url="http://127.0.0.1:1", repository="shop/deploy", context="airs", link=link
    )


@given(st.sampled_from(["github", "gitlab", "gitea", "forgejo"]), st.sampled_from([*CommitState]), TEXTS, TEXTS)
def test_a_status_has_the_shape_of_its_forge(kind, state, source, sentence):
    known = "gitea" if kind == "forgejo" else kind
    made = status_request(forge(kind), f"{known}-token", commit_notice(source or "s", SHA, state, sentence or "x", 0))
    shape = SHAPES[known]
    assert made.url.removeprefix("http://127.0.0.1:1") == shape.path.replace("([0-9a-f]{40})", SHA)
    said = json.loads(made.body)
    said["description"] = said["description"] or "x"
    headers = {**made.headers, **({"Authorization": made.authorization} if made.authorization else {})}
    fitting(shape, headers, json.dumps(said).encode())
    assert all(text.isprintable() for text in said.values())
    assert said["target_url"].startswith("https://dash.example.org/")
    assert f"{known}-token" not in repr(made)


def test_the_states_are_those_of_each_forge():
    words = {
        kind: [json.loads(status_request(forge(kind), "t", commit_notice("s", SHA, state, "", 0)).body)["state"]
               for state in CommitState]
        for kind in ("github", "gitlab", "gitea")
    }  # fmt: skip
    assert words == {
        "github": ["pending", "success", "failure", "error"],
        "gitlab": ["pending", "success", "failed", "canceled"],
        "gitea": ["pending", "success", "failure", "error"],
    }


def test_gitlab_refuses_a_state_that_the_commit_has_which_is_no_failure():
    said = b'{"message":"Cannot transition status via :enqueue from :pending"}'
    assert is_known_already("gitlab", 400, said)
    assert not is_known_already("gitlab", 400, b'{"error":"state does not have a valid value"}')
    assert not is_known_already("github", 400, said)


@pytest.mark.parametrize(
    ("url", "base"), [("", "https://api.github.com"), ("https://ghe/api/v3/", "https://ghe/api/v3")]
)
def test_an_enterprise_has_its_api_elsewhere(url, base):
    section = ForgeSection(name="f", kind="github", url=url, repository="o/r", context="airs")
    assert (
        status_request(section, "t", commit_notice("s", SHA, CommitState.SUCCESS, "", 0)).url
        == f"{base}/repos/o/r/statuses/{SHA}"
    )


def test_a_note_has_one_line_for_each_context():
    pending, success = (
        commit_notice("s", SHA, state, "said", 0) for state in (CommitState.PENDING, CommitState.SUCCESS)
    )
    one = noted("", "airs/s", pending, "", "T1")
    both = noted(one, "airs/other", success, "https://x/", "T2")
    assert both == "airs/s: pending at T1: said\nairs/other: success at T2: said https://x/\n"
    assert noted(both, "airs/s", success, "", "T3").splitlines() == [
        "airs/other: success at T2: said https://x/", "airs/s: success at T3: said",
    ]  # fmt: skip


def notice(sentence: str, source: str = "shop") -> Notice:
    return Notice(
        subject="deployment default/a", state="held r", word="held", sentence=sentence, at_ms=1_700_000_000_123,
        source=source, namespace="default", deployment="a", version="1.0.0", revision="r",
    )  # fmt: skip


@given(TEXTS, TEXTS)
def test_an_event_has_the_shape_of_a_cloud_event(sentence, source):
    section = NotificationSection(name="ops", kind="webhook", link="https://dash.example.org/{source}/{name}")
    made = cloud_event(section, notice(sentence, source), "http://x/", "secret", "lineage", 1_700_000_001)
    event = fitting(SHAPES["events"], made.headers, made.body)
    again = cloud_event(section, notice(sentence, source), "http://x/", "secret", "lineage", 1_700_000_999)
    assert event["id"] == json.loads(again.body)["id"]
    assert event["time"] == "2023-11-14T22:13:20.123Z"
    unsigned = cloud_event(section, notice(sentence), "http://x/", "", "lineage", 1)
    assert "webhook-signature" not in unsigned.headers


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_in_a_chat_a_text_from_outside_is_code_and_nothing_else(sentences):
    section = NotificationSection(name="chat", kind="slack")
    made = slack_message(section, [notice(each) for each in sentences], "http://x/")
    lines = fitting(SHAPES["chat"], made.headers, made.body)["text"].split("\n")
    assert len(lines) == len(sentences)
    for line in lines:
        head, rest = line[: len(HEAD)], line[len(HEAD) :]
        assert head == HEAD
        code = rest[1:-1]
        assert rest in ("", f"`{code}`")
        assert code.replace("\u200b", "").isprintable()
        assert not {"`", "<", ">"} & {*code}
        assert "@h" not in code


@given(TEXTS, st.integers(2, 200))
def test_a_clean_text_is_one_short_line(text, most):
    made = clean(text, most)
    assert made.isprintable()
    assert len(made) <= most
    assert clean(made, most) == made


def test_a_field_never_leads_a_link_elsewhere():
    link = filled_link(
        "https://dash.example.org/{source}?c={commit}", {"source": "../@evil.org/{commit}", "commit": "a&b#c"}
    )
    assert link == "https://dash.example.org/..%2F%40evil.org%2F%7Bcommit%7D?c=a%26b%23c"
    assert filled_link("https://dash.example.org/{source}", {"source": ""}) == ""
