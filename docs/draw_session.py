"""Record a real session and draw it as docs/session.svg for the README.

Usage: `python docs/draw_session.py [API URL]`. The script needs a running stack (`make up`).
"""

import io
import json
import sys
import time
from pathlib import Path

import httpx
from rich.console import Console
from rich.text import Text

ARTICLE_REQUEST = {
    "surveyId": "668b6fa3b8d693cd865b44bb",
    "from": "2024-7-19",
    "to": "2024-7-26",
    "filters": {"isAttended": True, "utm": "wa"},
}
# Rich's own template would load its font from another host.
TEMPLATE = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px;
line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g></svg>
"""


def draw(api_url: str) -> str:
    console = Console(record=True, width=112, file=io.StringIO())
    with httpx.Client(base_url=api_url, timeout=30) as api:
        started = time.perf_counter()
        print_command(console, "curl -X POST $API/reports/csv -d '" + json.dumps(ARTICLE_REQUEST) + "'")
        job_id = print_response(console, api.post("/reports/csv", json=ARTICLE_REQUEST))["data"]
        print_command(console, f"curl '$API/reports/csv?jobId={job_id}'")
        while (data := print_response(console, poll(api, job_id))["data"])["status"] == "in-progress":
            time.sleep(0.25)
        seconds = time.perf_counter() - started
        print_command(console, f"curl $API/exports/{job_id}    # {seconds:.1f} s later")
        export = api.get(f"/exports/{job_id}").json()
        receipt = {key: export["file"][key] for key in ("name", "rows", "bytes", "sha256")}
        console.print(Text(json.dumps(receipt, indent=1)))
        print_command(console, "curl $URL | head -3")
        for line in api.get(data["url"]).text.splitlines()[:3]:
            console.print(Text(line[:108] + "…"), soft_wrap=False)
    return console.export_svg(title="Report Exports", code_format=TEMPLATE)


def poll(api: httpx.Client, job_id: str) -> httpx.Response:
    return api.get("/reports/csv", params={"jobId": job_id})


def print_command(console: Console, command: str) -> None:
    console.print(Text("$ " + command, style="bold green"))


def print_response(console: Console, response: httpx.Response) -> dict:
    text = response.text if len(response.text) < 200 else response.text[:96] + "…"
    console.print(Text(text))
    return response.json()


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    Path(__file__).with_name("session.svg").write_text(draw(url), encoding="utf-8")
