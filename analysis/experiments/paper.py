"""`paper NAME...`: runs experiments and writes their tables and figures into a folder."""

import argparse
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Sequence

from adsp_mpi.analysis.experiments import ALL, EXPERIMENTS, OF_EXAMPLES, load_experiment
from adsp_mpi.analysis.experiments.outcome import Run, run_config
from adsp_mpi.analysis.experiments.runner import Runner
from adsp_mpi.analysis.experiments.setting import Setting, paper_setting
from adsp_mpi.analysis.extras import require
from adsp_mpi.errors import Interrupted, UsageError

HELP = "repeat the paper's comparisons in virtual time"
PACKAGES = ("adsp-mpi", "matplotlib", "numpy", "torch")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = f"{', '.join(EXPERIMENTS)}, by default all of these; {', '.join(OF_EXAMPLES)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    parser.add_argument("--out", type=Path, required=True, help="folder of the tables and figures")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time; 0: in this process")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each case")


def run(options: argparse.Namespace) -> None:
    paper(options.names, options.out, options.jobs, options.seeds)


def paper(
    names: Sequence[str], folder: Path, jobs: int, num_seeds: int, simulate: Run = run_config
) -> None:
    """Run the named experiments, or all of the paper's; print each one's page when it is done."""
    require("matplotlib", "the figures need")
    if jobs < 0 or num_seeds < 1:
        raise UsageError("--jobs must be at least 0 and --seeds at least 1")
    chosen = [load_experiment(name) for name in names or EXPERIMENTS]
    started_s = time.monotonic()
    runner, setting = Runner(folder, jobs, simulate), paper_setting(folder)
    try:
        for one in chosen:
            print(f"{one.name}: {one.title}", file=sys.stderr, flush=True)
            results = one.run(setting, range(1, num_seeds + 1), runner)
            print(one.write(results, folder), flush=True)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; the same command goes on from {folder}") from None
    options = f"--out {folder.resolve().name} --jobs {jobs} --seeds {num_seeds}"
    took = (
        f"This call took {time.monotonic() - started_s:.0f} s; simulating all runs that are kept "
        f"in runs.jsonl took {runner.simulating_s:.0f} s."
    )
    (folder / "README.md").write_text(
        index(folder, " ".join(["paper", *names, options]), took, setting)
    )


def index(folder: Path, command: str, took: str, setting: Setting) -> str:
    """The text of the folder's README: its pages, how they were made, and the base setting."""
    pages = [f"- [{_title(folder / f'{n}.md')}]({n}.md)" for n in ALL if _has(folder, n)]
    versions = [f"{name} {version(name)}" for name in PACKAGES]
    return "\n\n".join(
        [
            "# Experiments",
            "\n".join(pages),
            f"```bash\npython -m adsp_mpi.analysis {command}\n```",
            f"{took} Python {platform.python_version()}, {', '.join(versions)}.",
            f"The base setting:\n\n```toml\n{setting.base.to_toml()}```\n",
        ]
    )


def _has(folder: Path, name: str) -> bool:
    return (folder / f"{name}.md").exists()


def _title(page: Path) -> str:
    return page.read_text().partition("\n")[0].removeprefix("# ")
