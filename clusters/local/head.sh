#!/usr/bin/env bash
# A Ray head in the foreground; Ctrl-C (or SIGTERM to this pid) ends it and nothing else.
# Usage: RAY_AUTH_TOKEN=... clusters/local/head.sh [IP [more `ray start` flags]]
set -euo pipefail

: "${RAY_AUTH_TOKEN:?set it to the secret of the cluster, for example the output of openssl rand -hex 32}"
ip="${1:-127.0.0.1}"
shift || true

export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 RAY_worker_niceness=0
export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0 # otherwise ending a busy head takes 30 s
if [[ "$ip" == 127.0.0.1 ]]; then
  export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 # otherwise Ray listens on the outer address as well
fi
unset RAY_ADDRESS RAY_API_SERVER_ADDRESS RAY_REDIS_ADDRESS # of another cluster
temporary="${TMPDIR:-/tmp}"
if ((${#temporary} > 38)); then
  export TMPDIR=/tmp # sockets lie below it, and their paths may have 107 bytes
fi
exec ray start --head --block --node-ip-address "$ip" --port "${PORT:-6379}" \
  --dashboard-host 127.0.0.1 --dashboard-port "${DASHBOARD_PORT:-8265}" \
  --min-worker-port 0 --max-worker-port 0 --disable-usage-stats "$@"
