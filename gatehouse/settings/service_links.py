"""Variables that Kubernetes and Docker inject for a service or link whose name is like ours.

A Service called `gatehouse`, or `gatehouse-db`, gives every container variables that begin with
`GATEHOUSE_`. They are no settings of ours, and no mistakes of the operator's.
"""

import re
from collections.abc import Mapping

INJECTED = {
    r"GATEHOUSE_(\w+_)?PORT(_\d+_(TCP|UDP|SCTP))?": r"(tcp|udp|sctp)://\S+",
    r"GATEHOUSE_(\w+_)?PORT_\d+_(TCP|UDP|SCTP)_(PORT|ADDR|PROTO)": r"\S+",
    r"GATEHOUSE_(\w+_)?SERVICE_HOST": r"[0-9a-fA-F.:]+",
    r"GATEHOUSE_(\w+_)?SERVICE_PORT(_\w+)?": r"\d+",
    r"GATEHOUSE_(\w+_)?NAME": r"/\S+/\S+",
}
"""Patterns of the names and values (Kubernetes: makeEnvVariables; Docker: legacy links)."""


def service_links(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that were injected, sorted."""
    return sorted(name for name, value in environ.items() if _is_injected(name, value))


def _is_injected(name: str, value: str) -> bool:
    return any(
        re.fullmatch(name_pattern, name) and re.fullmatch(value_pattern, value)
        for name_pattern, value_pattern in INJECTED.items()
    )
