#!/usr/bin/env bash
# A Slurm of two nodes on this one machine, in the folder $1; "down" stops it. Needs root and Slurm.
#   bash tests/cluster/slurm.sh up FOLDER      export SLURM_CONF=FOLDER/slurm.conf to use it
#   bash tests/cluster/slurm.sh down FOLDER
set -euo pipefail
action=$1
folder=$2
nodes=2
first_port=18001

if [ "$action" = down ]; then
  xargs -r kill <"$folder/pids" || true
  exit 0
fi

host=$(hostname -s)
mkdir -p "$folder/state" "$folder/spool" /run/munge
chown munge: /run/munge
munge -n >/dev/null 2>&1 || runuser -u munge -- munged
cat >"$folder/slurm.conf" <<CONF
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=18000
AuthType=auth/munge
CredType=cred/munge
AuthInfo=cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmUser=root
SlurmdUser=root
SlurmdParameters=config_overrides
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
NodeName=t[1-$nodes] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$first_port-$((first_port + nodes - 1))] CPUs=8 RealMemory=2000
PartitionName=all Nodes=t[1-$nodes] Default=YES MaxTime=10 OverSubscribe=YES
CONF
export SLURM_CONF=$folder/slurm.conf
setsid nohup slurmctld -D >"$folder/slurmctld.log" 2>&1 </dev/null &
echo $! >"$folder/pids"
sleep 1
for node in $(seq "$nodes"); do
  setsid nohup slurmd -D -N "t$node" >"$folder/slurmd.$node.log" 2>&1 </dev/null &
  echo $! >>"$folder/pids"
done
for _ in $(seq 60); do
  [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = "$nodes" ] && exit 0
  sleep 0.5
done
cat "$folder"/*.log >&2
exit 1
