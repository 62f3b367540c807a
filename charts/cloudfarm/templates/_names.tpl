{{/* Labels that every object of the release carries. */}}
{{- define "cloudfarm.labels" -}}
{{ include "cloudfarm.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: cloudfarm
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What says that something belongs to this release; never changes, since selectors cannot. */}}
{{- define "cloudfarm.selector" -}}
app.kubernetes.io/name: cloudfarm
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* The operator's pods. */}}
{{- define "cloudfarm.operator" -}}
{{ include "cloudfarm.selector" . }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* The image, pinned by its digest unless the values say that a tag will do. */}}
{{- define "cloudfarm.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The image of purge runs: the operator's, unless the config names one. */}}
{{- define "cloudfarm.purgeImage" -}}
{{ .Values.config.purge.image | default (include "cloudfarm.image" .) }}
{{- end -}}

{{/* Is something wanted: said by the value, or with `auto` by what the cluster has. Empty means no.
     Called with (list . VALUE API) */}}
{{- define "cloudfarm.wanted" -}}
{{- $root := index . 0 }}{{ $value := index . 1 | toString }}
{{- if or (eq $value "true") (and (eq $value "auto") ($root.Capabilities.APIVersions.Has (index . 2))) -}}
true
{{- end -}}
{{- end -}}

{{/* A projected token as `automountServiceAccountToken` would mount it; said aloud, since the accounts switch that off. */}}
{{- define "cloudfarm.token" -}}
name: token
projected:
  defaultMode: 0444
  sources:
    - serviceAccountToken:
        path: token
        expirationSeconds: 3607
    - configMap:
        name: kube-root-ca.crt
        items: [{key: ca.crt, path: ca.crt}]
    - downwardAPI:
        items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]
{{- end -}}

{{/* The config as the values say it, with what the chart knows by itself. */}}
{{- define "cloudfarm.config" -}}
{{- $own := dict "namespace" .Release.Namespace "serviceAccount" "cloudfarm-purge" "image" (include "cloudfarm.purgeImage" .) }}
{{- $known := dict "purge" (merge $own .Values.config.purge) }}
{{- if (.Values.applicationIdKey).secret }}
{{- $known = set $known "applicationId" (dict "keyFile" "/etc/cloudfarm-application-id/key") }}
{{- end }}
{{- toYaml (merge $known .Values.config) }}
{{- end -}}
