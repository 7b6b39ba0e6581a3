#!/usr/bin/env bash
# Hosts with their own addresses on this machine (network namespaces on a bridge).
#   hosts.sh up N            hosts t1..tN at 10.77.0.1..N
#   hosts.sh limit I RATE    what host I sends, such as 20mbit
#   hosts.sh down
#   hosts.sh [options] ADDRESS COMMAND...    what an MPI launcher calls in place of ssh
# Needs root and iproute2.
set -euo pipefail
bridge=adsptest0

case ${1:-} in
  up)
    ip link add $bridge type bridge
    ip link set $bridge up
    for i in $(seq "$2"); do
      ip netns add "t$i"
      ip link add "adspt$i" type veth peer name e0 netns "t$i"
      ip link set "adspt$i" master $bridge
      ip link set "adspt$i" up
      ip -n "t$i" addr add "10.77.0.$i/24" dev e0
      ip -n "t$i" link set e0 up
      ip -n "t$i" link set lo up
    done
    ;;
  limit)
    ip netns exec "t$2" tc qdisc add dev e0 root tbf rate "$3" burst 64kbit latency 400ms
    ;;
  down)
    for host in $(ip netns list | awk '/^t[0-9]+/{print $1}'); do ip netns del "$host"; done
    # a host whose processes still live keeps its end of the link
    for link in $(ip -o link | grep -o 'adspt[0-9]*@' | tr -d @); do ip link del "$link" 2>/dev/null || true; done
    ip link del $bridge 2>/dev/null || true
    ;;
  *)
    while [[ ${1:-} == -* ]]; do shift; done
    host=t${1##*.}
    shift
    exec ip netns exec "$host" unshare --uts bash -c "hostname $host; $*"
    ;;
esac
