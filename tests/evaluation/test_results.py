"""Results as JSON and back, and the results of a run, old files too."""

import json
import math
from dataclasses import dataclass, field, replace

import pytest

from tests.helpers import made_up_runs
from ugvae.errors import ConfigError
from ugvae.evaluation.aggregate import Information
from ugvae.evaluation.bounds import GroupMean, Rung
from ugvae.evaluation.content import Correlation, Probe, ProbedDirection
from ugvae.evaluation.factors import Decided, VarianceShares
from ugvae.evaluation.latent_use import LatentUse, PosteriorUse, Spread, SwapEffect
from ugvae.evaluation.results import RunResults, from_json, read_results, to_json
from ugvae.evaluation.statements import NOT_MEASURED
from ugvae.evaluation.translation import Translation
from ugvae.evaluation.verdict import verdict

NEW = (  # what earlier versions did not measure
    "information",
    "untrained",
    "transported, own beta",
    "transported_own",
    "rise",
)
FILES = {name: getattr(made_up_runs, name)() for name in ("table1", "translation", "latent_use", "factors", "bound")}
FILES |= {name: getattr(made_up_runs, name)() for name in ("disentanglement", "image_quality")}


@dataclass(frozen=True)
class Inner:
    value: float
    note: str | None = None


@dataclass(frozen=True)
class Outer:
    inner: Inner
    lists: list[list[int]]
    by_name: dict[str, Inner] = field(default_factory=dict)


def test_json_and_back_is_the_same() -> None:
    outer = Outer(Inner(1.5, "n"), [[1], [2, 3]], {"a": Inner(2.0)})
    content = to_json(outer)
    assert content == {"inner": {"value": 1.5, "note": "n"}, "lists": [[1], [2, 3]], "by_name": {"a": {"value": 2.0}}}
    assert from_json(Outer, json.loads(json.dumps(content))) == outer
    assert from_json(Outer, {**content, "unknown": 1}) == outer
    whole = from_json(Inner, {"value": 3}).value
    assert isinstance(whole, float)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"lists": []}, r"^result: missing 1 required positional argument: 'inner'$"),
        ({"inner": {"value": "x"}, "lists": []}, r"^result\.inner\.value: expected float, got 'x'$"),
        ({"inner": {"value": 1}, "lists": [[1], ["2"]]}, r"^result\.lists\[1\]\[0\]: expected int, got '2'$"),
        ({"inner": [], "lists": []}, r"^result\.inner: expected Inner, got \[\]$"),
    ],
)
def test_what_is_not_a_result_is_named(content: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_json(Outer, content)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_json_does_not_have_are_named(value: float) -> None:
    with pytest.raises(ValueError, match=r"^result\.a\.value is (nan|inf); JSON has no such number$"):
        to_json({"a": Inner(value)})


def test_results_of_a_run_are_read_and_written_again() -> None:
    results = read_results(FILES)
    assert results.unreadable == {}
    again = {name: to_json(getattr(results, name)) for name in FILES}
    for name in ("translation", "bound", "image_quality"):
        assert read_results({name: again[name]}) == RunResults(**{name: getattr(results, name)})
    scores = {"disentanglement": {"results": again["disentanglement"]}}
    assert read_results(scores) == RunResults(disentanglement=results.disentanglement)
    assert results.table1["Male / not Male"].accuracy["kinds"]["beta sample"]["rbf"].mean == 0.91
    assert results.latent_use["random groups"].beta.apart == 6
    assert results.bound.bounds[1].gain.mean == 4.1


def test_results_that_cannot_be_read_are_named_and_the_others_are_there() -> None:
    results = read_results({**FILES, "bound": {"elbo": {"mean": 1.0}}, "fig99": {}})
    assert list(results.unreadable) == ["bound"]
    assert results.unreadable["bound"].startswith("bound.elbo: missing 1 required positional argument: 'error'")
    assert results.unreadable["bound"].endswith("; run the command again")
    assert results.translation is not None
    assert verdict(results)[-1].holds == NOT_MEASURED


def without_news(value: object) -> object:
    if isinstance(value, dict):
        return {name: without_news(item) for name, item in value.items() if name not in NEW}
    return [without_news(item) for item in value] if isinstance(value, list) else value


def test_results_of_earlier_versions_lack_what_they_did_not_measure() -> None:
    files = {name: without_news(content) for name, content in FILES.items()}
    files["latent_use"]["results"]["random groups"].pop("transported")
    old = {"pixels": {"beta": 0.6, "local": 0.4, "both": 0.0}, "thickness": {"beta": 0.9, "local": 0.1, "both": 0.0}}
    files["factors"] = {"results": {"beta from its prior": old, "beta of held-out groups": old, "untrained": old}}
    for features in files["table1"]["results"]["Male / not Male"]["accuracy"].values():
        features.pop("untrained, same information, beta sample")
    results = read_results(files)
    assert results.unreadable == {}
    assert results.factors["untrained"].shares["pixels"] == VarianceShares(0.6, 0.4, 0.0)
    use = results.latent_use["random groups"]
    assert (use.beta.information, use.transported, list(use.effects)) == (None, None, ["fixed"])
    assert results.translation.earned("transported") is results.translation.validation is None
    assert results.bound.bounds[-1].rise is None
    held = [statement.holds for statement in verdict(results)]
    assert held == ["not measured", "partly", "not measured", "not measured", "not measured", "not measured"]


def test_results_with_everything_are_the_same_again() -> None:
    information = Information(1.5, 2.5, 0.01, 4.2, 1.9)
    posterior = PosteriorUse(Spread(4.0, 0.1), 2, 1, [0.1, 0.2], [1.0, 2.0], information)
    swap = SwapEffect(0.1, 2.0)
    use = LatentUse(4, 8, swap, swap, posterior, posterior, swap, swap, 3)
    assert from_json(LatentUse, json.loads(json.dumps(to_json(use)))) == use
    inner = read_results(FILES).translation
    both = replace(inner, validation=inner)
    assert from_json(Translation, json.loads(json.dumps(to_json(both)))) == both
    decided = Decided({"pixels": VarianceShares(sd=0.001)}, 0.9, 1.0, 0.5, 0.7)
    assert from_json(Decided, json.loads(json.dumps(to_json(decided)))) == decided
    rung = Rung(1.0, 0.1, 1, 5, GroupMean(0.1, 0.1), GroupMean(0.2, 0.1))
    assert from_json(Rung, to_json(rung)) == rung


def test_probes_of_earlier_versions_are_read() -> None:
    kept = {"fixed": {"pearson": 0.5, "spearman": 0.4}}
    old = {"held_out": {"A to B": {"pearson": 0.9, "spearman": 0.8}}}
    old |= {"A to B": {"source": "column", **kept}, "B to A": {"source": "probe", **kept}}
    correlations = {"fixed": Correlation(0.5, 0.4)}
    want = Probe(
        {
            "A to B": ProbedDirection("column", correlations, Correlation(0.9, 0.8)),
            "B to A": ProbedDirection("probe", correlations),
        }
    )
    assert from_json(Probe, old) == from_json(Probe, to_json(want)) == want
    assert from_json(Probe, {"reason": "none"}) == Probe(reason="none")
