"""The door of the room: my password."""

from typing import Any

from gatehouse.accounts.forms import new_password
from gatehouse.defence.throttle import TooManyAttempts
from gatehouse.foundation.api import Blueprint
from gatehouse.foundation.database import db
from gatehouse.foundation.fields import Form, Text
from gatehouse.foundation.limits import limited
from gatehouse.foundation.visitor import visitor
from gatehouse.selfservice import password
from gatehouse.selfservice.password import CurrentPasswordWrong
from gatehouse.sessions.guards import signed_in
from gatehouse.tokens.service import AccessToken

routes = Blueprint("selfservice", __name__, url_prefix="/auth", description="My account")


class PasswordChange(Form):
    """The password that one has, and the one to have."""

    current_password = Text(1024, required=True, one_line=False, load_only=True)
    password = new_password()


@routes.post("/password/change")
@limited("login")
@signed_in
@routes.arguments(PasswordChange)
@routes.response(204)
@routes.refuses(CurrentPasswordWrong, TooManyAttempts)
def change_password(caller: AccessToken, form: dict[str, Any]) -> None:
    """Change my password; my other sessions end."""
    password.change(caller, form["current_password"], form["password"], visitor())
    db.session.commit()
