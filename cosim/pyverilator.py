"""The interface of the `pyverilator` package, on our own Verilated model, for people who know it."""

from collections.abc import Iterator
from pathlib import Path

from nomul.cosim.toolchain import ToolchainError
from nomul.cosim.verilated import VerilatedModel, build

__all__ = ["PyVerilator"]


class _Ports:
    """Ports as attributes and as items: ``io.a``, ``io["a"]``."""

    _sim: "PyVerilator"

    def __init__(self, sim: "PyVerilator"):
        object.__setattr__(self, "_sim", sim)

    def __getitem__(self, name: str) -> int:
        return self._sim.model.get(name)

    def __setitem__(self, name: str, value: int) -> None:
        self._sim.model.set(name, value)
        if self._sim.auto_eval:
            self._sim.eval()

    def __getattr__(self, name: str) -> int:
        if name not in self._sim.model.ports:
            names = ", ".join(self._sim.model.ports)
            raise AttributeError(f"the design has no port {name!r}; it has {names}")
        return self[name]

    def __setattr__(self, name: str, value: int) -> None:
        self[name] = value

    def __iter__(self) -> Iterator[str]:
        return iter(self._sim.model.ports)

    def __len__(self) -> int:
        return len(self._sim.model.ports)


class _Clock:
    """The design's clock input."""

    def __init__(self, sim: "PyVerilator"):
        self._sim = sim

    def tick(self) -> None:
        """Runs one clock cycle."""
        self._sim.model.tick()


class PyVerilator:
    """A Verilated design: ``sim.io.<port>``, ``sim.clock.tick()``, ``sim.eval()``.

    Unlike in the package, values are plain ints, wide ports included, and there are no internal signals
    (which Verilator 5 does not show there either) and no GTKWave.

    Parameters
    ----------
    library : path
        What `nomul.cosim.verilated.build` returned.
    auto_eval : bool
        Whether outputs follow when an input is set; without, they follow at `eval` or the next tick.
    """

    def __init__(self, library: str | Path, auto_eval: bool = True):
        self.model = VerilatedModel(library)
        self.auto_eval = auto_eval
        self.io = _Ports(self)
        self.clock = _Clock(self)

    @classmethod
    def build(cls, top_verilog_file: str | Path, *, top: str | None = None,
              build_dir: str | Path | None = None) -> "PyVerilator":
        """Compiles Verilog and returns an instance of it.

        Parameters
        ----------
        top_verilog_file : path, or str with line breaks
            A Verilog file, or Verilog text itself.
        top : str, optional
            Top module; by default called like the file. Required with text.
        build_dir : path, optional
            Where compiled designs are kept; by default nomul's cache folder.

        Raises
        ------
        ToolchainError
            If the file cannot be read, a tool is missing, or the Verilog has an error.
        """
        if isinstance(top_verilog_file, str) and "\n" in top_verilog_file:
            if top is None:
                raise ToolchainError("PyVerilator.build needs top=..., the name of the top module, when "
                                     "it is given Verilog text")
            return cls(build(top_verilog_file, top, build_dir))
        path = Path(top_verilog_file)
        try:
            verilog = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ToolchainError(f"cannot read Verilog file {str(path)!r}: "
                                 f"{getattr(error, 'strerror', None) or error}") from None
        return cls(build(verilog, top or path.stem, build_dir))

    def __getitem__(self, name: str) -> int:
        return self.io[name]

    def __setitem__(self, name: str, value: int) -> None:
        self.io[name] = value

    def eval(self) -> None:
        """Lets the outputs follow the inputs, without a clock edge."""
        self.model.eval()
