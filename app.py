"""create_app(): settings, database, blueprints, error answers, commands; wiring, nothing else."""

from flask import Flask
from flask_migrate import Migrate

import config
from auth_routes import auth
from gatehouse.account.routes import routes as selfservice
from gatehouse.captcha.routes import routes as captcha
from gatehouse.cli import docs, doctor, keys, passwords, risk, serve, translations, users
from gatehouse.cli import worker as deliver
from gatehouse.core import log, metrics
from gatehouse.database import session
from gatehouse.database.session import READER, db, engine_options
from gatehouse.forward_auth.routes import document as describe_gateway
from gatehouse.forward_auth.routes import gateway
from gatehouse.login.routes import passkeys, related
from gatehouse.login.routes import routes as second_step
from gatehouse.messaging import routing, templates
from gatehouse.messaging import worker as delivery
from gatehouse.mfa import registry as factors
from gatehouse.mfa.routes import registrations
from gatehouse.mfa.routes import routes as mfa
from gatehouse.mfa.trusted_device_routes import my_devices as devices
from gatehouse.operations import cleanup, error_handlers, load_shedding
from gatehouse.operations.proxy_check import doctor as check_up
from gatehouse.operations.routes import operation
from gatehouse.pages.errors import errors
from gatehouse.pages.mailbox import mailbox
from gatehouse.pages.routes import pages
from gatehouse.passwords import hash_pool as hash_queue
from gatehouse.risk import engine
from gatehouse.sessions import csrf
from gatehouse.sessions.routes import routes as sessions
from gatehouse.tokens import flask_jwt, sync
from gatehouse.tokens.routes import tokens
from gatehouse.users import identifiers
from gatehouse.web import proxy_check, rate_limits, request_validation
from gatehouse.web.json import StrictJSON
from gatehouse.web.middleware import Envelope
from gatehouse.web.openapi import SCHEMES, ProblemApi
from gatehouse.web.rsgi import Bridge

DESCRIPTION = "Registers people, logs them in, and tells other services who they are."


def create_app(settings: config.Settings | None = None) -> Flask:
    """Return the application; without settings they are read from the environment."""
    log.set_up()
    app = Flask("gatehouse", root_path=str(config.ROOT), static_folder=None)
    app.extensions["gatehouse.settings"] = settings or config.read_environment()
    app.json = StrictJSON(app)
    app.url_map.merge_slashes = False  # a redirect would take its host from the request
    app.ensure_sync = lambda func: func  # type: ignore[method-assign] # no view is async
    hash_queue.set_up(app)
    routing.set_up(app)
    with app.app_context():
        _connect_database(app)
        _check_templates(app)
        engine.set_up(app)
        _set_up_http(app)
        flask_jwt.set_up(app)
        factors.check()
        _open_doors(app)
    operating = (serve.serve, deliver.worker, keys.keys, users.users, passwords.passwords)
    for commands in (*operating, risk.risk, doctor.doctor, docs.docs, translations.letters):
        app.cli.add_command(commands)
    return app


def create_worker() -> Flask:
    """Return the application with the threads that a worker of the server has."""
    app = create_app()
    sync.start(app)
    cleanup.start(app)
    delivery.start(app)
    return app


def create_bridge() -> Bridge:
    """Return a worker as granian runs it."""
    app = create_worker()
    return Bridge(app, config.settings_of(app).threads)


def _connect_database(app: Flask) -> None:
    settings = config.settings()
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    options = engine_options(settings.database_url, settings.threads)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    if settings.database_url.startswith("postgresql"):
        alone = options | {"url": settings.database_url, "isolation_level": "AUTOCOMMIT"}
        alone |= {"pool_size": max(1, settings.threads // 4), "pool_reset_on_return": None}
        app.config["SQLALCHEMY_BINDS"] = {READER: alone}
    db.init_app(app)
    session.set_up()
    Migrate(app, db, directory=str(config.ROOT / "migrations"), render_as_batch=True)


def _check_templates(app: Flask) -> None:
    """Refuse an operator's template that would fail when a letter is to be written."""
    try:
        templates.check(config.settings_of(app).templates)
    except templates.BadTemplate as problem:
        raise config.ConfigurationError(f"GATEHOUSE_TEMPLATES: {problem}") from None


def _set_up_http(app: Flask) -> None:
    app.wsgi_app = Envelope(app.wsgi_app, config.settings())  # type: ignore[method-assign]
    request_validation.guard(app)
    load_shedding.guard(app)
    csrf.guard(app)
    proxy_check.watch(app)
    app.after_request(metrics.count_answer)
    app.after_request(log.log_answer)
    rate_limits.set_up(app, identifiers.destination)


def _open_doors(app: Flask) -> None:
    app.config.update(
        API_TITLE="Gatehouse",
        API_VERSION=config.VERSION,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    api = ProblemApi(app, info={"description": DESCRIPTION})
    for scheme, meaning in SCHEMES.items():
        api.spec.components.security_scheme(scheme, meaning)
    own = (auth, second_step, passkeys, related, mfa, registrations, captcha, devices)
    for documented in (*own, sessions, selfservice, tokens, operation):
        api.register_blueprint(documented)
    api.add_chapter(describe_gateway)
    error_handlers.register(app)  # after smorest, whose own answers it replaces
    for plain in (gateway, check_up, pages, errors):
        app.register_blueprint(plain)
    if config.settings().development:
        app.register_blueprint(mailbox)
