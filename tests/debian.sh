#!/usr/bin/env bash
# debian.sh PACKAGE=FILE...   install from Debian, once, each package whose program or folder is not there
#
# Tests that run side by side ask for the same at once, so they take turns; whoever waited looks again. Other people's
# apt-get is waited for, too.
set -euo pipefail
exec 9>"${TMPDIR:-/tmp}/cloudfarm-debian.lock"
flock 9
missing=()
for need in "$@"; do
  [ -x "${need#*=}" ] || missing+=("${need%%=*}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
echo "installing from Debian, once: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
for _ in $(seq 60); do
  if said=$({ apt-get update && apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"; } 2>&1 >/dev/null); then
    exit 0
  fi
  # The lock on the lists has no timeout of its own.
  [[ $said == *"Could not get lock"* ]] || break
  sleep 5
done
echo "$said" >&2
echo "apt-get could not install it; a Debian 12 with root and a package mirror is needed" >&2
exit 1
