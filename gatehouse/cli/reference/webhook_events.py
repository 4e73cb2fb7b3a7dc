"""Generate `docs/webhook-events.md` from the catalogue of public events."""

import json

from gatehouse.hooks import catalog

OPENING = """# Events of webhooks

Generated from `gatehouse/hooks/catalog.py` by `gatehouse docs build`. How to receive them is in
[webhooks.md](webhooks.md).

Each delivery is a JSON object:

| Field | Meaning |
|---|---|
| `id` | the id of the event, also in the header `webhook-id`; the same in all attempts |
| `type` | the name of the event |
| `version` | the version of its payload: it changes only if a field changes or disappears |
| `occurred_at` | when it happened (RFC 3339, UTC) |
| `actor_kind` | who did it: {actors} (see [events.md](events.md)) |
| `data` | ids and what has changed; see below |

Ignore fields and events that you do not know: new ones can appear at any time. Payloads contain no
e-mail address, number, name or secret; read what you need with `GET /admin/users/{{user_id}}`.
"""
SECTION = """
## `{name}`

{description}

```json
{example}
```

<details><summary>JSON Schema</summary>

```json
{schema}
```

</details>
"""


def render_page() -> str:
    """Return the page in Markdown."""
    sections = (
        SECTION.format(
            name=event.name,
            description=event.description,
            example=json.dumps(catalog.build_example(event), indent=2),
            schema=json.dumps(catalog.build_schema(event), indent=2),
        )
        for event in catalog.EVENTS.values()
    )
    actors = ", ".join(f"`{kind}`" for kind in catalog.ACTORS)
    return OPENING.format(actors=actors) + "".join(sections)
