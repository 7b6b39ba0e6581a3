#!/usr/bin/env bash
# Does the simulator tell the truth? Five settings on real MPI and in virtual time, and one table.
#   bash jobs/fidelity.sh                    digits, 7 workers, three seeds: a quarter of an hour
#   OUT=runs/mine bash jobs/fidelity.sh      where the runs go; those there are kept
# Let nothing else run meanwhile: the real runs are held up by it, the simulated ones are not.
set -euo pipefail
cd "$(dirname "$0")/.."
source jobs/environment.sh
use_local_environment

out=${OUT:-runs/fidelity}
mkdir -p "$out"
cat >"$out/uneven.toml" <<'TOML'
step_time_s = [0.02, 0.025, 0.03, 0.03, 0.04, 0.05, 0.07]
delay_s = [0, 0, 0, 0.2, 0.2, 0.2, 0.2]
[[change]]
jitter = 0.2
[[change]]
straggle = {every_s = 5, for_s = 1, slowdown = 3}
TOML

both() { # SCHEME PROFILE: on MPI and simulated, one run a seed
  local scheme=$1 profile=$2 seed name
  for seed in ${SEEDS:-1 2 3}; do
    name=$out/$scheme-$(basename "$profile" .toml)-$seed
    local options=(--preset quickstart --sync "$scheme" --hetero "$profile" --seed "$seed" --screen log
      --max-seconds 240)
    [ -e "$name-mpi/trace.h5" ] || mpirun -n 8 python -m adsp_mpi "${options[@]}" --out "$name-mpi"
    [ -e "$name-sim/trace.h5" ] ||
      python -m adsp_mpi simulate --workers 7 "${options[@]}" --out "$name-sim"
  done
}

both adsp ratio:2.0
both adsp "$out/uneven.toml"
both asp "$out/uneven.toml"
both fixed-adacomm ratio:3.2
both bsp ratio:2.0
python -m adsp_mpi.analysis fidelity "$out"/*-mpi "$out"/*-sim
