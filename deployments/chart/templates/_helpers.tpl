{{- define "report-exports.name" -}}
{{- if contains "report-exports" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-report-exports" (.Release.Name | trunc 25 | trimSuffix "-") }}{{ end -}}
{{- end -}}

{{/* Labels that select pods of a role: (list $ "api") */}}
{{- define "report-exports.selector" -}}
app.kubernetes.io/name: report-exports
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "report-exports.labels" -}}
{{ include "report-exports.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version }}
{{- end -}}

{{/* Metadata of an object of a role: (list $ "worker") */}}
{{- define "report-exports.metadata" -}}
name: {{ include "report-exports.name" (index . 0) }}-{{ index . 1 }}
namespace: {{ (index . 0).Release.Namespace }}
labels: {{- include "report-exports.labels" . | nindent 2 }}
{{- end -}}

{{- define "report-exports.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* What the pods of all roles have in common. */}}
{{- define "report-exports.pod" -}}
serviceAccountName: {{ include "report-exports.name" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Pods of a role run on different nodes where that is possible: (list $ "api") */}}
{{- define "report-exports.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "report-exports.selector" . | nindent 8 }}
{{- end -}}

{{/* What the containers of all roles have in common: (list $ (dict "SETTING" "value" ...)) */}}
{{- define "report-exports.container" -}}
{{- $settings := merge (index . 1) (index . 0).Values.settings -}}
{{- with index . 0 -}}
image: {{ include "report-exports.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
{{- range $name, $value := $settings }}
{{- if not (kindIs "invalid" $value) }}
  - name: {{ $name }}
    value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- $secret := .Values.existingSecret }}
{{- range $name, $key := .Values.secretSettings }}
{{- if $key }}
  - name: {{ $name }}
    valueFrom:
      secretKeyRef: {name: {{ $secret }}, key: {{ $key }}}
{{- end }}
{{- end }}
{{- range $name, $key := .Values.secretFiles }}
{{- if $key }}
  - name: {{ $name }}
    value: /run/secrets/report-exports/{{ $key }}
{{- end }}
{{- end }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: secrets, mountPath: /run/secrets/report-exports, readOnly: true}
{{- end -}}
{{- end -}}

{{/* Volumes of a pod: (list $ "1Gi") */}}
{{- define "report-exports.volumes" -}}
{{- $root := index . 0 -}}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: {{ index . 1 }}}
  - name: secrets
    {{- if compact (values $root.Values.secretFiles) }}
    secret:
      secretName: {{ $root.Values.existingSecret }}
      items:
        {{- range $name, $key := $root.Values.secretFiles }}
        {{- if $key }}
        - {key: {{ $key }}, path: {{ $key }}}
        {{- end }}
        {{- end }}
    {{- else }}
    emptyDir: {}
    {{- end }}
{{- end -}}
