"""A report as one HTML page that needs nothing but itself: figures, plots, table of layers."""

from html import escape

from nomul.gen.spec.config import Config
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.energy_estimate import LayerEnergy, array_energy, estimate
from nomul.sw.network import IntegerNetwork
from nomul.sw.report import LayerReport, Report, report_compiled
from nomul.sw.report_charts import CAUSES, Lifetime, cycles_chart, memory_chart, roofline_chart

__all__ = ["lifetimes", "report_page"]

#: Colours differ in lightness, too, and in the dark scheme they are as far from the background as in the light one.
_STYLE = """
:root { color-scheme: light dark; --page: #fcfcfb; --ink: #1a1a19; --muted: #63625d; --rule: #dddcd6; --card: #f3f2ee;
  --busy: #2a78d6; --weights: #eb6834; --accumulators: #1baf7a; --drain: #eda100; --fetch: #4a3aa7; --tensor: #bcd6f5; }
@media (prefers-color-scheme: dark) { :root { --page: #1a1a19; --ink: #f2f1ec; --muted: #a9a8a1; --rule: #3a3a37;
  --card: #262624; --busy: #3987e5; --weights: #d95926; --accumulators: #199e70; --drain: #c98500; --fetch: #9085e9;
  --tensor: #1f4878; } }
body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 1320px;
  margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 18px; margin: 40px 0 4px; }
p { color: var(--muted); margin: 2px 0 12px; max-width: 75ch; }
dl { display: flex; flex-wrap: wrap; gap: 10px; margin: 18px 0 0; }
dl div { background: var(--card); border-radius: 6px; padding: 8px 16px; }
dt { color: var(--muted); font-size: 13px; } dd { margin: 0; font-size: 20px; font-weight: 600; }
svg { display: block; width: 100%; height: auto; font-size: 12px; }
text { fill: var(--ink); } .middle { text-anchor: middle; } .end { text-anchor: end; } .muted { fill: var(--muted); }
.grid { stroke: var(--rule); } .limit { stroke: var(--ink); stroke-width: 2; }
.point { fill: var(--busy); stroke: var(--page); } .inside { pointer-events: none; }
.tensor { fill: var(--tensor); stroke: var(--page); }
.plot, .table { overflow-x: auto; } .plot svg { min-width: 640px; max-width: 1000px; }
table { border-collapse: collapse; font-size: 12px; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: 3px 0 3px 12px; text-align: right; border-bottom: 1px solid var(--rule); }
th { color: var(--muted); font-weight: 600; } .left { text-align: left; }
"""


def report_page(network: IntegerNetwork, compiled: CompiledNetwork, clock_mhz: float | None = None) -> str:
    """The page's text.

    Parameters
    ----------
    network, compiled : IntegerNetwork, CompiledNetwork
        The same network, before and after compilation.
    clock_mhz : float, optional
        For the images of a second.
    """
    report, config = report_compiled(network, compiled), compiled.config
    energies = [estimate(layer, config) for layer in report.layers]
    tensors = lifetimes(network, compiled)
    name = escape(f"{network.name} on {config.name}")
    style = _STYLE + "".join(f".{cause} {{ fill: var(--{cause}); }}\n" for cause in CAUSES)
    body = "\n".join([
        f"<h1>{name}</h1>", f"<p>{escape(_described(config))}</p>",
        _figures(report, tensors, sum(energy.total for energy in energies), clock_mhz),
        _section("Cycles", "What each layer's cycles are spent on: the array or the vector engine is busy, the array "
                 "waits for weights or for accumulators, the last sums drain, the descriptor is fetched. Behind a bar: "
                 "its cycles, and how much of the array they use.", "plot", cycles_chart(report)),
        _section("Roofline", "Layers with weights, by their numbers. On the slope every word of activations that is "
                 "read is used at once, and only more columns or better filled words would help; below the lines the "
                 "array waits.", "plot", roofline_chart(report)),
        _section("Activation memory", f"Where each tensor lies, from the layer that writes it to the last one that "
                 f"reads it. The memory has {config.activation_words:,} words of {config.activation_word_bits} bits.",
                 "plot", memory_chart(tensors, config.activation_words, len(report.layers))),
        _section("Layers", "For one image. Weights as bits that are stored, or sent for each image because they do not "
                 "fit; as few as their entropy allows; and in a Huffman code with its tables. Energy is estimated from "
                 "published unit costs of 8-bit operations and of memory accesses in 45 nm CMOS, without clock, wires "
                 "and requantizers: good for comparisons, not measured. The array's is that of our own netlist on a "
                 "chip of 130 nm, where that was measured.", "table", _table(report, energies))])
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{name}</title>\n'
            f"<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n")


