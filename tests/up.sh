#!/usr/bin/env bash
# up.sh DIR   a control plane and the operator, left running; idempotent; ends when the operator is ready
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
mkdir -p "${1:?usage: up.sh DIR}"
dir=$(cd "$1" && pwd)

cd "$root"
echo "building cloudfarm (about 2 minutes the first time)"
cargo build --locked --quiet --bin cloudfarm
"$here/controlplane/up.sh" "$dir"
"$here/operator.sh" "$dir" "$root/target/debug/cloudfarm"
echo
echo "export KUBECONFIG=$dir/kubeconfig"
