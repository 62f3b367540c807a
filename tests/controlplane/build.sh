#!/usr/bin/env bash
# build.sh MODULE...   build the pinned Go tools of tools/MODULE into the cache, once; print each one's folder. A MODULE
# with a package-lock.json is installed by npm instead.
#
# The cache is keyed by the module's files and by how they are compiled, so a new pin is a new folder and an old
# checkout still finds its own. Nothing is written into the checkout.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$here/lib.sh"

about() { # what a first build costs on two cores, from a run on such a machine
  case $1 in
    kubernetes) echo "kube-apiserver, kube-controller-manager, kube-scheduler and kubectl 1.37.2: about 4 minutes" ;;
    etcd) echo "etcd 3.7.3: about 1 minute" ;;
    kwok) echo "kwok 0.8.0: about 2 minutes" ;;
    kubevirt) echo "the generator of KubeVirt 1.9.0's CRDs: about 3 minutes" ;;
    kubevirt-servers) echo "KubeVirt's virt-api and virt-controller 1.9.0: about 7 minutes" ;;
    charts) echo "helm 4.3.1 and kubeconform 0.8.0: about 4 minutes" ;;
    helm-docs) echo "helm-docs 1.14.2: about 1 minute" ;;
    gitops) echo "Flux's kustomize-controller 1.9.6: about 4 minutes" ;;
    mailpit) echo "mailpit 1.27.11: about 2 minutes" ;;
    node) echo "kubelet and kube-proxy 1.37.2, kube-router's policy controller 2.2.1: about 3 minutes" ;;
    oidc) echo "the OpenID provider oidc-provider 9.13.3, from npm: about 10 s" ;;
    oracle) echo "cyclonus 0.5.6, the judge of network policies: about 4 minutes" ;;
    *) echo "$1: some minutes" ;;
  esac
}

arguments() { # MODULE   of `go build`, in the module's folder
  local small='-s -w' version=k8s.io/component-base/version
  # Without these discovery says v0.0.0-master and clients that look at it go astray.
  local kubernetes="$small -X $version.gitMajor=1 -X $version.gitMinor=37 -X $version.gitVersion=v1.37.2 -X $version.gitCommit=module -X $version.gitTreeState=clean"
  case $1 in
    kubernetes) arguments=(-ldflags "$kubernetes" tool) ;;
    node) arguments=(-ldflags "$kubernetes" tool ./policies) ;;
    etcd) arguments=(-ldflags "$small" go.etcd.io/etcd/server/v3) ;;
    kwok) arguments=(-ldflags "$small -X sigs.k8s.io/kwok/pkg/consts.Version=v0.8.0" tool) ;;
    charts|helm-docs|gitops|mailpit) arguments=(-ldflags "$small" tool) ;;
    kubevirt-servers) arguments=(-ldflags "$small -X kubevirt.io/client-go/version.gitVersion=v1.9.0" tool ./installation) ;;
    *) arguments=(-ldflags "$small" .) ;;
  esac
}

# What npm installs is pinned by its lock file, with the digest of each package; nothing of it runs at the installation.
install_packages() { # MODULE
  local folder=$here/tools/$1 done
  for tool in node npm; do
    command -v $tool >/dev/null || { echo "$tool is needed for the OpenID provider of tests/oidc.rs: Node.js 20 or newer with npm (https://nodejs.org)" >&2; exit 1; }
  done
  done=$cache/$1-$(cat "$folder"/package*.json | digest)
  if [ ! -d "$done" ]; then
    exec 9>"$cache/$1.lock"; flock 9
    if [ ! -d "$done" ]; then
      echo "installing $(about "$1") (kept in $cache)" >&2
      rm -rf "$done.part"; mkdir -p "$done.part"
      cp "$folder"/package*.json "$done.part/"
      (cd "$done.part" && npm ci --ignore-scripts --no-audit --no-fund) >&2
      mv "$done.part" "$done"
    fi
    exec 9>&-
  fi
  echo "$done"
}

command -v go >/dev/null || { echo "go 1.26 or newer is needed to build the control plane (https://go.dev/dl)" >&2; exit 1; }
mkdir -p "$cache"
for module in "$@"; do
  folder=$here/tools/$module
  if [ -s "$folder/package-lock.json" ]; then install_packages "$module"; continue; fi
  [ -s "$folder/go.mod" ] || { echo "no such tool module: $module" >&2; exit 2; }
  arguments "$module"
  # The stubs of one module serve another one, too.
  beside=$(sed -n 's#^\t.* => \(\.\./[a-z]*/stubs\)/.*#\1#p' "$folder/go.mod" | sort -u)
  key=$( (cd "$folder" && find . $beside -type f | LC_ALL=C sort | xargs cat; echo "${arguments[@]}") | digest)
  done=$cache/$module-$key
  if [ ! -d "$done" ]; then
    exec 9>"$cache/$module.lock"; flock 9   # two checkouts may ask at once
    if [ ! -d "$done" ]; then
      echo "building $(about "$module") (kept in $cache)" >&2
      rm -rf "$done.part"; mkdir -p "$done.part"
      (cd "$folder" && CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off go build -o "$done.part/" "${arguments[@]}") >&2
      [ "$module" != etcd ] || mv "$done.part/server" "$done.part/etcd"
      mv "$done.part" "$done"
    fi
    exec 9>&-
  fi
  echo "$done"
done
