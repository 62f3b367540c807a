#!/usr/bin/env bash
# version.sh VERSION [--notes]   program, charts and changelog are of this version; with --notes what the changelog says
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version=${1:?usage: version.sh VERSION [--notes]}
program=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
[ "$program" = "$version" ] || { echo "Cargo.toml: version is $program, not $version" >&2; exit 1; }
for chart in charts/*/Chart.yaml; do
  for field in version appVersion; do
    said=$(sed -n "s/^$field: \"\?\([^\"]*\)\"\?$/\1/p" "$chart")
    [ "$said" = "$version" ] || { echo "$chart: $field is $said, not $version" >&2; exit 1; }
  done
done
notes=$(awk -v version="$version" '/^## /{on = index($0, "[" version "]") > 0; next} on' CHANGELOG.md)
[ -n "$notes" ] || { echo "CHANGELOG.md: no part [$version]" >&2; exit 1; }
[ "${2:-}" != --notes ] || echo "$notes"
