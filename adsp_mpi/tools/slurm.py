"""`python -m adsp_mpi slurm`: prints a batch script for a run, made from the scripts in `jobs/`.

What such a script does is written there alone; here its directives and its run are filled in, and
the files that it sources are put into it.
"""

import argparse
import re
import shlex
import sys
from pathlib import Path, PurePath
from typing import Sequence

from adsp_mpi.cli import Parser, parse
from adsp_mpi.errors import UsageError

RANKS, HET_RANKS = "8", "4"
GIVEN_BY_SCRIPT = ("--out", "--resume")

KINDS = {"single": "adsp.sbatch", "het": "adsp-het.sbatch", "sweep": "sweep.sbatch"}
"""The file in `jobs/` that each kind is made from."""

USE = {
    "single": """\
    sbatch {file} [OPTION ...]      options go to the run, after those below
Log, trace, checkpoints and model are in runs/<job name>-<job id>/. The run reads the job's time
limit and stops itself in time; where a site sends a signal instead, add --signal=B:USR2@60.
On the time limit or preemption the job requeues and goes on by itself.""",
    "het": """\
    sbatch {file} [OPTION ...]      options go to the run, after those below
A heterogeneous job: machines of different speed, from several partitions, work together. Rank 0,
which serves, is in the component that `order` names first. srun must be able to start this MPI:
MPICH with pmi2, Open MPI with pmix. Log, trace, checkpoints and model are in
runs/<job name>-<job id>/. On the time limit or preemption the job requeues
and goes on by itself.""",
    "sweep": """\
    bash {file} TABLE       submits a job array, one run a line, and after it a comparison
A line of TABLE holds scheme, heterogeneity profile, seed and further options; # begins a comment:
    adsp none 1
    bsp  none 1 --set checkpoint.period_s=60
Runs and table.md are in runs/sweep-<name of TABLE>/. Submitted again, runs that ended are kept, the
others go on from their checkpoints. AT_ONCE=8 runs eight at once, 4 unless given.""",
}


def slurm_script(arguments: Sequence[str]) -> str:
    """The batch script that these arguments ask for; UsageError if any of them is wrong."""
    kind = arguments[0] if arguments[:1] and arguments[0] in KINDS else "single"
    options, run = make_parser().parse_known_args(arguments[arguments[:1] == [kind] :])
    name = _name_of_run(run)
    lines = (jobs_folder() / KINDS[kind]).read_text().splitlines()
    directives = [line for line in lines if line.startswith("#SBATCH ")]
    body = lines[lines.index(directives[-1]) + 1 :]
    if kind == "het" and not _has_profile(run):
        run = [*run, "--hetero", "none"]
    about = [f"printed by: python -m adsp_mpi slurm {shlex.join(arguments)}".rstrip()]
    about += USE[kind].format(file=f"{name}.sbatch").splitlines()
    return "\n".join(
        [
            "#!/usr/bin/env bash",
            *(f"# {line}".replace("#     ", "#   ") for line in about),
            *_directives(directives, name, _components(kind, options), options.time),
            *_body(body, shlex.join(run), len(_components(kind, options))),
            "",
        ]
    )


def make_parser() -> Parser:
    """The parser of the options of this verb; all others are the run's."""
    parser = Parser(
        prog="python -m adsp_mpi slurm",
        usage="python -m adsp_mpi slurm [single | het | sweep] [OPTION ...] "
        "[MODULE:FUNCTION | FILE.py] [OPTION OF THE RUN ...]",
        description="Print a batch script. For het, a heterogeneous job, options take a value for "
        "each component: --partition fast,slow --nodes 1,4.",
        allow_abbrev=False,
    )
    parser.add_argument("--ranks", help=f"{RANKS}, or one a node; one of them is the server")
    parser.add_argument("--nodes", help="as Slurm finds them unless given")
    parser.add_argument("--time", default="01:00:00", help="limit of one job; then it requeues")
    parser.add_argument("--partition", help="the default one unless given")
    return parser


