"""The risk policy file: valid and invalid content, and the strictest decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigurationError
from gatehouse.core import plugins
from gatehouse.risk import policy as risk_policy
from gatehouse.risk.engine import PACKAGE
from gatehouse.risk.policy import Decision, strictest_decision
from tests.conftest import environment, running

SIGNALS = plugins.list_names(PACKAGE)


def test_default_policy_notifies_of_new_devices_and_allows_everything_else():
    policy = risk_policy.parse_policy(risk_policy.read_default_policy(), SIGNALS)

    assert policy == dict.fromkeys(SIGNALS, Decision.ALLOW) | {"new_device": Decision.NOTIFY}


def test_policy_allows_signals_that_it_does_not_name():
    policy = risk_policy.parse_policy('new_country = "refuse"', SIGNALS)

    assert strictest_decision(policy, ["new_device", "new_network"]) is Decision.ALLOW
    assert strictest_decision({}, SIGNALS) is Decision.ALLOW


decisions = st.dictionaries(st.sampled_from(SIGNALS), st.sampled_from(list(Decision)))


@given(policy=decisions, found=st.lists(st.sampled_from(SIGNALS)), more=st.sampled_from(SIGNALS))
def test_strictest_decision_wins_and_another_finding_never_softens_it(policy, found, more):
    decision = strictest_decision(policy, found)

    assert all(policy.get(name, Decision.ALLOW) <= decision for name in found)
    assert strictest_decision(policy, [*found, more]) >= decision
    assert strictest_decision(policy, reversed(found)) is decision


@given(policy=decisions)
def test_policy_file_is_parsed_as_written(policy):
    text = "".join(f'{name} = "{decision.policy_name}"\n' for name, decision in policy.items())

    assert risk_policy.parse_policy(text, SIGNALS) == policy


INVALID = {
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


def test_policy_file_that_is_invalid_stops_the_start(store, tmp_path):
    path = tmp_path / "policy.toml"
    for text, message in INVALID.items():
        path.write_text(text)

        with pytest.raises(ConfigurationError) as error:
            start(store, path)

        assert error.value.message == f"GATEHOUSE_RISK_POLICY {message}", text


def test_policy_file_that_is_not_text_stops_the_start(store, tmp_path):
    path = tmp_path / "policy.toml"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigurationError) as error:
        start(store, path)

    assert error.value.message == "GATEHOUSE_RISK_POLICY must name a readable text file."


def start(store, path):
    with running(environment(store) | {"GATEHOUSE_RISK_POLICY": str(path)}):
        pass
