"""Serve the web page and its script, style sheet and static files."""

import os
import re
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from api.web.page_bundle import Bundle, bundle_script, bundle_text, newest_change

FILES = Path(__file__).parents[1] / "page"
# Browsers must check for changes on every load, so that modules from different versions are never mixed.
REVALIDATED = {"Cache-Control": "no-cache"}
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(include_in_schema=False)


class PageFiles(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers.update(REVALIDATED)
        return answer


@router.api_route("/", methods=["GET", "HEAD"])
async def page() -> HTMLResponse:
    template = (FILES / "index.html").read_text(encoding="utf-8")
    urls = {
        "page/main.js": f"page/app.{_bundles()['js'].digest}.js",
        "page/style.css": f"page/app.{_bundles()['css'].digest}.css",
    }
    html = filled(template, os.environ.get("PREFECT_UI_URL", ""))
    for plain, hashed in urls.items():
        html = html.replace(plain, hashed)
    return HTMLResponse(html, headers=REVALIDATED)


@router.api_route("/page/app.{digest}.{kind}", methods=["GET", "HEAD"])
async def bundle(digest: str, kind: str, request: Request) -> Response:
    """Return the bundled script or style sheet.

    A page loaded before an update still requests the old digest. In that case, the current bundle is
    returned, and browsers must revalidate it before they reuse it.
    """
    content = _bundles().get(kind)
    if content is None:
        return Response(status_code=404)
    headers = dict(IMMUTABLE if digest == content.digest else REVALIDATED) | {"Vary": "Accept-Encoding"}
    media_type = {"js": "text/javascript", "css": "text/css"}[kind]
    if re.search(r"\bgzip\b", request.headers.get("accept-encoding", "")):
        return Response(content.zipped, headers=headers | {"Content-Encoding": "gzip"}, media_type=media_type)
    return Response(content.text, headers=headers, media_type=media_type)


def filled(template: str, prefect_ui: str) -> str:
    """Insert the Prefect UI's URL into the page, because the page cannot get it from any endpoint."""
    empty = '<meta name="prefect-ui" content="">'
    if empty not in template:
        raise ValueError(f"index.html has no {empty}")
    return template.replace(empty, f'<meta name="prefect-ui" content="{escape(prefect_ui)}">')


def _bundles() -> dict[str, Bundle]:
    return _bundles_at(newest_change(FILES))


@lru_cache(maxsize=1)
def _bundles_at(change: int) -> dict[str, Bundle]:
    style = (FILES / "style.css").read_text(encoding="utf-8")
    return {"js": bundle_script(FILES, "main.js"), "css": bundle_text(style)}
