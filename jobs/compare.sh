#!/usr/bin/env bash
# Run every scheme on the same work and print one table, soonest at the target first.
#   bash jobs/compare.sh                        digits, 7 workers, H = 3.2, three seeds
#   bash jobs/compare.sh --max-seconds 60       arguments go to every run, over these settings
#   bash jobs/compare.sh --config my.toml       or --task, --preset: your own settings alone
#   SCHEMES="adsp bsp" SEEDS=1 RANKS=4 bash jobs/compare.sh      which runs, on how many ranks
#   OUT=runs/mine bash jobs/compare.sh          where the runs go; those there are kept
set -euo pipefail
cd "$(dirname "$0")/.."
source jobs/environment.sh
use_local_environment

common=()
give --config --task --preset -- "$@" ||
  common=(--preset quickstart --hetero ratio:3.2 --max-seconds 120)
out=${OUT:-runs/compare}
schemes=${SCHEMES:-adsp adsp-fixed adsp-plus asp ssp wbsp bsp batchtune-bsp adacomm fixed-adacomm
  batchtune-fixed-adacomm}
for seed in ${SEEDS:-1 2 3}; do
  for scheme in $schemes; do
    [ -e "$out/$scheme-$seed/trace.h5" ] && continue
    rm -rf "$out/$scheme-$seed"
    mpirun -n "${RANKS:-8}" python -m adsp_mpi "${common[@]}" "$@" \
      --screen log --sync "$scheme" --seed "$seed" --out "$out/$scheme-$seed"
  done
done
python -m adsp_mpi.analysis compare "$out"/*/
