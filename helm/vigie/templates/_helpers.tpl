{{/* Names and labels. */}}
{{- define "vigie.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains "vigie" .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-vigie" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "vigie.selectorLabels" -}}
app.kubernetes.io/name: vigie
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .Values.mode }}
{{- end -}}

{{- define "vigie.labels" -}}
{{ include "vigie.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "vigie.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "vigie.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "vigie.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Whether the read side listens on the pod's address: with tokens, or where the configuration says so. */}}
{{- define "vigie.exposed" -}}
{{- $address := dig "admin" "address" "" .Values.config | toString -}}
{{- if $address -}}
{{- if not (or (hasPrefix "127." $address) (hasPrefix "[::1]" $address)) -}}true{{- end -}}
{{- else if and .Values.secrets.existingSecret .Values.secrets.tokensKey -}}true{{- end -}}
{{- end -}}

{{/* Whether the read side speaks TLS. */}}
{{- define "vigie.adminTls" -}}
{{- if or .Values.tls.admin (dig "admin" "tls" "" .Values.config) -}}true{{- end -}}
{{- end -}}

{{/* Whether the gateway's port does: the chart's one listener, or the one of the user's own that has this port. */}}
{{- define "vigie.proxyTls" -}}
{{- $listeners := dig "proxy" "listeners" "" .Values.config -}}
{{- if $listeners -}}
{{- $found := false -}}
{{- range $listeners -}}
{{- if and .tls (hasSuffix ":8080" (toString .address)) -}}{{- $found = true -}}{{- end -}}
{{- end -}}
{{- if $found -}}true{{- end -}}
{{- else if or .Values.tls.secretName (dig "proxy" "tls" "" .Values.config) -}}true{{- end -}}
{{- end -}}

{{/* The files of `tls.secretName`. */}}
{{- define "vigie.tlsFiles" -}}
{certificate_file: /etc/vigie/tls/tls.crt, key_file: /etc/vigie/tls/tls.key}
{{- end -}}

{{/* What no schema can say. */}}
{{- define "vigie.check" -}}
{{- if not .Values.config.upstreams -}}
{{- fail "config.upstreams: name at least one CRM endpoint, e.g. --set config.upstreams.crm.vendor=freshsales --set config.upstreams.crm.url=https://acme.myfreshworks.com" -}}
{{- end -}}
{{- $s := .Values.secrets -}}
{{- if and (or $s.tokensKey $s.maskingKeyKey) (not $s.existingSecret) -}}
{{- fail "secrets.existingSecret: missing; tokensKey and maskingKeyKey are keys of it" -}}
{{- end -}}
{{- $replicas := 1 -}}
{{- if eq .Values.mode "gateway" -}}{{- $replicas = int .Values.gateway.replicas -}}{{- end -}}
{{- if eq .Values.mode "sidecar" -}}{{- $replicas = int .Values.integration.replicas -}}{{- end -}}
{{- if and (gt $replicas 1) (not $s.maskingKeyKey) (not (dig "masking" "key" "" .Values.config)) -}}
{{- fail "secrets.maskingKeyKey: missing; several replicas need one masking key, or the same value gets another token in each" -}}
{{- end -}}
{{- include "vigie.check.tls" . -}}
{{- if and .Values.monitoring.enabled (not (include "vigie.exposed" .)) -}}
{{- fail "monitoring.enabled: needs secrets.existingSecret and secrets.tokensKey; without tokens the read side is on loopback only" -}}
{{- end -}}
{{- if and .Values.monitoring.enabled (not .Values.monitoring.tokenSecret.name) -}}
{{- fail "monitoring.tokenSecret.name: missing; Prometheus needs a token of the role viewer" -}}
{{- end -}}
{{- if and (eq .Values.mode "sidecar") (not .Values.integration.image) -}}
{{- fail "integration.image: missing; mode sidecar deploys the integration with Vigie beside it" -}}
{{- end -}}
{{- if and (eq .Values.mode "sidecar") (gt $replicas 1) .Values.persistence.enabled -}}
{{- fail "integration.replicas: 1 at most with persistence.enabled; the pods would share one volume, and a data directory has one writer. Keep records outside of the pods (standard output), or take mode gateway, where each pod has a volume" -}}
{{- end -}}
{{- with .Values.bypass.upstream -}}
{{- if not (dig "upstreams" . "url" "" $.Values.config) -}}
{{- fail (printf "bypass.upstream: there is no config.upstreams.%s.url" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Certificates that nobody could use, and plain text that nobody has decided on. */}}
{{- define "vigie.check.tls" -}}
{{- $t := .Values.tls -}}
{{- if and (or $t.admin $t.caKey) (not $t.secretName) -}}
{{- fail "tls.secretName: missing; tls.admin and tls.caKey are about that Secret" -}}
{{- end -}}
{{- if eq .Values.mode "gateway" -}}
{{- $own := dig "proxy" "listeners" "" .Values.config -}}
{{- if and (include "vigie.proxyTls" .) (not $own) .Values.gateway.allowPlaintext -}}
{{- fail "gateway.allowPlaintext: has no effect beside a certificate; take one of them out" -}}
{{- end -}}
{{- if not (or $own (include "vigie.proxyTls" .) .Values.gateway.allowPlaintext (dig "proxy" "allow_plaintext" false .Values.config)) -}}
{{- fail "tls.secretName: missing; callers' keys would cross the cluster's network in plain text. Name a Secret of the type kubernetes.io/tls (cert-manager makes them), or set gateway.allowPlaintext: true where that network is trusted or something else encrypts it" -}}
{{- end -}}
{{- end -}}
{{- if and (include "vigie.adminTls" .) (not (include "vigie.exposed" .)) -}}
{{- fail "tls.admin, config.admin.tls: the read side is on loopback only, where probes ask it in plain text; name tokens (secrets.existingSecret and secrets.tokensKey), or take the certificate out" -}}
{{- end -}}
{{- if and (dig "admin" "tls" "client_ca_file" "" .Values.config) (ne (dig "admin" "tls" "client_auth" "" .Values.config) "optional") -}}
{{- fail "config.admin.tls.client_auth: must be optional; the kubelet's probes show no certificate" -}}
{{- end -}}
{{- end -}}

{{/* vigie.yaml: what the chart sets, under what the user says. */}}
{{- define "vigie.config" -}}
{{- include "vigie.check" . -}}
{{- $name := include "vigie.fullname" . -}}
{{- $gateway := eq .Values.mode "gateway" -}}
{{- $proxy := dict "drain" (printf "%ds" (int .Values.drain.seconds)) -}}
{{- if not (dig "proxy" "listeners" "" .Values.config) -}}
{{- $_ := set $proxy "address" (ternary "0.0.0.0:8080" "127.0.0.1:8080" $gateway) -}}
{{- if and $gateway .Values.tls.secretName -}}{{- $_ := set $proxy "tls" (include "vigie.tlsFiles" . | fromYaml) -}}{{- end -}}
{{- if and $gateway .Values.gateway.allowPlaintext -}}{{- $_ := set $proxy "allow_plaintext" true -}}{{- end -}}
{{- end -}}
{{- $admin := dict "address" "127.0.0.1:9464" -}}
{{- if include "vigie.exposed" . -}}
{{- $names := list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s.svc.cluster.local" $name .Release.Namespace) -}}
{{- $admin = dict "address" "0.0.0.0:9464" "allowed_hosts" $names -}}
{{- if .Values.tls.admin -}}{{- $_ := set $admin "tls" (include "vigie.tlsFiles" . | fromYaml) -}}{{- end -}}
{{- if and .Values.secrets.tokensKey (not (include "vigie.adminTls" .)) -}}{{- $_ := set $admin "allow_plaintext" true -}}{{- end -}}
{{- end -}}
{{- with .Values.secrets.tokensKey -}}{{- $_ := set $admin "tokens_file" (printf "/etc/vigie/secrets/%s" .) -}}{{- end -}}
{{- $own := dict "data_dir" "/var/lib/vigie/data" "proxy" $proxy "admin" $admin "log" (dict "stdout" true) -}}
{{- with .Values.secrets.maskingKeyKey -}}
{{- $_ := set $own "masking" (dict "key" (printf "file:/etc/vigie/secrets/%s" .)) -}}
{{- end -}}
{{- toYaml (mustMergeOverwrite $own (deepCopy .Values.config)) -}}
{{- end -}}

{{/* Whether the sidecar is an init container that keeps running. */}}
{{- define "vigie.native" -}}
{{- if eq .Values.sidecar.native "always" -}}true
{{- else if and (eq .Values.sidecar.native "auto") (semverCompare ">=1.29-0" .Capabilities.KubeVersion.Version) -}}true
{{- end -}}
{{- end -}}

{{/* What an integration's base URL is: Vigie's address in its pod, or the CRM itself. */}}
{{- define "vigie.baseUrl" -}}
{{- if .Values.bypass.upstream -}}
{{- dig "upstreams" .Values.bypass.upstream "url" "" .Values.config -}}
{{- else -}}
http://127.0.0.1:8080
{{- end -}}
{{- end -}}
