module klubster.internal/bundle/kine

go 1.21

require github.com/k3s-io/kine v0.13.0
