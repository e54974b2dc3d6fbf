"""What options of a configuration cost on an FPGA: the accelerator of a preset with each of them, and without any.

    python bench/options.py --json build/options.json

Look-up tables, flip-flops and memory blocks after synthesis, with the target's adder cells and no multiplier blocks.
They are exact; `tiny`, the default, takes a minute an option.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

from nomul.gen.presets import load_config
from nomul.gen.synth.synthesize import Resources, synthesize
from nomul.gen.synth.targets import find_target
from nomul.gen.verilog import emit_verilog
from nomul.hdl.accelerator import Accelerator
from nomul.hdl.fabric import FabricPlatform

OPTIONS = ("weight_decoder", "weight_stream", "depthwise_l1")
_TOP = "accelerator"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="tiny", help="preset or .toml file (default: %(default)s)")
    parser.add_argument("--target", default="ecp5", help="fabric (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="where to write the result")
    arguments = parser.parse_args()
    base = replace(load_config(arguments.config), **dict.fromkeys(OPTIONS, False))
    find_target(arguments.target)

    def resources(*options: str) -> Resources:
        config = replace(base, **dict.fromkeys(options, True))
        verilog = emit_verilog(Accelerator(config), _TOP, FabricPlatform(arguments.target))
        return synthesize(verilog, _TOP, arguments.target).resources

    without = resources()
    print(f"{base.name} on {arguments.target}, {base.lanes}×{base.columns}: {without.luts} look-up tables, "
          f"{without.ffs} flip-flops, {without.memories} memory blocks")
    result = {"config": base.name, "target": arguments.target, "without": asdict(without)}
    for option in OPTIONS:
        found = resources(option)
        result[option] = asdict(found)
        print(f"{option:16}{found.luts - without.luts:+6} look-up tables {found.ffs - without.ffs:+6} flip-flops "
              f"{found.memories - without.memories:+4} memory blocks", flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
