module klubster.internal/bundle/external_dns

go 1.24.2

require sigs.k8s.io/external-dns v0.19.0
