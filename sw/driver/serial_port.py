"""The link through a serial port: a real board, or a virtual one behind a pseudo-terminal."""

import serial
from serial.tools import list_ports

from nomul.sw.driver.link import LinkError

__all__ = ["SerialLink"]

#: Seconds after which a port that takes no bytes is given up.
_WRITE_TIMEOUT = 10.0


class SerialLink:
    """A `ByteLink` over pyserial: 8 data bits, no parity, one stop bit, no flow control.

    Parameters
    ----------
    port : str
        Name of the port, such as /dev/ttyUSB0 or COM3.
    baud : int
        Bits a second.

    Raises
    ------
    LinkError
        If the port cannot be opened; lists the ports that there are.
    """

    def __init__(self, port: str, baud: int):
        self._name = port
        try:
            self._port = serial.Serial(port, baud, write_timeout=_WRITE_TIMEOUT, timeout=1.0)
            self._port.reset_input_buffer()
        except (OSError, ValueError, OverflowError) as error:
            known = ", ".join(sorted(info.device for info in list_ports.comports())) or "none"
            raise LinkError(f"cannot open serial port {port!r} at {baud} baud: {_reason(error)}; "
                            f"the ports of this machine: {known}") from None

    def write(self, data: bytes) -> None:
        """Hands `data` to the operating system."""
        try:
            self._port.write(data)
        except OSError as error:
            raise LinkError(f"cannot write to {self._name}: {_reason(error)}: is the board still plugged in?") from None

    def read(self, timeout: float) -> bytes:
        """Whatever has arrived; waits up to `timeout` seconds for a first byte."""
        try:
            if self._port.timeout != timeout:
                self._port.timeout = timeout
            return self._port.read(max(1, self._port.in_waiting))
        except OSError as error:
            raise LinkError(f"cannot read from {self._name}: {_reason(error)}: is the board still plugged in?") \
                from None

    def close(self) -> None:
        """Closes the port."""
        self._port.close()


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.partition("\n")[0]
