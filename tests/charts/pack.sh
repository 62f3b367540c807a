#!/usr/bin/env bash
# pack.sh DIR [IMAGE DIGEST]   pack both charts as DIR/<chart>-<version>.tgz: the same bytes from the same files, whoever
# packs. A release names its image, so that nobody has to look its digest up.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
mkdir -p "${1:?usage: pack.sh DIR [IMAGE DIGEST]}"
to=$(cd "$1" && pwd -P)
helm=$("$root/tests/controlplane/build.sh" charts)/helm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HELM_CACHE_HOME=$work/cache HELM_CONFIG_HOME=$work/config HELM_DATA_HOME=$work/data

for chart in cloudfarm cloudfarm-crds; do
  # helm decides what belongs to a chart; it also writes today's date into the archive.
  "$helm" package "$root/charts/$chart" --destination "$work" >/dev/null
  packed=$(basename "$work/$chart"-[0-9]*.tgz)
  tar -C "$work" -xzf "$work/$packed"
  if [ $# = 3 ] && [ "$chart" = cloudfarm ]; then
    sed -i "0,/^  repository: \"\"/s||  repository: \"$2\"|; 0,/^  digest: \"\"/s||  digest: \"$3\"|" "$work/$chart/values.yaml"
    grep -qF "$2" "$work/$chart/values.yaml" && grep -qF "$3" "$work/$chart/values.yaml"
  fi
  tar -C "$work" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --format=gnu -cf - "$chart" | gzip -9n > "$to/$packed"
  echo "$to/$packed"
done
