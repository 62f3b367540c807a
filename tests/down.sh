#!/usr/bin/env bash
# down.sh DIR   stop the operator and the control plane under DIR and remove their data
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -d "${1:?usage: down.sh DIR}" ] || exit 0
dir=$(cd "$1" && pwd)

if [ -s "$dir/operator.pid" ]; then
  pid=$(cat "$dir/operator.pid")
  # Process ids are used again: only what still is our program is stopped.
  if [ "$(basename "$(readlink "/proc/$pid/exe" 2>/dev/null | sed 's/ (deleted)$//')")" = cloudfarm ]; then
    kill "$pid"
    for _ in $(seq 1 300); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
    echo "operator stopped"
  fi
  rm -f "$dir/operator.pid"
fi
"$here/controlplane/down.sh" "$dir" --wipe
