"""Serial line: 8 data bits, no parity, one stop bit, least significant bit first, 1 when idle."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["UartReceiver", "UartTransmitter"]

_DATA_BITS = 8


def _check_divisor(divisor: int) -> None:
    if not isinstance(divisor, int) or divisor < 4:
        raise ValueError(f"a UART's divisor (clock cycles of a bit) must be an integer of at least 4, not {divisor!r}")


class UartReceiver(wiring.Component):
    """Bytes of a serial line.

    Each bit is looked at once, in its middle. A start bit that is gone by its middle is taken for noise. A byte
    without stop bit is dropped, and so is one that comes before the byte before it has been taken: a UART cannot ask
    the other side to wait.

    Parameters
    ----------
    divisor : int
        Clock cycles of a bit, at least 4.

    Members
    -------
    rx : In(1)
        The line; it is synchronized here.
    o : Out(stream of 8)
        The bytes.

    Raises
    ------
    ValueError
        If `divisor` is less than 4.
    """

    rx: In(1, init=1)
    o: Out(stream.Signature(8))

    def __init__(self, divisor: int):
        _check_divisor(divisor)
        self._divisor = divisor
        super().__init__()

    def elaborate(self, platform):
        """The receiver."""
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        timer = Signal(range(self._divisor))
        bits = Signal(_DATA_BITS)
        count = Signal(range(_DATA_BITS))

        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.FSM():
            with m.State("Idle"):
                # The start bit is seen one cycle before the timer runs, and looked at when it has run out.
                m.d.sync += timer.eq(self._divisor // 2 - 1)
                with m.If(~line):
                    m.next = "Start"
            with m.State("Start"):
                with m.If(timer == 0):
                    m.d.sync += [timer.eq(self._divisor - 1), count.eq(_DATA_BITS - 1)]
                    m.next = "Data"
                    with m.If(line):
                        m.next = "Idle"
            with m.State("Data"):
                with m.If(timer == 0):
                    m.d.sync += [timer.eq(self._divisor - 1), bits.eq(Cat(bits[1:], line)), count.eq(count - 1)]
                    with m.If(count == 0):
                        m.next = "Stop"
            with m.State("Stop"):
                with m.If(timer == 0):
                    m.next = "Idle"
                    with m.If(~line):
                        m.next = "Break"
                    with m.Elif(~self.o.valid | self.o.ready):
                        m.d.sync += [self.o.payload.eq(bits), self.o.valid.eq(1)]
            with m.State("Break"):
                # A line that stays low is no sequence of start bits.
                with m.If(line):
                    m.next = "Idle"
        return m


class UartTransmitter(wiring.Component):
    """Sends bytes over a serial line, without a pause as long as there are some.

    Parameters
    ----------
    divisor : int
        Clock cycles of a bit, at least 4.

    Members
    -------
    i : In(stream of 8)
        The bytes; one is taken when the stop bit of the one before ends.
    tx : Out(1)
        The line.

    Raises
    ------
    ValueError
        If `divisor` is less than 4.
    """

    i: In(stream.Signature(8))
    tx: Out(1, init=1)

    def __init__(self, divisor: int):
        _check_divisor(divisor)
        self._divisor = divisor
        super().__init__()

    def elaborate(self, platform):
        """The transmitter."""
        m = Module()
        timer = Signal(range(self._divisor))
        bits = Signal(_DATA_BITS + 1)           # what follows the bit on the line, up to the stop bit
        count = Signal(range(_DATA_BITS + 2))   # bits that follow

        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(count != 0):
            m.d.sync += [
                self.tx.eq(bits[0]), bits.eq(bits >> 1), count.eq(count - 1), timer.eq(self._divisor - 1),
            ]
        with m.Else():
            m.d.comb += self.i.ready.eq(1)
            with m.If(self.i.valid):
                m.d.sync += [
                    self.tx.eq(0), bits.eq(Cat(self.i.payload, Const(1, 1))), count.eq(_DATA_BITS + 1),
                    timer.eq(self._divisor - 1),
                ]
        return m
