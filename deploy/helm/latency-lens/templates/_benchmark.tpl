{{/* The pod of one benchmark: (dict "root" $ "one" BENCHMARK) */}}
{{- define "lens.benchmark" -}}
metadata:
  labels:
    {{- include "lens.selector" .root | nindent 4 }}
    app.kubernetes.io/component: benchmark
spec:
  serviceAccountName: {{ include "lens.fullname" .root }}
  automountServiceAccountToken: false
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  restartPolicy: Never
  securityContext:
    {{- include "lens.podSecurity" .root | nindent 4 }}
  containers:
    - name: benchmark
      image: {{ include "lens.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args:
        - benchmark
        {{- toYaml .one.args | nindent 8 }}
        - --name
        - {{ .one.name }}
      env:
        - {name: LATENCY_LENS_HOME, value: /var/lib/latency-lens}
      {{- with .root.Values.existingSecret }}
      envFrom:
        - secretRef:
            name: {{ . }}
      {{- end }}
      resources:
        # A whole processor: a benchmark that waits for one measures that.
        requests: {cpu: "1", memory: 256Mi}
        limits: {memory: 1Gi}
      securityContext:
        {{- include "lens.containerSecurity" .root | nindent 8 }}
      volumeMounts:
        - {name: runs, mountPath: /var/lib/latency-lens}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: runs
      persistentVolumeClaim:
        claimName: {{ include "lens.fullname" .root }}-runs
    - name: tmp
      emptyDir:
        sizeLimit: 256Mi
{{- end -}}