def lifetimes(network: IntegerNetwork, compiled: CompiledNetwork) -> list[Lifetime]:
    """Every tensor in the activation memory, in order of the layers that write them; the input is step 0's.

    One whose words its last reader writes over lives until the step before that.
    """
    steps = {name: step for step, name in enumerate(dict.fromkeys(["input", *compiled.steps]))}
    # A tensor that only the compiler knows is read by the next step.
    last = {name: step if name in network.tensors else step + 1 for name, step in steps.items()}
    for layer in network.layers:
        last.update(dict.fromkeys(layer.inputs, steps[layer.name]))
    starts = {(place["base"], steps[name]) for name, place in compiled.tensors.items()}
    return [Lifetime(name, place["base"], place["height"] * place["width"] * place["channel_words"], steps[name],
                     last[name] - ((place["base"], last[name]) in starts and last[name] > steps[name]))
            for name, place in compiled.tensors.items()]


def _described(config: Config) -> str:
    return (f"{config.lanes} lanes × {config.columns} columns for {', '.join(config.operators)}, "
            f"{config.activation_bits}-bit activations, {config.requantizers} × {config.columns} requantizers")


def _figures(report: Report, tensors: list[Lifetime], energy: float, clock_mhz: float | None) -> str:
    config = report.config
    used = max(tensor.base + tensor.words for tensor in tensors)
    figures = {"cycles an image": f"{report.cycles:,}", "utilization": f"{100 * report.utilization:.1f} %",
               "operations": f"{report.operations:,}"}
    if clock_mhz is not None:
        figures[f"images a second at {clock_mhz:g} MHz"] = f"{1e6 * clock_mhz / report.cycles:,.1f}"
    figures |= {"activation memory": f"{100 * used / config.activation_words:.0f} % used",
                "energy estimate": f"{energy / 1e6:,.2f} µJ",
                "weights, their entropy, coded": " / ".join(
                    f"{report.total(figure) / 8192:,.1f}" for figure in ("weight_bits", "entropy_bits", "coded_bits"))
                + " KiB"}
    if report.streamed_bits:
        figures["weights sent for each image"] = f"{report.streamed_bits / 8192:,.1f} KiB"
    return "<dl>" + "".join(f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>"
                            for what, value in figures.items()) + "</dl>"


def _section(title: str, text: str, kind: str, content: str) -> str:
    return f'<h2>{escape(title)}</h2>\n<p>{escape(text)}</p>\n<div class="{kind}">{content}</div>'


def _table(report: Report, energies: list[LayerEnergy]) -> str:
    rows = [_row(number, layer, energy, array_energy(layer, report.config))
            for number, (layer, energy) in enumerate(zip(report.layers, energies, strict=True), start=1)]
    head = "".join(f"<th{_side(name)}>{escape(name)}</th>" for name in rows[0])
    lines = ["<tr>" + "".join(f"<td{_side(name)}>{escape(value)}</td>" for name, value in row.items()) + "</tr>"
             for row in rows]
    body = "\n".join(lines)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _side(column: str) -> str:
    return ' class="left"' if column in ("layer", "kind") else ""


def _row(number: int, layer: LayerReport, energy: LayerEnergy, array: float | None) -> dict[str, str]:
    spent = {cause: f"{getattr(layer.cycles, cause):,}" for cause in CAUSES}
    return {"#": str(number), "layer": layer.name, "kind": layer.kind.replace("_", " "), "output": layer.output,
            "operations": f"{layer.operations:,}", "cycles": f"{layer.cycles.total:,}", **spent,
            "use, %": f"{100 * layer.utilization:.1f}" if layer.operations else "",
            "weight bits": f"{layer.weight_bits:,}" + " (sent)" * layer.streamed,
            "entropy": f"{layer.entropy_bits:,}", "coded": f"{layer.coded_bits:,}",
            "weight bits read": f"{layer.weight_bits_read:,}",
            "bits read": f"{layer.bits_read:,}", "bits written": f"{layer.bits_written:,}",
            "energy, nJ": f"{energy.total / 1e3:,.2f}",
            "array, nJ": "" if array is None or not layer.operations else f"{array / 1e3:,.2f}"}
