"""Create the Flask application: settings, database, blueprints, error handlers and commands."""

from flask import Flask
from flask_migrate import Migrate

import config
from auth_routes import auth
from gatehouse.account import access_revocation
from gatehouse.account.own_data_routes import routes as own_data
from gatehouse.account.routes import routes as account
from gatehouse.admin.api_key_routes import api_key_routes
from gatehouse.admin.audit_routes import audit_routes
from gatehouse.admin.bulk_routes import bulk_routes
from gatehouse.admin.client_routes import client_routes
from gatehouse.admin.client_secret_routes import client_secret_routes
from gatehouse.admin.hook_delivery_routes import hook_delivery_routes
from gatehouse.admin.hook_routes import hook_routes
from gatehouse.admin.permission_routes import permission_routes
from gatehouse.admin.profile_schema_routes import profile_schema_routes
from gatehouse.admin.resource_routes import resource_routes
from gatehouse.admin.role_assignment_routes import role_assignment_routes
from gatehouse.admin.role_routes import role_routes
from gatehouse.admin.service_account_routes import service_account_routes
from gatehouse.admin.user_action_routes import user_action_routes
from gatehouse.admin.user_detail_routes import user_detail_routes
from gatehouse.admin.user_routes import user_routes
from gatehouse.authorization import administrators
from gatehouse.authorization import catalog as role_catalog
from gatehouse.captcha.routes import routes as captcha
from gatehouse.cli import (
    audit,
    backup,
    command_group,
    docs,
    doctor,
    hook_deliveries,  # noqa: F401 - adds commands to `gatehouse hooks`
    keys,
    passwords,
    risk,
    serve,
    translations,
    users,
)
from gatehouse.cli import clients as client_commands
from gatehouse.cli import hooks as hook_commands
from gatehouse.cli import permissions as permission_commands
from gatehouse.cli import profile as profile_commands
from gatehouse.cli import resources as resource_commands
from gatehouse.cli import roles as role_commands
from gatehouse.cli import service_accounts as service_account_commands
from gatehouse.cli import worker as worker_command
from gatehouse.cli.client_trial import command as trial_command  # noqa: F401 - `clients try`
from gatehouse.core import log, metrics
from gatehouse.core.events import (
    AuthorizationChanged,
    CredentialChanged,
    SessionEnded,
    UserDisabled,
    UserErased,
    WebhookPaused,
    subscribe,
)
from gatehouse.database import refunds, session
from gatehouse.database.session import AUTOCOMMIT_BIND, db, engine_options
from gatehouse.devices import service as devices
from gatehouse.federation import registry as provider_registry
from gatehouse.forward_auth.routes import document_forward_auth, forward_auth
from gatehouse.hooks import catalog as webhook_catalog
from gatehouse.hooks import delivery_worker as webhook_worker
from gatehouse.hooks import memory as hook_memory
from gatehouse.hooks import publishing as webhooks
from gatehouse.hooks import subscriptions as webhook_subscriptions
from gatehouse.hooks import token_claims
from gatehouse.login.federation_routes import federation_routes, identity_routes
from gatehouse.login.routes import passkey_login_routes, related_origin_routes
from gatehouse.login.routes import routes as login
from gatehouse.messaging import routing, template_rendering
from gatehouse.messaging import worker as delivery_worker
from gatehouse.mfa import registry as factor_registry
from gatehouse.mfa.routes import registrations
from gatehouse.mfa.routes import routes as mfa
from gatehouse.mfa.trusted_device_routes import trusted_device_routes
from gatehouse.oauth import application_sessions, logout_queue, logout_worker
from gatehouse.oauth.errors import document_errors
from gatehouse.oauth.grant_routes import grant_routes
from gatehouse.oauth.routes import oauth, oauth_metadata
from gatehouse.operations import cleanup, error_handlers, load_shedding
from gatehouse.operations.proxy_check import proxy_check as proxy_check_routes
from gatehouse.operations.routes import operations
from gatehouse.pages.account.blueprints import ACCOUNT_PAGES
from gatehouse.pages.branding_routes import branding
from gatehouse.pages.errors import errors
from gatehouse.pages.mailbox import mailbox
from gatehouse.pages.mailbox_document import document_mailbox
from gatehouse.pages.routes import pages
from gatehouse.pages.sign_in.authorization_routes import authorization_routes
from gatehouse.pages.sign_in.confirm_routes import confirm_routes
from gatehouse.pages.sign_in.consent_routes import consent_routes
from gatehouse.pages.sign_in.end_session_routes import end_session_routes
from gatehouse.pages.sign_in.federation_routes import federation_pages
from gatehouse.pages.sign_in.login_link_routes import login_link_routes
from gatehouse.pages.sign_in.mailed_link_routes import mailed_link_routes
from gatehouse.pages.sign_in.mfa_recovery_routes import mfa_recovery_routes
from gatehouse.pages.sign_in.password_reset_routes import password_reset_routes
from gatehouse.pages.sign_in.registration_routes import registration_routes
from gatehouse.pages.sign_in.routes import sign_in_routes
from gatehouse.pages.sign_in.second_step_routes import second_step_routes
from gatehouse.passwords import hash_pool
from gatehouse.risk import engine
from gatehouse.service_accounts import accounts as service_accounts
from gatehouse.service_accounts import key_memory, key_usage
from gatehouse.sessions import csrf, impersonation
from gatehouse.sessions import service as session_service
from gatehouse.sessions.routes import routes as sessions
from gatehouse.tokens import flask_jwt, revocation, sync
from gatehouse.tokens.routes import tokens
from gatehouse.users import identifiers, operator_notices, profile_schema_store
from gatehouse.web import proxy_check, rate_limits, request_validation
from gatehouse.web.json import StrictJSON
from gatehouse.web.middleware import HeadersMiddleware
from gatehouse.web.openapi import ProblemApi
from gatehouse.web.rsgi import RsgiAdapter

