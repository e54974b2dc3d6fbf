"""Named configurations: one TOML file each, beside this file."""

from pathlib import Path

from nomul.gen.spec.config import Config, ConfigError

__all__ = ["load_config", "preset_names"]

_FOLDER = Path(__file__).parent


def preset_names() -> list[str]:
    """Names that `load_config` accepts besides file paths."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_config(name_or_path: str | Path) -> Config:
    """A preset by name, or a configuration from a `.toml` file.

    Raises
    ------
    ConfigError
        If there is neither, or the file does not describe a valid configuration.
    """
    text = str(name_or_path)
    if text in preset_names():
        return Config.from_toml(_FOLDER / f"{text}.toml")
    if text.endswith(".toml"):
        return Config.from_toml(text)
    raise ConfigError(f"no configuration {text!r}: give the path of a .toml file or one of the presets "
                      f"{', '.join(preset_names())}")
