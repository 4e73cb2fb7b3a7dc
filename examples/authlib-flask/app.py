"""Sign in with Gatehouse: a Flask server with Authlib."""

import os
from urllib.parse import urlencode

from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, render_template_string, session, url_for
from werkzeug.wrappers import Response

app = Flask(__name__)
app.secret_key = os.environ["SESSION_KEY"]
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
gatehouse = OAuth(app).register(
    "gatehouse",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=f"{os.environ['ISSUER']}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)
PAGE = """<!doctype html><title>Orders</title>
{% if user %}<p>Signed in as {{ user.email }}.</p>
<form method="post" action="/logout"><button>Sign out</button></form>
{% else %}<p>Signed out.</p><a href="/login">Sign in</a>{% endif %}"""


@app.get("/")
def show_home() -> str:
    """Show who is signed in."""
    return render_template_string(PAGE, user=session.get("user"))


@app.get("/login")
def log_in() -> Response:
    """Send the browser to Gatehouse; Authlib adds state, nonce and PKCE."""
    answer: Response = gatehouse.authorize_redirect(url_for("finish_login", _external=True))
    return answer


@app.get("/callback")
def finish_login() -> Response:
    """Exchange the code; Authlib verifies the ID token."""
    token = gatehouse.authorize_access_token()
    session.clear()
    session["user"] = {"sub": token["userinfo"]["sub"], "email": gatehouse.userinfo()["email"]}
    session["id_token"] = token["id_token"]
    return redirect(url_for("show_home"))


@app.post("/logout")
def log_out() -> Response:
    """End the session here, then at Gatehouse, which sends the browser back."""
    id_token = session.pop("id_token", "")
    session.clear()
    home = url_for("show_home", _external=True)
    query = urlencode({"id_token_hint": id_token, "post_logout_redirect_uri": home})
    return redirect(f"{gatehouse.load_server_metadata()['end_session_endpoint']}?{query}")
