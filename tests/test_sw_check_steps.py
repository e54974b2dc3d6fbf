from dataclasses import replace

import pytest

from nomul.sw import front_end
from nomul.sw.check_steps import PassError, check_steps
from nomul.sw.front_end import lower_model
from nomul.sw.steps import INPUT, Inert, MaxPooling, Sum

from .quantizable import NETS, images, trained


@pytest.fixture(scope="module")
def graph():
    """Of stem, left, add, right, add_1, pool, classifier."""
    return lower_model(trained(NETS["residual"]), images(4)).graph


def test_a_right_graph_passes(graph):
    check_steps(graph, "any", (Inert,))


def changed(graph, which, **values):
    steps = tuple(replace(step, **values) if step.name == which else step for step in graph.steps)
    return replace(graph, steps=steps)


def without(graph, name):
    return replace(graph, steps=tuple(step for step in graph.steps if step.name != name))


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda graph: changed(graph, "left", name="stem"), "two steps have one name"),
    (lambda graph: replace(graph, steps=graph.steps[::-1]), "step 'classifier' reads pool before it is made"),
    (lambda graph: changed(graph, "add", inputs=("stem", "stem")), "nothing reads the tensor of step 'left'"),
    (lambda graph: changed(graph, "pool", operation=Inert()), "step 'pool' is still there, a inert operation"),
    (lambda graph: changed(graph, "add", inputs=("stem", "left", "left")), "step 'add' reads 3 tensors in 2 shapes"),
    (lambda graph: changed(graph, "pool", operation=Sum()), "step 'pool' is a sum of 1 tensors"),
    (lambda graph: changed(graph, "stem", reads=((2, 4, 16),)), "step 'stem' reads .* that have other shapes"),
    (lambda graph: changed(graph, "pool", operation=MaxPooling((2, 2), (2, 2))), "makes .5, 1, 1., not .5, 4, 4."),
    (lambda graph: changed(graph, "add", shape=(5, 4, 4)), r"step 'add' makes \(5, 4, 4\), not \(5, 8, 8\)"),
    (lambda graph: changed(graph, "classifier", shape=(4,)), r"'classifier' makes \(4,\), not \(3,\)"),
    (lambda graph: replace(without(graph, "classifier"), output="classifier"), "nothing reads .* 'pool'|'classifier'"),
    (lambda graph: replace(graph, output=INPUT), "nothing reads the tensor of step 'classifier'"),
])
def test_a_broken_promise_is_named_with_its_pass(graph, spoil, message):
    with pytest.raises(PassError, match=rf"^pass 'spoil' broke its promise: .*{message}.*; please report this"):
        check_steps(spoil(graph), "spoil", (Inert,))


def test_every_pass_is_checked(monkeypatch):
    for index, (run, kind) in enumerate(front_end._PASSES[:3]):
        def lazy(graph):
            return graph

        lazy.__name__ = run.__name__
        with monkeypatch.context() as patch:
            patch.setattr(front_end, "_PASSES", tuple((lazy, kind) if place == index else other
                                                      for place, other in enumerate(front_end._PASSES)))
            with pytest.raises(PassError, match=f"pass '{run.__name__}' broke .* is still there, a {kind.noun}"):
                lower_model(trained(NETS["residual"]), images(4))
