"""Links that are mailed to Ada."""

from urllib.parse import urlsplit

from tests.child_processes import run_flask
from tests.client import PASSWORD

ADA = "ada@example.com"


def create_registration_link(client, **request):
    """Register Ada; return the link that verifies her e-mail address."""
    client.post("/auth/register", {"email": ADA, "password": PASSWORD}, **request)
    return client.mailbox(to=ADA)[0]["variables"]["link"]


def create_invitation_link(live):
    """Invite Ada; return the link that accepts the invitation."""
    run_flask("users", "invite", ADA, environment=live.environment).check_returncode()
    return live.client.mailbox(to=ADA)[0]["variables"]["link"]


def path_of(link):
    """Return the path of a link."""
    return urlsplit(link).path
