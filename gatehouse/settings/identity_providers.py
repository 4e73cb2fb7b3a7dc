"""Settings of identity providers, with which users can sign in."""

from collections.abc import Mapping
from dataclasses import dataclass

from gatehouse.settings.field import setting
from gatehouse.settings.parsers import NAME_PATTERN, file_path, split_list


def secrets_by_name(value: str) -> dict[str, str]:
    """secrets of providers by name, such as `google=...,github=...`"""
    pairs = [item.partition("=") for item in split_list(value)]
    if not all(NAME_PATTERN.fullmatch(name) and secret for name, _, secret in pairs):
        raise ValueError("must be like google=SECRET,github=SECRET")
    return {name: secret for name, _, secret in pairs}


@dataclass(frozen=True, kw_only=True)
class ProviderSettings:
    """Identity providers.

    Users can sign in with their accounts there: see [identity-providers.md](identity-providers.md).
    """

    providers: str = setting(file_path)
    """TOML file that declares the identity providers; without it, users sign in here only."""
    provider_secrets: Mapping[str, str] = setting(secrets_by_name)
    """Client secrets of the providers whose declaration names no `client_secret_file`."""
