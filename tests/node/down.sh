#!/usr/bin/env bash
# down.sh DIR [--wipe]   end the node under DIR and everything on it, and remove its cgroups; --wipe removes its data, too
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
[ -d "${1:?usage: down.sh DIR [--wipe]}" ] || exit 0
dir=$(cd "$1" && pwd -P)
source "$here/lib.sh"

stop_operators
# With it ends the first process of the namespaces, with that every other, and then nothing holds network and mounts any
# more. It would not listen to anything else than KILL.
! alive node || kill -KILL "$(<"$dir/pid/node")"
left() { for hierarchy in $(hierarchies); do find "$hierarchy/$(group_of)" -depth -type d -exec rmdir {} \; ; done 2>/dev/null; }
for _ in {1..100}; do
  left
  found=; for hierarchy in $(hierarchies); do [ ! -d "$hierarchy/$(group_of)" ] || found=1; done
  [ -n "$found" ] || break
  sleep 0.1
done
[ -z "$found" ] || echo "cgroups $(group_of) are still in use" >&2
echo "the node is stopped"
# last, as it may be the one that runs this
stop owner
[ "${2:-}" != --wipe ] || { "$here/../controlplane/rights.sh" "$dir"; rm -rf "$dir"; }
