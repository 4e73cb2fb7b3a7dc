"""The policy file: what it may say, and how a start is refused that says something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigurationError
from gatehouse.core import plugins
from gatehouse.risk import policy as risk_policy
from gatehouse.risk.engine import SHELF
from gatehouse.risk.policy import Decision, strictest
from tests.conftest import environment, running

SIGNALS = plugins.names(SHELF)


def test_as_shipped_a_new_device_notifies_and_everything_else_is_allowed():
    policy = risk_policy.parse(risk_policy.shipped(), SIGNALS)

    assert policy == dict.fromkeys(SIGNALS, Decision.ALLOW) | {"new_device": Decision.NOTIFY}


def test_a_signal_that_is_not_named_is_allowed():
    policy = risk_policy.parse('new_country = "refuse"', SIGNALS)

    assert strictest(policy, ["new_device", "new_network"]) is Decision.ALLOW
    assert strictest({}, SIGNALS) is Decision.ALLOW


decisions = st.dictionaries(st.sampled_from(SIGNALS), st.sampled_from(list(Decision)))


@given(policy=decisions, found=st.lists(st.sampled_from(SIGNALS)), more=st.sampled_from(SIGNALS))
def test_the_strictest_decision_wins_and_one_more_finding_is_never_milder(policy, found, more):
    decided = strictest(policy, found)

    assert all(policy.get(name, Decision.ALLOW) <= decided for name in found)
    assert strictest(policy, [*found, more]) >= decided
    assert strictest(policy, reversed(found)) is decided


@given(policy=decisions)
def test_what_is_written_is_read(policy):
    text = "".join(f'{name} = "{decision.word}"\n' for name, decision in policy.items())

    assert risk_policy.parse(text, SIGNALS) == policy


WRONG = {
    'new_devce = "notify"': "names 'new_devce', which is no signal: did you mean new_device?",
    'weather = "notify"': f"names 'weather', which is no signal: there are {', '.join(SIGNALS)}.",
    'new_device = "notfy"': (
        "says new_device = 'notfy', which is no decision: did you mean notify?"
    ),
    "new_device = true": (
        "says new_device = True, which is no decision:"
        " there are allow, notify, captcha, ask_second_factor, refuse."
    ),
    '[decisions]\nnew_device = "allow"': (
        f"names 'decisions', which is no signal: there are {', '.join(SIGNALS)}."
    ),
    'new_device = "allow"\nnew_device = "refuse"': (
        "is not TOML: Cannot overwrite a value (at end of document)."
    ),
    "new_device: allow": (
        "is not TOML: Expected '=' after a key in a key/value pair (at line 1, column 11)."
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_policy_that_cannot_be_meant_stops_the_start_with_one_sentence(store, tmp_path, text):
    path = tmp_path / "policy.toml"
    path.write_text(text)

    with pytest.raises(ConfigurationError) as refused:
        start(store, path)

    assert refused.value.message == f"GATEHOUSE_RISK_POLICY {WRONG[text]}"


def test_a_policy_that_is_no_text_stops_the_start(store, tmp_path):
    path = tmp_path / "policy.toml"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigurationError) as refused:
        start(store, path)

    assert refused.value.message == "GATEHOUSE_RISK_POLICY must name a readable text file."


def start(store, path):
    with running(environment(store) | {"GATEHOUSE_RISK_POLICY": str(path)}):
        pass