DESCRIPTION = "Registers users, logs them in, and issues tokens that other services verify."


COMMANDS = (
    *(serve.serve, worker_command.run_worker, keys.keys, users.users, passwords.passwords),
    *(role_commands.roles, permission_commands.permissions, profile_commands.profile),
    *(service_account_commands.service_accounts, hook_commands.hooks, audit.audit, risk.risk),
    *(client_commands.clients, resource_commands.resources),
    *(doctor.doctor, docs.docs, translations.translations, backup.back_up, backup.restore),
)
"""The commands of operators and developers."""


@command_group.report_wrong_settings
def create_app(settings: config.Settings | None = None) -> Flask:
    """Return the application, with the given settings or those of the environment."""
    settings = settings or config.read_environment()
    log.configure_logging(settings.log_format or log.choose_format(settings.development))
    app = Flask("gatehouse", root_path=str(config.ROOT), static_folder=None)
    app.extensions["gatehouse.settings"] = settings
    app.json = StrictJSON(app)
    app.url_map.merge_slashes = False  # a redirect would take its host from the request
    app.ensure_sync = lambda func: func  # type: ignore[method-assign] # no view is async
    hash_pool.set_up(app)
    routing.set_up(app)
    with app.app_context():
        _connect_database(app)
        _check_templates(app)
        engine.set_up(app)
        _set_up_http(app)
        flask_jwt.set_up(app)
        _set_up_memories(app)
        factor_registry.validate_settings()
        provider_registry.set_up(app)
        _subscribe(app)
        _register_blueprints(app)
    for command in COMMANDS:
        app.cli.add_command(command)
    app.cli.commands.pop("openapi", None)  # of flask-smorest; /openapi.json is the document
    return app


def main() -> None:
    """Run the command `gatehouse`."""
    command_group.GatehouseGroup(create_app, COMMANDS).main(prog_name="gatehouse")


def create_worker() -> Flask:
    """Return the application with the background threads of a server worker."""
    app = create_app()
    sync.start_sync(app)
    cleanup.start_cleanup(app)
    key_usage.start_writing(app)
    refunds.start_refunds(app)
    delivery_worker.start_worker(app)
    webhook_worker.start_worker(app)
    logout_worker.start_worker(app)
    return app


def create_rsgi_app() -> RsgiAdapter:
    """Return a server worker, as granian runs it."""
    app = create_worker()
    return RsgiAdapter(app, config.settings_of(app).threads)


