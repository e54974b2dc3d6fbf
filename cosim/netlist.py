"""The whole accelerator after synthesis, as a netlist of a fabric's cells, in the fast simulation."""

from pathlib import Path

from nomul.cosim.cells import with_models
from nomul.cosim.toolchain import ToolchainError
from nomul.cosim.verilate import build
from nomul.cosim.verilated import VerilatedModel
from nomul.cosim.verilog_cache import cached_verilog
from nomul.gen.spec.config import Config
from nomul.gen.synth.synthesize import Synthesis, synthesize
from nomul.gen.synth.targets import find_target
from nomul.gen.verilog import module_name
from nomul.hdl.accelerator import Accelerator

__all__ = ["netlist_library", "netlist_model", "synthesize_accelerator"]


def synthesize_accelerator(config: Config, target: str, *, cache: Path | None = None) -> Synthesis:
    """Synthesizes an accelerator with the adders of a fabric, or finds the result of an earlier time.

    Parameters
    ----------
    config : Config
        The accelerator.
    target : str
        A key of `nomul.gen.synth.targets.TARGETS`.
    cache : Path, optional
        Where results are kept; by default where `synthesize` keeps them.

    Raises
    ------
    TargetError
        For an unknown target.
    ToolchainError
        If the netlist has a multiplier block.
    nomul.gen.synth.tools.ToolError
        If Yosys is missing or fails.
    """
    find_target(target)
    top = module_name(config.name)
    verilog = cached_verilog(lambda: Accelerator(config), f"Accelerator {config.hash}", top, target)
    synthesis = synthesize(verilog, top, target, cache=cache)
    if synthesis.resources.dsps:
        raise ToolchainError(f"the netlist of {config.name!r} for {target} has {synthesis.resources.dsps} multiplier "
                             f"blocks ({synthesis.verilog}), and an accelerator must have none; report this")
    return synthesis


def netlist_library(synthesis: Synthesis, top: str, *, folder: Path | None = None) -> Path:
    """Compiles a synthesized design with the models of its cells (see `nomul.cosim.cells`), as `build` does.

    Parameters
    ----------
    synthesis : Synthesis
        What to simulate.
    top : str
        Name of its module.
    folder : Path, optional
        Where the libraries are kept; by default where `build` keeps them.
    """
    netlist = synthesis.verilog.read_text(encoding="utf-8")
    return build(with_models(netlist, synthesis.target), top, folder, optimize=1)


def netlist_model(config: Config, target: str) -> VerilatedModel:
    """A new simulated accelerator of this configuration, made of the target's cells, just switched on.

    Takes a minute or two for the first time, and is kept.

    Raises
    ------
    TargetError, ToolchainError, nomul.gen.synth.tools.ToolError
        As `synthesize_accelerator`, and if the simulator is missing.
    """
    return VerilatedModel(netlist_library(synthesize_accelerator(config, target), module_name(config.name)))
