"""The blueprints of the account pages."""

from gatehouse.pages.account.application_routes import application_routes
from gatehouse.pages.account.data_routes import data_routes
from gatehouse.pages.account.email_routes import email_routes
from gatehouse.pages.account.entrance_routes import entrance_routes
from gatehouse.pages.account.factor_routes import factor_routes
from gatehouse.pages.account.history_routes import history_routes
from gatehouse.pages.account.identity_routes import identity_routes
from gatehouse.pages.account.overview_routes import overview_routes
from gatehouse.pages.account.password_routes import password_routes
from gatehouse.pages.account.phone_routes import phone_routes
from gatehouse.pages.account.profile_routes import profile_routes
from gatehouse.pages.account.session_routes import session_routes

ACCOUNT_PAGES = (
    entrance_routes,
    overview_routes,
    profile_routes,
    email_routes,
    phone_routes,
    password_routes,
    factor_routes,
    session_routes,
    identity_routes,
    application_routes,
    history_routes,
    data_routes,
)
