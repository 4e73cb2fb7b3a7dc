"""The pages of RP-initiated logout: ask whether to sign out, sign out, and say so."""

from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID

from flask import Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as Redirect

from gatehouse.core.errors import ApiError, MalformedRequest
from gatehouse.database.session import commits
from gatehouse.oauth import end_session
from gatehouse.oauth.end_session import LogoutParameters, LogoutRequest
from gatehouse.pages.form_pages import FORM, create_blueprint, render_form_page
from gatehouse.pages.security_headers import prefer_languages
from gatehouse.pages.sign_in.state import describe_session
from gatehouse.sessions import csrf, guards, logout, request_credentials
from gatehouse.sessions.errors import SessionEnded
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.sessions.token_response import clear_cookies_headers
from gatehouse.web.error_formats import ErrorFormat
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

PATH = "/auth/end-session"


def _render_error(error: ApiError) -> Response:
    page = render_template("pages/end_session_error.html")
    return make_response(page, error.status)


end_session_routes = create_blueprint(
    "end_session", ErrorFormat("text/html", "Page", _render_error)
)


@end_session_routes.get("/oauth2/logout")
def request_logout() -> Redirect:
    """Check a logout request of an application, and continue below `/auth`."""
    return _continue_below_auth(request.args)


@end_session_routes.post("/oauth2/logout")
@csrf.accepts_any_origin
@accepts(FORM)
def post_logout_request() -> Redirect:
    """Check a logout request that was sent as a form, from any site: it changes nothing itself."""
    if any(len(values) > 1 for _, values in request.form.lists()):
        raise MalformedRequest("A parameter was sent twice.")
    return _continue_below_auth(request.form)


@end_session_routes.get(PATH)
@commits
def show_end_session() -> Redirect:
    """Sign out with an ID token of this session; without one, ask; else say that it is done."""
    sealed = request.args.get("request", "")
    wanted = _read(sealed)
    session = _find_session()
    if session is None:
        return _finish(wanted)
    is_other = end_session.means_other_user(wanted, session)
    if end_session.names_session(wanted, session) and not is_other:
        return _sign_out(session, wanted)
    variables = {
        **describe_session(session),
        "sealed": sealed,
        "client": end_session.find_client_name(wanted),
        "is_other": is_other,
    }
    return render_form_page("end_session", variables, target=wanted.redirect_uri)


@end_session_routes.post(PATH)
@accepts(FORM)
@commits
def confirm_end_session() -> Redirect:
    """Sign out after the user confirmed it, or was signed out already."""
    wanted = _read(request.form.get("request", ""))
    session = _find_session()
    return _finish(wanted) if session is None else _sign_out(session, wanted)


def _continue_below_auth(given: Mapping[str, str]) -> Redirect:
    names = LogoutParameters.__dataclass_fields__
    parameters = LogoutParameters(**{name: given.get(name, "") for name in names})
    sealed = end_session.seal(end_session.check_request(parameters))
    return redirect(f"{PATH}?request={sealed}", 303)


def _read(sealed: str) -> LogoutRequest:
    """Return the sealed request, and answer in the language that it asks for."""
    wanted = end_session.unseal(sealed)
    prefer_languages(*wanted.ui_locales.split())
    return wanted


def _find_session() -> SessionRef | None:
    """Return the browser's session, if it has an active one; a write needs its CSRF token."""
    with suppress(*request_credentials.NOT_AUTHENTICATED, SessionEnded):
        return guards.current_browser_session()
    return None


def _sign_out(session: SessionRef, wanted: LogoutRequest) -> Redirect:
    logout.end_one_session(UUID(session.sid), "logout", request_context())
    return _finish(wanted)


def _finish(wanted: LogoutRequest) -> Redirect:
    """Return to the application, or say that the user is signed out; delete the cookies."""
    done = redirect(wanted.target, 303) if wanted.target else _show_signed_out()
    done.headers.extend(clear_cookies_headers())
    return done


def _show_signed_out() -> Redirect:
    return make_response(render_template("pages/signed_out.html"))
