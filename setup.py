"""Lists the sub-packages of each folder, so that a new one can never be left out of the wheel."""

from setuptools import find_packages, setup

TOP = ["hdl", "gen", "cosim", "sw", "boards"]

setup(packages=[f"nomul.{top}" for top in TOP]
      + [f"nomul.{top}.{sub}" for top in TOP for sub in find_packages(top)])
