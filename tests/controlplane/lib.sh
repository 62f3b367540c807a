# What the scripts of this folder share; sourced by them, with $here set.
cache=${CLOUDFARM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cloudfarm}/testbed
all_sets="kubevirt cdi snapshot multus networkpolicy multinetworkpolicy certmanager openreports prometheus"
more_sets="flux ovn velero" # only where a test asks for them

digest() { sha256sum | cut -c1-16; }

# ---- processes of the plane under $dir: their ids are in $dir/pid/NAME
#
# Process ids are used again, and a stale DIR may name a process of another plane: only one that was started from
# this DIR counts as ours.
alive() { # NAME
  local process words=()
  [ -s "$dir/pid/$1" ] && process=$(<"$dir/pid/$1") || return 1
  { mapfile -d '' -t words < "/proc/$process/cmdline"; } 2>/dev/null || return 1
  case $1 in
    owner) [[ ${words[1]:-} == */owner.sh && ${words[2]:-} = "$dir" ]] ;;
    node) [[ ${words[*]:-} == "unshare "*"/inside.sh $dir" ]] ;;
    # An operator that a test started; its program is not of this DIR, what it talks to is.
    operator@*) grep -qzF "KUBECONFIG=$dir/" "/proc/$process/environ" 2>/dev/null ;;
    *) [ "${words[0]:-}" = "$dir/bin/$1" ] ;;
  esac
}

start() { # NAME COMMAND...   in a session of its own, so a Ctrl-C at the terminal is for the scripts alone
  local name=$1 interrupted=; shift
  alive "$name" && return
  # An interruption is held back until the process can be recognised, or down.sh would overlook it.
  trap interrupted=1 INT TERM
  setsid "$@" >"$dir/log/$name.log" 2>&1 </dev/null 8>&- 9>&- &
  echo $! > "$dir/pid/$name"
  until alive "$name"; do kill -0 $! 2>/dev/null || break; sleep 0.01; done
  trap 'exit 130' INT TERM
  [ -z "$interrupted" ] || exit 130
}

stop() { # NAME
  local process n
  if alive "$1"; then
    process=$(<"$dir/pid/$1")
    kill "$process"
    for n in {1..100}; do alive "$1" || break; sleep 0.05; done
    ! alive "$1" || kill -9 "$process"
  fi
  rm -f "$dir/pid/$1"
}

stop_operators() { # every one that a test started for the plane
  local each
  for each in "$dir"/pid/operator@*; do [ ! -e "$each" ] || stop "${each##*/}"; done
}

wait_for() { # NAME COMMAND...   until the command succeeds, 120 s at most, or the process NAME has ended
  local name=$1 end=$((SECONDS + 120)) why=; shift
  until "$@" >/dev/null 2>&1; do
    if ! alive "$name"; then why="$name ended"; elif [ $SECONDS -ge $end ]; then why="$name was not ready within 120 s"; fi
    [ -z "$why" ] || { echo "$why:"; tail -n 5 "$dir/log/$name.log"; exit 1; } >&2
    sleep 0.1
  done
}

kubectl() { "$dir/bin/kubectl" --kubeconfig "$dir/kubeconfig" "$@"; }

# ---- certificates and kubeconfigs in $pki; the API server listens on $api

ca() { # NAME CN
  [ -s "$pki/$1.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$2" \
    -keyout "$pki/$1.key" -out "$pki/$1.crt" -addext basicConstraints=critical,CA:TRUE \
    -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature 2>/dev/null
}
cert() { # NAME CA SUBJECT [SANS]
  [ -s "$pki/$1.crt" ] && return
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$3" -keyout "$pki/$1.key" -out "$pki/$1.csr" 2>/dev/null
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/$2.crt" -CAkey "$pki/$2.key" -CAcreateserial -days 3650 -out "$pki/$1.crt" \
    -extfile <(echo "extendedKeyUsage=serverAuth,clientAuth"; [ -z "${4:-}" ] || echo "subjectAltName=$4") 2>/dev/null
}
kubeconfig() { # FILE CERTIFICATE
  cat > "$1" <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: cloudfarm, cluster: {server: "https://127.0.0.1:$api", certificate-authority-data: $(base64 -w0 < "$pki/ca.crt")}}]
contexts: [{name: cloudfarm, context: {cluster: cloudfarm, user: $2}}]
current-context: cloudfarm
users:
- name: $2
  user:
    client-certificate-data: $(base64 -w0 < "$pki/$2.crt")
    client-key-data: $(base64 -w0 < "$pki/$2.key")
CONFIG
}

# kwok resolves the kinds of its stages once, at its start: the stand-ins for the neighbours' controllers are given
# to it only when their CRDs are there, and crds.sh starts it anew.
start_kwok() { # NEIGHBOURS   (the folder that neighbours.sh prints)
  local port=$(( $(<"$dir/port") + 5 )) file stages=()
  # It would wait for its predecessor's node leases to run out (40 s).
  alive kwok || kubectl delete lease --all -n kube-node-lease >/dev/null 2>&1 || true
  for file in "$1"/kwok/*.yaml; do
    [[ -e $dir/foreign-storage && ${file##*/} = pv* ]] || stages+=(--config "$file") # see storage.sh
  done
  if [ -e "$dir/kubevirt" ]; then # see kubevirt.sh
    stages+=(--config "$here/conf/kubevirt-instances.yaml" --config "$here/conf/kubevirt-data-volumes.yaml")
  else
    case " $(cat "$dir/crds" 2>/dev/null) " in *" kubevirt "*) stages+=(--config "$here/conf/stand-in-virtual-machines.yaml") ;; esac
    case " $(cat "$dir/crds" 2>/dev/null) " in *" cdi "*) stages+=(--config "$here/conf/stand-in-data-volumes.yaml") ;; esac
  fi
  # Its stages write local times; those of ours cut them to seconds and say Z.
  TZ=UTC start kwok "$dir/bin/kwok" --kubeconfig "$dir/users/kwok" --manage-nodes-with-label-selector type=kwok "${stages[@]}" \
    --cidr 10.244.0.0/16 --node-ip 127.0.0.1 --node-port "$port" --server-address "127.0.0.1:$port" \
    --tls-cert-file "$dir/pki/kubelet.crt" --tls-private-key-file "$dir/pki/kubelet.key" --node-lease-duration-seconds 40
}
