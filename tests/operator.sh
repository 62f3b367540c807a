#!/usr/bin/env bash
# operator.sh DIR BINARY   install CRDs, roles and policies into the control plane under DIR and start the operator
# there with the token of its own service account; ends when it is ready. A running operator is left alone.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
dir=${1:?usage: operator.sh DIR BINARY} binary=${2:?usage: operator.sh DIR BINARY}
export KUBECONFIG=$dir/kubeconfig
kubectl=$dir/bin/kubectl

running() { [ -s "$dir/operator.pid" ] && [ "$(basename "$(readlink "/proc/$(cat "$dir/operator.pid")/exe" 2>/dev/null)")" = cloudfarm ]; }
address() { sed -n 's/.*address[=":]*\(127[0-9.]*:[0-9]*\).*/\1/p' "$dir/operator.log" | head -n 1; }
ready() { local at; at=$(address); [ -n "$at" ] && curl -sf --max-time 2 "http://$at/readyz" >/dev/null; }

if running && ready; then echo "the operator is already running"; exit 0; fi

"$kubectl" apply --server-side --field-manager=cloudfarm-install -f "$root/crds" >/dev/null
"$kubectl" wait --for=condition=Established -f "$root/crds" >/dev/null
"$binary" manifests --config "$root/charts/cloudfarm/config.yaml" | "$kubectl" apply --server-side --field-manager=cloudfarm-install -f - >/dev/null

token=$("$kubectl" create token cloudfarm --namespace cloudfarm-system --duration 24h)
umask 077
"$kubectl" config view --raw --minify --flatten > "$dir/operator.kubeconfig"
person=$("$kubectl" --kubeconfig "$dir/operator.kubeconfig" config view -o jsonpath='{.contexts[0].context.user}')
own() { "$kubectl" --kubeconfig "$dir/operator.kubeconfig" config "$@" >/dev/null; }
own set-credentials operator --token="$token"
own set-context --current --user=operator
own delete-user "$person" # whatever way that person signs in, the operator has its own rights only

: > "$dir/operator.log"
KUBECONFIG=$dir/operator.kubeconfig NO_COLOR=1 setsid nohup "$binary" --log-format json run \
  --config "$root/charts/cloudfarm/config.yaml" --listen 127.0.0.1:0 --identity "operator-$$" \
  >"$dir/operator.log" 2>&1 </dev/null &
echo $! > "$dir/operator.pid"
for _ in $(seq 1 600); do
  # Its program may not have taken the place of setsid's yet.
  kill -0 "$(cat "$dir/operator.pid")" 2>/dev/null || { echo "the operator ended:"; tail -n 5 "$dir/operator.log"; exit 1; }
  if ready; then echo "the operator is ready: http://$(address)/metrics, log $dir/operator.log"; exit 0; fi
  sleep 0.1
done
echo "the operator did not become ready within 60 s:"; tail -n 5 "$dir/operator.log"; exit 1
