"""What carries bytes between host and device: a serial port, a simulator, a model."""

from typing import Protocol

from nomul.gen.spec.errors import NomulError

__all__ = ["ByteLink", "LinkError"]


class LinkError(NomulError):
    """The device cannot be reached, or does not answer as agreed."""


class ByteLink(Protocol):
    """Bytes both ways, in order; any may be damaged or lost, which `Transport` mends."""

    def write(self, data: bytes) -> None:
        """Sends `data`; may return before the device has it."""

    def read(self, timeout: float) -> bytes:
        """Whatever has arrived: at least one byte, unless `timeout` (seconds) has passed without any."""

    def close(self) -> None:
        """Ends the connection; nothing may be called afterwards."""
