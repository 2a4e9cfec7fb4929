"""The bench: rounds in turn within a budget, two runs compared, a quick run into a document."""

import json
import mmap
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.helpers import PROJECT
from ugvae import machine
from ugvae.experiments.bench import __main__ as bench
from ugvae.experiments.bench import cases, memory, plain, scaling, timing
from ugvae.experiments.bench.images import JPEG_SIZE, NoiseDataModule, write_jpegs, write_noise
from ugvae.experiments.bench.results import Measurement
from ugvae.experiments.bench.steps import SIZES
from ugvae.experiments.bench.timing import Plan, Way

RUN = {"hardware": {"line": "2 cores of Some CPU"}, "versions": {"torch": "2.9"}, "quick": False, "rounds": 5}
RUN |= {"seconds": 1.0}
TINY = {"quick": True, "rounds": 2, "turn": 0.001}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The bench's clock, which a test sets."""
    fake = SimpleNamespace(now=0.0)
    fake.perf_counter = fake.monotonic = lambda: fake.now
    monkeypatch.setattr(timing, "time", fake)
    return fake


def make_way(clock: SimpleNamespace, name: str, unit: str = "s", cost: float = 0.5, order: list | None = None) -> Way:
    def run(steps: int) -> float:
        clock.now += cost * steps
        if order is not None:
            order.append(name)
        return cost * steps

    return Way(Measurement("case", name, "CPU × 2", unit, images=10), run)


def test_rounds_take_turns_and_values_are_in_their_units(clock: SimpleNamespace) -> None:
    order = []
    units = {"a": "ms per step", "b": "images/s", "c": "s"}
    rows = timing.measure([make_way(clock, *pair, order=order) for pair in units.items()], Plan(100, rounds=3, turn=1))
    assert order == ["a", "a", "b", "b", "c", "c", *3 * ["a", "b", "c"]]
    values = {"case: a": (500.0,) * 3, "case: b": (20.0,) * 3, "case: c": (0.5,) * 3}
    assert {row.name: row.values for row in rows} == values


@pytest.mark.parametrize(
    ("seconds", "rounds", "left_out"),
    [
        (30, 5, []),
        (10, 2, ["case: rounds 3 to 5 (no time left)"]),
        (4, 1, ["case: c (no time left)", "case: rounds 2 to 5 (no time left)"]),
        (0, 0, ["case (no time left)"]),
        (1, 1, ["case: b; c (no time left)", "case: rounds 2 to 5 (no time left)"]),
    ],
)
def test_a_slow_machine_does_less(clock: SimpleNamespace, seconds: float, rounds: int, left_out: list[str]) -> None:
    plan = Plan(seconds)
    rows = timing.measure([make_way(clock, name, cost=0.75) for name in "abc"], plan)
    assert {len(row.values) for row in rows} == ({rounds} if rounds else set())
    assert plan.left_out == left_out
    assert clock.now <= seconds + 2 * 0.75, "more than the first steps of one way over the budget"


