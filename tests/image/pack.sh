#!/usr/bin/env bash
# pack.sh ROOT OUT.tar NAME USER ENTRYPOINT...   the folder ROOT as an OCI image of one layer, without a container engine
#
# Prints the digest of the image's manifest. The same files give the same bytes, whoever packs them and when: entries
# are sorted, belong to nobody and have no time but SOURCE_DATE_EPOCH (seconds since 1970, 0 if unset).
set -euo pipefail
root=${1:?usage: pack.sh ROOT OUT.tar NAME USER ENTRYPOINT...} out=$2 name=$3 user=$4; shift 4
epoch=${SOURCE_DATE_EPOCH:-0}
case $(uname -m) in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  *) echo "no image for $(uname -m)" >&2; exit 1 ;;
esac
part=$(mktemp -d "$out.part.XXXXXX")
trap 'rm -rf "$part"' EXIT
blobs=$part/layout/blobs/sha256
mkdir -p "$blobs"

archive() { # FOLDER
  tar --create --directory "$1" --format=ustar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    $(ls -A "$1")
}
hash() { sha256sum "$1" | cut -c1-64; }
keep() { # FILE   as a blob; prints its digest
  local digest; digest=$(hash "$1")
  mv "$1" "$blobs/$digest"
  echo "sha256:$digest"
}
descriptor() { # TYPE DIGEST
  printf '{"mediaType":"application/vnd.oci.image.%s","digest":"%s","size":%d}' "$1" "$2" "$(stat -c %s "$blobs/${2#*:}")"
}

archive "$root" > "$part/layer"
unpacked=sha256:$(hash "$part/layer")
gzip --no-name "$part/layer"
layer=$(keep "$part/layer.gz")

entrypoint=$(printf ',"%s"' "$@")
printf '{"created":"%s","architecture":"%s","os":"linux","config":{"User":"%s","Entrypoint":[%s],"WorkingDir":"/"},"rootfs":{"type":"layers","diff_ids":["%s"]}}' \
  "$(date --utc --date="@$epoch" +%Y-%m-%dT%H:%M:%SZ)" $architecture "$user" "${entrypoint#,}" "$unpacked" > "$part/config"
config=$(keep "$part/config")
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}' \
  "$(descriptor config.v1+json "$config")" "$(descriptor layer.v1.tar+gzip "$layer")" > "$part/manifest"
manifest=$(keep "$part/manifest")

printf '{"imageLayoutVersion":"1.0.0"}' > "$part/layout/oci-layout"
found=$(descriptor manifest.v1+json "$manifest")
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s,"platform":{"architecture":"%s","os":"linux"},"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"%s"}}]}' \
  "${found%\}}" $architecture "$name" "${name##*:}" > "$part/layout/index.json"
archive "$part/layout" > "$part/image.tar"
mv "$part/image.tar" "$out"
echo "$manifest"
