{{/*
Vigie's container. Argument: dict "root" (the scope), "kind" (gateway, native or plain).
A native sidecar is stopped after the integration, so it need not linger; a gateway waits for its Service to forget it, a plain
sidecar for the integration's last calls.
*/}}
{{- define "vigie.container" -}}
{{- $root := .root -}}
{{- with .root -}}
{{- $linger := 0 -}}
{{- if eq $.kind "gateway" -}}{{- $linger = int .Values.drain.announceSeconds -}}{{- end -}}
{{- if eq $.kind "plain" -}}{{- $linger = int .Values.sidecar.lingerSeconds -}}{{- end -}}
name: vigie
image: {{ include "vigie.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run, --config, /etc/vigie/config/vigie.yaml]
{{- if eq $.kind "native" }}
restartPolicy: Always
{{- end }}
{{- with .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - {name: proxy, containerPort: 8080, protocol: TCP}
  - {name: admin, containerPort: 9464, protocol: TCP}
# The first until it listens, so that an integration starts behind it; none of them asks the CRM.
startupProbe:
  {{- include "vigie.probe" (dict "root" $root "path" "/ready") | nindent 2 }}
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 60
readinessProbe:
  {{- include "vigie.probe" (dict "root" $root "path" "/ready") | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 5
livenessProbe:
  {{- include "vigie.probe" (dict "root" $root "path" "/live") | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- if $linger }}
lifecycle:
  preStop:
    # The image has no shell to wait with.
    exec: {command: [/vigie, pause, {{ printf "%ds" $linger | quote }}]}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
volumeMounts:
  - {name: vigie-config, mountPath: /etc/vigie/config, readOnly: true}
  - {name: vigie-data, mountPath: /var/lib/vigie}
  {{- if .Values.secrets.existingSecret }}
  - {name: vigie-secrets, mountPath: /etc/vigie/secrets, readOnly: true}
  {{- end }}
  {{- if .Values.tls.secretName }}
  - {name: vigie-tls, mountPath: /etc/vigie/tls, readOnly: true}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* The read side on loopback can only be asked from inside. */}}
{{- define "vigie.probe" -}}
{{- if include "vigie.exposed" .root -}}
httpGet: {path: {{ .path }}, port: admin{{ if include "vigie.adminTls" .root }}, scheme: HTTPS{{ end }}}
{{- else if eq .path "/ready" -}}
exec: {command: [/vigie, healthcheck, --ready]}
{{- else -}}
exec: {command: [/vigie, healthcheck]}
{{- end -}}
{{- end -}}

{{/* Volumes of the pod; the data volume is left out where a StatefulSet brings it. */}}
{{- define "vigie.volumes" -}}
- name: vigie-config
  configMap: {name: {{ include "vigie.fullname" . }}}
{{- if .Values.secrets.existingSecret }}
- name: vigie-secrets
  secret: {secretName: {{ .Values.secrets.existingSecret }}}
{{- end }}
{{- with .Values.tls.secretName }}
- name: vigie-tls
  secret: {secretName: {{ . }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- if not (and .Values.persistence.enabled (eq .Values.mode "gateway")) }}
- name: vigie-data
  {{- if .Values.persistence.enabled }}
  persistentVolumeClaim: {claimName: {{ include "vigie.fullname" . }}}
  {{- else }}
  emptyDir: {sizeLimit: {{ .Values.emptyDirSize }}}
  {{- end }}
{{- end }}
{{- end -}}

{{/*
The pod's securityContext: the integration's own, and under it the group that makes a volume Vigie's to write. A new volume is
root's, and Vigie is not root.
*/}}
{{- define "vigie.sidecar.podSecurityContext" -}}
{{- $own := dict -}}
{{- if .Values.persistence.enabled -}}{{- $own = dict "fsGroup" 65532 "fsGroupChangePolicy" "OnRootMismatch" -}}{{- end -}}
{{- toYaml (mustMergeOverwrite $own (deepCopy .Values.integration.podSecurityContext)) -}}
{{- end -}}

{{/* For the pods of a chart of your own: `initContainers` and `containers` of the sidecar; one of them is empty. */}}
{{- define "vigie.sidecar.initContainers" -}}
{{- if include "vigie.native" . }}
- {{- include "vigie.container" (dict "root" . "kind" "native") | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "vigie.sidecar.containers" -}}
{{- if not (include "vigie.native" .) }}
- {{- include "vigie.container" (dict "root" . "kind" "plain") | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Seconds that such a pod needs to end: the integration's own, then Vigie's. */}}
{{- define "vigie.sidecar.terminationGracePeriodSeconds" -}}
{{- $linger := ternary 0 (int .Values.sidecar.lingerSeconds) (eq (include "vigie.native" .) "true") -}}
{{- add (int .Values.integration.terminationGracePeriodSeconds) $linger (int .Values.drain.seconds) 20 -}}
{{- end -}}
