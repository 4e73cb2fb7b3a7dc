"""The example script in `docs/captcha.md`."""

import os
import re
import subprocess
import sys

import pytest

from config import ROOT
from tests.client import User


@pytest.mark.settings(GATEHOUSE_CAPTCHA_LOGIN="always", GATEHOUSE_CAPTCHA_COST="50")
def test_captcha_example_solves_a_captcha_and_logs_in(live):
    live.client.sign_up(User("ann@example.com", "seven green lanterns"))
    [script] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/captcha.md").read_text(), re.S)

    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "GATEHOUSE_URL": live.url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.stdout, result.stderr) == ("authenticated\n", "")
