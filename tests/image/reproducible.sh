#!/usr/bin/env bash
# reproducible.sh [PROFILE]   build the image of the last commit twice, in two folders with nothing in common; compare digests
#
# About four minutes each on two idle cores for PROFILE release, the default. What is not committed is not built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for copy in one another/and-deeper; do
  mkdir -p "$work/$copy"
  git archive HEAD | tar -x -C "$work/$copy"
  echo "building in $work/$copy" >&2
  (cd "$work/$copy" && SOURCE_DATE_EPOCH=$(git -C "$OLDPWD" log -1 --format=%ct) tests/image/build.sh "${1:-release}" "$work/$copy/out" >&2)
done
one=$(<"$work/one/out/digest") another=$(<"$work/another/and-deeper/out/digest")
if [ "$one" != "$another" ]; then echo "not reproducible: $one and $another" >&2; exit 1; fi
cmp "$work/one/out/cloudfarm.tar" "$work/another/and-deeper/out/cloudfarm.tar"
echo "the same image both times: $one"
