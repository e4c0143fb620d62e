"""axe-core, the accessibility checker, on a page of a browser.

vendored/axe-core-4.14.1.min.js.gz is axe.min.js of the npm package axe-core 4.14.1, compressed, under the MPL-2.0.
"""

import gzip
from functools import cache
from pathlib import Path

from playwright.sync_api import Page

_PACKED = Path(__file__).parent / "vendored" / "axe-core-4.14.1.min.js.gz"
_SERIOUS = ("serious", "critical")


@cache
def _source() -> str:
    return gzip.decompress(_PACKED.read_bytes()).decode()


def serious_violations(page: Page) -> list[str]:
    """Name each rule that the page breaks badly, with the elements."""
    page.evaluate(_source())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {'; '.join(' '.join(node['target']) for node in one['nodes'])}"
        for one in found["violations"]
        if one["impact"] in _SERIOUS
    ]
