"""Values that depend on a layer's descriptor alone, in registers, so that they cost a path no time."""

from amaranth.hdl import Module, Signal, Value

__all__ = ["held"]


def held(m: Module, value: Value, name: str, enable: Value | None = None) -> Signal:
    """A register with `value` of the cycle before, or of the last one with `enable`. It has no reset.

    A descriptor stays as it is from the cycle before its engine's start to the engine's end.
    """
    register = Signal(value.shape(), name=name, reset_less=True)
    if enable is None:
        m.d.sync += register.eq(value)
    else:
        with m.If(enable):
            m.d.sync += register.eq(value)
    return register
