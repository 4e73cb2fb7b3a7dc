"""Check that an SVG is only a picture: it runs no script, and loads nothing from elsewhere.

Browsers run no script of an SVG in an `img` element; a picture can be opened by itself, too.
"""

import re
from collections.abc import Iterator
from xml.etree import ElementTree

SVG_TYPE = "image/svg+xml"
ROOT = "{http://www.w3.org/2000/svg}svg"
ACTIVE = {"script", "foreignobject", "iframe", "object", "embed", "handler", "listener"}
"""Elements that run or embed something else."""
LOCAL = re.compile(r"#|data:image/(png|jpeg|webp|gif);base64,", re.IGNORECASE)
"""Beginnings of references that load nothing."""
URL = re.compile(r"url\(\s*['\"]?\s*(?!#)|@import|javascript:", re.IGNORECASE)
DECLARATION = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


def check_svg(content: bytes) -> None:
    """Check an SVG file.

    Raises:
        ValueError: it is no SVG, or more than a picture.
    """
    if DECLARATION.search(content):
        raise ValueError("must be an SVG without a DOCTYPE")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 # has no entities
    except (ElementTree.ParseError, ValueError, LookupError):
        raise ValueError("must be an SVG, PNG or WebP file") from None
    if root.tag != ROOT:
        raise ValueError("must be an SVG, PNG or WebP file")
    for element in root.iter():
        for reason in _faults(element):
            raise ValueError(f"must be an SVG that is only a picture: remove {reason}")


def _faults(element: ElementTree.Element) -> Iterator[str]:
    name = _local_name(element.tag)
    if name in ACTIVE:
        yield f"<{name}>"
    if URL.search(element.text or ""):
        yield f"what <{name}> loads"
    for key, value in element.attrib.items():
        attribute = _local_name(key)
        loads = attribute in ("href", "src") and not LOCAL.match(value.strip())
        animates = attribute == "attributename" and _local_name(value).endswith("href")
        if attribute.startswith("on") or loads or animates or URL.search(value):
            yield f"the attribute {attribute} of <{name}>"


def _local_name(tag: object) -> str:
    """Return a name without its namespace, in lower case; comments have none."""
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""
