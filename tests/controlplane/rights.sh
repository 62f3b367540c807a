#!/usr/bin/env bash
# rights.sh DIR   keep which rights the plane under DIR saw in use, in the folder that CLOUDFARM_RIGHTS names
#
# The audit log says of each request by which role it was allowed. One line per kind of request: verb, status code, what
# it was about (JSON; with the object's name only where a Role allowed it, which may be about one name), binding, kind and
# name of the role, role that was bound (if it was about a binding). tests/least_rights.rs reads them.
set -euo pipefail
dir=${1:?usage: rights.sh DIR}
[ -n "${CLOUDFARM_RIGHTS:-}" ] && [ -s "$dir/audit.log" ] || exit 0
mkdir -p "$CLOUDFARM_RIGHTS"
name=$(basename "$dir")
# shellcheck disable=SC2016
awk '
function first(pattern, from, upto) { return match($0, pattern) ? substr($0, RSTART + from, RLENGTH - from - upto) : "" }
/RBAC: allowed by [A-Za-z]+ \\"[^"]*\\" of (Cluster)?Role \\"cloudfarm/ {
  about = first("\"objectRef\":\\{[^}]*\\}", 12, 0)
  why = first("RBAC: allowed by [A-Za-z]+ \\\\\"[^\"]*\\\\\" of (Cluster)?Role \\\\\"[^\"]*\\\\\"", 0, 0)
  split(why, word, "\\\\\"")
  kind = why; sub(/^.* of /, "", kind); sub(/ .*$/, "", kind)
  gsub(/"(namespace|uid|resourceVersion|apiVersion)":"[^"]*",?/, "", about)
  if (kind != "Role") gsub(/"name":"[^"]*",?/, "", about)
  sub(/,\}$/, "}", about)
  bound = first("\"roleRef\":\\{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"[^\"]*\"", 0, 1)
  sub(/^.*"/, "", bound)
  print first("\"verb\":\"[a-z]+\"", 8, 1) "\t" first("\"code\":[0-9]+", 7, 0) "\t" about "\t" word[2] "\t" kind "\t" word[4] "\t" bound
}' "$dir/audit.log" | sort -u > "$CLOUDFARM_RIGHTS/$name"
