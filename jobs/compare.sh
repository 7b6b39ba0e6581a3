#!/usr/bin/env bash
# Run every synchronization scheme on the same work and print one table, soonest at the target first.
#   bash jobs/compare.sh                                  digits, 7 workers, H = 3.2, three seeds
#   MODELS="adsp bsp" SEEDS=1 bash jobs/compare.sh --task my_task:factory   these arguments and no others go to every run
#   OUT=runs/mine bash jobs/compare.sh                    where the runs go; those there are kept
set -euo pipefail
cd "$(dirname "$0")/.."
source jobs/environment.sh
use_local_environment

common=()
[ $# -gt 0 ] || common=(--preset quickstart --hetero ratio:3.2 --max-seconds 120)
out=${OUT:-runs/compare}
models=${MODELS:-adsp adsp-fixed adsp-plus asp ssp wbsp bsp batchtune-bsp adacomm fixed-adacomm batchtune-fixed-adacomm}
for seed in ${SEEDS:-1 2 3}; do
  for model in $models; do
    [ -e "$out/$model-$seed/trace.h5" ] && continue
    rm -rf "$out/$model-$seed"
    mpirun -n "${RANKS:-8}" python -m adsp_mpi "${common[@]}" "$@" \
      --screen log --sync "$model" --seed "$seed" --out "$out/$model-$seed"
  done
done
python -m adsp_mpi.analysis compare "$out"/*/
