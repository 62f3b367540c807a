#!/usr/bin/env bash
# crds.sh DIR SET...   install neighbours' CRDs (kubevirt: its common instance types, too) into the running plane under
# DIR, also later than its start; DIR may be named by its kubeconfig. Sets: see all_sets and more_sets in lib.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$here/lib.sh"
dir=${1:?usage: crds.sh DIR SET...}; shift
[ -d "$dir" ] || dir=$(dirname "$dir")
dir=$(cd "$dir" && pwd -P)
neighbours=$("$here/neighbours.sh")

files=()
for set in "$@"; do
  case " $all_sets $more_sets " in *" $set "*) files+=(-f "$neighbours/$set") ;; *) echo "no such set of CRDs: $set (there are: $all_sets $more_sets)" >&2; exit 2 ;; esac
done
[ ${#files[@]} -gt 0 ] || exit 0
# server-side: some are too big for the annotation that a plain apply leaves
kubectl apply --server-side --force-conflicts "${files[@]}" >/dev/null
kubectl wait --for=condition=Established --timeout=60s "${files[@]}" >/dev/null
case " $* " in *" kubevirt "*) kubectl apply --server-side --force-conflicts -f "$neighbours/instancetypes" >/dev/null ;; esac

touch "$dir/crds"
echo "$(cat "$dir/crds") $*" | xargs -n 1 | sort -u | xargs > "$dir/crds.new"
mv "$dir/crds.new" "$dir/crds"
case " $* " in *" kubevirt "*|*" cdi "*) ;; *) exit 0 ;; esac # only these have stand-ins
if alive kwok; then
  mkdir -p "$dir/log"
  stop kwok
  start_kwok "$neighbours"
fi