def _connect_database(app: Flask) -> None:
    settings = config.settings()
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    options = engine_options(settings.database_url, settings.threads, settings.database_pooler)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    if settings.database_url.startswith("postgresql"):
        autocommit = options | {"url": settings.database_url, "isolation_level": "AUTOCOMMIT"}
        autocommit |= {"pool_size": max(1, settings.threads // 4), "pool_reset_on_return": None}
        app.config["SQLALCHEMY_BINDS"] = {AUTOCOMMIT_BIND: autocommit}
    db.init_app(app)
    session.configure_sqlite()
    Migrate(app, db, directory=str(config.ROOT / "migrations"), render_as_batch=True)


def _check_templates(app: Flask) -> None:
    """Stop the start at a template of the operator's that cannot be rendered."""
    try:
        template_rendering.check_templates(config.settings_of(app).templates)
    except template_rendering.BadTemplate as problem:
        raise config.ConfigurationError(f"GATEHOUSE_TEMPLATES: {problem}") from None


def _set_up_http(app: Flask) -> None:
    app.wsgi_app = HeadersMiddleware(app.wsgi_app, config.settings())  # type: ignore[method-assign]
    request_validation.set_up(app)
    load_shedding.register_load_shedding(app)
    csrf.register_origin_check(app)
    proxy_check.register_monitor(app)
    refunds.set_up(app)
    app.after_request(metrics.count_response)
    app.after_request(log.log_response)
    rate_limits.set_up(app, identifiers.get_recipient)


def _set_up_memories(app: Flask) -> None:
    """Set up what each worker keeps in memory, so that most requests need no query for it."""
    role_catalog.set_up(app)
    profile_schema_store.set_up(app)
    key_memory.set_up(app)
    key_usage.set_up(app)
    hook_memory.set_up(app)
    webhook_subscriptions.set_up(app)
    token_claims.set_up(app)


def _subscribe(app: Flask) -> None:
    """Subscribe to domain events: the one place that says who reacts to what."""
    subscribe(app, SessionEnded, revocation.revoke_access_tokens)
    subscribe(app, SessionEnded, application_sessions.end_grants_of_session)
    subscribe(app, AuthorizationChanged, impersonation.end_unauthorized)
    subscribe(app, CredentialChanged, session_service.end_other_sessions)
    subscribe(app, CredentialChanged, application_sessions.end_grants_after_change)
    subscribe(app, CredentialChanged, devices.withdraw_trust)
    subscribe(app, UserDisabled, administrators.keep_another_administrator)
    subscribe(app, UserDisabled, service_accounts.follow_owner)
    subscribe(app, UserDisabled, session_service.end_sessions_of_disabled_user)
    subscribe(app, UserDisabled, application_sessions.end_grants_of_disabled_user)
    subscribe(app, UserDisabled, devices.withdraw_trust)
    subscribe(app, UserDisabled, access_revocation.delete_codes_of_disabled_user)
    subscribe(app, UserErased, webhooks.forget_user)
    subscribe(app, WebhookPaused, operator_notices.announce_pause)
    subscribe(app, UserErased, logout_queue.forget_user)
    for event_type in webhook_catalog.SOURCES:
        subscribe(app, event_type, webhooks.deliver_event)


def _register_blueprints(app: Flask) -> None:
    app.config.update(
        API_TITLE="Gatehouse",
        API_VERSION=config.VERSION,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    servers = [{"url": config.settings().public_url}]
    api = ProblemApi(app, info={"description": DESCRIPTION}, servers=servers)
    first = (auth, login, passkey_login_routes, related_origin_routes, mfa, registrations)
    account_routes = (trusted_device_routes, sessions, grant_routes, account, own_data)
    services = (federation_routes, identity_routes, tokens, oauth, oauth_metadata, operations)
    documented = (*first, captcha, *account_routes, *services)
    roles = (permission_routes, role_routes, role_assignment_routes)
    user_blueprints = (user_routes, bulk_routes, user_action_routes, user_detail_routes)
    accounts = (*user_blueprints, profile_schema_routes)
    programs = (service_account_routes, api_key_routes, hook_routes, hook_delivery_routes)
    applications = (client_routes, client_secret_routes, resource_routes)
    administration = (*roles, *accounts, *programs, *applications, audit_routes)
    for blueprint in (*documented, *administration):
        api.register_blueprint(blueprint)
    api.add_section(document_forward_auth)
    api.add_section(document_errors)
    error_handlers.register_error_handlers(app)  # after smorest, whose error handlers it replaces
    sign_in_pages = (authorization_routes, sign_in_routes, second_step_routes, confirm_routes)
    recovery_pages = (password_reset_routes, login_link_routes, mfa_recovery_routes)
    first_pages = (registration_routes, *recovery_pages, mailed_link_routes, federation_pages)
    further_pages = (*first_pages, consent_routes, end_session_routes, *ACCOUNT_PAGES)
    all_pages = (pages, branding, errors, *sign_in_pages, *further_pages)
    for undocumented in (forward_auth, proxy_check_routes, *all_pages):
        app.register_blueprint(undocumented)
    if config.settings().development:
        app.register_blueprint(mailbox)
        api.add_section(document_mailbox)
