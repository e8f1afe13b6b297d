# SPDX-License-Identifier: Apache-2.0
{{- if .Values.installation.enabled }}{{ fail "our own Installation would meet that of the chart" }}{{ end }}
apiVersion: v1
kind: ServiceAccount
metadata: {name: tigera-operator, namespace: {{ .Release.Namespace }}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: tigera-operator, namespace: {{ .Release.Namespace }}}
spec:
  replicas: 1
  selector: {matchLabels: {name: tigera-operator}}
  template:
    metadata: {labels: {name: tigera-operator}}
    spec:
      serviceAccountName: tigera-operator
      hostNetwork: true
      tolerations: [{operator: Exists}]
      containers: [{name: tigera-operator, image: "quay.io/tigera/operator:stand-in"}]
---
apiVersion: batch/v1
kind: Job
metadata:
  name: uninstall
  namespace: {{ .Release.Namespace }}
  annotations: {helm.sh/hook: pre-delete}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: a, image: a}]}
