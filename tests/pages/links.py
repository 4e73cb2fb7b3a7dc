"""Links that Ada is mailed."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tests.client import PASSWORD

ADA = "ada@example.com"
ROOT = Path(__file__).parents[2]


def registration_link(client, **request):
    """Register Ada; return the link that proves her address."""
    client.post("/auth/register", {"email": ADA, "password": PASSWORD}, **request)
    return client.mailbox(to=ADA)[0]["variables"]["link"]


def invitation_link(live):
    """Invite Ada as an operator would; return the link that she accepts with."""
    command = [sys.executable, "-m", "flask", "users", "invite", ADA]
    subprocess.run(command, cwd=ROOT, env=live.environment, check=True, capture_output=True)
    return live.client.mailbox(to=ADA)[0]["variables"]["link"]


def path_of(link):
    """Return the path of a link, which is all of it that a server sees."""
    return urlsplit(link).path
