# SPDX-License-Identifier: Apache-2.0
{{- $bridge := dict "name" "kubernetes" "type" "bridge" "bridge" "kube-bridge" "isDefaultGateway" true "hairpinMode" true "ipam" (dict "type" "host-local") }}
{{- if .Values.mtu }}{{ $bridge = set $bridge "mtu" (int .Values.mtu) }}{{ end }}
{{- $portmap := dict "type" "portmap" "capabilities" (dict "portMappings" true "snat" true) }}
{{- $conf := dict "cniVersion" "0.3.1" "name" "kubernetes" "plugins" (list $bridge $portmap) }}
{{- $file := printf "%s/10-kuberouter.conflist" .Values.cni.confDir }}
{{- $image := printf "%s:%s%s" .Values.image.repository .Values.image.tag (empty .Values.image.digest | ternary "" (printf "@%s" .Values.image.digest)) }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: kube-router
  namespace: {{ .Release.Namespace }}
data:
  cni.conflist: {{ toPrettyJson $conf | quote }}
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: kube-router
  namespace: {{ .Release.Namespace }}
  labels: {app.kubernetes.io/name: kube-router}
spec:
  selector:
    matchLabels: {app.kubernetes.io/name: kube-router}
  updateStrategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 1}
  template:
    metadata:
      labels: {app.kubernetes.io/name: kube-router}
      annotations:
        # It reads its configuration once.
        klubster.kateskit.dev/config: {{ toJson .Values | sha256sum }}
    spec:
      serviceAccountName: kube-router
      priorityClassName: system-node-critical
      hostNetwork: true
      # To enter the network of a pod, as its service proxy may.
      hostPID: {{ .Values.serviceProxy }}
      # A node without a network is no node.
      tolerations: [{operator: Exists}]
      nodeSelector: {kubernetes.io/os: linux}
      initContainers:
        # kube-router writes the node's own network into this file, so one that is there stays.
        - name: configuration
          image: {{ $image }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          command:
            - /bin/sh
            - -euc
            - test -e {{ $file }} || { cp /etc/kube-router/cni.conflist {{ $file }}.new; mv {{ $file }}.new {{ $file }}; }
          volumeMounts:
            - {name: cni-conf, mountPath: {{ .Values.cni.confDir | quote }}}
            - {name: config, mountPath: /etc/kube-router, readOnly: true}
        {{- if .Values.cni.installPlugins }}
        - name: plugins
          image: {{ $image }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          command: [/usr/local/bin/cni-install]
          volumeMounts:
            - {name: cni-bin, mountPath: /opt/cni/bin}
        {{- end }}
      containers:
        - name: kube-router
          image: {{ $image }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          args:
            - --run-router=true
            - --run-firewall=true
            - --run-service-proxy={{ .Values.serviceProxy }}
            - --enable-overlay={{ .Values.overlay }}
            - --bgp-graceful-restart=true
            - --auto-mtu={{ not .Values.mtu }}
            - --service-cluster-ip-range={{ join "," .Values.serviceNetworks }}
            {{- range .Values.extraArgs }}
            - {{ . | quote }}
            {{- end }}
          env:
            - name: NODE_NAME
              valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
            - name: POD_NAME
              valueFrom: {fieldRef: {fieldPath: metadata.name}}
            - {name: KUBE_ROUTER_CNI_CONF_FILE, value: {{ $file | quote }}}
            - {name: KUBERNETES_SERVICE_HOST, value: {{ .Values.api.host | quote }}}
            - {name: KUBERNETES_SERVICE_PORT, value: {{ .Values.api.port | toString | quote }}}
          livenessProbe:
            httpGet: {path: /healthz, port: 20244}
            initialDelaySeconds: 10
            periodSeconds: 3
          readinessProbe:
            httpGet: {path: /healthz, port: 20244}
            periodSeconds: 3
          resources: {{ toJson .Values.resources }}
          securityContext: {privileged: true}
          volumeMounts:
            - {name: modules, mountPath: /lib/modules, readOnly: true}
            - {name: cni-conf, mountPath: {{ .Values.cni.confDir | quote }}}
            - {name: xtables-lock, mountPath: /run/xtables.lock}
      volumes:
        - name: modules
          hostPath: {path: /lib/modules}
        - name: cni-conf
          hostPath: {path: {{ .Values.cni.confDir | quote }}, type: DirectoryOrCreate}
        - name: cni-bin
          hostPath: {path: {{ .Values.cni.binDir | quote }}, type: DirectoryOrCreate}
        - name: xtables-lock
          hostPath: {path: /run/xtables.lock, type: FileOrCreate}
        - name: config
          configMap: {name: kube-router}
