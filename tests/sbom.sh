#!/usr/bin/env bash
# sbom.sh OUT.json   what is in the program: a CycloneDX 1.5 bill of materials of what Cargo.lock builds into it
#
# The same sources give the same bytes: the generator's random number becomes a digest of the content, its time
# SOURCE_DATE_EPOCH (0 if unset), and the folder of the checkout is left out.
set -euo pipefail
out=${1:?usage: sbom.sh OUT.json}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v jq >/dev/null || { echo "jq is needed: apt-get install -y jq" >&2; exit 1; }
cyclonedx=$(tests/cargo-tool.sh cargo-cyclonedx 0.5.7)
target=$(rustc -vV | sed -n 's/^host: //p')
trap 'rm -f cloudfarm_bin.cdx.json' EXIT
"$cyclonedx" cyclonedx --quiet --format json --describe binaries --spec-version 1.5 --target "$target"
mkdir -p "$(dirname "$out")"
plain=$(jq --arg here "path+file://$PWD" --arg time "$(date -u -d "@${SOURCE_DATE_EPOCH:-0}" +%Y-%m-%dT%H:%M:%SZ)" \
  'del(.serialNumber) | .metadata.timestamp = $time | walk(if type == "string" then split($here) | join("path+file:///cloudfarm") else . end)' cloudfarm_bin.cdx.json)
hash=$(sha256sum <<<"$plain")
jq --arg serial "urn:uuid:${hash:0:8}-${hash:8:4}-8${hash:13:3}-8${hash:17:3}-${hash:20:12}" '{bomFormat, specVersion, serialNumber: $serial} + .' <<<"$plain" > "$out"
echo "$out: $(jq '.components | length' "$out") components"
