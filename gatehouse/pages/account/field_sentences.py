"""What the account pages say about the fields of their forms."""

from gatehouse.core.errors import ApiError, ValidationFailed
from gatehouse.core.i18n import gettext_noop
from gatehouse.pages.security_headers import gettext

REQUIRED = gettext_noop("Please fill this in.")
SENTENCES = {
    "body": gettext_noop("Please fill in all fields."),
    "code": gettext_noop("Enter the code as it is in the message or the app."),
    "email": gettext_noop("Write an e-mail address, such as name@example.com."),
    "phone": gettext_noop("Write a phone number with its country code, such as +49 151 23456789."),
    "username": gettext_noop(
        "Use 3 to 32 letters, digits, dots, hyphens and underscores, and begin with a letter."
    ),
    "understood": gettext_noop("Tick this box if you want to delete your account."),
    "locale": gettext_noop("Choose one of the languages."),
}
"""What is expected of a field; other fields have messages that are translated already."""


def describe_fields(error: ApiError | None) -> dict[str, list[str]]:
    """Return sentences about each field that is wrong."""
    if not isinstance(error, ValidationFailed):
        return {}
    return {name: _describe(name, problems) for name, problems in error.errors.items()}


def _describe(name: str, problems: list[dict[str, str]]) -> list[str]:
    if any(problem["code"] == "required" for problem in problems):
        return [gettext(REQUIRED)]
    if name in SENTENCES:
        return [gettext(SENTENCES[name])]
    return [problem["message"] for problem in problems]
