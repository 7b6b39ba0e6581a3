# shellcheck shell=bash
# Sourced by cluster.sh, and part of what `python -m adsp_mpi slurm` prints: the start of the ranks,
# each behind the program $between, and the requeue.

# one torch thread per rank, whatever the nodes offer
export OMP_NUM_THREADS=1

# run_and_requeue FOLDER LAUNCHER... -- [MODULE:FUNCTION] OPTIONS...
run_and_requeue() {
  local folder=$1 code=0 launcher=() stop=USR2
  shift
  while [ "$1" != -- ]; do
    launcher+=("$1")
    shift
  done
  shift
  case "${launcher[0]} $(mpirun --version 2>/dev/null || true)" in
    srun*) launcher+=(--kill-on-bad-exit=0) ;;
    *"Open MPI"*)
      launcher+=(--enable-recovery -n "$SLURM_NTASKS")
      # over TCP a lost connection is an error that ends everybody, but for this
      if [ "${SLURM_JOB_NUM_NODES:-1}" -gt 1 ]; then launcher+=(--with-ft ulfm); fi
      ;;
    *) launcher+=(-disable-auto-cleanup -n "$SLURM_NTASKS") && stop=TERM ;;
  esac
  mkdir -p "$folder"
  echo "job $SLURM_JOB_ID, start ${SLURM_RESTART_COUNT:-0}: the log is $folder/log.txt"
  exec >>"$folder/log.txt" 2>&1
  echo "== $(date +%FT%T) job $SLURM_JOB_ID, start ${SLURM_RESTART_COUNT:-0}, on $SLURM_JOB_NODELIST"
  "${launcher[@]}" python "$between" python -m adsp_mpi "$@" \
    --out "$folder" --resume auto &
  local pid=$! again=yes stopped=
  # a trapped signal interrupts wait: pass it on, then wait again for the exit code; MPICH's mpirun
  # dies of SIGUSR2, srun and Open MPI's end everything on SIGTERM
  trap 'again=yes; stopped=yes; kill "-$stop" "$pid" 2>/dev/null || true' USR2 TERM
  while [ "$again" ]; do
    again=
    code=0
    wait "$pid" || code=$?
  done
  # what a launcher makes of its ranks' exit codes after a signal is its own affair
  if [ "$stopped" ] && [ -d "$folder/checkpoints" ]; then code=3; fi
  echo "== $(date +%FT%T) exit code $code"
  if [ "$code" = 3 ]; then
    scontrol requeue "$SLURM_JOB_ID"
  elif [ "$code" != 0 ] && [ -d "$folder/checkpoints" ]; then
    echo "go on with: --resume $folder"
  fi
  return "$code"
}
