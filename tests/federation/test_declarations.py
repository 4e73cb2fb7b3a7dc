"""The file of providers (GATEHOUSE_PROVIDERS): every mistake in it stops the start."""

import pytest
from joserfc.jwk import ECKey

from app import create_app
from config import ConfigurationError, Settings
from gatehouse.core import plugins
from gatehouse.federation import registry
from tests.conftest import environment

VALID = '[acme]\nkind = "oidc"\nissuer = "https://acme.example"\nclient_id = "gatehouse"\n'
MISTAKES = {
    "acme = 1": "[acme]: it must be a table.",
    '[Acme]\nkind = "oidc"': "[Acme]: the name must be lower case",
    "[acme]": "[acme]: kind must be one of apple, facebook,",
    '[acme]\nkind = "oidc"': "[acme]: client_id: Missing data",
    f'{VALID}client_secret = "x"': "client_secret must not be in the file",
    f'{VALID}client_secret_file = "/nowhere"': "client_secret_file must name a readable text file",
    f'{VALID}isuer = "https://acme.example"': "[acme]: isuer: Unknown field.",
    f'{VALID}scopes = "openid"': "[acme]: scopes: Not a valid list.",
    f'{VALID}algorithms = ["none"]': "[acme]: algorithms: Must be one of: RS256",
    f'{VALID}algorithms = ["HS256"]': "[acme]: algorithms: Must be one of: RS256",
    f'{VALID}registration = "yes"': "[acme]: registration: Not a valid boolean.",
    f'{VALID}profile = {{ roles = "roles" }}': "[acme]: profile: roles is no field of the profile",
    '[acme]\nkind = "oidc"\nissuer = "acme"\nclient_id = "x"': "[acme]: issuer: Write a URL",
    '[microsoft]\nclient_id = "x"\ntenant = "common"': "[microsoft]: tenant must be the id",
    '[apple]\nclient_id = "x"\nteam_id = "y"\nsigning_key_id = "z"': "signing_key_file is missing",
    '[hub]\nkind = "oauth2"\nissuer = "https://hub.example"\nclient_id = "x"': (
        "[hub]: authorization_endpoint is missing"
    ),
    "[acme": "GATEHOUSE_PROVIDERS is not TOML",
}


def start(tmp_path, store, text, **settings):
    """Create an application with this file."""
    file = tmp_path / "providers.toml"
    file.write_text(text)
    environ = environment(store) | {"GATEHOUSE_PROVIDERS": str(file)} | settings
    return create_app(Settings.from_environment(environ))


def test_provider_file_with_a_mistake_stops_the_start(tmp_path, store):
    for text, sentence in MISTAKES.items():
        with pytest.raises(ConfigurationError) as stopped:
            start(tmp_path, store, text)
        assert sentence in stopped.value.message, text

    with pytest.raises(ConfigurationError, match="globex is not declared"):
        start(tmp_path, store, VALID, GATEHOUSE_PROVIDER_SECRETS="globex=x")
    both = f'{VALID}scopes = 1\n[globex]\nkind = "oidc"'
    with pytest.raises(ConfigurationError, match=r"(?s)\[acme\]: scopes.*\[globex\]"):
        start(tmp_path, store, both)


@pytest.mark.alters_the_application
def test_provider_presets_need_what_only_the_operator_knows(tmp_path, store):
    (tmp_path / "secret").write_text("hidden\n")
    (tmp_path / "key.p8").write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    text = f"""
        [google]
        client_id = "g"
        client_secret_file = "{tmp_path}/secret"
        [microsoft]
        client_id = "m"
        tenant = "01900000-0000-7000-8000-000000000000"
        [apple]
        client_id = "a"
        team_id = "t"
        signing_key_id = "k"
        signing_key_file = "{tmp_path}/key.p8"
        [github]
        client_id = "h"
        [facebook]
        client_id = "f"
    """
    app = start(tmp_path, store, text, GATEHOUSE_PROVIDER_SECRETS="github=of the hub")

    with app.app_context():
        found = {one.name: one for one in registry.list_providers()}
    assert list(found) == ["google", "microsoft", "apple", "github", "facebook"]
    assert [one.label for one in found.values()] == [
        *("Google", "Microsoft", "Apple", "GitHub", "Facebook")
    ]
    assert found["google"].client_secret == "hidden"
    assert found["github"].client_secret == "of the hub"
    assert found["microsoft"].issuer.startswith("https://login.microsoftonline.com/01900000-")
    assert "hidden" not in repr(found["google"])


def test_each_provider_plugin_fulfils_the_contract():
    names = plugins.list_names(registry.PACKAGE)

    for name, plugin in plugins.load(registry.PACKAGE, names).items():
        members = ("defaults", "complete_declaration", "find_authorization_endpoint")
        assert all(hasattr(plugin, member) for member in (*members, "authenticate")), name
    assert {"oidc", "oauth2", "google", "microsoft", "apple", "github", "facebook"} == {*names}
