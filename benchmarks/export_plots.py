"""Plot the speed and peak memory that benchmarks/export.py has measured."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.export_findings import Findings, ratio
from benchmarks.export_ways import LIMIT, Way

SPEED_FILE, MEMORY_FILE = "export-speed.png", "export-memory.png"
INK, QUIET, FAINT = "#24292f", "#6e7781", "#d8dee4"
OURS, OTHERS = "#0969da", "#afb8c1"
NAME_HEIGHT = 0.045  # as a fraction of the plot's height
MB_TICKS = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
# The plots show only these export methods. The table lists all methods.
SPEED_WAYS = ("copy", "frame", "copy-gzip", "pandas-chunks", "pandas", "sqlite", "sqlite-pandas", "article")
MEMORY_WAYS = (LIMIT, "copy", "frame", "pandas-chunks", "pandas", "article")
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": FAINT,
    "xtick.color": QUIET,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}


def draw(findings: Findings, ways: Sequence[Way], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        _speed(findings, ways).savefig(folder / SPEED_FILE, dpi=160)
        _memory(findings, ways).savefig(folder / MEMORY_FILE, dpi=160)


def _speed(findings: Findings, ways: Sequence[Way]) -> Figure:
    """Draw the speed of each export method, with one panel per target.

    All panels show exports of the same number of rows. The number comes from the scenario with results for
    the most methods. If several scenarios tie, the one with the most rows is used.
    """
    most = max(len(results) for results in findings.values())
    rows = max(scenario.rows for scenario, results in findings.items() if len(results) == most)
    scenarios = [scenario for scenario in findings if scenario.rows == rows]
    plotted = [
        way
        for way in ways
        if way.name in SPEED_WAYS and any(ratio(findings, scenario, way.name) for scenario in scenarios)
    ]
    figure = Figure(figsize=(9.5, 1.3 + 0.42 * len(plotted)), layout="constrained")
    panels = figure.subplots(1, len(scenarios), sharey=True, squeeze=False)[0]
    for axes, scenario in zip(panels, scenarios, strict=True):
        _bars(axes, plotted, [ratio(findings, scenario, way.name) or 0.0 for way in plotted])
        axes.set_title(f"to {scenario.target}", loc="left", fontsize=10, color=QUIET)
    panels[0].invert_yaxis()  # the panels share this axis
    figure.suptitle(
        f"Speed of an export of {rows:,} rows; 1 is psql COPY piped into a multipart upload",
        x=0.01,
        ha="left",
        fontsize=12,
    )
    return figure


def _bars(axes: Axes, ways: Sequence[Way], ratios: Sequence[float]) -> None:
    colors = [OURS if _is_ours(way.name) else OTHERS for way in ways]
    axes.barh([way.title for way in ways], ratios, color=colors, height=0.62)
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_xlim(0, max(1.12, *ratios) * 1.08)
    axes.xaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    axes.tick_params(axis="both", length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for number, of_limit in enumerate(ratios):
        inside = of_limit > 0.5
        axes.text(
            *(of_limit + (-0.02 if inside else 0.02), number, f"{of_limit:.2f}"),
            ha="right" if inside else "left",
            va="center",
            fontsize=9,
            color="white" if inside else INK,
        )


def _memory(findings: Findings, ways: Sequence[Way]) -> Figure:
    """Plot the peak memory of each export method against the number of rows, on logarithmic scales."""
    figure = Figure(figsize=(9.5, 4.6), layout="constrained")
    axes = figure.subplots()
    sizes = sorted({scenario.rows for scenario in findings})
    lines = [(way, _peaks(findings, way.name)) for way in ways if way.name in MEMORY_WAYS]
    lines = [(way, peaks) for way, peaks in lines if peaks]
    for way, peaks in lines:
        _line(axes, way, peaks)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rows, _: f"{rows:,.0f}"))
    axes.yaxis.set_major_locator(FixedLocator(MB_TICKS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda mb, _: f"{mb:,.0f} MB"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    most = max(mb for _, peaks in lines for mb in peaks.values())
    axes.set_ylim(MB_TICKS[0], 1.3 * most)
    for (way, peaks), height in zip(lines, _heights(lines, 1.3 * most / MB_TICKS[0]), strict=True):
        _name(axes, way, peaks, height)
    axes.set_xlim(sizes[0] / 1.4, sizes[-1] * (sizes[-1] / sizes[0]) ** 0.45 * 1.2)
    axes.set_xlabel("rows", loc="left")
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.tick_params(length=0)
    axes.set_title("Peak memory of an export's own processes", loc="left", fontsize=12)
    return figure


def _peaks(findings: Findings, way: str) -> dict[int, float]:
    """Return the peak memory in MB, keyed by number of rows. Each value is the maximum over all targets."""
    peaks: dict[int, float] = {}
    for scenario in sorted(findings, key=lambda scenario: scenario.rows):
        result = findings[scenario].get(way)
        if result and result.turns:
            peaks[scenario.rows] = max(peaks.get(scenario.rows, 0.0), result.peak_mb)
    return peaks


def _line(axes: Axes, way: Way, peaks: dict[int, float]) -> None:
    is_ours = _is_ours(way.name)
    rows, mb = list(peaks), list(peaks.values())
    color = OURS if is_ours else QUIET if way.name == LIMIT else OTHERS
    axes.plot(rows, mb, color=color, linewidth=2.2 if is_ours else 1.4, marker="o", markersize=4)


def _heights(lines: Sequence[tuple[Way, dict[int, float]]], span: float) -> list[float]:
    """Return the position of each label on the memory axis, in MB.

    Each label is placed at the end of its line, or higher up if it would cover another label.
    """
    ends = [(list(peaks)[-1], list(peaks.values())[-1]) for _, peaks in lines]
    heights: dict[int, float] = {}
    above: dict[int, float] = {}
    for number in sorted(range(len(ends)), key=lambda line: ends[line][1]):
        rows, mb = ends[number]
        heights[number] = max(mb, above.get(rows, 0.0))
        above[rows] = heights[number] * span**NAME_HEIGHT
    return [heights[number] for number in range(len(ends))]


def _name(axes: Axes, way: Way, peaks: dict[int, float], height: float) -> None:
    rows, mb = list(peaks.items())[-1]
    axes.annotate(
        f"{way.title.partition(':')[0]}, {mb:,.0f} MB",
        (rows, height),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        color=OURS if _is_ours(way.name) else INK,
    )


def _is_ours(name: str) -> bool:
    return name.startswith(("copy", "frame")) or name == "sqlite"
