"""The bench: operations counted by hand, two runs compared, verdicts, a quick run into a document."""

import json
import mmap
import re
from pathlib import Path

import pytest
import torch

from experiments.bench import __main__ as bench
from experiments.bench import cases, charts, comparing, memory, report, scaling, steps, targets, timing
from experiments.bench.images import JPEG_SIZE, DecodedInTheLoop, MappedImages, RandomImages, write_jpegs, write_noise
from ugvae.models import UGVAE

TINY = cases.Effort(2, 0.001, 32, quick=True)
RUN = {
    "hardware": {"line": "2 cores of Some CPU"},
    "threads": 2,
    "versions": {"torch": "2.9"},
    "quick": False,
    "rounds": 5,
    "parts": ["mlp"],
}


def in_ms(*values: float, **more) -> dict:
    way = {"images": 128, "gflop": 2.0, "precision": "float32", "threads": 2}
    return {"unit": "ms per step", "values": list(values), **way, **more}


def test_operations_of_the_mlp_by_hand() -> None:
    sizes = steps.SIZES["mlp"]
    data = RandomImages(256, 128)
    batch = next(iter(data.loader("train")))
    z, beta, components, images, groups = 10, 20, 10, 128, 8
    per_image = 784 * 256 + 256 * 2 * z + z * 256 + 256 * components + (256 + components) * 2 * beta
    per_image += (z + beta) * 256 + 256 * 784
    per_image += 2 * z * components  # the two products in the mixture's KL
    per_group = beta * components * 256 + components * 256 * 2 * z
    forward = 2 * (images * per_image + groups * per_group)
    # twice as much backward, but for the gradient of the images, that no one asks for
    total = 3 * forward - 2 * images * 784 * 256
    assert steps.gflop_per_step(UGVAE(data.image_shape, **sizes), batch) == pytest.approx(total / 1e9, rel=1e-6)


def test_rounds_take_turns_and_values_are_in_their_units() -> None:
    order = []

    def way(name: str, unit: str) -> timing.Way:
        def run(count: int) -> float:
            order.append(name)
            return 0.5 * count

        return timing.Way(name, run, unit, images=10, gflop=3.0)

    found = timing.measure("case", [way("a", "ms per step"), way("b", "images/s"), way("c", "GFLOP/s")], 3, 1.0)
    assert order == ["a", "a", "b", "b", "c", "c", *3 * ["a", "b", "c"]]
    assert {name: each["values"] for name, each in found.items()} == {
        "case: a": [500.0] * 3,
        "case: b": [20.0] * 3,
        "case: c": [6.0] * 3,
    }


def test_threads_are_put_back() -> None:
    with timing.threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 1


def test_change_is_told_from_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rate = {**in_ms(100, 101, 102, 103, 104), "unit": "GFLOP/s"}
    first = {"mlp 128: a": in_ms(10, 11, 12, 13, 14), "mlp 128: b": in_ms(10, 11, 12, 13, 14), "gone": in_ms(1)}
    second = {"mlp 128: a": in_ms(5, 6, 6, 7, 8), "mlp 128: b": in_ms(9, 11, 12, 13, 18)}
    for name, found in (("first", first), ("second", second)):
        found["mlp 128: matrix product"] = rate if name == "first" else {**rate, "values": [90, 91, 92, 93, 94]}
        found["memory"] = {"unit": "MiB", "values": [100.0]}
        (tmp_path / f"{name}.json").write_text(json.dumps({**RUN, "measurements": found}))
    bench.main(["compare", str(tmp_path / "first.json"), str(tmp_path / "second.json")])
    lines = capsys.readouterr().out.splitlines()
    rows = {row[0]: row[1:] for row in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)}
    assert rows["mlp 128: a"] == ["ms per step", "12.0", "6", "0.50", "±17%, ±33%", "better"]
    assert rows["mlp 128: b"][-1] == "noise"
    assert rows["mlp 128: matrix product"][-1] == "worse"
    assert rows["memory"][-1] == "too few rounds"
    assert lines.index("| mlp 128: matrix product | GFLOP/s | 102 | 92.0 | 0.90 | ±2%, ±2% | worse |") == 5
    assert lines[-1] == "In one of them only: gone."


@pytest.mark.parametrize("content", [None, "no JSON", "[1]", "{}"])
def test_what_is_no_run_is_refused(tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit, match="2"):
        bench.main(["compare", str(path), str(path)])
    assert str(path) in capsys.readouterr().err


def test_targets_pass_and_miss() -> None:
    rate = {**in_ms(200), "unit": "GFLOP/s"}
    found = {
        "conv 128: matrix product, float32": rate,
        "conv 128: matrix product, float32, 1 thread": {**rate, "values": [50], "threads": 1},
        "conv 128: plain, no feeding, float32": in_ms(50),
        "conv 128: bare loop, float32": in_ms(40),
        "conv 128: bare loop, compiled, float32": in_ms(20),
        "conv 128: bare loop, float32, 1 thread": in_ms(10, threads=1),
        "scaling: K = 10": in_ms(10),
        "scaling: K = 100": in_ms(14),
        "scaling: own_mib of a table = 10000": {"unit": "MiB", "values": [500]},
        "scaling: own_mib of a table = 1000000": {"unit": "MiB", "values": [510]},
    }
    got = {verdict.target.text: verdict for verdict in targets.verdicts(found)}
    values = [(verdict.value, verdict.passed, verdict.remark) for verdict in got.values()]
    assert values == [
        (2.5, True, "bare loop, compiled, float32"),
        (0.5, True, "bare loop, compiled, float32"),  # 2 GFLOP in 20 ms, of 200 GFLOP/s
        (1.4, False, ""),
        (1.02, True, "+10 MiB, 11 bytes per image"),
    ]
    assert targets.share_of_rate(found, "conv 128: bare loop, float32, 1 thread") == 4.0
    assert "**miss**" in report.part_of_targets(found)


