#!/usr/bin/env bash
# storage.sh DIR   take the volumes of the running plane under DIR away from kwok, for good: another plays the provisioner
#
# kwok's own stages bind a claim at once to a volume that nothing keeps, and drop that volume while its claim is still
# there. Tests about volumes need one that can be kept, retained, late or stuck: tests/support/storage/.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$here/lib.sh"
dir=$(cd "${1:?usage: storage.sh DIR}" && pwd -P)
[ ! -e "$dir/foreign-storage" ] || exit 0
touch "$dir/foreign-storage"
stop kwok
start_kwok "$("$here/neighbours.sh")"
