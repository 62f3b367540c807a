{{/* What values.schema.json cannot say: what is needed, and what the cluster already has. All faults at once. */}}
{{- define "cloudfarm.checks" -}}
{{- $faults := concat (include "cloudfarm.checks.place" . | fromJsonArray) (include "cloudfarm.checks.values" . | fromJsonArray) (include "cloudfarm.checks.cluster" . | fromJsonArray) }}
{{- if $faults }}
{{- fail (printf "\n\ncloudfarm cannot be installed like this:\n\n  - %s\n" (join "\n  - " $faults)) }}
{{- end }}
{{- end -}}

{{- define "cloudfarm.checks.place" -}}
{{- $faults := list }}
{{- if ne .Release.Namespace "cloudfarm-system" }}
{{- $faults = append $faults (printf "the namespace is %q; it has to be cloudfarm-system, since the identities that admission policies trust are in it: add --namespace cloudfarm-system" .Release.Namespace) }}
{{- end }}
{{- toJson $faults }}
{{- end -}}

{{- define "cloudfarm.checks.values" -}}
{{- $faults := list }}
{{- $image := .Values.image }}
{{- if not $image.repository }}
{{- $faults = append $faults "image.repository is empty; write the registry and path of the image, for instance registry.example/cloudfarm" }}
{{- end }}
{{- if and $image.digest $image.tag }}
{{- $faults = append $faults (printf "image.digest and image.tag are both set; the digest says everything: leave out image.tag (%s)" $image.tag) }}
{{- else if and $image.tag (not $image.allowTag) }}
{{- $faults = append $faults (printf "image.tag is %q; a tag can be moved, and this image erases data: write image.digest, or image.allowTag=true to try things out" $image.tag) }}
{{- else if not (or $image.digest $image.tag) }}
{{- $faults = append $faults "image.digest is empty; write sha256: and the 64 digits of the image you have verified" }}
{{- end }}
{{- $needed := dict
  "platform.resolvers" "DNS servers for tenants, for instance {192.0.2.53}; without one no tenant resolves a name"
  "platform.ntp" "NTP servers for tenants, for instance {192.0.2.123} (clause 12.4.4)"
  "cluster.pods" "the cluster's pod networks, for instance {10.244.0.0/16}; without them a tenant's wide rule would reach the cluster"
  "cluster.services" "the cluster's service networks, for instance {10.96.0.0/16}; without them a tenant's wide rule would reach the cluster" }}
{{- range $field, $why := $needed }}
{{- $path := splitList "." $field }}
{{- if not (index $.Values.config (first $path) (last $path)) }}
{{- $faults = append $faults (printf "config.%s is empty; write %s" $field $why) }}
{{- end }}
{{- end }}
{{- toJson $faults }}
{{- end -}}

{{/* Only where a cluster can be asked: `helm template` alone knows none, and then nothing is found and nothing is missing. */}}
{{- define "cloudfarm.checks.cluster" -}}
{{- $faults := list }}
{{- if lookup "v1" "Namespace" "" "kube-system" }}
{{- $missing := list }}
{{- range list "tenants" "tenantnetworks" "retentions" "notices" }}
{{- if not (lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" (printf "%s.cloudfarm.dev" .)) }}
{{- $missing = append $missing (printf "%s.cloudfarm.dev" .) }}
{{- end }}
{{- end }}
{{- if $missing }}
{{- $faults = append $faults (printf "CRDs are missing (%s); install or upgrade the chart cloudfarm-crds %s first: helm upgrade --install cloudfarm-crds --namespace cloudfarm-system" (join ", " $missing) .Chart.Version) }}
{{- end }}
{{- $owners := dict }}
{{- range list (list "rbac.authorization.k8s.io/v1" "ClusterRole" "cloudfarm") (list "v1" "Namespace" "cloudfarm-evidence") }}
{{- $there := lookup (index . 0) (index . 1) "" (index . 2) | default dict }}
{{- $owner := dig "metadata" "annotations" "meta.helm.sh/release-name" "" $there }}
{{- if and $owner (ne $owner $.Release.Name) }}
{{- $_ := set $owners $owner (printf "%s %s" (index . 1) (index . 2)) }}
{{- end }}
{{- end }}
{{- range $owner, $what := $owners }}
{{- $faults = append $faults (printf "%s belongs to release %s; a cluster has one cloudfarm, so change that one: helm upgrade %s. What an uninstalled release left behind is taken over by a release of the same name" $what $owner $owner) }}
{{- end }}
{{- end }}
{{- toJson $faults }}
{{- end -}}
