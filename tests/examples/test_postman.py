"""The Postman collection, run from top to bottom by newman against a fresh server."""

import subprocess

from config import ROOT
from tests.node_packages import NODE, install_packages


def test_postman_collection_runs_from_top_to_bottom(live):
    newman = install_packages() / "node_modules/newman/bin/newman.js"
    options = ["--env-var", f"base_url={live.url}", "--color", "off", "--bail", "failure"]

    run = subprocess.run(
        [NODE, newman, "run", ROOT / "docs/postman.json", *options],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-4000:]
