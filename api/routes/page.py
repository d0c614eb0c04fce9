"""The page: static files, and the HTML that loads them."""

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
# Modules of two versions must never meet, so every load asks whether they have changed.
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
    addresses = {
        "page/main.js": f"page/app.{_bundles()['js'].digest}.js",
        "page/style.css": f"page/app.{_bundles()['css'].digest}.css",
    }
    html = filled(template, os.environ.get("PREFECT_UI_URL", ""))
    for plain, hashed in addresses.items():
        html = html.replace(plain, hashed)
    return HTMLResponse(html, headers=REVALIDATED)


@router.api_route("/page/app.{digest}.{kind}", methods=["GET", "HEAD"])
async def bundle(digest: str, kind: str, request: Request) -> Response:
    """The script or style sheet in one piece; an older digest gets the current one, uncached."""
    made = _bundles().get(kind)
    if made is None:
        return Response(status_code=404)
    headers = dict(IMMUTABLE if digest == made.digest else REVALIDATED) | {"Vary": "Accept-Encoding"}
    media_type = {"js": "text/javascript", "css": "text/css"}[kind]
    if re.search(r"\bgzip\b", request.headers.get("accept-encoding", "")):
        return Response(made.zipped, headers=headers | {"Content-Encoding": "gzip"}, media_type=media_type)
    return Response(made.text, headers=headers, media_type=media_type)


def filled(template: str, prefect_ui: str) -> str:
    """Fill in what the page cannot ask for."""
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