def test_progress_tells_the_time_left(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(60, later=30)
    clock.now = 10
    piece = plan.share(0.5)
    piece.tell("a step")
    assert piece.left == 25
    assert capsys.readouterr().err == "a step; at most 1:20 left\n"


def test_stated_time_is_that_of_all_parts() -> None:
    stated = f"at most {machine.clock(sum(seconds for _, seconds in bench.PARTS.values()))} minutes"
    assert stated in (PROJECT / "Makefile").read_text()
    assert stated in (PROJECT / "docs/performance.md").read_text()


def test_every_part_ends_in_its_seconds_and_leaves_the_others_theirs(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is a thousand times too slow: single steps of 4 s, where a part has 10 s for 3 ways."""
    ends = []

    def part(plan: Plan) -> list[Measurement]:
        rows = timing.measure([make_way(clock, name, cost=4.0) for name in "abc"], plan)
        ends.append(clock.now)
        return rows

    monkeypatch.setattr(bench, "PARTS", {"mlp": (part, 10), "conv": (part, 10), "loader": (part, 10)})
    monkeypatch.setattr(bench, "time", clock)
    results = bench.measure(["mlp", "conv", "loader"], False, "cpu")
    first_steps = 2 * 4.0
    assert all(end <= number * (10 + first_steps) for number, end in enumerate(ends, start=1))
    assert results.seconds == ends[-1]
    assert any("no time left" in line for line in results.left_out)


def test_no_large_file_is_written_when_no_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "write_noise", lambda *arguments: pytest.fail("a file was written"))
    plan = Plan(0)
    assert scaling.bench_tables(plan) == []
    assert plan.left_out == ["scaling: images of the table (no time left)"]


def test_threads_are_put_back() -> None:
    seen = []
    Way(Measurement("case", "a", "CPU × 2"), lambda steps: seen.append(torch.get_num_threads()) or 1.0, 1, 2).seconds(1)
    assert (seen, torch.get_num_threads()) == ([2], 1)


def test_what_the_machine_cannot_do_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "default_precision", lambda backbone, device: "32-true")
    monkeypatch.setattr(cases, "can_compile", lambda: False)
    plan = Plan(60)
    names = [setting.name for setting in cases.SETTINGS if cases.possible(setting, "conv", plan)]
    assert names == ["bare loop, float32", "Lightning, float32"]
    reasons = ["conv: bfloat16 (emulated here, and many times slower)", "conv: compiled (no C++ compiler)"]
    assert plan.left_out == reasons


def test_change_is_told_from_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    middle = [10, 11, 12, 13, 14]
    rows = {  # by name: unit, rounds of the first run, rounds of the second
        "mlp 128: a": ("ms per step", middle, [5, 6, 6, 7, 8]),
        "mlp 128: b": ("ms per step", middle, [9, 11, 12, 13, 18]),
        "mlp 128: plain, fed": ("ms per step", middle, [15, 16, 17, 18, 19]),
        "loader: c": ("images/s", [100, 101, 102, 103, 104], [90, 91, 92, 93, 94]),
        "mlp 128: memory": ("MiB", [100.0], [100.0]),
    }
    for number in (1, 2):  # with a field that older files have
        measurements = {name: {"unit": row[0], "values": row[number], "gflop": 1.0} for name, row in rows.items()}
        measurements |= {"mlp 128: gone": measurements["mlp 128: a"]} if number == 1 else {}
        (tmp_path / f"{number}.json").write_text(json.dumps({**RUN, "measurements": measurements}))
    bench.main(["compare", str(tmp_path / "1.json"), str(tmp_path / "2.json")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[5] == "| mlp 128: plain, fed | ms per step | 12.0 | 17.0 | 1.42 | ±17%, ±12% | worse |"
    table = {row[0]: row[1:] for row in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)}
    assert table["mlp 128: a"] == ["ms per step", "12.0", "6", "0.50", "±17%, ±33%", "better"]
    assert table["mlp 128: b"][-1] == "noise"
    assert table["loader: c"] == ["images/s", "102", "92.0", "0.90", "±2%, ±2%", "worse"]
    assert table["mlp 128: memory"][-1] == "too few rounds"
    assert lines[-1] == "In one of them only: mlp 128: gone."


@pytest.mark.parametrize("content", [None, "no JSON", "[1]", '{"measurements": {"a: b": {}}}'])
def test_what_is_no_run_is_refused(tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit, match="2"):
        bench.main(["compare", str(path), str(path)])
    assert str(path) in capsys.readouterr().err


def test_plain_batches_are_made_image_by_image(tmp_path: Path) -> None:
    write_jpegs(tmp_path, 3)
    files = sorted(tmp_path.glob("*.jpg"))
    images = plain.decoded(files, 64)
    assert images.shape == (3, 3, 64, 64)
    assert 0.05 < images.std() < 0.5
    assert not torch.equal(images[0], images[1])
    assert JPEG_SIZE == (178, 218)
    assert all(5_000 < file.stat().st_size < 15_000 for file in files)
    array = torch.randint(256, (2, 28, 28), dtype=torch.uint8)
    torch.testing.assert_close(plain.one_at_a_time(list(array.numpy())), array[:, None] / 255)


def test_mapped_file_holds_every_image(tmp_path: Path) -> None:
    write_noise(tmp_path / "noise.bin", 10_100, 28 * 28)
    images = NoiseDataModule(10_100, 128, (1, 28, 28), tmp_path / "noise.bin").table("train").images
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


@pytest.mark.parametrize(
    ("curve", "groups", "group_size", "sizes"),
    [
        ("components K", 8, 16, {"num_components": 20}),
        ("images per group B, one group", 1, 20, {}),
        ("groups G, of 16 images", 20, 16, {}),
        ("images per group B, 4096 in all", 204, 20, {}),
        ("dimensions of beta", 8, 16, {"beta_dim": 20}),
        ("dimensions of z", 8, 16, {"z_dim": 20}),
    ],
)
def test_points_of_curves_are_what_they_say(
    curve: str, groups: int, group_size: int, sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {}
    monkeypatch.setattr(scaling, "bare", lambda data, sizes, device: made.update(data=data, sizes=sizes))
    row = scaling.step_way(curve, 20, Plan(60)).row
    assert (row.x, row.images, made["sizes"]) == (20, groups * group_size, {**SIZES["mlp"], **sizes})
    assert next(made["data"].endless())["index"].shape == (groups, group_size)


def test_quick_run_fills_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way of mlp and every curve at two points; times and memory are true, if of no use."""
    monkeypatch.setattr(bench, "QUICK", TINY)
    small = {name: ((1, 2), settings) for name, (_, settings) in scaling.STEP_CURVES.items()}
    monkeypatch.setattr(scaling, "STEP_CURVES", small)
    for module in (scaling, cases):  # without a process of its own
        monkeypatch.setattr(module, "memory_of_training", lambda name, plan, *job: memory.train(*job))
    monkeypatch.setattr(cases, "default_precision", lambda backbone, device: "bf16-mixed")
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    before = (PROJECT / "docs/performance.md").read_text()
    doc = tmp_path / "performance.md"
    doc.write_text(before)
    parts = ["--only", "mlp", "--only", "loader", "--only", "scaling"]
    bench.main(["--quick", *parts, "--device", "cpu", "--json", str(tmp_path / "a.json"), "--doc", str(doc)])
    assert os.environ["MALLOC_TRIM_THRESHOLD_"] == "1"
    rows = json.loads((tmp_path / "a.json").read_text())["measurements"]
    assert all(value > 0 for row in rows.values() for value in row["values"] if "training" not in row["way"])
    assert {row["device"].split(" ")[0] for row in rows.values()} == {"CPU"}
    wanted = {"plain, no feeding, float32", "plain, one image at a time, float32", "Lightning, float32"}
    wanted |= {"Lightning, bfloat16", "bare loop, matmul_precision medium"}
    assert {f"mlp 128: {way}" for way in wanted} <= rows.keys()
    assert [row["x"] for row in rows.values() if row["way"] == "images per group B, 4096 in all"] == [1, 2]

    def part(text: str, name: str) -> str:
        return re.search(f"<!-- bench_{name} -->\n(.*?)<!-- /", text, re.S)[1].strip()

    text = doc.read_text()
    assert "| mlp 128 | Lightning, bfloat16 | CPU × 1 | ms per step |" in part(text, "mlp")
    assert "A quick run" in part(text, "scaling")
    assert re.search(r"\| images of the table, loader alone \| .* images/s \| 500: [\d,]+ · 1,000: ", text)
    assert "](figures/performance.png)" in part(text, "scaling")
    assert part(text, "conv") == part(before, "conv"), "a part that was not run was touched"
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["performance.png"]


@pytest.mark.slow
def test_memory_is_that_of_a_process_of_its_own() -> None:
    small, large = (memory.memory_of_training("a", Plan(300), "mlp", batch, "float32") for batch in (128, 8192))
    assert large.training > small.training + 20
    assert large.whole > large.own > large.training


@pytest.mark.slow
def test_conv_runs_in_every_way() -> None:
    names = {row.name for row in cases.bench_backbone("conv", Plan(300, **TINY))}
    assert {"conv 128: Lightning, float32", "conv 128: plain, decoding JPEGs in the loop, float32"} <= names