def jobs_folder() -> Path:
    """The folder `jobs`: in the installed package, or beside it in a clone."""
    package = Path(__file__).parents[1]
    inside = package / "jobs"
    return inside if inside.is_dir() else package.parent / "jobs"


def _name_of_run(run: Sequence[str]) -> str:
    """The job's name; UsageError if the arguments are no run's, or give what the script gives."""
    for argument in run:
        if argument.split("=")[0] in GIVEN_BY_SCRIPT:
            raise UsageError(f"slurm: {argument}: the script gives --out and --resume itself")
        if argument == "--":
            raise UsageError("slurm: arguments behind -- cannot be given: the job's options follow")
    request = parse(run)
    if request.verb != "run":
        raise UsageError(f"slurm: {request.verb} is no run: name a function or a script of yours")
    program = request.program
    return PurePath(program).stem if program.endswith(".py") else program.split(":")[0] or "adsp"


def _has_profile(run: Sequence[str]) -> bool:
    """Whether the arguments may name a heterogeneity profile, or are no quickstart."""
    given = {argument.split("=")[0] for argument in run}
    names_one = given & {"--config", "--preset", "--hetero"}
    return bool(names_one or (run and not run[0].startswith("-")))


def _components(kind: str, options: argparse.Namespace) -> list[str]:
    """For each component of the job, of which only `het` has several, what it asks for."""
    partitions = options.partition or ("fast,main" if kind == "het" else "")
    ranks = options.ranks or options.nodes or (HET_RANKS if kind == "het" else RANKS)
    asked = {"partition": partitions, "nodes": options.nodes or "", "ntasks": ranks}
    given = {name: value.split(",") for name, value in asked.items() if value}
    count = max(map(len, given.values())) if kind == "het" else 1
    for name, values in given.items():
        if len(values) not in (1, count):
            raise UsageError(f"slurm {kind}: {','.join(values)}: {count} or 1 value is wanted here")
        if name != "partition" and not all(value.isdecimal() for value in values):
            raise UsageError(f"slurm: {','.join(values)}: a whole number is wanted here")
    return [
        " ".join(f"--{name}={values[i % len(values)]}" for name, values in given.items())
        for i in range(count)
    ]


def _directives(lines: Sequence[str], name: str, components: Sequence[str], time: str) -> list[str]:
    """The directives of `jobs/`, with those of this job in place of their example's."""
    example = re.compile("--job-name|--ntasks|--time|hetjob")
    kept = [line.removeprefix("#SBATCH ") for line in lines if not example.search(line)]
    own = [f"--job-name={name}", components[0], f"--time={time}"]
    more = [line for component in components[1:] for line in ("hetjob", component)]
    return [f"#SBATCH {line}" for line in (*own, *kept, *more)]


def _body(lines: Sequence[str], run: str, components: int) -> list[str]:
    """The rest of a script, with the run filled in and all that it sources in its place."""
    made = []
    for line in lines:
        if "shellcheck" in line or re.search(r"\bsource jobs/|^give ", line):
            continue
        line = re.sub(r"^(options|common)=\(.*", lambda found: f"{found[1]}=({run})", line)
        order = ",".join(map(str, range(components)))
        made.append(re.sub(r"^order=\S*", f"order=${{ORDER:-{order}}}", line))
        if line == "set -euo pipefail":
            made += _shared()
    return made


def _shared() -> list[str]:
    """This environment, and what the scripts in `jobs/` share."""
    folder = jobs_folder()
    bin = shlex.quote(str(Path(sys.executable).parent))
    lines = ["", "# the environment that printed this; what a site wants loaded belongs here"]
    lines += [f"export PATH={bin}:$PATH", f"between={shlex.quote(str(folder / 'rank.py'))}"]
    for name in ("open_mpi.sh", "requeue.sh"):
        _, _, text = (folder / name).read_text().partition("\n\n")
        lines += ["", *text.rstrip().splitlines()]
    return [*lines, ""]
