# What the scripts of this folder share; sourced by them, with $here set.
source "$here/../controlplane/lib.sh"

# The node's addresses, in a network namespace of its own.
address=10.99.0.1 address6=fd00:99::1
group_of() { echo "cloudfarm-$(digest <<< "$dir")"; } # the node's cgroup: everything that its pods run in

# Where cgroups are mounted: version 2 in one tree, version 1 in one for each controller.
hierarchies() {
  local folder
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo /sys/fs/cgroup; return; fi
  for folder in /sys/fs/cgroup/*/; do [ ! -e "${folder}cgroup.procs" ] || [ -L "${folder%/}" ] || echo "${folder%/}"; done
}
