#!/usr/bin/env bash
# A head and N more Ray nodes on this one machine, to try what several nodes do; Ctrl-C (or SIGTERM to this pid)
# ends exactly these processes. The dashboard is on loopback; the rest listens on the machine's address as well (Ray
# refuses several nodes on loopback alone), where the token keeps strangers out.
# Usage: RAY_AUTH_TOKEN=... [CPUS=1] [PORT=6379] [DASHBOARD_PORT=8265] clusters/local/nodes.sh N
set -euo pipefail

: "${RAY_AUTH_TOKEN:?set it to the secret of the cluster, for example the output of openssl rand -hex 32}"
count="${1:?how many worker nodes? for example: clusters/local/nodes.sh 2}"
[[ "$count" =~ ^[1-9][0-9]?$ ]] || { echo "nodes.sh: '$count' worker nodes (allowed: 1 to 99)" >&2; exit 2; }
cpus="${CPUS:-1}"
port="${PORT:-6379}"
dashboard_port="${DASHBOARD_PORT:-8265}"

export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 RAY_worker_niceness=0
export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0 # otherwise ending a busy node takes 30 s
unset RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER
unset RAY_ADDRESS RAY_API_SERVER_ADDRESS RAY_REDIS_ADDRESS # of another cluster

temporary="${TMPDIR:-/tmp}"
if ((${#temporary} > 26)); then
  export TMPDIR=/tmp temporary=/tmp # sockets lie below it, and their paths may have 107 bytes
fi
folder="$(mktemp -d "$temporary/nodes-XXXXXX")"
pids=()

finish() {
  trap '' INT TERM
  # Workers first: a node whose head is gone keeps looking for it.
  if ((${#pids[@]} > 1)); then
    kill -TERM "${pids[@]:1}" 2>/dev/null || true
    wait "${pids[@]:1}" 2>/dev/null || true
  fi
  if ((${#pids[@]} > 0)); then
    kill -TERM "${pids[0]}" 2>/dev/null || true
    wait "${pids[0]}" 2>/dev/null || true
  fi
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start NAME FLAGS...: one node with its own log, agent ports and folder. Nodes that share a folder delete each other's
# working directories, and can choose the same socket. In a session of its own: Ctrl-C in the terminal
# reaches this script alone, which ends the nodes in order.
start() {
  local name="$1" number="${#pids[@]}"
  shift
  setsid ray start --block --disable-usage-stats \
    --min-worker-port 0 --max-worker-port 0 \
    --dashboard-agent-listen-port "$((port + 1 + 2 * number))" \
    --metrics-export-port "$((port + 2 + 2 * number))" \
    --temp-dir "$folder/$number" "$@" >"$folder/$name" 2>&1 &
  pids+=("$!")
}

# fail NAME: a node ended by itself; say why.
fail() {
  echo "nodes.sh: $1 ended:" >&2
  tail -n 5 "$folder/$1" >&2
  exit 1
}

# await NAME NUMBER: until the node says that it is up.
await() {
  local pid="${pids[$2]}" since="$SECONDS"
  until grep -qs "Ray runtime started" "$folder/$1"; do
    kill -0 "$pid" 2>/dev/null || fail "$1"
    if ((SECONDS - since > ${START_SECONDS:-120})); then
      echo "nodes.sh: $1 is not up after ${START_SECONDS:-120} s:" >&2
      tail -n 5 "$folder/$1" >&2
      exit 1
    fi
    sleep 0.5
  done
}

start head --head --num-cpus 0 --port "$port" --dashboard-host 127.0.0.1 --dashboard-port "$dashboard_port"
await head 0
# One after another: starting is what costs most.
for ((n = 1; n <= count; n++)); do
  start "worker-$n" --address "127.0.0.1:$port" --num-cpus "$cpus"
  await "worker-$n" "$n"
done
echo "head and $count worker nodes with $cpus CPUs each; jobs: http://127.0.0.1:$dashboard_port (Ctrl-C ends them)"

while true; do
  for i in "${!pids[@]}"; do
    kill -0 "${pids[i]}" 2>/dev/null || fail "$([[ $i == 0 ]] && echo head || echo "worker-$i")"
  done
  sleep 1
done
