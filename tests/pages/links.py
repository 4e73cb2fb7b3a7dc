"""Links that Ada is mailed."""

from urllib.parse import urlsplit

from tests.client import PASSWORD
from tests.nursery import run_flask

ADA = "ada@example.com"


def registration_link(client, **request):
    """Register Ada; return the link that proves her address."""
    client.post("/auth/register", {"email": ADA, "password": PASSWORD}, **request)
    return client.mailbox(to=ADA)[0]["variables"]["link"]


def invitation_link(live):
    """Invite Ada as an operator would; return the link that she accepts with."""
    run_flask("users", "invite", ADA, environment=live.environment).check_returncode()
    return live.client.mailbox(to=ADA)[0]["variables"]["link"]


def path_of(link):
    """Return the path of a link, which is all of it that a server sees."""
    return urlsplit(link).path
