"""Generate `docs/command-line.md`: the commands, with their arguments and options."""

import inspect
from collections.abc import Iterator

import click
from flask import current_app

OPENING = """# Command line

Generated from the commands by `gatehouse docs build`; `gatehouse COMMAND --help` prints the same.

Commands call the same services as the HTTP API, in the name of the operator of the server, who may
do everything; the audit log says so. `--json` prints JSON for scripts. What destroys something asks
first, unless you pass `--yes`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | not done, or not for all: the message says why |
| 2 | the arguments are wrong: the message says which |

Worked examples are in [administration of users](administration.md) and [roles](roles.md);
[beside `make run`](../README.md#your-own-application) commands need two variables.
"""


def render_page() -> str:
    """Return the page in Markdown."""
    commands = current_app.cli.commands
    sections = (_section(name, commands[name]) for name in sorted(commands))
    return OPENING + "".join(sections)


def _section(name: str, command: click.Command) -> str:
    """Return the section of a command of ours, or "" for one that a library adds."""
    ours = [(path, one) for path, one in _leaves(name, command) if _is_ours(one)]
    if not ours:
        return ""
    about = f"\n{_text(command)}\n" if isinstance(command, click.Group) else ""
    return f"\n## `gatehouse {name}`\n{about}" + "".join(_describe(*one) for one in ours)


def _leaves(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Yield the command, or those of a group, with their full names."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name in sorted(command.commands):
        yield from _leaves(f"{path} {name}", command.commands[name])


def _is_ours(command: click.Command) -> bool:
    return getattr(command.callback, "__module__", "").startswith("gatehouse.")


def _describe(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path)
    usage = " ".join(("gatehouse", path, *command.collect_usage_pieces(context)))
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    lines = "".join(_row(one, context) for one in options)
    table = f"\n| option | |\n|---|---|\n{lines}" if lines else ""
    note = f"\n{command.epilog}\n" if command.epilog else ""
    return f"\n### `{usage}`\n\n{_text(command)}\n{note}{table}"


def _text(command: click.Command) -> str:
    paragraphs = inspect.cleandoc(command.help or "").partition("\f")[0].split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _row(option: click.Option, context: click.Context) -> str:
    names, about = option.get_help_record(context) or ("", "")
    names, about = (text.replace("|", "\\|") for text in (names, about))
    required = " [required]" if option.required and "[required]" not in about else ""
    return f"| `{names}` | {about}{required} |\n"