def test_jpegs_are_of_the_size_of_celeba(tmp_path: Path) -> None:
    files = write_jpegs(tmp_path, 3)
    decoded = DecodedInTheLoop(files, 64)
    assert len(decoded) == 3
    assert decoded[0].shape == (3, 64, 64)
    assert not torch.equal(decoded[0], decoded[1])
    assert JPEG_SIZE == (178, 218)
    assert all(5_000 < file.stat().st_size < 15_000 for file in files)


def test_mapped_file_holds_every_image(tmp_path: Path) -> None:
    write_noise(tmp_path / "noise.bin", 10_100, 28 * 28)
    images = MappedImages(tmp_path / "noise.bin", 10_100, 128).table("train").images
    assert images.shape == (10_100, 1, 28, 28)
    assert torch.equal(images[:100], images[10_000:])
    assert images.float().std() > 70


def test_sampled_peak_includes_what_is_freed_again() -> None:
    with memory.watch_own_mib() as most:
        before = most[0]
        block = mmap.mmap(-1, 64 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # not what malloc has kept
        for _ in range(20):
            block.seek(0)
            block.write(bytes(len(block)))
        block.close()
    assert most[0] - before > 50


@pytest.mark.parametrize("curve", scaling.STEP_CURVES)
def test_points_of_curves_are_what_they_say(curve: str) -> None:
    x = scaling.STEP_CURVES[curve].points[1]
    groups, group_size, sizes = scaling.groups_and_sizes(curve, x)
    changed = {"K": sizes["num_components"], "B": group_size, "B of 4096": group_size, "G": groups}
    assert changed.get(curve, sizes.get(curve)) == x
    assert curve != "B of 4096" or groups * group_size == 4096
    batch = RandomImages(2 * groups * group_size, 1, group_size=group_size, groups_per_batch=groups)
    assert next(iter(batch.loader("train")))["index"].shape == (groups, group_size)


def test_quick_run_fills_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way of mlp and every curve at two points; memory and speed are true, if of no use."""
    monkeypatch.setattr(bench, "QUICK", TINY)
    small = {name: curve._replace(points=(1, 2)) for name, curve in scaling.STEP_CURVES.items()}
    monkeypatch.setattr(scaling, "STEP_CURVES", small)
    monkeypatch.setattr(scaling, "memory_of_training", in_this_process)
    monkeypatch.setattr(cases, "memory_of_training", in_this_process)
    doc = tmp_path / "docs" / "performance.md"
    doc.parent.mkdir()
    doc.write_text((Path(__file__).parents[2] / "docs" / "performance.md").read_text())
    asked = ["--only", "mlp", "--only", "loader", "--only", "scaling"]
    bench.main(["--quick", *asked, "--json", str(tmp_path / "a.json"), "--doc", str(doc)])
    result = json.loads((tmp_path / "a.json").read_text())
    found = result["measurements"]
    assert all(value > 0 for each in found.values() for value in each["values"])
    assert {name for name in found if name.startswith("mlp 128: Lightning")} == {
        "mlp 128: Lightning, float32",
        "mlp 128: Lightning, bfloat16",
    }
    assert list(scaling.points_of(found, "B of 4096")) == [1, 2]
    text = doc.read_text()
    filled = {part: re.search(f"<!-- bench_{part} -->\n(.*?)<!-- /", text, re.S)[1].strip() for part in report.PARTS}
    assert "| Lightning, bfloat16 |" in filled["mlp"]
    assert "A quick run" in filled["scaling"]
    assert "](figures/performance_steps.png)" in filled["scaling"]
    assert "| images of the table | 500 | 1,000 |" in filled["scaling"]
    before = re.search(
        "<!-- bench_conv -->(.*?)<!-- /", (Path(__file__).parents[2] / "docs/performance.md").read_text(), re.S
    )[1]
    assert filled["conv"] == before.strip(), "a part that was not run was touched"
    assert {path.stem for path in (doc.parent / "figures").iterdir()} == {
        f"performance_{name}" for name in charts.FIGURES
    }


def in_this_process(sizes: dict, image_shape: tuple[int, int, int], batch: int, precision: str, **more) -> dict:
    """What the process of its own gives, without starting one."""
    return {**memory.train(sizes, image_shape, batch, precision, **more), "training_mib": 1.0}


@pytest.mark.slow
def test_memory_is_that_of_a_process_of_its_own() -> None:
    small, large = (
        memory.memory_of_training(steps.SIZES["mlp"], (1, 28, 28), batch, "float32") for batch in (128, 8192)
    )
    assert large["training_mib"] > small["training_mib"] + 20
    assert large["peak_mib"] > large["own_mib"] > large["training_mib"]


@pytest.mark.slow
def test_conv_runs_in_every_way() -> None:
    found = cases.bench_backbone("conv", TINY)
    assert {"conv 128: bare loop, contiguous, bfloat16", f"conv 128: {cases.PLAIN_JPEG}, float32"} <= found.keys()
    assert comparing.compare(*2 * [{**RUN, "measurements": found}])
