"""The host driver: ``with nomul.sw.driver.open(port) as board: board.push(model); board.run(images)``."""

from nomul.sw.driver.ports import open_board as open
from nomul.sw.driver.ports import open_boards as open_several

__all__ = ["open", "open_several"]
