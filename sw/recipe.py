"""Recipes: what network is trained on what, and how. Each is a small TOML file, beside this one or one's own."""

import dataclasses
import json
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nomul.gen.spec.errors import NomulError

__all__ = ["OPTIMIZERS", "SCHEDULES", "Recipe", "RecipeError", "load_recipe", "recipe_names"]

OPTIMIZERS = ("adam", "radam", "sgd")
SCHEDULES = ("one-cycle", "cosine", "steps")

_FOLDER = Path(__file__).parent / "recipes"


class RecipeError(NomulError):
    """A recipe that does not exist or says something impossible."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is trained, and how.

    Attributes
    ----------
    name : str
        What it is called: the name of its file.
    note : str
        One line for people: where it comes from, and what differs from there.
    network, kind : str
        Which network (`nomul.sw.models.NETWORKS`) of which layers (`nomul.sw.kinds.KINDS`).
    teacher : str
        Kind of layers of the same network that is trained beside it and that it learns from (PKKD), such as "conv"; ""
        for none. Each L1 convolution needs a counterpart there.
    data : str
        The data set, if none is asked for.
    keep_first_last : bool
        The first and the last layer multiply, as in the papers. Such a network cannot be quantized.
    pruned : float
        Part of the weights of each shift and L1 layer, the smallest ones, that become 0 for good after half of the
        epochs.
    epochs, batch : int
        Passes over the training images, and images a step.
    optimizer : str
        "adam", "radam", or "sgd" with Nesterov momentum 0.9.
    schedule : str
        How the rates go: "one-cycle" up and down, "cosine" down to 0, "steps" times 0.1 after each of `milestones`.
    milestones : tuple of int
        Numbers of epochs.
    learning_rate : float
        Peak rate of everything but L1 weights.
    adder_learning_rate : float
        Peak rate of L1 weights, which start at N(0, 1) and need a far larger one.
    exponent_learning_rate : float
        Peak rate of exponents and signs, which shift layers of the form PS have instead of weights.
    weight_decay : float
        Of all weights (L2), not of exponents, signs and batch norms.
    jitter : float
        Training images are moved by up to so many pixels in both directions, filled with 0, interpolated linearly.
    crop : int
        The same by whole pixels.
    flip : bool
        Every other training image, by chance, is mirrored.
    threads : int
        Threads that PyTorch may use. Part of the recipe because sums depend on it in their last bits; and small
        networks are fastest with one, by far so when other programs use the cores.
    published : float, optional
        Test accuracy in percent that the method's authors, or those whom `note` names, report.
    """

    name: str = ""
    note: str = ""
    network: str = "small"
    kind: str = "adder"
    teacher: str = ""
    data: str = "digits"
    keep_first_last: bool = False
    pruned: float = 0.0
    epochs: int = 60
    batch: int = 32
    optimizer: str = "adam"
    schedule: str = "one-cycle"
    milestones: tuple[int, ...] = ()
    learning_rate: float = 4e-3
    adder_learning_rate: float = 0.2
    exponent_learning_rate: float = 0.03
    weight_decay: float = 0.0
    jitter: float = 0.5
    crop: int = 0
    flip: bool = False
    threads: int = 1
    published: float | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            self._check(field.name, field.type)
        for key, smallest in {"epochs": 1, "batch": 2, "threads": 1, "crop": 0, "jitter": 0, "weight_decay": 0,
                              "pruned": 0}.items():
            if getattr(self, key) < smallest:
                raise RecipeError(f"{self._where}{key} must be at least {smallest}, not {getattr(self, key)}")
        if self.pruned >= 1:
            raise RecipeError(f"{self._where}pruned must be below 1, not {self.pruned}")
        for key in ("learning_rate", "adder_learning_rate", "exponent_learning_rate"):
            if not getattr(self, key) > 0:
                raise RecipeError(f"{self._where}{key} must be greater than 0, not {getattr(self, key)}")
        for key, known in {"optimizer": OPTIMIZERS, "schedule": SCHEDULES}.items():
            if getattr(self, key) not in known:
                raise RecipeError(f"{self._where}{key} must be one of {', '.join(known)}, not {getattr(self, key)!r}")
        if (self.schedule == "steps") != bool(self.milestones):
            raise RecipeError(f"{self._where}milestones belong to the schedule 'steps', and only to it; they are "
                              f"{list(self.milestones)}, the schedule is {self.schedule!r}")

    @property
    def _where(self) -> str:
        return f"recipe {self.name}: " if self.name else "recipe: "

    def _check(self, key: str, kind: Any) -> None:
        """Compares a field's value with its type; whole numbers are floats, too."""
        value = getattr(self, key)
        if key == "milestones":
            fits, what = isinstance(value, list | tuple) and all(type(entry) is int for entry in value), "whole numbers"
            object.__setattr__(self, key, tuple(value) if fits else value)
        elif kind in (str, bool, int):
            fits, what = type(value) is kind, {str: "a text", bool: "true or false", int: "a whole number"}[kind]
        else:
            fits, what = type(value) in (int, float) and math.isfinite(value), "a number"
            fits = fits or value is None and key == "published"
        if not fits:
            raise RecipeError(f"{self._where}{key} must be {what}, not {value!r}")

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-able values."""
        return {**dataclasses.asdict(self), "milestones": list(self.milestones)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """The recipe of which `to_dict` made `values`; fields left out have their defaults.

        Raises
        ------
        RecipeError
            For an unknown field, or a value that is not allowed.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise RecipeError(f"recipe {values.get('name', '')}: unknown field {unknown[0]!r}; "
                              f"the fields are {', '.join(known)}")
        return cls(**values)

    def to_toml(self) -> str:
        """What differs from the defaults, as TOML text of which `load_recipe` makes the same recipe."""
        default = Recipe().to_dict()
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in self.to_dict().items()
                 if key != "name" and value != default[key]]
        return "\n".join(lines).replace("\x7f", "\\u007f") + "\n"  # JSON allows the character, TOML does not


def recipe_names() -> list[str]:
    """Names that `load_recipe` accepts besides file paths."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A recipe by name, or from a `.toml` file.

    Raises
    ------
    RecipeError
        If there is neither, or the file does not describe a recipe.
    """
    text = str(name_or_path)
    if text in recipe_names():
        path = _FOLDER / f"{text}.toml"
    elif text.endswith(".toml"):
        path = Path(text)
    else:
        raise RecipeError(f"no recipe {text!r}: give the path of a .toml file or one of {', '.join(recipe_names())}")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read recipe {text!r}: {getattr(error, 'strerror', None) or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"recipe {text!r} is no TOML: {error}") from None
    return Recipe.from_dict({"name": path.stem, **values})
