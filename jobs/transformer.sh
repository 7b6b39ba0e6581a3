#!/usr/bin/env bash
# One training loop in four ways, and their losses in one picture: the transformer example under
# mpirun, on three hosts over TCP, killed and resumed, and in virtual time. Ten minutes, MPICH.
#   bash jobs/transformer.sh                 as root with iproute2: the hosts are network namespaces
#   OUT=runs/mine bash jobs/transformer.sh   where runs and picture go; runs that are there are kept
set -euo pipefail
cd "$(dirname "$0")/.."
source jobs/environment.sh
use_environment .venv mpich analysis

out=$(realpath -m "${OUT:-runs/transformer}")
mkdir -p "$out"
train=(adsp_mpi.examples.byte_transformer:train --hetero ratio:3 --set hetero.step_time_s=0.1
  --max-seconds 120 --set checkpoint.period_s=20 --screen log)
ranks=5

first() { [ ! -e "$out/$1/trace.h5" ]; } # RUN: whether it is still to be made

family() { # PID: it and all its descendants
  local child
  echo "$1"
  for child in $(pgrep -P "$1"); do family "$child"; done
}

if first mpirun; then
  mpirun -n $ranks python -m adsp_mpi "${train[@]}" --out "$out/mpirun"
fi

if first three-hosts; then
  bash tests/cluster/hosts.sh up 3
  trap 'bash tests/cluster/hosts.sh down' EXIT
  ip netns exec t1 unshare --uts bash -c 'hostname t1; "$@"' - \
    "$(command -v mpirun)" -launcher ssh -launcher-exec "$PWD/tests/cluster/hosts.sh" \
    -hosts 10.77.0.1,10.77.0.2,10.77.0.3 -ppn 2 -genv UCX_TLS tcp,self -n $ranks \
    "$(command -v python)" -m adsp_mpi "${train[@]}" --out "$out/three-hosts"
  trap - EXIT
  bash tests/cluster/hosts.sh down
fi

if first resumed; then
  if [ ! -e "$out/resumed" ]; then
    mpirun -n $ranks python -m adsp_mpi "${train[@]}" --out "$out/resumed" &
    sleep 75
    # shellcheck disable=SC2046
    kill -KILL $(family $!)
    wait $! || true
    cp -r "$out/resumed" "$out/killed"
    python -m adsp_mpi.analysis merge --force "$out/killed"
  fi
  mpirun -n $ranks python -m adsp_mpi "${train[@]}" --resume "$out/resumed"
fi

if first virtual-time; then
  python -m adsp_mpi simulate "${train[@]}" --workers $((ranks - 1)) --out "$out/virtual-time"
fi

python -m adsp_mpi.analysis plot "$out"/{mpirun,three-hosts,virtual-time,resumed,killed} \
  --figure loss --x time_s --x steps --width 6 -o "$out/transformer.png"
