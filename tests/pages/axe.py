"""axe-core, the accessibility checker, in a page of the browser."""

from collections.abc import Mapping, Sequence

from playwright.sync_api import Page

from tests.node_packages import install_packages

RUN_AXE = """async (options) => {
    const {violations} = await axe.run(document, {iframes: false, ...options});
    return violations.map(({id, impact, nodes}) =>
        ({id, impact, nodes: nodes.map((node) => node.target.join(" "))}));
}"""
COLORS = {"runOnly": ["color-contrast"]}
Fault = Mapping[str, object]


def find_faults(page: Page, *runs: Mapping[str, object]) -> Sequence[Fault]:
    """Return what axe finds: the first run with light colours, the others with dark ones."""
    page.evaluate((install_packages() / "node_modules/axe-core/axe.min.js").read_text())
    page.emulate_media(color_scheme="light")
    found = page.evaluate(RUN_AXE, runs[0])
    page.emulate_media(color_scheme="dark")
    return [*found, *(fault for run in runs[1:] for fault in page.evaluate(RUN_AXE, run))]
