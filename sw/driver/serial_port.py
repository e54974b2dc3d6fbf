"""The link through a serial port: a real board, or a virtual one behind a pseudo-terminal."""

import errno
import os
import sys
from contextlib import suppress

import serial
from serial.tools import list_ports

from nomul.sw.driver.link import LinkError

__all__ = ["SerialLink"]

#: Seconds after which a port that takes no bytes is given up.
_WRITE_TIMEOUT = 10.0


class SerialLink:
    """A `ByteLink` over pyserial: 8 data bits, no parity, one stop bit, no flow control; nobody else may use the port.

    Parameters
    ----------
    port : str
        Name of the port, such as /dev/ttyUSB0 or COM3.
    baud : int
        Bits a second.

    Raises
    ------
    LinkError
        If the port cannot be opened; says what to do.
    """

    def __init__(self, port: str, baud: int):
        self._name = port
        try:
            self._port = serial.Serial(port, baud, write_timeout=_WRITE_TIMEOUT, timeout=1.0,
                                       exclusive=True if os.name == "posix" else None)
            self._port.reset_input_buffer()
        except (OSError, ValueError, OverflowError) as error:
            raise LinkError(f"cannot open serial port {port!r} at {baud} baud: {_cause(port, error)}") from None
        # An FTDI chip keeps bytes for 16 ms otherwise, in which two or three frames would fit.
        with suppress(OSError, ValueError, AttributeError, NotImplementedError):
            self._port.set_low_latency_mode(True)

    def set_baud(self, baud: int) -> None:
        """Changes the rate, and forgets what was received at the one before."""
        try:
            self._port.baudrate = baud
            self._port.reset_input_buffer()
        except (OSError, ValueError, OverflowError) as error:
            raise LinkError(f"serial port {self._name!r} cannot run at {baud} baud: {_reason(error)}") from None

    def write(self, data: bytes) -> None:
        """Hands `data` to the operating system."""
        try:
            self._port.write(data)
        except OSError as error:
            raise self._lost("write to", error) from None

    def read(self, timeout: float) -> bytes:
        """Whatever has arrived; waits up to `timeout` seconds for a first byte."""
        try:
            if self._port.timeout != timeout:
                self._port.timeout = timeout
            return self._port.read(max(1, self._port.in_waiting))
        except (OSError, TypeError) as error:       # TypeError: closed by another thread meanwhile
            raise self._lost("read from", error) from None

    def close(self) -> None:
        """Closes the port."""
        self._port.close()

    def _lost(self, what: str, error: Exception) -> LinkError:
        if not self._port.is_open:
            return LinkError(f"cannot {what} {self._name}: it has been closed; open it again")
        return LinkError(f"cannot {what} {self._name}: {_reason(error)}: is the board still plugged in?")


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.partition("\n")[0]


def _cause(port: str, error: Exception) -> str:
    """Why a port could not be opened, and what helps."""
    code = getattr(error, "errno", None)
    if code == errno.ENOENT:
        return f"there is no such port: is the board plugged in? ({_ports()})"
    if code == errno.EACCES and os.path.exists(port):
        return f"permission denied: {_permission(port)}"
    if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return "another program uses it: end that one (a serial monitor, or another nomul)"
    return f"{_reason(error)}; {_ports()}"


def _ports() -> str:
    known = sorted(info.device for info in list_ports.comports())
    return f"the ports of this machine: {', '.join(known) or 'none'}"


def _permission(port: str) -> str:
    """Which group may use a port, and how to get into it."""
    if sys.platform == "win32":
        return "another program uses it, or it needs an administrator"
    import grp

    number = os.stat(port).st_gid
    try:
        group = grp.getgrgid(number).gr_name
    except KeyError:
        group = str(number)
    if os.stat(port).st_mode & 0o060 != 0o060:
        return f"only its owner may use it; run: sudo chmod g+rw {port}"
    if group == "root":
        return f"it belongs to the group root; run: sudo chmod a+rw {port}"
    return f"it belongs to the group {group}; run: sudo usermod -aG {group} $USER, and log in again"
