#!/usr/bin/env bash
# owner.sh DIR PID [DOWN]   stop the plane under DIR and remove its data as soon as the process PID is gone; DOWN is the
# script that does it, down.sh of this folder if none is given
#
# A test runner that is killed outright cannot clean up after itself. up.sh starts this one before any server.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
since() { # PID   when it was started, in ticks; nothing for a zombie or no process: a process id alone is used again
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  set -- ${stat##*) }
  [ "$1" = Z ] || echo "${20}"
}
born=$(since "$2")
while [ -n "$born" ] && [ "$(since "$2")" = "$born" ]; do sleep 0.5; done
"${3:-$here/down.sh}" "$1" --wipe
